//! What a receiver reads from its ring: the scan that finds packets.

use std::cell::Cell;
use std::sync::Arc;

use super::packet::{Packet, Segment};
use super::{BufferRef, table};
use crate::config::Role;
use crate::error::{Breach, QueueName};
use crate::queue::LinkShared;
use crate::ring::{OutOfRange, RingMemory, RxCursor};
use crate::shm::{Entry, MappedRing, Regions, Spots, prefetch};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

/// The mark of a slave's slot whose descriptor has the offset of another buffer than it has now.
pub(super) const MOVED: u16 = 1;

/// Instead of a number of bytes.
const UNCOUNTED: u64 = u64::MAX;

/// Ring, memory and what the last scan found: everything that packets borrow.
pub(super) struct RxCore {
    pub(super) regions: Regions,
    /// Slave: the buffer of each slot, exchanged by [`TxBatch::forward`](super::TxBatch::forward). Nothing of this is
    /// ever read back from shared memory. Master: empty.
    pub(super) slots: Spots,
    /// The packets of the last scan, of which the first `count` count: the first segment of each, marked with its slot.
    found: Spots,
    pub(super) count: usize,
    /// What else there is to say of them. Nothing where the scan is plain: all packets in one segment, none dropped.
    /// Its memory is touched as far as it is used, 16 KiB per queue less where no packet is odd.
    odd: Vec<Odd>,
    pub(super) segments: Vec<Segment>,
    pub(super) link: Arc<LinkShared>,
    pub(super) ring: MappedRing,
    pub(super) cursor: RxCursor,
    pub(super) role: Role,
    max_packet: u32,
    /// Slots, bad descriptors and dropped packets of the scan that come after its last good packet.
    trailing: Progress,
    /// What a scan read of a descriptor that is no packet of its own: its first word, and as master the offset.
    met: Option<(u64, u32)>,
    /// Whether the scan met a descriptor with NEXT.
    chained: bool,
    /// Slots of the chain without an end that the last scan met, 0 if it met none.
    pub(super) unfinished: u16,
    /// Packets of the scan that were handed out, and their bytes.
    pub(super) taken: Cell<usize>,
    pub(super) taken_bytes: Cell<u64>,
    /// Where the last packet began, and how far behind the one before it: a guess at the next.
    last: usize,
    stride: usize,
}

/// How far a scan has come: slots, and among them bad descriptors and dropped packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) done: u16,
    pub(super) bad: u16,
    pub(super) dropped: u16,
}

/// A packet of a scan that is not plain.
#[derive(Clone, Copy, Debug, Default)]
struct Odd {
    /// Bytes of all of its segments.
    bytes: u32,
    /// Its further segments in the scan's list: from where on, and how many.
    rest: u16,
    more: u16,
    /// From the start of the scan to the end of this packet.
    up_to: Progress,
}

