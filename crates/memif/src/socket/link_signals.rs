//! What the queues of all links ask of the driver: a look at a breach, and signals that are repeated.

use crate::error::{Breach, SocketError};
use crate::link::{DriverSignals, LinkHandle};
use crate::sys::{EventFd, TimerFd};

use super::tokens;
use super::waits::Waits;

/// The descriptors by which they ask.
#[derive(Debug)]
pub(super) struct LinkSignals {
    /// Readable when a queue found a breach.
    attention: EventFd,
    /// Expires when a receiver may have to hear its signal again.
    repeat: TimerFd,
    shared: DriverSignals,
}

impl LinkSignals {
    pub(super) fn new(waits: &Waits) -> Result<Self, SocketError> {
        let attention = EventFd::new().map_err(SocketError::io("eventfd"))?;
        let repeat = TimerFd::new().map_err(SocketError::io("timerfd"))?;
        waits.add(&attention, tokens::ATTENTION).map_err(SocketError::io("epoll"))?;
        waits.add(&repeat, tokens::REPEAT).map_err(SocketError::io("epoll"))?;
        let shared = DriverSignals::new(attention.shared(), repeat.shared());
        Ok(Self { attention, repeat, shared })
    }

    /// What a new link's queues get.
    pub(super) fn shared(&self) -> &DriverSignals {
        &self.shared
    }

    /// A queue found that its peer broke the protocol: the links that have to go down, by token, and why.
    pub(super) fn faults<'a>(&self, links: impl Iterator<Item = (u64, &'a LinkHandle)>) -> Vec<(u64, Breach)> {
        self.attention.clear();
        links.filter_map(|(token, link)| Some((token, link.fault()?))).collect()
    }

    /// Receivers that lag hear their signal again.
    pub(super) fn repeat<'a>(&self, links: impl Iterator<Item = &'a LinkHandle>) {
        self.repeat.clear();
        self.shared.repeat_expired();
        // All of them: no short cut.
        if links.fold(false, |again, link| link.repeat_signals() | again) {
            self.shared.arm_repeat();
        }
    }
}
