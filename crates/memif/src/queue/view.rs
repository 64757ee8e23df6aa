//! A look at a queue from outside.

use std::fmt;
#[cfg(feature = "raw")]
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Weak};

use super::rx::RxQueue;
use super::tx::TxQueue;
use crate::counters::QueueDetails;
use crate::queue::{LinkShared, QueueShared};

/// How a queue stands, for any thread, also when its link is down and the queue is gone. It keeps the queue's ring and
/// eventfd. A look takes some loads of memory, and holds up nobody.
///
/// ```
/// # fn sum(link: &memif::Link) {
/// let views: Vec<_> = link.rx.iter().map(memif::RxQueue::view).collect();
/// // The queues may go to other threads, and this one goes on counting.
/// let packets: u64 = views.iter().map(|view| view.details().counters.packets).sum();
/// # let _ = packets;
/// # }
/// # let _ = sum;
/// ```
#[derive(Clone)]
pub struct QueueView {
    queue: Arc<QueueShared>,
    link: Weak<LinkShared>,
}

impl QueueView {
    /// Numbers and counters as they are now.
    #[must_use]
    pub fn details(&self) -> QueueDetails {
        self.queue.details()
    }

    /// Whether the link and all of its queues are gone, so that the counters that are read from now on are the last
    /// ones. A link that is down is not over while somebody has one of its queues and may receive what is left.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let over = self.link.strong_count() == 0;
        // With what the last of those who let go of the link had counted.
        fence(Ordering::Acquire);
        over
    }
}

#[cfg(feature = "raw")]
impl QueueView {
    /// Receive: somebody else listens to the eventfd from now on, so receive calls take its signals, all of them.
    pub fn listened_elsewhere(&self) {
        self.queue.deferred().never();
    }
}

#[cfg(feature = "raw")]
impl AsFd for QueueView {
    /// The eventfd of the queue.
    fn as_fd(&self) -> BorrowedFd<'_> {
        (*self.queue).as_fd()
    }
}

impl fmt::Debug for QueueView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("QueueView").field(&self.queue.name).finish()
    }
}

impl RxQueue {
    /// A look at this queue, for any thread.
    #[must_use]
    pub fn view(&self) -> QueueView {
        QueueView { queue: Arc::clone(&self.shared), link: Arc::downgrade(&self.scan.link) }
    }
}

impl TxQueue {
    /// A look at this queue, for any thread.
    #[must_use]
    pub fn view(&self) -> QueueView {
        QueueView { queue: Arc::clone(&self.shared), link: Arc::downgrade(&self.link) }
    }
}
