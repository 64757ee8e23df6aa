//! One descriptor for all that ends the sleep of a receive queue: its own, and that of a foreign loop.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use super::rx::RxQueue;

/// What is ready, by the number that it was added with.
const SIGNAL: u64 = 0;
const DOWN: u64 = 1;
const PEER: u64 = 2;

impl AsFd for RxQueue {
    /// Readable when the peer signalled packets, and for good once the link is down or the peer is gone. Right for
    /// event loops in [`RxMode::Interrupt`](crate::RxMode::Interrupt); in the other modes the peer is told not to
    /// signal. A signal that ended a [`wait`](RxQueue::wait) is taken before the next sleep, or by
    /// [`acknowledge`](RxQueue::acknowledge): until then this stays readable.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // No descriptor left: the peer's signals alone, and the socket's events for the end of the link.
        self.readiness().map_or_else(|| self.shared.interrupt.as_fd(), |all| all.as_fd())
    }
}

impl AsRawFd for RxQueue {
    /// The descriptor of [`as_fd`](AsFd::as_fd), for loops that take numbers. It is the queue's and goes with it.
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl RxQueue {
    /// An epoll descriptor over the peer's eventfd, the end of the link and that of the peer, if one is to be had. The
    /// peer can read its eventfd empty, so the end is told through descriptors that it does not have.
    fn readiness(&self) -> Option<&OwnedFd> {
        self.readiness.get_or_init(|| self.new_readiness().ok()).as_ref()
    }

    fn new_readiness(&self) -> rustix::io::Result<OwnedFd> {
        let all = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64;
        epoll::add(&all, &*self.shared.interrupt, data(SIGNAL), epoll::EventFlags::IN)?;
        epoll::add(&all, self.scan.link.down_event(), data(DOWN), epoll::EventFlags::IN)?;
        if let Some(control) = self.scan.link.control() {
            // As `PEER_GONE`.
            epoll::add(&all, control, data(PEER), epoll::EventFlags::RDHUP)?;
        }
        Ok(all)
    }

    /// Sleeps until something of this queue is ready, at most that long. Returns whether the peer signalled; `None`
    /// where there is no descriptor to sleep with.
    ///
    /// A round trip between two ends that sleep takes 0.93 of what it takes with `poll` on the three descriptors.
    pub(super) fn sleep_alone(&self, left: Option<&Timespec>) -> Option<rustix::io::Result<bool>> {
        let all = self.readiness()?;
        let mut space = [MaybeUninit::uninit(); 3];
        let events = match epoll::wait(all, &mut space, left) {
            Ok((events, _)) => events,
            Err(Errno::INTR) => return Some(Ok(false)),
            Err(error) => return Some(Err(error)),
        };
        let is_ready = |of| events.iter().any(|event| event.data.u64() == of);
        if is_ready(PEER) {
            self.scan.link.leave();
        }
        Some(Ok(is_ready(SIGNAL)))
    }
}
