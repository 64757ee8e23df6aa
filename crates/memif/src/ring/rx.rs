//! The receiving side of a ring.

use super::memory::{OutOfRange, RingMemory};
use crate::terms::Role;

/// Cursors of a receiver. As master it reads an S2M ring: the peer moves head, we move tail. As slave it reads an
/// M2S ring: the peer moves tail, and we move head by posting buffers.
///
/// Of the slots before `next`, the last few are still held: they were read, and go back in their order. So
/// `held + what can be read <= size`, for either role.
#[derive(Clone, Debug)]
pub(crate) struct RxCursor {
    role: Role,
    /// Slots of the ring, at most 2^14.
    size: u16,
    /// Next slot to read.
    next: u16,
    /// Oldest slot that was not given back. As master that is our published tail; as slave it is our published head
    /// less the size of the ring, since that is up to where buffers are posted.
    back: u16,
}

impl RxCursor {
    /// Cursors of a fresh ring of `2^log2` slots, of which a slave has posted none: it holds all of them.
    pub(crate) fn new(role: Role, log2: u8) -> Self {
        Self::of(role, 1 << log2.min(14))
    }

    fn of(role: Role, size: u16) -> Self {
        let back = match role {
            Role::Master => 0,
            Role::Slave => 0u16.wrapping_sub(size),
        };
        Self { role, size, next: 0, back }
    }

    /// Cursors of the same ring, fresh.
    #[cfg(feature = "raw")]
    pub(crate) fn afresh(&self) -> Self {
        Self::of(self.role, self.size)
    }

    /// Whose cursors they are.
    pub(crate) fn role(&self) -> Role {
        self.role
    }

    /// Slots of the ring.
    #[inline]
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Next slot to read.
    #[inline]
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Oldest slot that was not given back.
    #[inline]
    pub(crate) fn back(&self) -> u16 {
        self.back
    }

    /// Slots that were read, or never posted, and not given back: those from [`back`](Self::back) on.
    #[inline]
    pub(crate) fn held(&self) -> u16 {
        self.next.wrapping_sub(self.back)
    }

    /// The peer's cursor as it stands.
    #[inline]
    pub(crate) fn peer(&self, ring: &impl RingMemory) -> u16 {
        match self.role {
            Role::Master => ring.load_head(),
            Role::Slave => ring.load_tail(),
        }
    }

    /// Loads the peer's cursor, once, and says how many slots can be read.
    #[inline]
    pub(crate) fn available(&self, ring: &impl RingMemory) -> Result<u16, OutOfRange> {
        // back <= next <= the peer's cursor <= back + size
        let found = self.peer(ring);
        let limit = self.size - self.held();
        let available = found.wrapping_sub(self.next);
        if available <= limit {
            return Ok(available);
        }
        let cursor = match self.role {
            Role::Master => "head",
            Role::Slave => "tail",
        };
        Err(OutOfRange { cursor, found, low: self.next, high: self.next.wrapping_add(limit) })
    }

    /// Moves past `slots` slots that were read. They stay ours until they are [given back](Self::give_back).
    #[inline]
    pub(crate) fn advance(&mut self, slots: u16) {
        self.next = self.next.wrapping_add(slots);
    }

    /// Gives the oldest `slots` of the slots held back with one release store. As slave the caller has written their
    /// descriptors anew.
    #[inline]
    pub(crate) fn give_back(&mut self, slots: u16, ring: &impl RingMemory) {
        self.back = self.back.wrapping_add(slots);
        match self.role {
            Role::Master => ring.store_tail(self.back),
            Role::Slave => ring.store_head(self.back.wrapping_add(self.size)),
        }
    }

    /// Starts afresh from where the peer's cursor was found, with one store of our own (protocol section 8, Y). As
    /// slave the caller has made every descriptor of the ring a posted one before.
    pub(crate) fn resynchronise(&mut self, found: u16, ring: &impl RingMemory) {
        (self.next, self.back) = (found, found);
        self.give_back(0, ring);
    }
}
