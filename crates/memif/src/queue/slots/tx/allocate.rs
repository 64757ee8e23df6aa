//! How slots to send in are handed out.

use super::send::{Allocated, Empty, TxSlots};
use crate::config::Role;
use crate::error::{Breach, SendError};
use crate::queue::buffers::BufferRef;
use crate::queue::slots::slot::Slot;
use crate::queue::tx_core::Room;
use crate::shm::prefetch;

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
            if self.core.role == Role::Slave
                && let Some(place) = &mut place
                && !self.choose(slots, place)
            {
                return Err(SendError::TooLong { len: size as usize, max: 0 });
            }
            let mut left = size;
            for _ in 0..slots {
                let index = self.next;
                let len = self.core.capacity(index).min(left);
                let data = self.core.room(index).as_ptr();
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
        let most = packets.min(self.core.cursor.free(self.next));
        let start = self.next;
        let mut done = 0;
        while done < most {
            let index = start.wrapping_add(done);
            let Some((room, _)) = self.core.buffers.room(self.core.at(index), size) else { break };
            let data = room.as_ptr();
            prefetch::to_write(data);
            done += 1;
            give(Slot { index, data, len: size, next: false });
        }
        self.next = start.wrapping_add(done);
        done
    }

    /// Puts the next slots' buffers where `place` says. Returns whether all of that lies in the region.
    fn choose(&mut self, slots: u16, place: &mut dyn FnMut() -> u32) -> bool {
        let buffers = &self.core.buffers;
        (0..slots).all(|i| {
            let at = self.core.at(self.next.wrapping_add(i));
            let (region, capacity) = (buffers.region(at), buffers.len(at));
            let offset = place();
            self.core.regions.contains(region, offset, capacity) && buffers.put(at, region, offset, capacity, capacity)
        })
    }

    /// How many slots from the next one on take `size` bytes; `None` when not enough are free, or when `most` of them
    /// are too short, which then stay for shorter packets.
    #[inline]
    fn find(&mut self, size: u32, most: u32) -> Result<Option<u16>, SendError> {
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        match self.core.find_room(self.next, size as usize, 1, most) {
            Ok(Room::Slots(slots)) => Ok(Some(slots)),
            Ok(Room::Short | Room::TooSmall) => Ok(None),
            Ok(Room::Useless(_)) if !self.core.is_made() => self.find_first(size, most),
            Ok(Room::Useless(slots)) => Err(self.bad_buffer(self.next.wrapping_add(slots - 1))),
            Err(overrun) => Err(self.fail(overrun)),
        }
    }

    /// [`find`](Self::find) without tables.
    #[cold]
    fn find_first(&mut self, size: u32, most: u16) -> Result<Option<u16>, SendError> {
        self.make();
        self.find(size, most.into())
    }

    /// A slave posted what can never be used. Programs written for libmemif wait for room without an end, so it ends
    /// the link.
    #[cold]
    fn bad_buffer(&self, slot: u16) -> SendError {
        let BufferRef { region, offset, capacity: length } = self.core.posted(slot);
        let breach = Breach::PostedBuffer { queue: self.shared.name, slot, region, offset, length };
        SendError::Breach(self.link.fail(breach))
    }
}
