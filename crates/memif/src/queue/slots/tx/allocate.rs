//! How slots to send in are handed out.

use super::{Allocated, Empty, Entry, TxSlots};
use crate::config::Role;
use crate::error::{Breach, SendError};
use crate::queue::slots::{BufferRef, Slot};
use crate::ring::{OutOfRange, RingMemory};
use crate::shm::prefetch;
use crate::wire::ring::{DescriptorHead, offset_from_word};

/// Calls in a row that found no room before the connection is looked at.
const MANY_EMPTY: u16 = 1024;

impl TxSlots {
    /// Takes slots for `packets` packets of `size` bytes each, chains where a packet is longer than a buffer, and hands
    /// their buffers out; the last of a chain is as long as is left. A packet is allocated whole or not at all, and all
    /// of them together take no more slots than buffers of our own size would: callers count on that. Where a slave
    /// posts smaller ones, that is room for fewer packets. A slave's buffers start at their beginning, or where `place`
    /// says: an offset into the region of the buffer.
    ///
    /// The thousandth call or so in a row that finds no room looks whether the peer is gone, for those who do nothing
    /// else meanwhile.
    ///
    /// # Errors
    /// [`SendError::Disconnected`], [`SendError::Breach`]; [`SendError::TooLong`] when `place` names room outside the
    /// region, with what was handed out before still allocated.
    #[inline]
    pub fn allocate(
        &mut self,
        packets: u16,
        size: u32,
        mut place: Option<&mut dyn FnMut() -> u32>,
        mut give: impl FnMut(Slot),
    ) -> Result<Allocated, SendError> {
        self.check_link()?;
        let mut done = Allocated { slots: 0, packets: 0 };
        if size == 0 {
            return Ok(done);
        }
        // Of which long chains of short buffers leave fewer than one per packet.
        let mut room = u32::from(packets).saturating_mul(size.div_ceil(self.buffer_size));
        while done.packets < packets {
            if place.is_none() {
                let most = (packets - done.packets).min(u16::try_from(room).unwrap_or(u16::MAX));
                let singles = self.allocate_singles(most, size, &mut give);
                done.slots += singles;
                done.packets += singles;
                room -= u32::from(singles);
                if done.packets == packets {
                    break;
                }
            }
            let Some(slots) = self.find(size, room)? else { break };
            if self.role == Role::Slave
                && let Some(place) = &mut place
                && !self.choose(slots, place)
            {
                return Err(SendError::TooLong { len: size as usize, max: 0 });
            }
            let mut left = size;
            for _ in 0..slots {
                let index = self.next;
                let BufferRef { region, offset, capacity } = self.entry(index).buffer;
                let len = capacity.min(left);
                // All of the buffer was found inside when it was laid out, chosen or posted.
                let Some(data) = self.addresses.find(region, offset, len) else {
                    debug_assert!(false, "a buffer has left its region");
                    return Ok(done);
                };
                prefetch::to_write(data);
                left -= len;
                self.next = index.wrapping_add(1);
                give(Slot { index, data, len, next: left > 0 });
            }
            done.slots += slots;
            done.packets += 1;
            room -= u32::from(slots);
        }
        if done.packets == 0 {
            self.found_no_room()?;
        }
        Ok(done)
    }

    /// Counts calls that found no room. A program that repeats them until there is some never hears of the end
    /// otherwise.
    #[cold]
    fn found_no_room(&mut self) -> Result<(), SendError> {
        let at = self.next;
        let before = if self.empty.at == at { self.empty.count } else { 0 };
        self.empty = Empty { count: before + 1, at };
        if self.empty.count >= MANY_EMPTY {
            if self.link.peer_is_gone() {
                // From now on every call says so.
                self.empty.count = MANY_EMPTY - 1;
                return Err(SendError::Disconnected);
            }
            self.empty.count = 0;
        }
        Ok(())
    }

    /// Takes the next buffers for a packet each, as long as the peer is known to have freed them and they take it.
    /// Returns how many.
    #[inline]
    fn allocate_singles(&mut self, packets: u16, size: u32, give: &mut impl FnMut(Slot)) -> u16 {
        let most = packets.min(self.cursor.free(self.next));
        let start = self.next;
        let mut done = 0;
        while done < most {
            let index = start.wrapping_add(done);
            let BufferRef { region, offset, capacity } = self.entry(index).buffer;
            if capacity < size {
                break;
            }
            // All of the buffer was found inside when it was laid out or posted.
            let Some(data) = self.addresses.find(region, offset, size) else { break };
            prefetch::to_write(data);
            done += 1;
            give(Slot { index, data, len: size, next: false });
        }
        self.next = start.wrapping_add(done);
        done
    }

