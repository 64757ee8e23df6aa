//! Receiving.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

use super::reactor::{Reactor, come_back};
use crate::error::RecvError;
use crate::queue::{self, Nap, Packet, RxBatch, RxWait, Step};

/// The receiving half of a queue pair, for a task: a [`memif::RxQueue`](crate::RxQueue) whose waits are futures.
///
/// Every future of it may be dropped at any time: no packet is lost or comes twice, and the next call goes on.
pub struct RxQueue<R: Reactor> {
    queue: queue::RxQueue,
    /// Here and not in the futures: one that is made anew for each poll goes to sleep, too.
    wait: RxWait,
    nap: Nap,
    source: R::Source,
    turns: R::Turns,
}

/// What the sleeps of a queue need, in the hands of the runtime.
pub(super) struct Prepared<R: Reactor> {
    nap: Nap,
    source: R::Source,
}

impl<R: Reactor> Prepared<R> {
    pub(super) fn new(queue: &queue::RxQueue) -> io::Result<Self> {
        let nap = queue.new_nap()?;
        let source = R::register(nap.descriptor())?;
        Ok(Self { nap, source })
    }
}

impl<R: Reactor> RxQueue<R> {
    /// Has the runtime wait for a queue.
    ///
    /// # Errors
    /// What the kernel says, as when the process has no descriptor left; with tokio, that there is no runtime here.
    ///
    /// # Panics
    /// With tokio, in a runtime whose reactor is not enabled (`enable_io`).
    pub fn new(queue: queue::RxQueue) -> io::Result<Self> {
        let prepared = Prepared::new(&queue)?;
        Ok(Self::prepared(queue, prepared))
    }

    pub(super) fn prepared(queue: queue::RxQueue, prepared: Prepared<R>) -> Self {
        let Prepared { nap, source } = prepared;
        Self { queue, wait: RxWait::default(), nap, source, turns: R::Turns::default() }
    }

    /// The queue, for a thread.
    #[must_use]
    pub fn into_inner(self) -> queue::RxQueue {
        self.queue
    }

    /// The queue: numbers and counters.
    #[must_use]
    pub fn get_ref(&self) -> &queue::RxQueue {
        &self.queue
    }

    /// The queue, for calls that do not wait. Its descriptor ([`AsFd`](std::os::fd::AsFd)) is not needed here, and
    /// asking for it has the peer signal every burst.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut queue::RxQueue {
        &mut self.queue
    }

    /// Waits until a packet is on the ring, and borrows nothing afterwards. The batch after it can still be empty, when
    /// the packet is one that is dropped.
    ///
    /// In [`RxMode::Interrupt`](crate::RxMode::Interrupt) this sleeps at once; in
    /// [`RxMode::Adaptive`](crate::RxMode::Adaptive) it looks a few times for up to
    /// [`spin`](crate::InterfaceConfig::spin), if that brought packets lately, with other tasks in between, and then
    /// sleeps; in [`RxMode::Polling`](crate::RxMode::Polling) it never sleeps: it looks, lets all other tasks have
    /// their turn, and looks again, so a thread of the runtime is busy all the time.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Yes: nothing is taken.
    pub async fn readable(&mut self) -> Result<(), RecvError> {
        poll_fn(|cx| {
            ready!(R::poll_turn(&mut self.turns, cx));
            self.poll_work(cx)
        })
        .await
    }

    /// Waits until packets are on the ring, and gives them: at least one, at most `max` (0 counts as 1). It waits as
    /// [`readable`](Self::readable) does. Where packets come all the time, every batch is a unit of the task's budget,
    /// so that other tasks have their turn.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] once the link is down and, where the peer left, all that it published before was
    /// taken; [`RecvError::Breach`] when the peer broke the protocol; [`RecvError::RuntimeGone`] when the runtime that
    /// the queue was made in has ended.
    ///
    /// # Cancel safety
    /// Yes: packets are taken from the batch and not by this call, so those of a future that was dropped come next.
    pub async fn recv(&mut self, max: usize) -> Result<RxBatch<'_>, RecvError> {
        poll_fn(|cx| self.poll_batch(cx, max.max(1))).await?;
        Ok(self.queue.found())
    }

    /// Waits for one packet, copies it into `buffer`, and says how long it is. A packet longer than the buffer is cut;
    /// the length says so.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Yes: the packet is taken with the last step, which cannot be dropped.
    pub async fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        poll_fn(|cx| {
            self.poll_packet(cx, |packet| {
                packet.copy_to(buffer);
                packet.len()
            })
        })
        .await
    }

    /// Waits for one packet, and gives what `take` makes of it.
    pub(super) fn poll_packet<T>(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnOnce(&Packet<'_>) -> T,
    ) -> Poll<Result<T, RecvError>> {
        ready!(self.poll_batch(cx, 1))?;
        match (&mut self.queue.found()).into_iter().next() {
            Some(packet) => Poll::Ready(Ok(take(&packet))),
            None => come_back(cx),
        }
    }

    fn poll_batch(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<(), RecvError>> {
        ready!(R::poll_turn(&mut self.turns, cx));
        if self.queue.find(&mut self.wait, max)? {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_work(cx))?;
        if self.queue.find(&mut self.wait, max)? {
            return Poll::Ready(Ok(()));
        }
        // Bad packets alone. A peer that sends those without an end gets a turn for each look.
        come_back(cx)
    }

    fn poll_work(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), RecvError>> {
        match self.queue.step(&mut self.wait, &mut self.nap)? {
            Step::Done => return Poll::Ready(Ok(())),
            Step::Again => return come_back(cx),
            Step::Sleep => {}
        }
        let (queue, wait, nap) = (&mut self.queue, &mut self.wait, &mut self.nap);
        let awoke = R::poll_readable(&self.source, cx, || match queue.awoke(wait, nap) {
            Ok(Step::Sleep) => None,
            step => Some(step),
        });
        match ready!(awoke) {
            Ok(Ok(Step::Again)) => come_back(cx),
            Ok(step) => Poll::Ready(step.map(drop)),
            Err(_) => Poll::Ready(Err(RecvError::RuntimeGone)),
        }
    }
}

impl<R: Reactor> std::fmt::Debug for RxQueue<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("RxQueue").field(&self.queue).finish()
    }
}
