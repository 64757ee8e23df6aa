//! The core of a receiver: its cursor, the walk over descriptors with every check, and how slots go back.
//!
//! [`RxQueue`](super::RxQueue) and the slots of bindings both stand on it, so that each check is made, and proven,
//! once. It is generic over the memory of the ring, for memory that lies and for loom.

use super::buffers::{BufferRow, Ring, table};
use crate::config::Role;
use crate::error::{Breach, QueueName};
use crate::ring::{Descriptors, OutOfRange, RingMemory, RxCursor};
use crate::shm::{BufferTable, Entry, Named, Regions, prefetch};
#[cfg(feature = "raw")]
use crate::shm::{Part, Parts};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

/// The mark of a slave's slot whose descriptor has the offset of another buffer than it has now.
pub(super) const MOVED: u16 = 1;

/// What a receiver is made with.
#[derive(Clone, Copy, Debug)]
pub(super) struct RxSettings {
    pub(super) name: QueueName,
    /// Longest packet that is taken.
    pub(super) max_packet: u32,
    /// Whether parts of a chain may be empty. Packets may not.
    pub(super) empty_segments: bool,
    /// Overruns in a row that are put up with.
    pub(super) resyncs: u32,
}

/// A ring that packets are received from.
pub(super) struct RxCore<R = Ring> {
    pub(super) ring: R,
    pub(super) cursor: RxCursor,
    pub(super) role: Role,
    pub(super) regions: Regions,
    /// Slave: the buffer of each slot, as far as it is posted. Nothing of this is ever read back from shared memory.
    /// Empty until it is [made](Self::make). Master: empty.
    pub(super) buffers: BufferTable,
    /// Slave: the buffers as they were laid out.
    pub(super) row: Option<BufferRow>,
    /// What [`chain`](Self::chain) read of chains behind their first descriptors. Room for all slots of the ring, once
    /// it is [made](Self::make).
    pub(super) segments: Vec<Segment>,
    pub(super) settings: RxSettings,
    /// Slots of a chain without an end that the last walk came upon, all behind it; 0 if it came upon none.
    pub(super) unfinished: u16,
    /// Slots from the oldest one held to the end of the last chain that was read.
    chained: u16,
    /// Master: where the last packet began, and how far behind the one before it: a guess at the next.
    last: usize,
    stride: usize,
    resyncs_in_row: u32,
    /// Up to where the peer had published when it left, once that was looked at.
    end: Option<u16>,
}

/// One descriptor of a chain, read once and checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) slot: u16,
    pub(super) region: u16,
}

/// A descriptor as it was read, both words once. As slave without the offset, which says nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    head: DescriptorHead,
    offset: u32,
}

/// What stands at a slot that is no good packet of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Walked {
    /// A good packet. Its further segments were added to the list.
    Packet { first: Segment, bytes: u32, slots: u16 },
    /// A packet that is to be dropped, with so many bad descriptors.
    Bad { descriptors: u16, slots: u16 },
    /// The start of a packet whose end has not come.
    Unfinished,
}

impl<R: RingMemory> RxCore<R> {
    /// The core of a receiver on a ring that was checked. A slave brings the buffers, and holds all of them. It is to
    /// be [made](Self::make) before anything is received.
    pub(super) fn new(
        regions: &Regions,
        ring: impl Into<R>,
        cursor: RxCursor,
        settings: RxSettings,
        row: Option<BufferRow>,
    ) -> Self {
        Self {
            ring: ring.into(),
            role: cursor.role(),
            cursor,
            regions: regions.clone(),
            buffers: BufferTable::new(regions, 0),
            row,
            segments: Vec::new(),
            settings,
            unfinished: 0,
            chained: 0,
            last: 0,
            stride: 0,
            resyncs_in_row: 0,
            end: None,
        }
    }

    /// Makes the table and room for chains. Not done with the link: of a thousand that rest, each would have memory
    /// for an entry per slot.
    #[cold]
    pub(super) fn make(&mut self) {
        let size = self.cursor.size();
        if self.row.is_some() {
            self.buffers = table(&self.regions, size, self.row);
        }
        self.segments.reserve_exact(usize::from(size));
    }

    /// Where the table has a slot's buffer.
    #[inline]
    pub(super) fn at(&self, slot: u16) -> usize {
        usize::from(slot & self.ring.mask())
    }

    /// Loads the peer's cursor and says how many slots can be read. While there are none, the cache lines of the next
    /// packet are asked for: they then come along with the cursor and not after it.
    #[inline]
    pub(super) fn available(&self) -> Result<u16, OutOfRange> {
        let available = self.cursor.available(&self.ring)?;
        if available == 0 {
            let slot = self.cursor.next();
            self.ring.prefetch(slot);
            match self.role {
                Role::Slave => self.buffers.prefetch(self.at(slot)),
                // Slaves keep to the buffers of a slot, and those lie in a row.
                Role::Master => {
                    let guess = self.last.wrapping_add(self.stride);
                    prefetch::to_read(std::ptr::without_provenance(guess));
                }
            }
        }
        Ok(available)
    }

