//! Receiving.

use std::cell::{Cell, OnceCell};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::buffers::BufferRow;
#[cfg(all(test, not(loom)))]
use super::buffers::slot_offset;
use super::memory::MemoryCheck;
use super::rx_core::{RxCore, RxSettings};
use super::rx_scan::{Progress, RxScan};
use super::silence::Silence;
use super::spin::Spin;
use crate::config::{InterfaceConfig, MAX_PACKET_SIZE, Role, RxMode};
use crate::counters::Counters;
use crate::error::{Breach, RecvError};
use crate::queue::{InUse, LinkShared, QueueParts, QueueShared};
use crate::ring::{OutOfRange, RingMemory, RxCursor};
use crate::wire::ring::FLAG_MASK_INT;

/// Looks that find nothing between two at the clock.
const MANY_EMPTY: u32 = 64;

/// The receiving half of a queue pair: packets come out.
///
/// Movable to a thread of its own, used by one thread at a time. Stays valid when its link goes down; every call
/// then says so, and a later connection brings new queues. What a peer published before it closed or disconnected is
/// received first; what lies on the ring when this side ends the link, or the peer broke the protocol, is lost.
pub struct RxQueue {
    pub(super) scan: RxScan,
    pub(super) shared: Arc<QueueShared>,
    pub(super) mode: RxMode,
    pub(super) spin: Spin,
    /// What this queue last asked of its sender.
    pub(super) masked: bool,
    /// Adaptive: when a wait cleared the mask, until that is long enough ago for a sleep without limit.
    pub(super) cleared: Option<Instant>,
    /// Adaptive: a wait went to sleep, and no packet came since.
    pub(super) asleep: bool,
    /// Adaptive: batches with packets since the last sleep while the mask was clear.
    pub(super) unslept: u32,
    /// Signals in a row that brought nothing.
    pub(super) fruitless: u32,
    /// The signal that ended the last sleep is still to be taken.
    pub(super) untaken: Cell<bool>,
    /// Looks at the ring that found nothing, and how long that has been so.
    pub(super) empty: u32,
    silence: Silence,
    memory: MemoryCheck,
    #[cfg_attr(not(feature = "raw"), expect(dead_code, reason = "only to be dropped"))]
    in_use: InUse,
    /// See [`readiness`](super::readiness); made when first needed, `None` inside where that failed.
    pub(super) readiness: OnceCell<Option<OwnedFd>>,
    /// Whether the last wait for several queues found this one: the next begins behind it.
    pub(super) served: bool,
    /// Whether it was made readable for packets that nobody signalled.
    pub(super) nudged: Cell<bool>,
}

impl RxQueue {
    /// A queue on a ring that was checked. A slave has a row of buffers, which the descriptors name since the memory
    /// was laid out: they are posted here.
    pub(crate) fn new(
        config: &InterfaceConfig,
        link: &Arc<LinkShared>,
        parts: QueueParts,
        shared: Arc<QueueShared>,
        in_use: &InUse,
        row: Option<BufferRow>,
    ) -> Self {
        let cursor = RxCursor::new(link.role, parts.log2);
        let settings = RxSettings {
            name: shared.name,
            max_packet: config.max_packet.unwrap_or(MAX_PACKET_SIZE),
            empty_segments: false,
            resyncs: config.resync_limit,
        };
        let core = RxCore::new(&link.regions, parts.ring, cursor, settings, row);
        let mut queue = Self {
            scan: RxScan::new(core, link, u16::try_from(config.spare_buffers).unwrap_or(u16::MAX)),
            shared,
            mode: config.rx_mode,
            spin: Spin::new(config.spin),
            masked: true,
            cleared: None,
            asleep: false,
            unslept: 0,
            fruitless: 0,
            untaken: Cell::new(false),
            empty: 0,
            silence: Silence::default(),
            memory: MemoryCheck::default(),
            in_use: in_use.clone(),
            readiness: OnceCell::new(),
            served: false,
            nudged: Cell::new(false),
        };
        queue.set_mode(config.rx_mode);
        if config.manual {
            return queue;
        }
        if config.prefault {
            queue.scan.make();
        }
        if link.role == Role::Slave {
            let core = &mut queue.scan.core;
            core.give_back(core.cursor.held());
        }
        queue
    }

