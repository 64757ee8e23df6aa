//! A sink of packets.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_sink::Sink;

use super::reactor::Reactor;
use super::tx::TxQueue;
use crate::error::SendError;
use crate::queue::{self, TxWait};

/// Packets that wait for a flush beyond which the sink is not ready before it sent some.
const MANY: usize = 64;

/// Packets into a queue, for what takes a [`Sink`], as netstack-smoltcp does; from [`TxQueue::into_sink`].
///
/// `feed` keeps packets, up to 64, and `flush` sends all of them as one batch, waiting for room as
/// [`TxQueue::reserve`] does; `send` is both. So whoever feeds several packets before a flush signals the peer once.
/// Flushed is what is on the ring; [`into_inner`](Self::into_inner) and [`TxQueue::flush`] wait until the peer has
/// taken it. Packets that were not flushed are lost with the sink.
///
/// A packet that cannot be sent is refused by `feed`, or lost where the flush finds out, with the error; the next
/// calls go on behind it. Errors are [`io::Error`]s, for adapters that want the same error of both ends; a
/// [`SendError`] is inside.
pub struct TxSink<R: Reactor, B = Vec<u8>> {
    queue: TxQueue<R>,
    wait: TxWait,
    waiting: VecDeque<B>,
}

impl<R: Reactor> TxQueue<R> {
    /// Takes packets as a [`Sink`], of any type that has bytes.
    #[must_use]
    pub fn into_sink<B>(self) -> TxSink<R, B> {
        TxSink { queue: self, wait: TxWait::default(), waiting: VecDeque::new() }
    }
}

impl<R: Reactor, B> TxSink<R, B> {
    /// The queue. Packets that were not flushed are lost.
    #[must_use]
    pub fn into_inner(self) -> TxQueue<R> {
        self.queue
    }
}

impl<R: Reactor, B: AsRef<[u8]>> TxSink<R, B> {
    /// Sends all packets that wait.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let waiting = &mut self.waiting;
        if waiting.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.queue.poll_until(cx, &mut self.wait, true, |queue| {
            send_some(queue, waiting)?;
            Ok(waiting.is_empty().then_some(()))
        })
    }
}

/// Sends as many of them as there is room for, as one batch.
fn send_some<B: AsRef<[u8]>>(queue: &mut queue::TxQueue, waiting: &mut VecDeque<B>) -> Result<(), SendError> {
    let mut batch = queue.reserve()?;
    let mut result = Ok(());
    while let Some(packet) = waiting.front() {
        match batch.try_push(packet.as_ref()) {
            Ok(()) => drop(waiting.pop_front()),
            Err(SendError::Full) => break,
            Err(error) => {
                waiting.pop_front();
                result = Err(error);
                break;
            }
        }
    }
    batch.commit();
    result
}

impl<R: Reactor, B: AsRef<[u8]> + Unpin> Sink<B> for TxSink<R, B> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting.len() >= MANY {
            ready!(self.poll_send(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, packet: B) -> io::Result<()> {
        if packet.as_ref().is_empty() {
            return Err(SendError::Empty.into());
        }
        self.waiting.push_back(packet);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx).map_err(io::Error::from)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<R: Reactor, B> fmt::Debug for TxSink<R, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.waiting.len();
        f.debug_struct("TxSink").field("queue", &self.queue).field("waiting", &waiting).finish_non_exhaustive()
    }
}
