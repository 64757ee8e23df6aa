//! How received buffers go back.

use super::RxSlots;
use crate::config::Role;
use crate::error::{Breach, RecvError};
use crate::queue::slots::{BufferRef, Held};
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, offset_to_word};

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
        let held = self.next.wrapping_sub(self.back);
        let slots = if self.skipped == 0 { count.min(held) } else { self.reach(count, held) };
        if self.role == Role::Slave {
            let posted = self.post_all(slots, headroom, place);
            if let Err((done, error)) = posted {
                self.give_back(done);
                return Err(error);
            }
        }
        if slots > 0 {
            self.give_back(slots);
        }
        Ok(())
    }

    /// Slots from the oldest on that hold `count` buffers which were handed out, and the skipped ones behind them.
    #[cold]
    fn reach(&self, count: u16, held: u16) -> u16 {
        let mut left = count;
        let mut slots = 0;
        while slots < held {
            let at = usize::from(self.back.wrapping_add(slots) & self.mask);
            if !self.table.get(at).is_some_and(|entry| entry.skipped) {
                if left == 0 {
                    break;
                }
                left -= 1;
            }
            slots += 1;
        }
        slots
    }

    /// Slave: writes the descriptors of `slots` empty buffers. On failure says how many were written.
    #[inline]
    fn post_all(
        &mut self,
        slots: u16,
        headroom: u32,
        mut place: Option<&mut dyn FnMut() -> u32>,
    ) -> Result<(), (u16, RefillError)> {
        for i in 0..slots {
            let index = self.back.wrapping_add(i);
            let Some(entry) = self.table.get_mut(usize::from(index & self.mask)) else { continue };
            let BufferRef { region, offset, capacity } = entry.buffer;
            let posted =
                capacity.checked_sub(headroom).filter(|posted| *posted > 0).ok_or((i, RefillError::Headroom))?;
            let offset = match &mut place {
                None => offset.saturating_add(headroom),
                Some(place) => {
                    let offset = place();
                    // All of the buffer, as with any other.
                    if self.addresses.find(region, offset, capacity).is_none() {
                        return Err((i, RefillError::Offset));
                    }
                    entry.buffer.offset = offset;
                    offset
                }
            };
            if entry.posted_offset != offset {
                self.ring.store_word(index, 1, offset_to_word(offset));
                entry.posted_offset = offset;
            }
            entry.posted = posted;
            let head = DescriptorHead { flags: 0, region, length: posted };
            self.ring.store_word(index, 0, head.to_word());
        }
        Ok(())
    }

    /// Slave: posts a slot as it was posted before.
    pub(super) fn repost(&self, index: u16) {
        if self.role == Role::Slave
            && let Some(entry) = self.table.get(usize::from(index & self.mask))
        {
            let head = DescriptorHead { flags: 0, region: entry.buffer.region, length: entry.posted };
            self.ring.store_word(index, 0, head.to_word());
        }
    }

    /// Publishes our cursor past the `slots` oldest slots.
    #[inline]
    pub(super) fn give_back(&mut self, slots: u16) {
        if self.skipped > 0 || self.chained > 0 {
            self.clear_marks(slots);
        }
        self.back = self.back.wrapping_add(slots);
        match self.role {
            Role::Master => self.ring.store_tail(self.back),
            Role::Slave => self.ring.store_head(self.back.wrapping_add(self.size)),
        }
    }

    /// Takes the marks off slots that go back. A master clears NEXT in the ring, too, because DPDK 22.11 does not when
    /// it uses a slot again, and would glue two packets.
    #[cold]
    fn clear_marks(&mut self, slots: u16) {
        for i in 0..slots {
            let index = self.back.wrapping_add(i);
            let Some(entry) = self.table.get_mut(usize::from(index & self.mask)) else { continue };
            let skipped = u16::from(std::mem::take(&mut entry.skipped));
            self.skipped = self.skipped.saturating_sub(skipped);
            if std::mem::take(&mut entry.next) {
                self.chained = self.chained.saturating_sub(1);
                if self.role == Role::Master {
                    let (region, length) = (entry.buffer.region, entry.length);
                    let head = DescriptorHead { flags: 0, region, length };
                    self.ring.store_word(index, 0, head.to_word());
                }
            }
        }
    }

    /// A buffer that was handed out and not given back. `None` as master, and for any other slot.
    pub fn held(&mut self, index: u16) -> Option<Held<'_>> {
        let inside = index.wrapping_sub(self.back) < self.next.wrapping_sub(self.back);
        if self.role != Role::Slave || !inside {
            return None;
        }
        let entry = self.table.get_mut(usize::from(index & self.mask))?;
        (!entry.skipped).then_some(Held { buffer: &mut entry.buffer, link: &self.link })
    }

    /// Lets the buffers of two held slots of this queue change places. Returns whether they did.
    pub fn swap(&mut self, left: u16, right: u16) -> bool {
        let Some(one) = self.held(left).map(|held| *held.buffer) else { return false };
        let Some(two) = self.held(right).map(|held| *held.buffer) else { return false };
        if one.region != two.region {
            return false;
        }
        for (index, buffer) in [(left, two), (right, one)] {
            if let Some(held) = self.held(index) {
                *held.buffer = buffer;
            }
        }
        true
    }

    /// The peer's cursor is beyond the ring: starts afresh from there, see
    /// [`RxQueue`](crate::RxQueue). Buffers that were handed out are the peer's again.
    #[cold]
    pub(super) fn resynchronise(&mut self, found: u16, limit: u16) -> Result<(), RecvError> {
        let queue = self.shared.name;
        if self.resync_limit == 0 {
            let cursor = match self.role {
                Role::Master => "head",
                Role::Slave => "tail",
            };
            let (low, high) = (self.next, self.next.wrapping_add(limit));
            return Err(self.fail(Breach::Cursor { queue, cursor, found, low, high }));
        }
        if self.resyncs_in_row >= self.resync_limit {
            return Err(self.fail(Breach::Overrun { queue, count: self.resyncs_in_row }));
        }
        self.resyncs_in_row += 1;
        self.shared.counters.resyncs.add(1);
        for entry in &mut self.table {
            (entry.skipped, entry.next) = (false, false);
            if self.role == Role::Slave {
                let BufferRef { offset, capacity, .. } = entry.buffer;
                if entry.posted == 0 {
                    entry.posted = capacity;
                }
                // What the descriptor has is another slot's buffer where the two changed places since it was written.
                let headroom = capacity.saturating_sub(entry.posted);
                if entry.posted_offset.wrapping_sub(offset) > headroom {
                    entry.posted_offset = offset.saturating_add(headroom);
                }
            }
        }
        for slot in 0..self.size {
            let index = found.wrapping_add(slot);
            if let Some(entry) = self.table.get(usize::from(index & self.mask)) {
                if self.role == Role::Slave {
                    self.ring.store_word(index, 1, offset_to_word(entry.posted_offset));
                }
                self.repost(index);
            }
        }
        (self.skipped, self.chained, self.unfinished) = (0, 0, None);
        (self.next, self.checked, self.seen, self.back) = (found, found, found, found);
        self.give_back(0);
        Ok(())
    }
}
