//! Receiving.

use std::cell::{Cell, OnceCell};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::epoll;

use super::BufferRef;
use super::packet::{Packet, Segment, Span};
use crate::config::{InterfaceConfig, MAX_PACKET_SIZE, Role, RxMode};
use crate::counters::Counters;
use crate::error::{Breach, QueueName, RecvError};
use crate::link::{LinkShared, QueueParts, QueueShared};
use crate::ring::{OutOfRange, RingMemory, RxCursor};
use crate::shm::{MappedRing, Regions, fault_count};
use crate::wire::ring::{
    DescriptorHead, FLAG_MASK_INT, FLAG_NEXT, offset_from_word, offset_to_word,
};

/// A slot of an M2S ring as its slave knows it. Nothing of this is ever read back from shared memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct RxSlot {
    pub(super) buffer: BufferRef,
    /// Offset that the descriptor in shared memory holds.
    posted_offset: u32,
}

/// Ring, memory and what the last scan found: everything that packets borrow.
pub(super) struct RxCore {
    pub(super) regions: Regions,
    /// Slave: the buffer of each slot, exchanged by [`TxBatch::forward`](super::TxBatch::forward). Master: empty.
    pub(super) slots: Box<[Cell<RxSlot>]>,
    pub(super) segments: Vec<Segment>,
    pub(super) link: Arc<LinkShared>,
    /// Packets of the last scan: as many as the ring has slots, of which the first `found` count.
    spans: Box<[Span]>,
    found: usize,
    ring: MappedRing,
    cursor: RxCursor,
    role: Role,
    max_packet: u32,
    /// Slots, bad descriptors and dropped packets of the scan that come after its last good packet.
    trailing: Progress,
    /// What a scan read of a descriptor that is no packet of its own: its first word, and as master the offset.
    met: (u64, u32),
    /// Whether the scan met a descriptor with NEXT.
    chained: bool,
    /// Slots of the chain without an end that the last scan met, 0 if it met none.
    unfinished: u16,
    /// Packets of the scan that were handed out, and their bytes.
    taken: Cell<usize>,
    taken_bytes: Cell<u64>,
    /// Where the last packet began, and how far behind the one before it: a guess at the next.
    last: (u16, u32),
    stride: u32,
}

/// How far a scan has come: slots, and among them bad descriptors and dropped packets.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    done: u16,
    bad: u16,
    dropped: u16,
}

/// The receiving half of a queue pair: packets come out.
///
/// Movable to a thread of its own, used by one thread at a time. Stays valid when its link goes down; every call
/// then says so, and a later connection brings new queues. Packets that are still on the ring at that moment are
/// lost.
pub struct RxQueue {
    pub(super) core: RxCore,
    pub(super) shared: Arc<QueueShared>,
    pub(super) mode: RxMode,
    pub(super) spin: Duration,
    /// What this queue last asked of its sender.
    pub(super) masked: bool,
    /// The bounded first sleep after the last clearing of the mask is done.
    pub(super) settled: bool,
    /// Signals in a row that brought nothing.
    pub(super) fruitless: u32,
    faults: usize,
    resync_limit: u32,
    resyncs_in_row: u32,
    /// See [`AsFd`]; made when first asked for, `None` inside where that failed.
    readiness: OnceCell<Option<OwnedFd>>,
}

impl RxQueue {
    /// A queue on a ring that was checked. With `buffers`, as a slave has them, they are posted here.
    pub(crate) fn new(
        config: &InterfaceConfig,
        link: &Arc<LinkShared>,
        parts: QueueParts,
        shared: Arc<QueueShared>,
        buffers: Option<Box<[BufferRef]>>,
    ) -> Self {
        let cursor = RxCursor::new(link.role, parts.log2);
        let slots = usize::from(cursor.size());
        let core = RxCore {
            regions: link.regions.clone(),
            slots: buffers
                .unwrap_or_default()
                .iter()
                .map(|buffer| Cell::new(RxSlot { buffer: *buffer, posted_offset: buffer.offset }))
                .collect(),
            segments: Vec::with_capacity(slots),
            link: Arc::clone(link),
            spans: vec![Span::default(); slots].into(),
            found: 0,
            ring: parts.ring,
            cursor,
            role: link.role,
            max_packet: config.max_packet.unwrap_or(MAX_PACKET_SIZE),
            trailing: Progress::default(),
            met: (0, 0),
            last: (0, 0),
            stride: 0,
            chained: false,
            unfinished: 0,
            taken: Cell::new(0),
            taken_bytes: Cell::new(0),
        };
        let mut queue = Self {
            core,
            shared,
            mode: config.rx_mode,
            spin: config.spin,
            masked: true,
            settled: false,
            fruitless: 0,
            faults: 0,
            resync_limit: config.resync_limit,
            resyncs_in_row: 0,
            readiness: OnceCell::new(),
        };
        queue.set_mode(config.rx_mode);
        if queue.core.role == Role::Slave && !config.manual {
            queue.core.give_back();
        }
        queue
    }

