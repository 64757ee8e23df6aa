//! The sending side of a ring.

use super::memory::{OutOfRange, RingMemory};
use crate::terms::Role;

/// What both ends see of a sender's cursors. As slave it fills an S2M ring: we move head, the peer returns slots by
/// tail. As master it fills an M2S ring: the peer posts buffers by head, we move tail. How far the sender has filled
/// beyond what it published, it keeps itself.
#[derive(Clone, Debug)]
pub(crate) struct TxCursor {
    role: Role,
    /// Slots of the ring, at most 2^14.
    size: u16,
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
        Self { role, size, own: 0, limit }
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

    /// Our own published cursor: the first slot that no packet was published in.
    #[inline]
    pub(crate) fn published(&self) -> u16 {
        self.own
    }

    /// One past the last slot that can be filled, by the peer's cursor as last seen.
    #[inline]
    pub(crate) fn limit(&self) -> u16 {
        self.limit
    }

    /// Slots from `next` on that can be filled, by the peer's cursor as last seen.
    #[inline]
    pub(crate) fn free(&self, next: u16) -> u16 {
        self.limit.wrapping_sub(next)
    }

    /// Loads the peer's cursor, once, and moves the limit.
    #[inline]
    pub(crate) fn refresh(&mut self, ring: &impl RingMemory) -> Result<(), OutOfRange> {
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
        Ok(())
    }

    /// Whether the peer has returned, or posted a buffer anew in, every slot that was published: one load of its
    /// cursor, which is not checked.
    pub(crate) fn is_drained(&self, ring: &impl RingMemory) -> bool {
        match self.role {
            Role::Slave => ring.load_tail() == self.own,
            Role::Master => ring.load_head() == self.own.wrapping_add(self.size),
        }
    }

    /// Publishes what was filled up to a slot with one release store.
    #[inline]
    pub(crate) fn publish(&mut self, to: u16, ring: &impl RingMemory) {
        self.own = to;
        match self.role {
            Role::Slave => ring.store_head(to),
            Role::Master => ring.store_tail(to),
        }
    }
}
