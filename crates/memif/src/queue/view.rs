//! A look at a queue from outside.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use super::rx::RxQueue;
use super::tx::TxQueue;
use crate::counters::QueueDetails;
use crate::queue::QueueShared;

/// How a queue stands, for any thread, also when its link is down and the queue is gone. It keeps the queue's ring and
/// eventfd.
#[derive(Clone)]
pub struct QueueView(Arc<QueueShared>);

impl QueueView {
    /// Numbers and counters as they are now.
    #[must_use]
    pub fn details(&self) -> QueueDetails {
        self.0.details()
    }
}

impl QueueView {
    /// Receive: somebody else listens to the eventfd from now on, so receive calls take its signals, all of them.
    pub fn listened_elsewhere(&self) {
        self.0.deferred().never();
    }
}

impl AsFd for QueueView {
    /// The eventfd of the queue.
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.0).as_fd()
    }
}

impl fmt::Debug for QueueView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueView").field(&self.0.name).finish()
    }
}

impl RxQueue {
    /// A look at this queue.
    #[must_use]
    pub fn view(&self) -> QueueView {
        QueueView(Arc::clone(self.shared()))
    }
}

impl TxQueue {
    /// A look at this queue.
    #[must_use]
    pub fn view(&self) -> QueueView {
        QueueView(Arc::clone(self.shared()))
    }
}