    /// The ring as slots, for bindings. Meant for a queue of an interface that is
    /// [`manual`](InterfaceConfig::manual) and was not received from: what was posted or received before is forgotten.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn into_slots(self) -> super::slots::RxSlots {
        let Self { core, shared, mode, resync_limit, .. } = self;
        let RxCore { regions, slots, link, ring, .. } = core;
        let buffers = slots.iter().map(|slot| slot.get().buffer).collect();
        super::slots::RxSlots::new(ring, regions, link, shared, buffers, mode, resync_limit)
    }

    #[cfg(feature = "raw")]
    pub(super) fn shared(&self) -> &Arc<QueueShared> {
        &self.shared
    }

    /// Number of the queue, from 0.
    #[must_use]
    pub fn index(&self) -> u8 {
        self.shared.name.index
    }

    pub(super) fn name(&self) -> QueueName {
        self.shared.name
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> usize {
        usize::from(self.core.cursor.size())
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.core.link.is_down()
    }

    /// What the queue has counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters.read()
    }

    /// How the queue learns of packets.
    #[must_use]
    pub fn mode(&self) -> RxMode {
        self.mode
    }

    /// Changes how the queue learns of packets, from the next burst of the peer on. After a change to
    /// [`RxMode::Interrupt`], receive until a batch is empty before you wait for the queue's descriptor: packets
    /// that came before are not signalled.
    pub fn set_mode(&mut self, mode: RxMode) {
        self.mode = mode;
        self.set_masked(mode != RxMode::Interrupt);
    }

    /// Tells the sender whether to signal.
    pub(super) fn set_masked(&mut self, masked: bool) {
        self.masked = masked;
        self.settled = false;
        self.core.ring.store_flags(if masked { FLAG_MASK_INT } else { 0 });
        if !masked {
            // Orders the clearing before the next look at the ring. Without it the sender could read the old
            // mask and this side the old cursor, and the packet would lie unsignalled.
            self.core.ring.full_fence();
        }
    }

    /// Packets that are on the ring now, at most `max` of them: one look at the peer's cursor. An empty batch
    /// means that there are none now.
    ///
    /// No system call, no lock, no allocation.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] once the link is down, [`RecvError::Breach`] when the peer broke the protocol.
    #[inline]
    pub fn recv(&mut self, max: usize) -> Result<RxBatch<'_>, RecvError> {
        if self.core.link.is_down() {
            return Err(RecvError::Disconnected);
        }
        self.check_memory()?;
        if self.core.taken.get() > 0 {
            // A batch was forgotten instead of dropped.
            self.release();
        }
        match self.core.available() {
            Ok(available) => {
                if let Err(breach) = self.core.scan(self.shared.name, available, max) {
                    return Err(self.fail(breach));
                }
            }
            Err(overrun) => self.resynchronise(overrun)?,
        }
        if self.core.found > 0 {
            self.resyncs_in_row = 0;
            self.fruitless = 0;
            if !self.masked && self.mode == RxMode::Adaptive {
                self.set_masked(true);
            }
        }
        Ok(RxBatch { queue: self })
    }

    /// Receives one packet into `buffer` and says how long it is, or `None` when there is none now. A packet
    /// longer than the buffer is cut; the length says so.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, RecvError> {
        let mut batch = self.recv(1)?;
        let packet = (&mut batch).into_iter().next();
        Ok(packet.map(|packet| {
            packet.copy_to(buffer);
            packet.len()
        }))
    }

    /// Takes the signals that came through the queue's descriptor. For event loops of one's own: call it when the
    /// descriptor is readable, then receive until a batch is empty, then wait again. A peer that signals without
    /// sending keeps such a loop turning; [`wait`](Self::wait) and [`Socket::watch`](crate::Socket::watch) put a
    /// brake on that.
    pub fn acknowledge(&mut self) {
        if crate::link::drain(&*self.shared.interrupt) {
            self.shared.counters.wake_ups.add(1);
        }
    }

    /// Whether a whole packet may be on the ring: something is, and not just the start of a chain that a scan
    /// has met before.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        match self.core.available() {
            Ok(available) => available != 0 && available != self.core.unfinished,
            // For the next receive call to tell.
            Err(_) => true,
        }
    }

    #[inline]
    pub(super) fn check_memory(&mut self) -> Result<(), RecvError> {
        let faults = fault_count();
        if faults != self.faults {
            self.faults = faults;
            if self.core.regions.any_gone() {
                return Err(self.fail(Breach::MemoryGone));
            }
        }
        Ok(())
    }

    #[cold]
    fn fail(&mut self, breach: Breach) -> RecvError {
        self.core.forget_scan();
        RecvError::Breach(self.core.link.fail(breach))
    }

    /// The peer's cursor is beyond the ring, as with an honest DPDK that overran it, or with one that is not
    /// honest. Starts afresh from there; gives up when that never helps.
    #[cold]
    fn resynchronise(&mut self, overrun: OutOfRange) -> Result<(), RecvError> {
        self.core.forget_scan();
        let OutOfRange { cursor, found, low, high } = overrun;
        if self.resync_limit == 0 {
            let queue = self.name();
            return Err(self.fail(Breach::Cursor { queue, cursor, found, low, high }));
        }
        if self.resyncs_in_row >= self.resync_limit {
            let breach = Breach::Overrun { queue: self.name(), count: self.resyncs_in_row };
            return Err(self.fail(breach));
        }
        self.resyncs_in_row += 1;
        self.shared.counters.resyncs.add(1);
        if self.core.role == Role::Slave {
            let next = self.core.cursor.next();
            for slot in 0..self.core.cursor.size() {
                self.core.post(next.wrapping_add(slot));
            }
        }
        self.core.cursor.resynchronise(&self.core.ring);
        self.core.unfinished = 0;
        Ok(())
    }

    /// Gives the slots of the packets taken back, and of the bad ones between and after them.
    #[inline]
    fn release(&mut self) {
        let core = &mut self.core;
        let taken = core.taken.take();
        let Progress { done: slots, bad, dropped } = if taken == core.found {
            core.trailing
        } else {
            match taken.checked_sub(1).and_then(|last| core.spans.get(last)) {
                Some(span) => Progress { done: span.end, bad: span.bad, dropped: span.dropped },
                None => Progress::default(),
            }
        };
        let counters = &self.shared.counters;
        if taken > 0 {
            counters.packets.add(taken as u64);
            counters.bytes.add(core.taken_bytes.get());
        }
        if dropped > 0 {
            counters.bad_descriptors.add(u64::from(bad));
            counters.dropped.add(u64::from(dropped));
        }
        if slots > 0 {
            if core.role == Role::Master && core.chained {
                core.clear_next(slots);
            }
            core.cursor.advance(slots);
            core.give_back();
        }
        core.forget_scan();
    }
}

