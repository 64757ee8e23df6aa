//! The sending side of a ring.

use super::{OutOfRange, RingMemory};
use crate::config::Role;

/// Cursors of a sender. As slave it fills an S2M ring: we move head, the peer returns slots by tail. As master it
/// fills an M2S ring: the peer posts buffers by head, we move tail.
#[derive(Clone, Debug)]
pub(crate) struct TxCursor {
    role: Role,
    /// Slots of the ring, at most 2^14.
    size: u16,
    /// Next slot to fill; ahead of `own` while packets wait to be published.
    next: u16,
    /// Our own published cursor: head as slave, tail as master.
    own: u16,
    /// One past the last slot that we may fill, by the peer's cursor as last seen.
    limit: u16,
}

impl TxCursor {
    /// Cursors of a fresh ring of `2^log2` slots: a slave may fill all of it, a master nothing yet.
    pub(crate) fn new(role: Role, log2: u8) -> Self {
        let size = 1 << log2.min(14);
        let limit = match role {
            Role::Slave => size,
            Role::Master => 0,
        };
        Self { role, size, next: 0, own: 0, limit }
    }

    /// Slots of the ring.
    #[inline]
    pub(crate) fn size(&self) -> u16 {
        self.size
    }

    /// Next slot to fill.
    #[inline]
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// Our own published cursor.
    #[inline]
    pub(crate) fn published(&self) -> u16 {
        self.own
    }

    /// Slots that can be filled by the peer's cursor as last seen.
    #[inline]
    pub(crate) fn free(&self) -> u16 {
        self.limit.wrapping_sub(self.next)
    }

    /// One past the last slot that can be filled.
    #[inline]
    pub(crate) fn limit(&self) -> u16 {
        self.limit
    }

    /// Loads the peer's cursor, once, and says how many slots are free now.
    #[inline]
    pub(crate) fn refresh(&mut self, ring: &impl RingMemory) -> Result<u16, OutOfRange> {
        let (cursor, found, low, high, limit) = match self.role {
            // last seen tail <= tail <= own head
            Role::Slave => {
                let tail = ring.load_tail();
                let last = self.limit.wrapping_sub(self.size);
                ("tail", tail, last, self.own, tail.wrapping_add(self.size))
            }
            // last seen head <= head <= own tail + size
            Role::Master => {
                let head = ring.load_head();
                ("head", head, self.limit, self.own.wrapping_add(self.size), head)
            }
        };
        if found.wrapping_sub(low) > high.wrapping_sub(low) {
            return Err(OutOfRange { cursor, found, low, high });
        }
        self.limit = limit;
        Ok(self.free())
    }

    /// Moves past a slot that was filled.
    #[inline]
    pub(crate) fn advance(&mut self, slots: u16) {
        self.next = self.next.wrapping_add(slots);
    }

    /// Back to a slot from which on nothing is published.
    #[inline]
    pub(crate) fn rewind(&mut self, to: u16) {
        self.next = to;
    }

    /// Publishes what was filled up to a slot with one release store, and leaves the rest.
    #[cfg(feature = "raw")]
    #[inline]
    pub(crate) fn publish_to(&mut self, to: u16, ring: &impl RingMemory) {
        self.own = to;
        match self.role {
            Role::Slave => ring.store_head(to),
            Role::Master => ring.store_tail(to),
        }
    }

    /// Publishes everything filled with one release store. Returns the number of slots.
    #[inline]
    pub(crate) fn publish(&mut self, ring: &impl RingMemory) -> u16 {
        let slots = self.next.wrapping_sub(self.own);
        self.own = self.next;
        match self.role {
            Role::Slave => ring.store_head(self.own),
            Role::Master => ring.store_tail(self.own),
        }
        slots
    }
}