    /// The ring as slots, for bindings. A queue of an interface that is [`manual`](InterfaceConfig::manual) is good for
    /// this alone; of another interface it is one that was not received from: what was posted or received before is
    /// forgotten.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn into_slots(self) -> super::slots::RxSlots {
        let Self { scan: RxScan { core, link, .. }, shared, in_use, mode, .. } = self;
        super::slots::RxSlots::new(core, link, shared, in_use, mode)
    }

    /// Number of the queue, from 0.
    #[must_use]
    pub fn index(&self) -> u8 {
        self.shared.name.index
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> usize {
        usize::from(self.scan.core.cursor.size())
    }

    /// Spare buffers that are free, see [`Packet::keep`](crate::Packet::keep).
    #[must_use]
    pub fn free_spares(&self) -> usize {
        self.scan.free_spares()
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.scan.link.is_down()
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

    /// Changes how the queue learns of packets, from the next burst of the peer on. After a change from
    /// [`RxMode::Polling`], or to [`RxMode::Interrupt`], receive until a batch is empty before you wait for the queue's
    /// descriptor: packets that came before are not signalled.
    pub fn set_mode(&mut self, mode: RxMode) {
        self.mode = mode;
        let asks = self.shared.set_adaptive(mode == RxMode::Adaptive);
        self.set_masked(mode != RxMode::Interrupt && !asks);
    }

    /// Adaptive: tells the sender not to signal, unless somebody waits for the descriptor.
    pub(super) fn mask(&mut self) {
        if self.shared.is_waited_for() {
            return;
        }
        self.set_masked(true);
        // Whoever waits from this moment on clears the mask, before this or after it.
        self.scan.core.ring.full_fence();
        if self.shared.is_waited_for() {
            self.set_masked(false);
        }
    }

    /// Tells the sender whether to signal.
    pub(super) fn set_masked(&mut self, masked: bool) {
        self.masked = masked;
        self.cleared = None;
        self.asleep = false;
        self.scan.core.ring.store_flags(if masked { FLAG_MASK_INT } else { 0 });
        if !masked {
            // Orders the clearing before the next look at the ring. Without it the sender could read the old
            // mask and this side the old cursor, and the packet would lie unsignalled.
            self.scan.core.ring.full_fence();
        }
    }

    /// Takes the signals that came through the queue's descriptor. For event loops of one's own: call it when the
    /// descriptor is readable, then receive until a batch is empty, then wait again. A peer that signals without
    /// sending keeps such a loop turning; [`wait`](Self::wait) and [`Socket::watch`](crate::Socket::watch) put a
    /// brake on that.
    pub fn acknowledge(&mut self) {
        let told = self.untaken.take();
        self.end_nudge();
        if !crate::queue::drain(&*self.shared.interrupt) {
            // Then it was something else.
            self.scan.link.look_at_peer();
        } else if !told {
            self.shared.counters.wake_ups.add(1);
        }
    }

    /// Whether a whole packet may be on the ring: something is, and not just the start of a chain that a scan
    /// has met before.
    #[inline]
    pub(super) fn has_work(&self) -> bool {
        match self.scan.core.available() {
            Ok(available) => available != 0 && available != self.scan.core.unfinished,
            // For the next receive call to tell.
            Err(_) => true,
        }
    }

    /// Nothing is on the ring. Where that has been so for a while, looks whether the peer is gone: one who only polls
    /// would look for its packets for ever.
    #[inline]
    pub(super) fn found_nothing(&mut self) {
        self.empty = self.empty.wrapping_add(1);
        if self.empty.is_multiple_of(MANY_EMPTY) && self.silence.is_due(self.shared.counters.packets.get()) {
            self.scan.link.look_at_peer();
        }
    }

    #[inline]
    pub(super) fn check_memory(&mut self) -> Result<(), RecvError> {
        if self.memory.is_gone(&self.scan.core.regions) {
            return Err(self.fail(Breach::MemoryGone));
        }
        Ok(())
    }

    #[cold]
    pub(super) fn fail(&mut self, breach: Breach) -> RecvError {
        self.scan.forget();
        RecvError::Breach(self.scan.link.fail(breach))
    }

    /// See [`RxCore::resynchronise`].
    #[cold]
    pub(super) fn resynchronise(&mut self, overrun: OutOfRange) -> Result<(), RecvError> {
        self.scan.forget();
        if !self.scan.is_made() {
            self.scan.make();
        }
        if let Err(breach) = self.scan.core.resynchronise(overrun) {
            return Err(self.fail(breach));
        }
        self.shared.counters.resyncs.add(1);
        Ok(())
    }

    /// Gives the slots of the packets taken back, and of the bad ones between and after them.
    #[inline]
    pub(super) fn release(&mut self) {
        let scan = &mut self.scan;
        let taken = scan.taken.take();
        let Progress { done: slots, bad, dropped } = scan.progress(taken);
        let counters = &self.shared.counters;
        if taken > 0 {
            counters.packets.add(taken as u64);
            counters.bytes.add(scan.bytes_taken(taken));
        }
        if dropped > 0 {
            counters.bad_descriptors.add(u64::from(bad));
            counters.dropped.add(u64::from(dropped));
        }
        if slots > 0 {
            scan.give_back(slots);
        }
        scan.forget();
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

#[cfg(all(test, not(loom)))]
impl RxQueue {
    /// Where a slot's buffer lies in its region.
    pub(super) fn slot_offset(&self, slot: u16) -> u32 {
        let core = &self.scan.core;
        slot_offset(&core.buffers, core.row, core.at(slot))
    }

    /// The address of the region with the buffers.
    pub(super) fn region_address(&self) -> usize {
        let core = &self.scan.core;
        let region = core.row.map_or(0, |row| row.first.region);
        core.regions.slice(region, 0, 0).map_or(0, |start| start.as_ptr() as usize)
    }
}
