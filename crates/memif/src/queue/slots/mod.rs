//! Rings as slots: the lower interface that bindings to other languages stand on.
//!
//! [`RxQueue`](crate::RxQueue) and [`TxQueue`](crate::TxQueue) tie packets to a borrow, which the languages on the
//! other side of a binding do not have. Here a buffer is handed out as an address, stays the caller's over any number
//! of calls, and goes back by count or by slot. All that the core promises still holds: descriptors are read once and
//! checked, cursors are checked, what is handed out lies inside a region, and a peer that breaks the rules loses its
//! link.
//!
//! What the types cannot hold is the lifetime of an address: it is good while the [`RxSlots`] or [`TxSlots`] that gave
//! it lives. Nothing in here follows an address that a caller passes; it is compared with what the slot may hold.

mod rx;
#[cfg(all(test, not(loom)))]
mod tests;
mod tx;

use std::sync::Arc;

pub use rx::{Received, RefillError, RxSlots};
pub use tx::{Allocated, BadBuffer, Enqueue, Part, TxSlots};

use super::BufferRef;
use super::LinkShared;
use crate::shm::BufferTable;

/// One buffer of a ring as it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Free-running number of its slot.
    pub index: u16,
    /// Its first byte of data, or of room. The peer can change all of it at any moment.
    pub data: *mut u8,
    /// Bytes of data, or of room.
    pub len: u32,
    /// Whether the packet goes on in the next slot.
    pub next: bool,
}

/// Keeps the memory and the eventfds of a link while its queues come and go.
#[derive(Clone, Debug)]
pub struct Keeper(Arc<LinkShared>);

impl Keeper {
    /// To be called when the user is told that the link is down. Until then a link whose peer left is to its user as if
    /// it were up: calls that find nothing to receive, or send, say so without an error. From then on they say
    /// [`Disconnected`](crate::RecvError::Disconnected) as soon as all that the peer published was handed out.
    pub fn tell(&self) {
        self.0.tell();
    }

    /// Whether the link ended in another way than by the peer's leaving, so that it is of no use any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.is_down() && !self.0.has_leftovers()
    }
}

/// A buffer of a slave that its user holds at the moment, to be exchanged for another one.
pub struct Held<'a> {
    table: &'a BufferTable,
    at: usize,
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("len", &self.table.len(self.at)).finish_non_exhaustive()
    }
}

/// Lets two held buffers change places. Returns whether they did: they must be of one link and lie in one region.
pub fn swap(left: Held<'_>, right: Held<'_>) -> bool {
    // With the region unchanged only the word with the offset of a descriptor changes, so a master that reads a slot
    // too early still finds a buffer of ours.
    left.table.swap(left.at, right.table, right.at)
}