    /// Puts the next slots' buffers where `place` says. Returns whether all of that lies in the region.
    fn choose(&mut self, slots: u16, place: &mut dyn FnMut() -> u32) -> bool {
        (0..slots).all(|i| {
            let at = usize::from(self.next.wrapping_add(i) & self.mask);
            let Some(entry) = self.table.get_mut(at) else { return false };
            let BufferRef { region, capacity, .. } = entry.buffer;
            let offset = place();
            let inside = self.addresses.find(region, offset, capacity).is_some();
            if inside {
                entry.buffer.offset = offset;
            }
            inside
        })
    }

    /// How many slots from the cursor on take `size` bytes; `None` when not enough are free, or when `most` of them
    /// are too short, which then stay for shorter packets.
    #[inline]
    fn find(&mut self, size: u32, most: u32) -> Result<Option<u16>, SendError> {
        let mut room: u32 = 0;
        let mut slots: u16 = 0;
        while u32::from(slots) < most {
            if slots >= self.cursor.free(self.next) && self.refresh()? <= slots {
                return Ok(None);
            }
            let index = self.next.wrapping_add(slots);
            let capacity = self.entry(index).buffer.capacity;
            if capacity == 0 {
                return Err(self.bad_buffer(index));
            }
            slots += 1;
            room = room.saturating_add(capacity);
            if room >= size {
                return Ok(Some(slots));
            }
        }
        Ok(None)
    }

    #[inline]
    fn entry(&self, index: u16) -> Entry {
        self.table.get(usize::from(index & self.mask)).copied().unwrap_or_default()
    }

    /// Loads the peer's cursor. As master, reads each newly posted descriptor, once, and checks it. Returns the free
    /// slots.
    #[inline]
    pub(super) fn refresh(&mut self) -> Result<u16, SendError> {
        let mut index = self.cursor.limit();
        match self.cursor.refresh(&self.ring) {
            Ok(()) => {
                if self.role == Role::Master {
                    if self.table.is_empty() {
                        self.fill_table();
                    }
                    while index != self.cursor.limit() {
                        self.learn(index);
                        index = index.wrapping_add(1);
                    }
                }
                Ok(self.cursor.free(self.next))
            }
            Err(overrun) => Err(self.overrun(overrun)),
        }
    }

    /// Allocates nothing.
    #[cold]
    fn fill_table(&mut self) {
        self.table.resize(self.posted.len(), Entry::default());
    }

    #[cold]
    fn overrun(&self, overrun: OutOfRange) -> SendError {
        let OutOfRange { cursor, found, low, high } = overrun;
        let queue = self.shared.name;
        SendError::Breach(self.link.fail(Breach::Cursor { queue, cursor, found, low, high }))
    }

    /// Slaves post the same buffers again and again: what a slot had before is remembered, and the same words need no
    /// second check.
    #[inline]
    fn learn(&mut self, index: u16) {
        let words = (self.ring.load_word(index, 0), self.ring.load_word(index, 1));
        let at = usize::from(index & self.mask);
        let (Some(known), Some(entry)) = (self.posted.get_mut(at), self.table.get_mut(at)) else {
            return;
        };
        if *known == words {
            return;
        }
        *known = words;
        let head = DescriptorHead::from_word(words.0);
        let offset = offset_from_word(words.1);
        let inside = self.addresses.find(head.region, offset, head.length).is_some();
        let capacity = if inside { head.length } else { 0 };
        entry.buffer = BufferRef { region: head.region, offset, capacity };
    }

    /// A slave posted what can never be used. Programs written for libmemif wait for room without an end, so it ends
    /// the link.
    #[cold]
    fn bad_buffer(&self, slot: u16) -> SendError {
        let (first, second) = self.posted.get(usize::from(slot & self.mask)).copied().unwrap_or_default();
        let DescriptorHead { region, length, .. } = DescriptorHead::from_word(first);
        let (queue, offset) = (self.shared.name, offset_from_word(second));
        let breach = Breach::PostedBuffer { queue, slot, region, offset, length };
        SendError::Breach(self.link.fail(breach))
    }
}
