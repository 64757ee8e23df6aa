//! A link that is up, and what it is made with.

use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

use super::handle::LinkHandle;
use crate::error::{Direction, QueueName};
use crate::queue::{InUse, RxQueue, TxQueue};

/// A link that is up: what the driver keeps and what the caller gets.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) handle: LinkHandle,
    pub(crate) rx: Vec<RxQueue>,
    pub(crate) tx: Vec<TxQueue>,
    /// The caller's share beside those of the queues.
    pub(crate) in_use: InUse,
}

/// The name of a queue.
pub(super) fn queue_name(direction: Direction, index: usize) -> QueueName {
    QueueName { direction, index: u8::try_from(index).unwrap_or(u8::MAX) }
}

/// A fresh eventfd of this process alone, or of this process and the peer that it is sent to.
pub(super) fn new_eventfd() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}
