//! Received packets as a stream.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;

use super::reactor::Reactor;
use super::rx::RxQueue;
use crate::error::RecvError;

/// Packets of a queue one by one, each copied into memory of its own; from [`RxQueue::into_stream`].
///
/// For what takes a [`Stream`], as netstack-smoltcp does. [`RxQueue::recv`] gives the packets of a whole batch without
/// an allocation for each. Once the link is down, and what the peer left was given, comes one error, and then the end.
/// Nothing is kept here: what was not given is still on the ring.
pub struct RxStream<R: Reactor> {
    queue: RxQueue<R>,
    ended: bool,
}

impl<R: Reactor> RxQueue<R> {
    /// The packets as a [`Stream`], each copied.
    #[must_use]
    pub fn into_stream(self) -> RxStream<R> {
        RxStream { queue: self, ended: false }
    }
}

impl<R: Reactor> RxStream<R> {
    /// The queue. No packet is lost.
    #[must_use]
    pub fn into_inner(self) -> RxQueue<R> {
        self.queue
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>, RecvError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let received = ready!(self.queue.poll_packet(cx, |packet| packet.to_vec()));
        self.ended = received.is_err();
        Poll::Ready(Some(received))
    }
}

impl<R: Reactor> Stream for RxStream<R> {
    /// As an [`io::Error`], for adapters that want the same error of both ends; a [`RecvError`] is inside.
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(cx).map(|next| next.map(|received| received.map_err(io::Error::from)))
    }
}

impl<R: Reactor> FusedStream for RxStream<R> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<R: Reactor> fmt::Debug for RxStream<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxStream").field("queue", &self.queue).field("ended", &self.ended).finish_non_exhaustive()
    }
}
