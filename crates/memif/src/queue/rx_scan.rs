//! The packets that a receive queue found on its ring: lists of what its core walked over.

use std::cell::Cell;
use std::sync::Arc;

use super::rx_core::{Descriptor, RxCore, Segment, Walked};
use super::spares::Spares;
use crate::config::Role;
use crate::error::Breach;
use crate::queue::LinkShared;
use crate::shm::BufferTable;

/// Instead of a number of bytes.
const UNCOUNTED: u64 = u64::MAX;

/// Ring, memory and what the last scan found: everything that packets borrow.
pub(super) struct RxScan {
    pub(super) core: RxCore,
    pub(super) link: Arc<LinkShared>,
    /// Slave: what takes the place of packets that are kept, if it has such. None until it is [made](Self::make).
    pub(super) spares: Option<Spares>,
    spare_count: u16,
    /// The packets of the last scan, of which the first `count` count: the first segment of each, marked with its slot.
    /// No room for any until it is [made](Self::make).
    pub(super) packets: BufferTable,
    pub(super) count: usize,
    /// What else there is to say of them. Nothing where every packet is one segment, and none was dropped. Its memory
    /// is touched as far as it is used, 16 KiB per queue less where there is nothing more to say.
    pub(super) details: Vec<Details>,
    /// How far the scan has come, with what it dropped behind its last packet.
    reached: Progress,
    /// Packets of the scan that were handed out, and their bytes.
    pub(super) taken: Cell<usize>,
    pub(super) taken_bytes: Cell<u64>,
}

/// How far a scan has come: slots, and among them bad descriptors and dropped packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) done: u16,
    pub(super) bad: u16,
    pub(super) dropped: u16,
}

/// What there is to say of a packet besides its first segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Details {
    /// Bytes of all of its segments.
    pub(super) bytes: u32,
    /// Its further segments in the list of the core: from where on, and how many.
    pub(super) rest: u16,
    pub(super) more: u16,
    /// From the start of the scan to the end of this packet.
    up_to: Progress,
}

impl RxScan {
    /// To be [made](Self::make) before a scan finds anything.
    pub(super) fn new(core: RxCore, link: &Arc<LinkShared>, spare_count: u16) -> Self {
        Self {
            spares: None,
            spare_count,
            packets: BufferTable::new(&core.regions, 0),
            core,
            link: Arc::clone(link),
            count: 0,
            details: Vec::new(),
            reached: Progress::default(),
            taken: Cell::new(0),
            taken_bytes: Cell::new(0),
        }
    }

    /// Whether there is room for packets.
    #[inline]
    pub(super) fn is_made(&self) -> bool {
        self.packets.count() > 0
    }

    /// Makes room for as many packets as the ring has slots, see [`RxCore::make`].
    #[cold]
    pub(super) fn make(&mut self) {
        let size = usize::from(self.core.cursor.size());
        self.packets = BufferTable::new(&self.core.regions, size);
        self.details.reserve_exact(size);
        let slots = self.core.cursor.size();
        let row = self.core.row.filter(|_| self.spare_count > 0);
        self.spares = row.map(|row| Spares::new(&self.core.regions, row, slots, self.spare_count));
        self.core.make();
    }

    /// Spare buffers that no packet is kept for.
    pub(super) fn free_spares(&self) -> usize {
        match &self.spares {
            Some(spares) => spares.free(),
            None if self.core.row.is_some() && !self.is_made() => usize::from(self.spare_count),
            None => 0,
        }
    }

    /// Reads descriptors, each once, into the private lists until `max` packets are whole.
    #[inline]
    pub(super) fn scan(&mut self, available: u16, max: usize) -> Result<(), Breach> {
        self.core.segments.clear();
        self.details.clear();
        self.count = 0;
        self.core.unfinished = 0;
        match self.core.role {
            Role::Slave => self.scan_as::<false>(available, max),
            Role::Master => self.scan_as::<true>(available, max),
        }
    }

    #[inline]
    fn scan_as<const MASTER: bool>(&mut self, available: u16, max: usize) -> Result<(), Breach> {
        let most = slot_count(max.min(self.packets.count()));
        let (done, other) = self.scan_singles::<MASTER, true>(available.min(most), Progress::default());
        let mut at = Progress { done, ..Progress::default() };
        if let Some(other) = other {
            at = self.scan_others::<MASTER>(available, most, at, other)?;
        }
        self.reached = at;
        if MASTER && self.count > 0 {
            let last = self.packets.address(self.count - 1);
            let before = if self.count == 1 { self.core.last() } else { self.packets.address(self.count - 2) };
            self.core.note_last(last, before);
        }
        Ok(())
    }

