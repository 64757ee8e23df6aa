//! The queues of a connection, for tasks.

use std::{fmt, io};

use super::reactor::Reactor;
use super::rx::{Prepared, RxQueue};
use super::tx::TxQueue;
use crate::socket::{self, Peer};

/// The queues of a connection and who is at its other end: a [`memif::Link`](crate::Link) for tasks.
///
/// Queues can be taken out and given to tasks. When this value and all its queues are dropped, the link goes down.
#[must_use = "a link goes down when it and all its queues are dropped"]
#[non_exhaustive]
pub struct Link<R: Reactor> {
    /// Queues to receive from, in order of their index.
    pub rx: Vec<RxQueue<R>>,
    /// Queues to send to, in order of their index.
    pub tx: Vec<TxQueue<R>>,
    /// The other end.
    pub peer: Peer,
    /// Without its queues.
    link: socket::Link,
}

impl<R: Reactor> Link<R> {
    /// Has the runtime wait for the queues of a link.
    ///
    /// # Errors
    /// As [`RxQueue::new`]; the link goes down.
    ///
    /// # Panics
    /// As [`RxQueue::new`].
    pub fn new(link: socket::Link) -> io::Result<Self> {
        let prepared = Self::prepare(&link)?;
        Ok(Self::prepared(link, prepared))
    }

    /// What may fail of it, while the link is whole.
    pub(super) fn prepare(link: &socket::Link) -> io::Result<Vec<Prepared<R>>> {
        link.rx.iter().map(Prepared::new).collect()
    }

    pub(super) fn prepared(mut link: socket::Link, prepared: Vec<Prepared<R>>) -> Self {
        let rx = std::mem::take(&mut link.rx).into_iter().zip(prepared);
        Self {
            rx: rx.map(|(queue, prepared)| RxQueue::prepared(queue, prepared)).collect(),
            tx: std::mem::take(&mut link.tx).into_iter().map(TxQueue::new).collect(),
            peer: link.peer.clone(),
            link,
        }
    }

    /// Lets go of this value, and the link stays up all the same, as [`memif::Link::keep_up`](crate::Link::keep_up).
    pub fn keep_up(self) {
        self.link.keep_up();
    }
}

impl<R: Reactor> fmt::Debug for Link<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rx, tx) = (self.rx.len(), self.tx.len());
        f.debug_struct("Link").field("rx_queues", &rx).field("tx_queues", &tx).field("peer", &self.peer).finish()
    }
}
