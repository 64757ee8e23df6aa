//! How slots are handed out.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use crate::config::{Role, RxMode};
use crate::error::{Breach, RecvError};
use crate::queue::buffers::table;
use crate::queue::memory::MemoryCheck;
use crate::queue::rx_core::{Descriptor, RxCore, RxSettings, Walked};
use crate::queue::slots::keeper::Keeper;
use crate::queue::slots::slot::Slot;
use crate::queue::{InUse, LinkShared, QueueShared, drain};
use crate::ring::RingMemory;
use crate::shm::BufferTable;
use crate::sys::signal;
use crate::wire::ring::FLAG_MASK_INT;

/// The receiving half of a queue pair, as slots. Used by one thread at a time.
///
/// Three positions on the ring, in this order: the oldest slot that was not given back, the next one to hand out, and
/// the peer's cursor.
pub struct RxSlots {
    /// With the buffers as far as they are posted.
    pub(in crate::queue::slots) core: RxCore,
    pub(super) link: Arc<LinkShared>,
    pub(super) shared: Arc<QueueShared>,
    /// Slave: the whole buffer of each slot, exchanged by users. Nothing of this is read back from shared memory.
    /// Master: empty.
    pub(super) own: BufferTable,
    /// Whether there are tables. Until then a slave's buffers are posted whole, as they were laid out.
    pub(super) made: bool,
    /// The peer's cursor as last seen and found possible.
    pub(super) seen: u16,
    /// Of the segments that the core has of a chain, those that were handed out.
    pub(super) handed_out: usize,
    /// Slots that are held and were never handed out, because their packet was bad: they go back with their neighbours.
    pub(super) skipped: Box<[bool]>,
    pub(super) skipped_count: u16,
    interrupts: bool,
    memory: MemoryCheck,
    #[expect(dead_code, reason = "only to be dropped")]
    in_use: InUse,
}

/// What a call of [`RxSlots::receive`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Buffers handed out.
    pub count: u16,
    /// Whether there was more than was asked for.
    pub more: bool,
}

impl RxSlots {
    /// The slots of a queue that was not received from. A slave brings the buffers, none of which is posted.
    pub(in crate::queue) fn new(
        core: RxCore,
        link: Arc<LinkShared>,
        shared: Arc<QueueShared>,
        in_use: InUse,
        mode: RxMode,
    ) -> Self {
        let RxCore { ring, cursor, regions, settings, row, buffers, .. } = core;
        // What was posted, a master may have written to.
        let fresh = cursor.role() == Role::Master || cursor.held() == cursor.size();
        let settings = RxSettings { empty_segments: true, ..settings };
        let mut slots = Self {
            own: BufferTable::new(&regions, 0),
            made: false,
            core: RxCore::new(&regions, ring, cursor.afresh(), settings, row),
            link,
            shared,
            seen: 0,
            handed_out: 0,
            skipped: Box::default(),
            skipped_count: 0,
            interrupts: false,
            memory: MemoryCheck::default(),
            in_use,
        };
        if buffers.count() > 0 {
            slots.make_of(buffers);
        } else if !fresh {
            slots.make();
        }
        slots.set_interrupts(mode == RxMode::Interrupt);
        slots
    }

    /// Makes the tables, see [`RxCore::make`].
    #[cold]
    pub(super) fn make(&mut self) {
        let size = if self.core.role == Role::Slave { self.core.cursor.size() } else { 0 };
        self.make_of(table(&self.core.regions, size, self.core.row));
    }

    /// Makes the tables with these buffers, of which those posted so far are posted whole.
    fn make_of(&mut self, own: BufferTable) {
        let size = self.core.cursor.size();
        let posted = usize::from(self.core.cursor.back().wrapping_add(size));
        self.core.make();
        for at in 0..own.count() {
            let (region, offset, capacity) = (own.region(at), own.offset(at), own.len(at));
            // Each descriptor holds the start of its buffer since the memory was laid out.
            let capacity = if at < posted { capacity } else { 0 };
            self.core.buffers.put(at, region, offset, capacity, capacity);
        }
        self.own = own;
        self.skipped = vec![false; usize::from(size)].into();
        self.made = true;
    }

    /// Whether the sender is asked to signal (else the ring is to be polled).
    #[must_use]
    pub fn interrupts(&self) -> bool {
        self.interrupts
    }