impl std::fmt::Debug for RxQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RxQueue")
            .field("index", &self.index())
            .field("ring_size", &self.ring_size())
            .field("mode", &self.mode)
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

impl AsFd for RxQueue {
    /// Readable when the peer signalled packets, and for good once the link is down. Right for event loops in
    /// [`RxMode::Interrupt`]; in the other modes the peer is told not to signal.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.get_or_init(|| self.new_readiness().ok()).as_ref().map_or_else(
            // No descriptor left: the peer's signals alone, and the socket's events for the end of the link.
            || self.shared.interrupt.as_fd(),
            |both| both.as_fd(),
        )
    }
}

impl RxQueue {
    /// An epoll descriptor over the peer's eventfd and the end of the link. The peer can read its eventfd empty,
    /// so the end is told through one that it does not have.
    fn new_readiness(&self) -> rustix::io::Result<OwnedFd> {
        let both = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(0);
        epoll::add(&both, &*self.shared.interrupt, data, epoll::EventFlags::IN)?;
        epoll::add(&both, self.core.link.down_event(), data, epoll::EventFlags::IN)?;
        Ok(both)
    }
}

impl RxCore {
    /// Loads the peer's cursor and says how many slots can be read. While there are none, the cache lines of the next
    /// packet are asked for: they then come along with the cursor and not after it.
    #[inline]
    fn available(&self) -> Result<u16, OutOfRange> {
        let available = self.cursor.available(&self.ring)?;
        if available == 0 {
            let slot = self.cursor.next();
            self.ring.prefetch(slot);
            match self.slots.get(usize::from(slot & self.ring.mask())) {
                Some(posted) => {
                    let BufferRef { region, offset, .. } = posted.get().buffer;
                    self.regions.prefetch(region, offset);
                }
                // Slaves keep to the buffers of a slot, and those lie in a row.
                None => self.regions.prefetch(self.last.0, self.last.1.wrapping_add(self.stride)),
            }
        }
        Ok(available)
    }

