//! How received buffers go back.

use super::receive::RxSlots;
use crate::config::Role;
use crate::error::RecvError;
use crate::queue::rx_core::MOVED;
use crate::queue::slots::held::Held;
use crate::ring::OutOfRange;

/// Why buffers were not given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefillError {
    /// The link is down, and not because the peer left.
    #[error("the link is down")]
    Disconnected,
    /// Nothing is left of a buffer behind the headroom.
    #[error("the headroom is as long as a buffer or longer")]
    Headroom,
    /// The offset that was chosen for a buffer leaves its region.
    #[error("the chosen offset leaves the region")]
    Offset,
}

impl RxSlots {
    /// Gives the oldest `count` of the buffers that were handed out back to the peer, and bad ones between them. More
    /// than are held is all of them; a slave has all of them to give when the link comes up. A slave's buffers are
    /// posted from byte `headroom` on, or where `place` says: an offset into the region of the buffer.
    ///
    /// # Errors
    /// [`RefillError`]; those given back before stay so.
    #[inline]
    pub fn refill(
        &mut self,
        count: u16,
        headroom: u32,
        place: Option<&mut dyn FnMut() -> u32>,
    ) -> Result<(), RefillError> {
        // A peer that left takes nothing away from those who still read.
        if self.link.is_down() && !self.link.has_leftovers() {
            return Err(RefillError::Disconnected);
        }
        let held = self.core.cursor.held();
        let slots = if self.skipped_count == 0 { count.min(held) } else { self.reach(count, held) };
        if self.core.role == Role::Slave {
            let mut place = place;
            let posted = match &mut place {
                Some(place) => self.post_all(slots, headroom, Some(&mut **place)),
                None => self.post_all(slots, headroom, None),
            };
            if let Err((done, error)) = posted {
                if !self.made {
                    return self.refill_first(slots, headroom, place);
                }
                self.give_back(done);
                return Err(error);
            }
        }
        if slots > 0 {
            self.give_back(slots);
        }
        Ok(())
    }

    /// [`refill`](Self::refill) of a slave without tables.
    #[cold]
    fn refill_first(
        &mut self,
        slots: u16,
        headroom: u32,
        place: Option<&mut dyn FnMut() -> u32>,
    ) -> Result<(), RefillError> {
        if headroom > 0 || place.is_some() {
            self.make();
            return self.refill(slots, headroom, place);
        }
        // Each descriptor names its whole buffer since the memory was laid out.
        self.give_back(slots);
        Ok(())
    }

    /// Slots from the oldest on that hold `count` buffers which were handed out, and the skipped ones behind them.
    #[cold]
    fn reach(&self, count: u16, held: u16) -> u16 {
        let mut left = count;
        let mut slots = 0;
        while slots < held {
            if !self.is_skipped(self.core.cursor.back().wrapping_add(slots)) {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            slots += 1;
        }
        slots
    }

    /// Whether a slot that is held was never handed out.
    pub(super) fn is_skipped(&self, index: u16) -> bool {
        self.skipped.get(self.core.at(index)).is_some_and(|skipped| *skipped)
    }

    /// Slave: posts the oldest `slots` of the slots held. On failure says how many were posted.
    #[inline]
    fn post_all(
        &mut self,
        slots: u16,
        headroom: u32,
        mut place: Option<&mut dyn FnMut() -> u32>,
    ) -> Result<(), (u16, RefillError)> {
        let Self { core, own, .. } = self;
        // Both are of one link, always.
        let Some(parts) = core.buffers.parts_of(own) else { return Ok(()) };
        let back = core.cursor.back();
        for i in 0..slots {
            let slot = back.wrapping_add(i);
            let skip = match &mut place {
                None => headroom,
                Some(place) => {
                    let at = core.at(slot);
                    let (region, capacity) = (own.region(at), own.len(at));
                    if headroom >= capacity {
                        return Err((i, RefillError::Headroom));
                    }
                    let offset = place();
                    // All of the buffer, as with any other.
                    if !core.regions.contains(region, offset, capacity) {
                        return Err((i, RefillError::Offset));
                    }
                    own.put(at, region, offset, capacity, capacity);
                    0
                }
            };
            if !core.post_part(slot, &parts, skip, headroom) {
                return Err((i, RefillError::Headroom));
            }
        }
        Ok(())
    }

    /// Gives the `slots` oldest slots back, which a slave has posted.
    #[inline]
    pub(super) fn give_back(&mut self, slots: u16) {
        if self.skipped_count > 0 {
            self.clear_marks(slots);
        }
        self.core.give_back(slots);
    }

    /// Takes the marks off slots that go back.
    #[cold]
    fn clear_marks(&mut self, slots: u16) {
        for i in 0..slots {
            let at = self.core.at(self.core.cursor.back().wrapping_add(i));
            let skipped = self.skipped.get_mut(at).is_some_and(std::mem::take);
            self.skipped_count -= u16::from(skipped);
        }
    }

    /// A buffer that was handed out and not given back. `None` as master, and for any other slot.
    pub fn held(&mut self, index: u16) -> Option<Held<'_>> {
        self.held_at(index).map(|at| Held { table: &self.own, at })
    }

    /// Where the table has it.
    fn held_at(&self, index: u16) -> Option<usize> {
        let cursor = &self.core.cursor;
        let inside = index.wrapping_sub(cursor.back()) < cursor.held();
        (self.core.role == Role::Slave && inside && !self.is_skipped(index)).then(|| self.core.at(index))
    }

    /// Lets the buffers of two held slots of this queue change places. Returns whether they did.
    pub fn swap(&mut self, left: u16, right: u16) -> bool {
        let (Some(one), Some(two)) = (self.held_at(left), self.held_at(right)) else { return false };
        self.own.swap(one, &self.own, two)
    }

    /// The peer's cursor is beyond the ring: starts afresh from there, see
    /// [`RxQueue`](crate::RxQueue). Buffers that were handed out are the peer's again.
    #[cold]
    pub(super) fn resynchronise(&mut self, overrun: OutOfRange) -> Result<(), RecvError> {
        if !self.made {
            self.make();
        }
        self.post_own();
        if let Err(breach) = self.core.resynchronise(overrun) {
            return Err(self.fail(breach));
        }
        self.shared.counters.resyncs.add(1);
        self.skipped.fill(false);
        (self.skipped_count, self.handed_out) = (0, 0);
        self.seen = self.core.cursor.next();
        Ok(())
    }

    /// Slave: what is to be posted of each slot is of the buffer that it has now, which is another one than the
    /// descriptor's where the two changed places since it was written.
    fn post_own(&self) {
        let posted = &self.core.buffers;
        let Some(parts) = posted.parts_of(&self.own) else { return };
        for at in 0..self.own.count() {
            let capacity = self.own.len(at);
            // Nothing where it was not posted before: then all of it.
            let headroom = if posted.len(at) == 0 { 0 } else { capacity.saturating_sub(posted.len(at)) };
            let moved = posted.address(at).wrapping_sub(self.own.address(at));
            let skip = u32::try_from(moved).unwrap_or(u32::MAX).min(headroom);
            parts.put(at, skip, headroom);
            posted.set_mark(at, MOVED);
        }
    }
}
