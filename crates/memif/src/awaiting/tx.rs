//! Sending.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use super::reactor::{Reactor, come_back};
use crate::error::SendError;
use crate::queue::{self, Nap, Step, TxBatch, TxWait};

/// The sending half of a queue pair, for a task: a [`memif::TxQueue`](crate::TxQueue) whose waits are futures.
///
/// Nothing signals a freed slot. So a wait for room looks again 64 times with other tasks in between, and then after
/// pauses that double from 10 microseconds to 1 millisecond; the end of the link ends it at once. While there is room
/// no call waits.
pub struct TxQueue<R: Reactor> {
    queue: queue::TxQueue,
    /// Made when a pause is needed first.
    nap: Option<Nap>,
    source: Option<R::Source>,
    turns: R::Turns,
}

impl<R: Reactor> TxQueue<R> {
    /// Makes the waits of a queue futures. What those need of the runtime they ask for when a ring is full first.
    #[must_use]
    pub fn new(queue: queue::TxQueue) -> Self {
        Self { queue, nap: None, source: None, turns: R::Turns::default() }
    }

    /// The queue, for a thread.
    #[must_use]
    pub fn into_inner(self) -> queue::TxQueue {
        self.queue
    }

    /// The queue: numbers and counters.
    #[must_use]
    pub fn get_ref(&self) -> &queue::TxQueue {
        &self.queue
    }

    /// The queue, for calls that do not wait: [`send`](queue::TxQueue::send) says at once that the ring is full. It is
    /// not to change places with the queue of another.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut queue::TxQueue {
        &mut self.queue
    }

    /// Starts a batch when `slots` slots are free, or the whole ring where that has no more. A packet takes a slot, or
    /// as many as it fills buffers. As master that can be never, where a slave does not post so many buffers. Nothing
    /// is sent before [`TxBatch::commit`].
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the link is down, [`SendError::Breach`] when the peer broke the protocol,
    /// [`SendError::RuntimeGone`] when the runtime that the queue waited in has ended.
    ///
    /// # Cancel safety
    /// Yes: nothing is taken. A batch that is dropped sends nothing.
    ///
    /// # Panics
    /// With tokio, where the ring is full first in a runtime whose reactor is not enabled (`enable_io`).
    pub async fn reserve(&mut self, slots: usize) -> Result<TxBatch<'_>, SendError> {
        self.until(true, |queue| Ok(queue.has_room(slots)?.then_some(()))).await?;
        self.queue.reserve()
    }

    /// Sends one packet, all of it, waiting for room.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), and every other [`SendError`] but [`SendError::Full`]. Nothing was sent then.
    ///
    /// # Cancel safety
    /// Yes: a future that is dropped before it was ready has sent nothing.
    ///
    /// # Panics
    /// As [`reserve`](Self::reserve).
    pub async fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.until(true, |queue| match queue.try_send(packet) {
            Err(SendError::Full) => Ok(None),
            sent => sent.map(Some),
        })
        .await
    }

    /// Waits until the peer has taken all packets that were published, see
    /// [`is_drained`](queue::TxQueue::is_drained). To be awaited before a program ends, or ends a link. A peer can
    /// leave packets where they are for as long as it likes: give a limit.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve); [`SendError::Disconnected`] when the link went down before everything was taken.
    ///
    /// # Cancel safety
    /// Yes.
    ///
    /// # Panics
    /// As [`reserve`](Self::reserve).
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.until(false, |queue| Ok(queue.look_drained()?.then_some(()))).await
    }

    /// Asks again and again until there is an answer. Whether no answer means that the ring is full.
    async fn until<T>(
        &mut self,
        full: bool,
        mut ask: impl FnMut(&mut queue::TxQueue) -> Result<Option<T>, SendError>,
    ) -> Result<T, SendError> {
        let mut wait = TxWait::default();
        poll_fn(|cx| self.poll_until(cx, &mut wait, full, &mut ask)).await
    }

    /// The same, to be polled until it is ready.
    pub(super) fn poll_until<T>(
        &mut self,
        cx: &mut Context<'_>,
        wait: &mut TxWait,
        full: bool,
        mut ask: impl FnMut(&mut queue::TxQueue) -> Result<Option<T>, SendError>,
    ) -> Poll<Result<T, SendError>> {
        ready!(R::poll_turn(&mut self.turns, cx));
        loop {
            match ask(&mut self.queue) {
                Ok(None) => {}
                answer => {
                    *wait = TxWait::default();
                    return Poll::Ready(answer.and_then(|answer| answer.ok_or(SendError::Full)));
                }
            }
            if full && wait.is_new() {
                self.queue.was_full();
            }
            ready!(self.poll_pause(cx, wait))?;
        }
    }

    fn poll_pause(&mut self, cx: &mut Context<'_>, wait: &mut TxWait) -> Poll<Result<(), SendError>> {
        if self.queue.step(wait, &mut self.nap) == Step::Again {
            return come_back(cx);
        }
        let Some(nap) = &mut self.nap else { return come_back(cx) };
        let source = match &mut self.source {
            Some(source) => source,
            none => match R::register(nap.descriptor()) {
                Ok(source) => none.insert(source),
                // The kernel has no descriptor left: as where the queue got none. Anything else is the runtime's.
                Err(error) if error.raw_os_error().is_some() => {
                    std::thread::sleep(wait.pause());
                    return come_back(cx);
                }
                Err(_) => return Poll::Ready(Err(SendError::RuntimeGone)),
            },
        };
        let queue = &self.queue;
        match ready!(R::poll_readable(source, cx, || queue.awoke(wait, nap).then_some(()))) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(_) => Poll::Ready(Err(SendError::RuntimeGone)),
        }
    }
}

impl<R: Reactor> std::fmt::Debug for TxQueue<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TxQueue").field(&self.queue).finish()
    }
}
