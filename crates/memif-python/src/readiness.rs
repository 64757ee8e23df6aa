//! One descriptor that tells of packets and of links that come and go, for `select` and event loops.
//!
//! It is an epoll descriptor over those of the receive queues of the present link, and an eventfd of our own. Queues
//! whose descriptor is asked for have their peer signal every burst (protocol.md 5.7, way A: no wake-up is lost), and a
//! receive call takes the signals before it looks at the rings. What it leaves on them, and a link that came up, is
//! told by the eventfd, so that the descriptor stays readable as long as there is something to receive or to hear of.

use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use memif::RxQueue;
use rustix::event::{EventfdFlags, epoll, eventfd};

use crate::locks::Lock;

/// The descriptor, and what it is made of.
#[derive(Debug)]
pub(crate) struct Readiness {
    all: OwnedFd,
    more: OwnedFd,
    /// Whether the eventfd is set.
    is_set: Lock<bool>,
}

impl Readiness {
    pub(crate) fn new() -> rustix::io::Result<Self> {
        let all = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let more = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&all, &more, epoll::EventData::new_u64(0), epoll::EventFlags::IN)?;
        Ok(Self { all, more, is_set: Lock::new(false) })
    }

    pub(crate) fn number(&self) -> RawFd {
        self.all.as_raw_fd()
    }

    pub(crate) fn add(&self, queue: &RxQueue) -> rustix::io::Result<()> {
        epoll::add(&self.all, queue.as_fd(), epoll::EventData::new_u64(1), epoll::EventFlags::IN)
    }

    /// To be called before a queue goes: a child of a fork may have its descriptor still, and it would stay in the set.
    pub(crate) fn remove(&self, queue: &RxQueue) {
        // It was never in it where there was no memory to add it.
        let _ = epoll::delete(&self.all, queue.as_fd());
    }

    /// Says whether there is something to receive or to hear of beside what queues tell themselves.
    pub(crate) fn tell(&self, more: bool) {
        let mut is_set = self.is_set.lock();
        if *is_set == more {
            return;
        }
        // Neither can fail: it is an eventfd of our own, of which only this writes and reads.
        let done = if more {
            rustix::io::write(&self.more, &1_u64.to_ne_bytes()).is_ok()
        } else {
            rustix::io::read(&self.more, &mut [0; 8]).is_ok()
        };
        if done {
            *is_set = more;
        }
    }
}