impl RxCore {
    /// The core of a queue on a ring that was checked, for scans of at most so many packets. A slave brings the
    /// buffers.
    pub(super) fn new(
        link: &Arc<LinkShared>,
        ring: MappedRing,
        cursor: RxCursor,
        max_packet: u32,
        size: usize,
        buffers: &[BufferRef],
    ) -> Self {
        let regions = link.regions.clone();
        let slots = table(&regions, buffers.len(), buffers);
        Self {
            slots,
            found: Spots::new(&regions, size),
            regions,
            count: 0,
            odd: Vec::with_capacity(size),
            segments: Vec::with_capacity(size),
            link: Arc::clone(link),
            ring,
            cursor,
            role: link.role,
            max_packet,
            trailing: Progress::default(),
            met: None,
            chained: false,
            unfinished: 0,
            taken: Cell::new(0),
            taken_bytes: Cell::new(0),
            last: 0,
            stride: 0,
        }
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
                Role::Slave => self.slots.prefetch(self.at(slot)),
                // Slaves keep to the buffers of a slot, and those lie in a row.
                Role::Master => {
                    let guess = self.last.wrapping_add(self.stride);
                    prefetch::to_read(std::ptr::without_provenance(guess));
                }
            }
        }
        Ok(available)
    }

    /// Reads descriptors, each once, into the private lists until `max` packets are whole.
    #[inline]
    pub(super) fn scan(&mut self, name: QueueName, available: u16, max: usize) -> Result<(), Breach> {
        self.segments.clear();
        self.odd.clear();
        self.count = 0;
        self.unfinished = 0;
        self.chained = false;
        match self.role {
            Role::Slave => self.scan_as::<false>(name, available, max),
            Role::Master => self.scan_as::<true>(name, available, max),
        }
    }

    #[inline]
    fn scan_as<const MASTER: bool>(&mut self, name: QueueName, available: u16, max: usize) -> Result<(), Breach> {
        let most = max.min(self.found.count());
        let mut at = self.scan_singles::<MASTER, true>(available, most, Progress::default());
        if at.done < available && self.count < most {
            self.unplain();
            while let Some(after) = self.scan_odd::<MASTER>(name, available, at)? {
                at = self.scan_singles::<MASTER, false>(available, most, after);
                if at.done == available || self.count == most {
                    break;
                }
            }
        }
        self.trailing = at;
        if MASTER && self.count > 0 {
            let last = self.found.address(self.count - 1);
            let before = if self.count == 1 { self.last } else { self.found.address(self.count - 2) };
            self.stride = last.wrapping_sub(before);
            self.last = last;
        }
        Ok(())
    }

    /// Packets of one good descriptor each; leaves the first that is none to the caller, with what was read of it.
    #[inline]
    fn scan_singles<const MASTER: bool, const PLAIN: bool>(
        &mut self,
        available: u16,
        most: usize,
        mut at: Progress,
    ) -> Progress {
        let start = self.cursor.next();
        let Self { ring, slots, found, odd, max_packet, met, .. } = self;
        let (ring, mask, max_packet) = (ring.descriptors(), ring.mask(), *max_packet);
        let mut filler = found.filler();
        // Both are of one link, always.
        let Some(mut copier) = found.copier(slots) else { return at };
        let mut count = self.count;
        while at.done < available && count < most {
            let slot = start.wrapping_add(at.done);
            let word = ring.load(slot, 0);
            let DescriptorHead { flags, region, length } = DescriptorHead::from_word(word);
            let offset = if MASTER { offset_from_word(ring.load(slot, 1)) } else { 0 };
            // No bytes at all is one too many, too.
            let good = flags & FLAG_NEXT == 0
                && length.wrapping_sub(1) < max_packet
                && if MASTER {
                    filler.put(count, region, offset, length, slot)
                } else {
                    copier.put(count, usize::from(slot & mask), length, slot)
                };
            if !good {
                *met = Some((word, offset));
                break;
            }
            at.done += 1;
            if !PLAIN {
                // Within what was allocated: there are as many as packets, and no more of those than slots.
                odd.push(Odd { bytes: length, rest: 0, more: 0, up_to: at });
            }
            count += 1;
        }
        self.count = count;
        at
    }

    /// From here on the scan is not plain: what is implied of the packets so far is written down.
    #[inline(never)]
    fn unplain(&mut self) {
        let Self { odd, found, count, .. } = self;
        odd.extend((0..*count).map(|at| {
            let up_to = Progress { done: slot_count(at + 1), ..Progress::default() };
            Odd { bytes: found.len(at), rest: 0, more: 0, up_to }
        }));
    }

    /// A packet that is a chain or is to be dropped; what was read of its first descriptor is not read again. Returns
    /// how far that goes, or `None` where the packet has no end yet.
    #[inline(never)]
    fn scan_odd<const MASTER: bool>(
        &mut self,
        name: QueueName,
        available: u16,
        mut at: Progress,
    ) -> Result<Option<Progress>, Breach> {
        let start = self.cursor.next();
        let rest = self.segments.len();
        let slot = start.wrapping_add(at.done);
        let met = self.met.take();
        let (word, offset) = met.unwrap_or_else(|| self.read::<MASTER>(slot));
        let head = DescriptorHead::from_word(word);
        let mut end = at.done + 1;
        let mut bytes = head.length;
        let first = self.check::<MASTER>(name, slot, head, offset)?;
        let mut bad = u16::from(first.is_none() || bytes > self.max_packet);
        let mut next = head.has_next();
        while next {
            self.chained = true;
            if end == available {
                // Peers publish whole packets; the rest of this one may still come.
                self.segments.truncate(rest);
                if at.done == 0 && available == self.cursor.size() {
                    return Err(Breach::EndlessChain { queue: name, slot: start });
                }
                self.unfinished = available - at.done;
                return Ok(None);
            }
            let slot = start.wrapping_add(end);
            end += 1;
            let (word, offset) = self.read::<MASTER>(slot);
            let head = DescriptorHead::from_word(word);
            bytes = bytes.saturating_add(head.length);
            match self.check::<MASTER>(name, slot, head, offset)? {
                Some(segment) if bytes <= self.max_packet => self.segments.push(segment),
                _ => bad += 1,
            }
            next = head.has_next();
        }
        at.done = end;
        match first.filter(|_| bad == 0) {
            Some(Segment { offset, length, slot, region }) => {
                let more = slot_count(self.segments.len() - rest);
                self.odd.push(Odd { bytes, rest: slot_count(rest), more, up_to: at });
                self.found.filler().put(self.count, region, offset, length, slot);
                self.count += 1;
                for segment in self.segments.get(rest..).unwrap_or_default() {
                    self.regions.prefetch(segment.region, segment.offset);
                }
            }
            None => {
                self.segments.truncate(rest);
                at.bad += bad;
                at.dropped += 1;
            }
        }
        Ok(Some(at))
    }

    /// Both words of a descriptor, as far as this side reads them.
    #[inline]
    fn read<const MASTER: bool>(&self, slot: u16) -> (u64, u32) {
        let word = self.ring.load_word(slot, 0);
        let offset = if MASTER { offset_from_word(self.ring.load_word(slot, 1)) } else { 0 };
        (word, offset)
    }

    /// One descriptor, whose second word as master has `offset`: where its bytes lie, or `None` when it is to be
    /// dropped.
    fn check<const MASTER: bool>(
        &self,
        name: QueueName,
        slot: u16,
        head: DescriptorHead,
        offset: u32,
    ) -> Result<Option<Segment>, Breach> {
        let length = head.length;
        if MASTER {
            let region = head.region;
            let good = length > 0 && self.regions.contains(region, offset, length);
            return Ok(good.then_some(Segment { offset, length, slot, region }));
        }
        // Slave: the master says only how much it wrote; where is known from posting the buffer.
        let at = self.at(slot);
        let (region, offset, capacity) = (self.slots.region(at), self.slots.offset(at), self.slots.len(at));
        if length > capacity {
            return Err(Breach::OverCapacity { queue: name, slot, length, capacity });
        }
        Ok((length > 0).then_some(Segment { offset, length, slot, region }))
    }

    /// The packet that a scan found at that place.
    #[inline]
    pub(super) fn packet(&self, at: usize) -> Option<Packet<'_>> {
        if at >= self.count {
            return None;
        }
        let Entry { bytes: first, region, mark: slot } = self.found.entry(at);
        let (bytes, rest, more) = if self.odd.is_empty() {
            (u32::try_from(first.len()).unwrap_or(u32::MAX), 0, 0)
        } else {
            let Odd { bytes, rest, more, .. } = *self.odd.get(at)?;
            (bytes, rest, more)
        };
        Some(Packet { core: self, first, region, slot, bytes, rest, more })
    }

    /// All packets of the scan count as taken; how many bytes they have is found out when that is asked for.
    #[inline]
    pub(super) fn take_all(&self) {
        if self.taken.replace(self.count) != self.count {
            self.taken_bytes.set(UNCOUNTED);
        }
    }

    /// Bytes of the packets taken, of which there are so many.
    #[inline]
    pub(super) fn bytes_taken(&self, taken: usize) -> u64 {
        match self.taken_bytes.get() {
            UNCOUNTED => self.count_bytes(taken),
            bytes => bytes,
        }
    }

    #[cold]
    fn count_bytes(&self, taken: usize) -> u64 {
        (0..taken).filter_map(|at| self.packet(at)).map(|packet| u64::from(packet.bytes)).sum()
    }

    /// How far the scan had come behind the first `taken` packets; bad ones behind the last count with it.
    #[inline]
    pub(super) fn progress(&self, taken: usize) -> Progress {
        if taken == self.count {
            return self.trailing;
        }
        if self.odd.is_empty() {
            return Progress { done: slot_count(taken), ..Progress::default() };
        }
        let last = taken.checked_sub(1).and_then(|last| self.odd.get(last));
        last.map_or_else(Progress::default, |odd| odd.up_to)
    }

    /// Gives the first `slots` slots of the scan back.
    #[inline]
    pub(super) fn give_back_read(&mut self, slots: u16) {
        if self.role == Role::Master && self.chained {
            self.clear_next(slots);
        }
        self.cursor.advance(slots);
        self.give_back();
    }

    /// Master: clears NEXT in the first `slots` slots before they go back, because DPDK 22.11 does not when it
    /// uses a slot again, and would glue two packets. Whatever else stands there now is written back: the slots
    /// are ours, and nothing is concluded from them.
    #[cold]
    fn clear_next(&self, slots: u16) {
        let start = self.cursor.next();
        for slot in (0..slots).map(|i| start.wrapping_add(i)) {
            let head = DescriptorHead::from_word(self.ring.load_word(slot, 0));
            if head.has_next() {
                self.ring.store_word(slot, 0, DescriptorHead { flags: 0, ..head }.to_word());
            }
        }
    }

    /// Slave: writes the descriptor of an empty buffer. The word with flags, region and length always and in one
    /// store, since the master wrote it; the offset when it is another buffer now.
    #[inline]
    pub(super) fn post(&self, slot: u16) {
        let at = self.at(slot);
        let Entry { bytes, region, mark } = self.slots.entry(at);
        if mark == MOVED {
            self.ring.store_word(slot, 1, offset_to_word(self.slots.offset(at)));
            self.slots.set_mark(at, 0);
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.ring.store_word(slot, 0, DescriptorHead { flags: 0, region, length }.to_word());
    }

    /// Gives everything before the cursor back to the peer.
    #[inline]
    pub(super) fn give_back(&mut self) {
        if self.role == Role::Slave {
            for slot in self.cursor.unreturned() {
                self.post(slot);
            }
        }
        self.cursor.publish(&self.ring);
    }

    /// Packets of the scan that were not handed out.
    pub(super) fn left(&self) -> usize {
        self.count.saturating_sub(self.taken.get())
    }

    pub(super) fn forget_scan(&mut self) {
        self.taken.set(0);
        self.taken_bytes.set(0);
        self.segments.clear();
        self.odd.clear();
        self.count = 0;
        self.trailing = Progress::default();
    }
}

/// A number of slots, at most 2^14.
#[inline]
fn slot_count(slots: usize) -> u16 {
    u16::try_from(slots).unwrap_or(u16::MAX)
}
