//! The core of a sender: its cursors, the buffers that it may fill, and every check of what a slave posts.
//!
//! [`TxQueue`](super::TxQueue) and the slots of bindings both stand on it, so that each check is made, and proven,
//! once. It is generic over the memory of the ring, for memory that lies and for loom.

#[cfg(feature = "raw")]
use super::buffers::BufferRef;
use super::buffers::{BufferRow, Ring, table};
use crate::config::Role;
use crate::ring::{Descriptors, OutOfRange, RingMemory, TxCursor};
use crate::shm::{BufferTable, Regions, SharedSlice};
use crate::wire::ring::{DescriptorHead, offset_from_word, offset_to_word};

/// A ring that packets are sent on.
pub(super) struct TxCore<R = Ring> {
    pub(super) ring: R,
    pub(super) cursor: TxCursor,
    pub(super) role: Role,
    pub(super) regions: Regions,
    /// The buffer of each slot, as far as one descriptor may fill it: as slave its own, for good but for exchanges; as
    /// master what the slave posted, read once and checked, with no bytes where it broke the rules. Empty until it is
    /// [made](Self::make).
    pub(super) buffers: BufferTable,
    /// Slave: the buffers as they were laid out.
    pub(super) row: Option<BufferRow>,
    /// Master: the words by which each buffer was posted. Empty until there are tables. Slave: empty.
    posted: Box<[(u64, u64)]>,
    /// Longest descriptor that is sent.
    pub(super) max_segment: u32,
}

/// What the next slots are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// That many of them take the packet.
    Slots(u16),
    /// Too few are free.
    Short,
    /// As many as were asked for do not take it.
    TooSmall,
    /// The buffer of the last of that many is of no use.
    Useless(u16),
}

impl<R: RingMemory> TxCore<R> {
    /// The core of a sender on a ring that was checked. A slave brings the buffers. It is to be [made](Self::make)
    /// before anything is sent: until then no slot has room.
    pub(super) fn new(
        regions: &Regions,
        ring: impl Into<R>,
        cursor: TxCursor,
        row: Option<BufferRow>,
        max_segment: u32,
    ) -> Self {
        Self {
            ring: ring.into(),
            role: cursor.role(),
            cursor,
            regions: regions.clone(),
            buffers: BufferTable::new(regions, 0),
            row,
            posted: Box::default(),
            max_segment,
        }
    }

    /// Whether there are tables.
    #[inline]
    pub(super) fn is_made(&self) -> bool {
        self.buffers.count() > 0
    }

    /// Makes the tables. Not done with the link: of a thousand that rest, each would have memory for an entry per slot.
    /// A slave's descriptors get their buffers, too, and are zero until then, so that a ring on which nothing is sent
    /// has a page and not as many as its descriptors take.
    #[cold]
    pub(super) fn make(&mut self) {
        let size = self.cursor.size();
        self.buffers = table(&self.regions, size, self.row);
        match self.role {
            Role::Slave => {
                for slot in 0..size {
                    let at = self.at(slot);
                    self.ring.store_word(slot, 1, offset_to_word(self.buffers.offset(at)));
                    self.write_descriptor(slot, 0, self.capacity(slot));
                }
            }
            Role::Master => {
                // No bytes at all, as no buffer that was put has: what the table begins with.
                self.posted = vec![(0, 0); usize::from(size)].into();
                self.learn(self.cursor.published());
            }
        }
    }

    /// Forgets the tables. They are made anew with the next packet, as master of what is posted then.
    #[cfg(feature = "raw")]
    pub(super) fn forget(&mut self) {
        self.buffers = BufferTable::new(&self.regions, 0);
        self.posted = Box::default();
    }

    /// Where the table has a slot's buffer.
    #[inline]
    pub(super) fn at(&self, slot: u16) -> usize {
        usize::from(slot & self.ring.mask())
    }

    /// Bytes that the slot takes.
    #[inline]
    pub(super) fn capacity(&self, slot: u16) -> u32 {
        self.buffers.len(self.at(slot))
    }

