//! The receiving side of a ring.

use super::{OutOfRange, RingMemory};
use crate::config::Role;

/// Cursors of a receiver. As master it reads an S2M ring: the peer moves head, we move tail. As slave it reads an
/// M2S ring: the peer moves tail, and we move head by posting buffers.
#[derive(Clone, Debug)]
pub(crate) struct RxCursor {
    role: Role,
    /// Slots of the ring, at most 2^14.
    size: u16,
    /// Next slot to read.
    next: u16,
    /// Our own published cursor: tail as master; head as slave, up to which buffers are posted.
    own: u16,
}

impl RxCursor {
    /// Cursors of a fresh ring of `2^log2` slots, both zero.
    pub(crate) fn new(role: Role, log2: u8) -> Self {
        Self { role, size: 1 << log2.min(14), next: 0, own: 0 }
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

    /// Loads the peer's cursor, once, and says how many slots can be read.
    #[inline]
    pub(crate) fn available(&self, ring: &impl RingMemory) -> Result<u16, OutOfRange> {
        let (cursor, found, limit) = match self.role {
            // tail <= next <= head <= tail + size
            Role::Master => {
                let held = self.next.wrapping_sub(self.own);
                ("head", ring.load_head(), self.size - held)
            }
            // next <= tail <= head
            Role::Slave => ("tail", ring.load_tail(), self.own.wrapping_sub(self.next)),
        };
        let available = found.wrapping_sub(self.next);
        if available <= limit {
            Ok(available)
        } else {
            Err(OutOfRange { cursor, found, low: self.next, high: self.next.wrapping_add(limit) })
        }
    }

    /// Moves past `slots` slots that were read. They stay ours until [`publish`](Self::publish).
    #[inline]
    pub(crate) fn advance(&mut self, slots: u16) {
        self.next = self.next.wrapping_add(slots);
    }

    /// The slots that are ours and not yet given back, oldest first: as master those read and not returned, as
    /// slave those to post again (all of the ring at the start).
    #[inline]
    pub(crate) fn unreturned(&self) -> impl Iterator<Item = u16> + use<> {
        let (from, count) = match self.role {
            Role::Master => (self.own, self.next.wrapping_sub(self.own)),
            Role::Slave => (self.own, self.size - self.own.wrapping_sub(self.next)),
        };
        (0..count).map(move |i| from.wrapping_add(i))
    }

    /// Gives all slots before `next` back with one release store. As slave the caller has written their
    /// descriptors anew.
    #[inline]
    pub(crate) fn publish(&mut self, ring: &impl RingMemory) {
        match self.role {
            Role::Master => {
                self.own = self.next;
                ring.store_tail(self.own);
            }
            Role::Slave => {
                self.own = self.next.wrapping_add(self.size);
                ring.store_head(self.own);
            }
        }
    }

    /// Starts afresh from wherever the peer's cursor is, with one store of our own (protocol section 8, Y). As
    /// slave the caller has made every descriptor of the ring a posted one before.
    pub(crate) fn resynchronise(&mut self, ring: &impl RingMemory) {
        self.next = match self.role {
            Role::Master => ring.load_head(),
            Role::Slave => ring.load_tail(),
        };
        self.publish(ring);
    }
}