    /// Notes where the last packet began and where the one before it.
    #[inline]
    pub(super) fn note_last(&mut self, last: usize, before: usize) {
        (self.last, self.stride) = (last, last.wrapping_sub(before));
    }

    /// Where the last packet began.
    #[inline]
    pub(super) fn last(&self) -> usize {
        self.last
    }

    /// Slots that the peer left when its link went down: one look at its cursor says up to where, since the memory may
    /// still be somebody's who goes on writing.
    #[cold]
    pub(super) fn left_over(&mut self) -> u16 {
        let next = self.cursor.next();
        let end = match self.end {
            Some(end) => end,
            // A cursor that is out of range leaves nothing that could be trusted.
            None => next.wrapping_add(self.available().unwrap_or(0)),
        };
        self.end = Some(end);
        end.wrapping_sub(next)
    }

    /// Nothing is left over, whatever lies on the ring: bad packets, or a chain whose end will not come.
    pub(super) fn nothing_left_over(&mut self) {
        self.end = Some(self.cursor.next());
    }

    /// Takes packets of one good descriptor each, from `first` on in at most `limit` slots: `take` says whether the
    /// bytes lie where they must. Returns how many there are, and what was read of the descriptor that is none.
    #[inline]
    pub(super) fn singles<const MASTER: bool>(
        &self,
        first: u16,
        limit: u16,
        mut take: impl FnMut(u16, Named) -> bool,
    ) -> (u16, Option<Descriptor>) {
        let (ring, mask, max_packet) = (self.ring.descriptors(), self.ring.mask(), self.settings.max_packet);
        let mut done = 0;
        while done < limit {
            let slot = first.wrapping_add(done);
            let head = DescriptorHead::from_word(ring.load(slot, 0));
            let offset = if MASTER { offset_from_word(ring.load(slot, 1)) } else { 0 };
            let DescriptorHead { flags, region, length } = head;
            // No bytes at all is one too many, too.
            let good = flags & FLAG_NEXT == 0
                && length.wrapping_sub(1) < max_packet
                && take(slot, Named { at: usize::from(slot & mask), region, offset, len: length });
            if !good {
                return (done, Some(Descriptor { head, offset }));
            }
            done += 1;
        }
        (done, None)
    }

    /// Reads a packet that is a chain or is to be dropped to its end, each descriptor once, from the slot `first` on
    /// that begins with `read`; `available` slots can be read from there.
    #[inline(never)]
    pub(super) fn chain<const MASTER: bool>(
        &mut self,
        first: u16,
        available: u16,
        read: Descriptor,
    ) -> Result<Walked, Breach> {
        let from = self.segments.len();
        let mut head = read.head;
        let mut slots = 1;
        let mut bytes = head.length;
        let first_segment = self.check::<MASTER>(first, read)?;
        let mut bad = u16::from(first_segment.is_none() || bytes > self.settings.max_packet);
        while head.has_next() {
            if slots == available {
                // Peers publish whole packets; the rest of this one may still come.
                self.segments.truncate(from);
                if slots == self.cursor.size() {
                    return Err(Breach::EndlessChain { queue: self.settings.name, slot: first });
                }
                self.unfinished = available;
                return Ok(Walked::Unfinished);
            }
            let slot = first.wrapping_add(slots);
            slots += 1;
            let read = self.read::<MASTER>(slot);
            head = read.head;
            bytes = bytes.saturating_add(head.length);
            match self.check::<MASTER>(slot, read)? {
                Some(segment) if bytes <= self.settings.max_packet => self.segments.push(segment),
                _ => bad += 1,
            }
        }
        if slots > 1 {
            self.chained = self.chained.max(first.wrapping_add(slots).wrapping_sub(self.cursor.back()));
        }
        // Where parts may be empty, all of them may be.
        bad += u16::from(bytes == 0 && bad == 0);
        match first_segment.filter(|_| bad == 0) {
            Some(first) => {
                for segment in self.segments.get(from..).unwrap_or_default() {
                    self.regions.prefetch(segment.region, segment.offset);
                }
                Ok(Walked::Packet { first, bytes, slots })
            }
            None => {
                self.segments.truncate(from);
                Ok(Walked::Bad { descriptors: bad, slots })
            }
        }
    }