    /// Asks the sender to signal from its next burst on, or not to. What came before is signalled here, so that nothing
    /// on the ring is waited for in vain.
    pub fn set_interrupts(&mut self, on: bool) {
        self.interrupts = on;
        self.core.ring.store_flags(if on { 0 } else { FLAG_MASK_INT });
        if on {
            // Orders the clearing before the look: see `RxQueue::set_masked`.
            self.core.ring.full_fence();
            if self.core.cursor.peer(&self.core.ring) != self.core.cursor.next() {
                signal(&self.shared.interrupt);
            }
        }
    }

    /// The eventfd that the sender signals through. The peer holds it too and can do anything to it.
    #[must_use]
    pub fn interrupt(&self) -> BorrowedFd<'_> {
        self.shared.interrupt.as_fd()
    }

    /// Keeps every address of the link valid, after this value, too.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        Keeper(Arc::clone(&self.link))
    }

    /// Start and length of every region of the link.
    pub fn regions(&self) -> impl Iterator<Item = (*mut u8, u64)> {
        self.core.regions.iter()
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> u16 {
        self.core.cursor.size()
    }

    /// Hands out the buffers of at most `max` slots of received packets. A chain that does not fit is cut: the last
    /// buffer says that the packet goes on, and the next call goes on with it. A packet with a bad descriptor or
    /// without a byte is left out, though parts of a chain may be empty, and a chain whose end has not come yet stays
    /// on the ring.
    ///
    /// No system call while polling. With interrupts one read when the ring is found empty, and then another look; none
    /// where the driver takes the signal, see [`Socket::watch_level`](crate::Socket::watch_level).
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] once the link is down and, where the peer left, all that it published before was
    /// handed out and [`Keeper::tell`] was called; [`RecvError::Breach`] when the peer broke the protocol. Buffers that
    /// the same call handed out before stay held.
    #[inline]
    pub fn receive(&mut self, max: u16, mut give: impl FnMut(Slot)) -> Result<Received, RecvError> {
        let down = self.link.is_down();
        if down {
            self.begin_leftovers()?;
        }
        if self.memory.is_gone(&self.core.regions) {
            return Err(self.fail(Breach::MemoryGone));
        }
        let mut count = 0;
        let mut tally = Tally::default();
        // `give` goes to no other function, or what it changes with every packet would lie in memory.
        let mut taken = !self.interrupts | down;
        let result = loop {
            if !down
                && self.ahead() <= max - count
                && let Err(error) = self.look()
            {
                break Err(error);
            }
            if let Err(breach) = self.hand_out(max, &mut count, &mut tally, &mut give) {
                break Err(breach);
            }
            if taken || (count == max && self.ahead() > 0) {
                break Ok(());
            }
            if self.shared.deferred().defer(self.seen) {
                break Ok(());
            }
            // Taken before the last look at the ring, so that no signal is taken whose packet was not seen.
            if drain(&*self.shared.interrupt) {
                self.shared.counters.wake_ups.add_shared(1);
            }
            taken = true;
            if count == max {
                break self.look_after_signal();
            }
        };
        self.settle(&tally);
        result?;
        let more = self.ahead() != self.core.unfinished;
        if down && count == 0 && !more {
            self.end_leftovers()?;
        }
        Ok(Received { count, more })
    }

    /// After the signal was taken with no room left: what came meanwhile is signalled again.
    #[cold]
    fn look_after_signal(&mut self) -> Result<(), RecvError> {
        self.look()?;
        if self.ahead() != self.core.unfinished {
            signal(&self.shared.interrupt);
        }
        Ok(())
    }

    /// Slots that can be handed out by the peer's cursor as last seen.
    #[inline]
    pub(super) fn ahead(&self) -> u16 {
        self.seen.wrapping_sub(self.core.cursor.next())
    }

    /// Loads the peer's cursor.
    #[inline]
    fn look(&mut self) -> Result<(), RecvError> {
        match self.core.available() {
            Ok(available) => {
                self.seen = self.core.cursor.next().wrapping_add(available);
                Ok(())
            }
            Err(overrun) => self.resynchronise(overrun),
        }
    }

    #[inline]
    fn hand_out(
        &mut self,
        max: u16,
        count: &mut u16,
        tally: &mut Tally,
        give: &mut impl FnMut(Slot),
    ) -> Result<(), RecvError> {
        // A chain without an end that was seen before is all there is.
        if self.ahead() == self.core.unfinished {
            return Ok(());
        }
        self.core.unfinished = 0;
        while *count < max && self.ahead() > 0 {
            if self.handed_out < self.core.segments.len() {
                self.hand_out_segment(give, tally);
                *count += 1;
                continue;
            }
            let other = match self.core.role {
                Role::Master => self.hand_out_singles::<true>(max, count, tally, give),
                Role::Slave => self.hand_out_singles::<false>(max, count, tally, give),
            };
            let Some(other) = other else { break };
            if !self.made {
                // Without tables no descriptor of a slave's is good.
                self.make();
            }
            match self.walk(other)? {
                Walked::Unfinished => break,
                Walked::Packet { first, slots, .. } => {
                    self.core.cursor.advance(1);
                    self.give_segment(first, slots > 1, give, tally);
                    *count += 1;
                }
                Walked::Bad { descriptors, slots } => {
                    tally.bad += u64::from(descriptors);
                    tally.dropped += 1;
                    self.skip(slots);
                }
            }
        }
        Ok(())
    }

    /// Packets of one descriptor each. Returns what was read of the descriptor that is none of its own.
    #[inline]
    fn hand_out_singles<const MASTER: bool>(
        &mut self,
        max: u16,
        count: &mut u16,
        tally: &mut Tally,
        give: &mut impl FnMut(Slot),
    ) -> Option<Descriptor> {
        let Self { core, seen, .. } = self;
        let next = core.cursor.next();
        let limit = seen.wrapping_sub(next).min(max - *count);
        let mut finder = core.buffers.finder();
        let (mut last, mut before) = (core.last(), core.last());
        let mut bytes = 0;
        let (done, other) = core.singles::<MASTER>(next, limit, |index, named| {
            let Some(found) = finder.find::<MASTER>(named) else { return false };
            let data = found.as_ptr();
            if MASTER {
                (before, last) = (last, data.addr());
            }
            bytes += u64::from(named.len);
            give(Slot { index, data, len: named.len, next: false });
            true
        });
        if MASTER && done > 0 {
            core.note_last(last, before);
        }
        core.cursor.advance(done);
        tally.packets += u64::from(done);
        tally.bytes += bytes;
        *count += done;
        other
    }

    /// Marks the next slots, which are of a bad packet. With nothing before them that somebody holds they go back at
    /// once.
    #[cold]
    fn skip(&mut self, slots: u16) {
        let start = self.core.cursor.next();
        for i in 0..slots {
            let at = self.core.at(start.wrapping_add(i));
            if let Some(skipped) = self.skipped.get_mut(at) {
                *skipped = true;
            }
        }
        self.skipped_count += slots;
        self.core.cursor.advance(slots);
        let held = self.core.cursor.held();
        if held == self.skipped_count {
            self.core.post_held(held);
            self.give_back(held);
        }
    }

    /// Panics unless the positions are in order and every mark is where it may be.
    #[cfg(all(test, not(loom)))]
    pub(in crate::queue::slots) fn check(&self) {
        let size = self.core.cursor.size();
        let held = self.core.cursor.held();
        let chain = self.core.segments.len() - self.handed_out;
        // A peer that takes back part of a chain that was read leaves `seen` before its end.
        assert!(usize::from(held) + chain <= usize::from(size), "{held} {chain}");
        assert!(held + self.ahead() <= size, "{held} {}", self.ahead());
        let back = self.core.cursor.back();
        let marks: Vec<u16> = (0..size).filter(|i| self.is_skipped(back.wrapping_add(*i))).collect();
        assert!(marks.iter().all(|i| *i < held), "a mark behind {held} slots");
        assert_eq!(marks.len(), usize::from(self.skipped_count));
    }

    #[cold]
    pub(super) fn fail(&self, breach: Breach) -> RecvError {
        RecvError::Breach(self.link.fail(breach))
    }

    /// Adds to the counters.
    #[inline]
    fn settle(&mut self, tally: &Tally) {
        let counters = &self.shared.counters;
        if tally.packets > 0 {
            self.core.note_valid();
            counters.packets.add(tally.packets);
        }
        counters.bytes.add(tally.bytes);
        if tally.dropped > 0 {
            counters.bad_descriptors.add(tally.bad);
            counters.dropped.add(tally.dropped);
        }
    }
}

/// What a call counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) bad: u64,
    pub(super) dropped: u64,
}

impl std::fmt::Debug for RxSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RxSlots")
            .field("queue", &self.shared.name)
            .field("ring_size", &self.ring_size())
            .field("held", &self.core.cursor.held())
            .finish_non_exhaustive()
    }
}