    /// Packets of one good descriptor each, in at most `limit` slots from `at` on. Returns how many, and the descriptor
    /// that is none of its own.
    #[inline]
    fn scan_singles<const MASTER: bool, const PLAIN: bool>(
        &mut self,
        limit: u16,
        at: Progress,
    ) -> (u16, Option<Descriptor>) {
        let Self { core, packets, details, count: before, .. } = self;
        // Both are of one link, always.
        let Some(mut recorder) = packets.recorder(core.buffers.finder()) else { return (0, None) };
        let first = core.cursor.next().wrapping_add(at.done);
        let (mut count, before) = (*before, *before);
        let (done, other) = core.singles::<MASTER>(first, limit, |slot, named| {
            let good = recorder.record::<MASTER>(count, named, slot);
            if good {
                count += 1;
                if !PLAIN {
                    // Within what was allocated: there are as many as packets, and no more of those than slots.
                    let done = at.done + slot_count(count - before);
                    details.push(Details { bytes: named.len, rest: 0, more: 0, up_to: Progress { done, ..at } });
                }
            }
            good
        });
        self.count = count;
        (done, other)
    }

    /// From the first descriptor on that is no good packet of its own.
    #[inline(never)]
    fn scan_others<const MASTER: bool>(
        &mut self,
        available: u16,
        most: u16,
        mut at: Progress,
        mut other: Descriptor,
    ) -> Result<Progress, Breach> {
        self.write_details();
        let start = self.core.cursor.next();
        loop {
            let rest = self.core.segments.len();
            match self.core.chain::<MASTER>(start.wrapping_add(at.done), available - at.done, other)? {
                Walked::Unfinished => return Ok(at),
                Walked::Packet { first, bytes, slots } => {
                    at.done += slots;
                    let more = slot_count(self.core.segments.len() - rest);
                    self.details.push(Details { bytes, rest: slot_count(rest), more, up_to: at });
                    let Segment { offset, length, slot, region } = first;
                    self.packets.put(self.count, region, offset, length, length);
                    self.packets.set_mark(self.count, slot);
                    self.packets.prefetch(self.count);
                    self.count += 1;
                }
                Walked::Bad { descriptors, slots } => {
                    at.done += slots;
                    at.bad += descriptors;
                    at.dropped += 1;
                }
            }
            let limit = (available - at.done).min(most - slot_count(self.count));
            let (done, next) = self.scan_singles::<MASTER, false>(limit, at);
            at.done += done;
            match next {
                Some(next) => other = next,
                None => return Ok(at),
            }
        }
    }

    /// Writes down what was not worth it so far: that every packet was one segment, and none was dropped.
    fn write_details(&mut self) {
        let Self { details, packets, count, .. } = self;
        details.extend((0..*count).map(|at| {
            let up_to = Progress { done: slot_count(at + 1), ..Progress::default() };
            Details { bytes: packets.len(at), rest: 0, more: 0, up_to }
        }));
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
        if self.details.is_empty() {
            return (0..taken).map(|at| u64::from(self.packets.len(at))).sum();
        }
        self.details.iter().take(taken).map(|details| u64::from(details.bytes)).sum()
    }

    /// How far the scan had come behind the first `taken` packets; bad ones behind the last count with it.
    #[inline]
    pub(super) fn progress(&self, taken: usize) -> Progress {
        if taken == self.count {
            return self.reached;
        }
        if self.details.is_empty() {
            return Progress { done: slot_count(taken), ..Progress::default() };
        }
        let last = taken.checked_sub(1).and_then(|last| self.details.get(last));
        last.map_or_else(Progress::default, |details| details.up_to)
    }

    /// Gives the first `slots` slots of the scan back.
    #[inline]
    pub(super) fn give_back(&mut self, slots: u16) {
        self.core.cursor.advance(slots);
        self.core.post_held(slots);
        self.core.give_back(slots);
    }

    /// Packets of the scan that were not handed out.
    pub(super) fn left(&self) -> usize {
        self.count.saturating_sub(self.taken.get())
    }

    pub(super) fn forget(&mut self) {
        self.taken.set(0);
        self.taken_bytes.set(0);
        self.core.segments.clear();
        self.details.clear();
        self.count = 0;
        self.reached = Progress::default();
    }
}

/// A number of slots, at most 2^14.
#[inline]
fn slot_count(slots: usize) -> u16 {
    u16::try_from(slots).unwrap_or(u16::MAX)
}