    /// Both words of a descriptor, as far as this side reads them.
    #[inline]
    fn read<const MASTER: bool>(&self, slot: u16) -> Descriptor {
        let head = DescriptorHead::from_word(self.ring.load_word(slot, 0));
        let offset = if MASTER { offset_from_word(self.ring.load_word(slot, 1)) } else { 0 };
        Descriptor { head, offset }
    }

    /// One descriptor: where its bytes lie, or `None` when it is to be dropped. What has no bytes and may have none
    /// lies somewhere, too: users of slots look at the first byte of what they get.
    fn check<const MASTER: bool>(&self, slot: u16, read: Descriptor) -> Result<Option<Segment>, Breach> {
        let Descriptor { head: DescriptorHead { region, length, .. }, offset } = read;
        let may_be = length > 0 || self.settings.empty_segments;
        if MASTER {
            let good = may_be && self.regions.contains(region, offset, length.max(1));
            return Ok(good.then_some(Segment { offset, length, slot, region }));
        }
        // Slave: the master says only how much it wrote; where is known from posting the buffer.
        let at = self.at(slot);
        let (region, offset, capacity) = (self.buffers.region(at), self.buffers.offset(at), self.buffers.len(at));
        if length > capacity {
            return Err(Breach::OverCapacity { queue: self.settings.name, slot, length, capacity });
        }
        Ok(may_be.then_some(Segment { offset, length, slot, region }))
    }

    /// Slave: writes the descriptor of an empty buffer. The word with flags, region and length always and in one
    /// store, since the master wrote it; the offset when it is another buffer now.
    #[inline]
    pub(super) fn post(&self, slot: u16) {
        let at = self.at(slot);
        let Entry { bytes, region, mark } = self.buffers.entry(at);
        if mark == MOVED {
            self.ring.store_word(slot, 1, offset_to_word(self.buffers.offset(at)));
            self.buffers.set_mark(at, 0);
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.ring.store_word(slot, 0, DescriptorHead { flags: 0, region, length }.to_word());
    }

    /// Slave: posts a slot with a part of its whole buffer: from byte `skip` on, and `less` bytes shorter. Returns
    /// whether anything is left of it then.
    #[cfg(feature = "raw")]
    #[inline]
    pub(super) fn post_part(&self, slot: u16, parts: &Parts<'_>, skip: u32, less: u32) -> bool {
        let Some(Part { region, len, moved }) = parts.put(self.at(slot), skip, less) else { return false };
        if moved {
            self.ring.store_word(slot, 1, offset_to_word(self.buffers.offset(self.at(slot))));
        }
        self.ring.store_word(slot, 0, DescriptorHead { flags: 0, region, length: len }.to_word());
        true
    }

    /// Slave: posts the oldest `slots` of the slots held, which are to be given back then.
    #[inline]
    pub(super) fn post_held(&self, slots: u16) {
        if self.role == Role::Slave {
            let back = self.cursor.back();
            (0..slots).for_each(|i| self.post(back.wrapping_add(i)));
        }
    }

    /// Gives the oldest `slots` of the slots held back to the peer, with one store. A slave has posted them.
    #[inline]
    pub(super) fn give_back(&mut self, slots: u16) {
        if self.chained > 0 {
            self.clear_next(slots);
        }
        self.cursor.give_back(slots, &self.ring);
    }

    /// Master: clears NEXT in slots before they go back, because DPDK 22.11 does not when it uses a slot again, and
    /// would glue two packets.
    #[cold]
    fn clear_next(&mut self, slots: u16) {
        let chained = slots.min(self.chained);
        self.chained -= chained;
        if self.role == Role::Master {
            let back = self.cursor.back();
            (0..chained).for_each(|i| self.ring.clear_next(back.wrapping_add(i)));
        }
    }

    /// A packet came that was valid: overruns before it do not count any more.
    #[inline]
    pub(super) fn note_valid(&mut self) {
        self.resyncs_in_row = 0;
    }

    /// The peer's cursor is beyond the ring, as with an honest DPDK that overran it, or with one that is not honest.
    /// Starts afresh from there; gives up when that never helps. Nothing is held afterwards.
    #[cold]
    pub(super) fn resynchronise(&mut self, overrun: OutOfRange) -> Result<(), Breach> {
        if self.settings.resyncs == 0 {
            return Err(overrun.of(self.settings.name));
        }
        if self.resyncs_in_row >= self.settings.resyncs {
            return Err(Breach::Overrun { queue: self.settings.name, count: self.resyncs_in_row });
        }
        self.resyncs_in_row += 1;
        if self.role == Role::Slave {
            (0..self.cursor.size()).for_each(|slot| self.post(slot));
        }
        self.segments.clear();
        (self.unfinished, self.chained) = (0, 0);
        self.cursor.resynchronise(overrun.found, &self.ring);
        Ok(())
    }
}
