//! What ends the sleep of a queue for which somebody else's reactor waits: one descriptor, with a timer behind it.
//!
//! The timer is one of the kernel's, so that pauses of microseconds are kept whatever the reactor's own timers count
//! in, and none of those is needed.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{Timespec, epoll};

use super::readiness::{PEER, SIGNAL};
use super::rx::RxQueue;
use super::tx::TxQueue;
use crate::queue::QueueShared;
use crate::sys::TimerFd;

/// What is ready, beside the numbers of `readiness`.
const TIMER: u64 = 3;

/// A descriptor that is readable when a sleep is to end. It is told by edges as well as by level.
#[derive(Debug)]
pub(crate) struct Nap {
    all: Arc<OwnedFd>,
    /// Made when first needed.
    timer: Option<TimerFd>,
    armed: bool,
    /// Receive: whether the peer's signals are among what ends it.
    listens: bool,
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ended {
    pub(super) signalled: bool,
    pub(super) peer_gone: bool,
    pub(super) time_over: bool,
}

impl Nap {
    fn new(all: OwnedFd) -> Self {
        Self { all: Arc::new(all), timer: None, armed: false, listens: true }
    }

    /// The descriptor, to be waited for.
    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.all)
    }

    /// Ends the sleep after that time, if it does not end before. A time that is set already stays.
    pub(super) fn limit(&mut self, time: Duration) -> io::Result<()> {
        if self.armed {
            return Ok(());
        }
        let timer = match &mut self.timer {
            Some(timer) => timer,
            none => {
                let timer = TimerFd::new()?;
                epoll::add(&self.all, &timer, epoll::EventData::new_u64(TIMER), epoll::EventFlags::IN)?;
                none.insert(timer)
            }
        };
        timer.set(Some(time))?;
        self.armed = true;
        Ok(())
    }

    /// Whether the peer's signals end the sleep from now on. Returns whether that could be set.
    pub(super) fn listen(&mut self, listens: bool, queue: &QueueShared) -> bool {
        if self.listens == listens {
            return true;
        }
        let flags = if listens { epoll::EventFlags::IN } else { epoll::EventFlags::empty() };
        // Fails for want of memory alone, and is tried again.
        if epoll::modify(&self.all, &*queue.interrupt, epoll::EventData::new_u64(SIGNAL), flags).is_ok() {
            self.listens = listens;
        }
        self.listens == listens
    }

    /// What is ready. One system call; with a time that is over, two.
    pub(super) fn look(&mut self) -> Ended {
        let mut space = [MaybeUninit::uninit(); 4];
        let Ok((events, _)) = epoll::wait(&self.all, &mut space, Some(&Timespec::default())) else {
            return Ended::default();
        };
        let is_ready = |of| events.iter().any(|event| event.data.u64() == of);
        let ended = Ended { signalled: is_ready(SIGNAL), peer_gone: is_ready(PEER), time_over: is_ready(TIMER) };
        if ended.time_over
            && let Some(timer) = &self.timer
        {
            timer.clear();
            self.armed = false;
        }
        ended
    }
}

impl RxQueue {
    /// What ends a sleep of this queue.
    pub(crate) fn new_nap(&self) -> io::Result<Nap> {
        Ok(Nap::new(self.new_readiness()?))
    }
}

impl TxQueue {
    /// What ends a pause of this queue.
    pub(crate) fn new_nap(&self) -> io::Result<Nap> {
        Ok(Nap::new(super::readiness::end_of(&self.link)?))
    }
}