    /// Reads descriptors, each once, into the private lists until `max` packets are whole.
    #[inline]
    fn scan(&mut self, name: QueueName, available: u16, max: usize) -> Result<(), Breach> {
        self.segments.clear();
        self.found = 0;
        self.unfinished = 0;
        self.chained = false;
        match self.role {
            Role::Slave => self.scan_as::<false>(name, available, max),
            Role::Master => self.scan_as::<true>(name, available, max),
        }
    }

    #[inline]
    fn scan_as<const MASTER: bool>(
        &mut self,
        name: QueueName,
        available: u16,
        max: usize,
    ) -> Result<(), Breach> {
        let start = self.cursor.next();
        let most = max.min(self.spans.len());
        let mut at = Progress::default();
        while at.done < available && self.found < most {
            at = self.scan_singles::<MASTER>(start, available, most, at);
            if at.done < available && self.found < most {
                match self.scan_rest::<MASTER>(name, available, at)? {
                    Some(after) => at = after,
                    None => break,
                }
            }
        }
        self.trailing = at;
        if MASTER && let Some([.., before, last]) = self.spans.get(..self.found) {
            self.stride = last.head.offset.wrapping_sub(before.head.offset);
        }
        if MASTER && let Some([.., last]) = self.spans.get(..self.found) {
            self.last = (last.head.region, last.head.offset);
        }
        Ok(())
    }

    /// Packets of one good descriptor each; leaves the first that is none to the caller, with what was read of it.
    #[inline]
    fn scan_singles<const MASTER: bool>(
        &mut self,
        start: u16,
        available: u16,
        most: usize,
        mut at: Progress,
    ) -> Progress {
        let Self { ring, slots, regions, spans, .. } = self;
        let (ring, mask, max_packet) = (ring.descriptors(), ring.mask(), self.max_packet);
        let mut found = self.found;
        while at.done < available && found < most {
            let slot = start.wrapping_add(at.done);
            let word = ring.load(slot, 0);
            let DescriptorHead { flags, region, length } = DescriptorHead::from_word(word);
            let (region, offset, good) = if MASTER {
                let offset = offset_from_word(ring.load(slot, 1));
                (region, offset, regions.contains(region, offset, length))
            } else {
                let posted = slots.get(usize::from(slot & mask));
                let BufferRef { region, offset, capacity } =
                    posted.map_or_else(BufferRef::default, |posted| posted.get().buffer);
                (region, offset, length <= capacity)
            };
            if flags & FLAG_NEXT != 0 || length == 0 || length > max_packet || !good {
                self.met = (word, offset);
                break;
            }
            regions.prefetch(region, offset);
            at.done += 1;
            if let Some(span) = spans.get_mut(found) {
                let head = Segment { offset, length, slot, region };
                let Progress { done: end, bad, dropped } = at;
                *span = Span { head, bytes: length, rest: 0, more: 0, end, bad, dropped };
                found += 1;
            }
        }
        self.found = found;
        at
    }