    /// The room of one slot of a packet.
    #[inline]
    pub(super) fn room(&self, slot: u16) -> SharedSlice<'_> {
        self.buffers.entry(self.at(slot)).bytes
    }

    /// Looks how many slots from `first` on take `len` bytes: at most `most`, whose buffers each take `shortest` bytes.
    #[inline]
    pub(super) fn find_room(&mut self, first: u16, len: usize, shortest: usize, most: u16) -> Result<Room, OutOfRange> {
        let (mut slots, mut bytes) = (0, 0);
        while slots < most {
            let slot = first.wrapping_add(slots);
            if self.cursor.free(slot) == 0 {
                self.refresh()?;
                if self.cursor.free(slot) == 0 {
                    return Ok(Room::Short);
                }
            }
            let capacity = self.capacity(slot) as usize;
            slots += 1;
            if capacity < shortest {
                return Ok(Room::Useless(slots));
            }
            bytes += capacity;
            if bytes >= len {
                return Ok(Room::Slots(slots));
            }
        }
        Ok(Room::TooSmall)
    }

    /// Loads the peer's cursor. As master with tables, reads each newly posted descriptor, once, and checks it.
    #[inline]
    pub(super) fn refresh(&mut self) -> Result<(), OutOfRange> {
        let slot = self.cursor.limit();
        self.cursor.refresh(&self.ring)?;
        // A slave's is empty.
        if !self.posted.is_empty() {
            self.learn(slot);
        }
        Ok(())
    }

    /// Takes what a slave has posted from `slot` on into the table. Slaves post the same buffers again and again, so
    /// what a slot had before is remembered, and the same words need no second check: a third of the instructions.
    #[inline(never)]
    fn learn(&mut self, mut slot: u16) {
        let Self { ring, cursor, buffers, posted, max_segment, .. } = self;
        let (mask, ring, end) = (ring.mask(), ring.descriptors(), cursor.limit());
        while slot != end {
            let words = (ring.load(slot, 0), ring.load(slot, 1));
            let at = usize::from(slot & mask);
            if let Some(known) = posted.get_mut(at)
                && *known != words
            {
                *known = words;
                put_posted(buffers, at, words, *max_segment);
            }
            slot = slot.wrapping_add(1);
        }
    }

    /// Master: bytes, up to `limit`, that all buffers of the ring hold together, or the best one of them without
    /// `chains`, as the slave posted them last. Where it has posted none yet, or one of no use, which goes back, the
    /// longest one that would be filled counts.
    pub(super) fn carries(&self, chains: bool, limit: u32) -> u32 {
        let (first, size, published) = (self.cursor.limit(), self.cursor.size(), self.cursor.published());
        // Posted since the last look. What is wrong with a cursor out of range, the next look will say.
        let new = self.ring.load_head().wrapping_sub(first);
        let new = if new <= published.wrapping_add(size).wrapping_sub(first) { new } else { 0 };
        let mut most = 0_u32;
        for number in 0..size {
            let slot = first.wrapping_add(number);
            let bytes = self.worth(if number < new {
                (self.ring.load_word(slot, 0), self.ring.load_word(slot, 1))
            } else {
                self.posted.get(self.at(slot)).copied().unwrap_or_default()
            });
            most = if chains { most.saturating_add(bytes) } else { most.max(bytes) };
            if most >= limit {
                return limit;
            }
        }
        most
    }

    /// Bytes of a buffer that is posted by these words, or that may be in place of it.
    fn worth(&self, words: (u64, u64)) -> u32 {
        let DescriptorHead { region, length, .. } = DescriptorHead::from_word(words.0);
        let good = length > 0 && self.regions.contains(region, offset_from_word(words.1), length);
        if good { length.min(self.max_segment) } else { self.max_segment }
    }

    /// Master: region, offset and length by which the buffer of a slot was posted.
    #[cfg(feature = "raw")]
    pub(super) fn posted(&self, slot: u16) -> BufferRef {
        let (first, second) = self.posted.get(self.at(slot)).copied().unwrap_or_default();
        let DescriptorHead { region, length, .. } = DescriptorHead::from_word(first);
        BufferRef { region, offset: offset_from_word(second), capacity: length }
    }

    /// Says how much of a slot's buffer is used. The region is written back as it was, the offset never.
    #[inline]
    pub(super) fn write_descriptor(&self, slot: u16, flags: u16, length: u32) {
        let region = self.buffers.region(self.at(slot));
        self.ring.store_word(slot, 0, DescriptorHead { flags, region, length }.to_word());
    }
}

/// Puts a buffer that a slave posted by these words, with no bytes where it breaks the rules.
#[inline(never)]
fn put_posted(buffers: &BufferTable, at: usize, words: (u64, u64), max_segment: u32) {
    let DescriptorHead { region, length, .. } = DescriptorHead::from_word(words.0);
    buffers.put(at, region, offset_from_word(words.1), length, max_segment);
}