    /// A packet that is a chain or is to be dropped, whose first descriptor was read already. Returns how far that goes, or
    /// `None` where the packet has no end yet.
    #[inline(never)]
    fn scan_rest<const MASTER: bool>(
        &mut self,
        name: QueueName,
        available: u16,
        mut at: Progress,
    ) -> Result<Option<Progress>, Breach> {
        let start = self.cursor.next();
        let rest = self.segments.len();
        let (word, offset) = self.met;
        let head = DescriptorHead::from_word(word);
        let mut end = at.done + 1;
        let mut bytes = head.length;
        let first = self.check::<MASTER>(name, start.wrapping_add(at.done), head, offset)?;
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
            let head = DescriptorHead::from_word(self.ring.load_word(slot, 0));
            let offset = if MASTER { offset_from_word(self.ring.load_word(slot, 1)) } else { 0 };
            bytes = bytes.saturating_add(head.length);
            match self.check::<MASTER>(name, slot, head, offset)? {
                Some(segment) if bytes <= self.max_packet => self.segments.push(segment),
                _ => bad += 1,
            }
            next = head.has_next();
        }
        at.done = end;
        let room = self.spans.get_mut(self.found);
        match (first, room) {
            (Some(head), Some(span)) if bad == 0 => {
                let more = slot_count(self.segments.len() - rest);
                let Progress { done: end, bad, dropped } = at;
                *span = Span { head, bytes, rest: slot_count(rest), more, end, bad, dropped };
                self.found += 1;
                if let Some(segments) = self.segments.get(rest..) {
                    for segment in std::iter::once(&head).chain(segments) {
                        self.regions.prefetch(segment.region, segment.offset);
                    }
                }
            }
            _ => {
                self.segments.truncate(rest);
                at.bad += bad;
                at.dropped += 1;
            }
        }
        Ok(Some(at))
    }

    /// One descriptor, whose second word as master has `offset`: where its bytes lie, or `None` when it is to be dropped.
    #[inline]
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
        let posted = self.slots.get(usize::from(slot & self.ring.mask()));
        let BufferRef { region, offset, capacity } =
            posted.map_or_else(BufferRef::default, |posted| posted.get().buffer);
        if length > capacity {
            return Err(Breach::OverCapacity { queue: name, slot, length, capacity });
        }
        Ok((length > 0).then_some(Segment { offset, length, slot, region }))
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
    fn post(&self, slot: u16) {
        if let Some(cell) = self.slots.get(usize::from(slot & self.ring.mask())) {
            let mut known = cell.get();
            let BufferRef { region, offset, capacity } = known.buffer;
            if known.posted_offset != offset {
                self.ring.store_word(slot, 1, offset_to_word(offset));
                known.posted_offset = offset;
                cell.set(known);
            }
            let head = DescriptorHead { flags: 0, region, length: capacity };
            self.ring.store_word(slot, 0, head.to_word());
        }
    }

    /// Gives everything before the cursor back to the peer.
    #[inline]
    fn give_back(&mut self) {
        if self.role == Role::Slave {
            for slot in self.cursor.unreturned() {
                self.post(slot);
            }
        }
        self.cursor.publish(&self.ring);
    }

    /// Packets of the scan that were not handed out.
    fn left(&self) -> usize {
        self.found.saturating_sub(self.taken.get())
    }

    fn forget_scan(&mut self) {
        self.taken.set(0);
        self.segments.clear();
        self.found = 0;
        self.trailing = Progress::default();
        self.taken_bytes.set(0);
    }
}

/// A number of slots, at most 2^14.
#[inline]
fn slot_count(slots: usize) -> u16 {
    u16::try_from(slots).unwrap_or(u16::MAX)
}

/// Packets that were on the ring at one moment. Dropping it gives the slots of the packets taken back to the
/// peer with one store; packets that were not taken stay on the ring for the next batch.
#[must_use = "packets that are not taken stay on the ring"]
pub struct RxBatch<'q> {
    queue: &'q mut RxQueue,
}

impl RxBatch<'_> {
    /// Takes the packets one by one, as a loop over `&mut batch` does.
    pub fn packets(&mut self) -> Packets<'_> {
        self.into_iter()
    }

    /// Packets not taken yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.core.left()
    }

    /// Whether no packet is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'b> IntoIterator for &'b mut RxBatch<'_> {
    type Item = Packet<'b>;
    type IntoIter = Packets<'b>;

    #[inline]
    fn into_iter(self) -> Packets<'b> {
        Packets { core: &self.queue.core }
    }
}

impl std::fmt::Debug for RxBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RxBatch").field("left", &self.len()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Packets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("left", &self.core.left()).finish_non_exhaustive()
    }
}

impl Drop for RxBatch<'_> {
    #[inline]
    fn drop(&mut self) {
        self.queue.release();
    }
}

/// Iterator over a batch. A packet that it returned is taken.
pub struct Packets<'b> {
    core: &'b RxCore,
}

impl<'b> Iterator for Packets<'b> {
    type Item = Packet<'b>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'b>> {
        let taken = self.core.taken.get();
        let span = *self.core.spans.get(taken).filter(|_| taken < self.core.found)?;
        self.core.taken.set(taken + 1);
        self.core.taken_bytes.set(self.core.taken_bytes.get() + u64::from(span.bytes));
        Some(Packet { core: self.core, span })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.core.left();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Packets<'_> {}
impl std::iter::FusedIterator for Packets<'_> {}
