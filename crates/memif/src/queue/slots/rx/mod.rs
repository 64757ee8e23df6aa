//! Receiving, slot by slot.

mod back;
mod chains;
mod leftovers;

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

pub use back::RefillError;

use super::{BufferRef, Ring, Slot};
use crate::config::{Role, RxMode};
use crate::error::{Breach, RecvError};
use crate::queue::{LinkShared, QueueShared, drain, signal};
use crate::ring::RingMemory;
use crate::shm::{Addresses, MappedRing, Regions, fault_count, prefetch};
use crate::wire::ring::{DescriptorHead, FLAG_MASK_INT, offset_from_word};

/// One slot as its user's side knows it. Nothing of this is read back from shared memory.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Slave: the buffer of the slot. Master: what a chain that was checked has there.
    buffer: BufferRef,
    /// Slave: the offset that the descriptor holds, and the bytes from there on. None before it was posted.
    posted_offset: u32,
    posted: u32,
    /// Bytes of data, of a slot in a chain that was checked.
    length: u32,
    /// Whether the descriptor had NEXT set.
    next: bool,
    /// Never handed out, because its packet was bad: goes back with its neighbours.
    skipped: bool,
}

/// Where a descriptor's bytes lie: their first one, and its offset in the region.
#[derive(Clone, Copy)]
struct Place {
    data: *mut u8,
    offset: u32,
}

/// The receiving half of a queue pair, as slots. Used by one thread at a time.
///
/// Three positions on the ring, in this order: the oldest slot that was not given back, the next one to hand out, and
/// the peer's cursor.
pub struct RxSlots {
    pub(super) ring: Ring,
    addresses: Addresses,
    /// Keeps every address valid.
    regions: Regions,
    link: Arc<LinkShared>,
    shared: Arc<QueueShared>,
    role: Role,
    size: u16,
    mask: u16,
    /// Oldest slot not given back. As master that is our tail; as slave our head less the size of the ring.
    back: u16,
    /// Next slot to hand out.
    next: u16,
    /// Slots before it were read and checked: beyond `next` only within a chain.
    checked: u16,
    /// The peer's cursor as last seen and found possible.
    seen: u16,
    /// The chain without an end at `next` that the last look met, by the cursor then.
    unfinished: Option<u16>,
    /// Slots between `back` and `next` that are marked as skipped, and that had NEXT.
    skipped: u16,
    chained: u16,
    interrupts: bool,
    /// As master empty before the first chain or bad packet, and then the memory that was allocated at first.
    table: Vec<Entry>,
    /// Master: where the last packet began, and how far behind the one before it: a guess at the next.
    last: (u16, u32),
    stride: u32,
    faults: usize,
    resync_limit: u32,
    resyncs_in_row: u32,
    /// Whether `seen` is where the peer's cursor was once it had left.
    ended: bool,
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
    pub(in crate::queue) fn new(
        ring: MappedRing,
        regions: Regions,
        link: Arc<LinkShared>,
        shared: Arc<QueueShared>,
        buffers: &[BufferRef],
        mode: RxMode,
        resync_limit: u32,
    ) -> Self {
        let role = link.role;
        let mask = ring.mask();
        let size = mask + 1;
        let mut table = Vec::with_capacity(usize::from(size));
        if role == Role::Slave {
            // The offset is what the descriptor holds since the memory was laid out.
            let entry =
                |buffer: &BufferRef| Entry { buffer: *buffer, posted_offset: buffer.offset, ..Entry::default() };
            table.extend(buffers.iter().map(entry));
        }
        let mut slots = Self {
            addresses: Addresses::of(&regions),
            regions,
            link,
            shared,
            role,
            size,
            mask,
            back: match role {
                Role::Master => 0,
                // A slave has posted nothing.
                Role::Slave => 0u16.wrapping_sub(size),
            },
            next: 0,
            checked: 0,
            seen: 0,
            unfinished: None,
            skipped: 0,
            chained: 0,
            interrupts: false,
            table,
            last: (0, 0),
            stride: 0,
            faults: 0,
            resync_limit,
            resyncs_in_row: 0,
            ended: false,
            ring: super::ring(ring),
        };
        slots.set_interrupts(mode == RxMode::Interrupt);
        slots
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
        self.ring.store_flags(if on { 0 } else { FLAG_MASK_INT });
        if on {
            // Orders the clearing before the look: see `RxQueue::set_masked`.
            self.ring.full_fence();
            if self.peer_cursor() != self.next {
                signal(&*self.shared.interrupt);
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
    pub fn keeper(&self) -> super::Keeper {
        super::Keeper(Arc::clone(&self.link))
    }

    /// Start and length of every region of the link.
    pub fn regions(&self) -> impl Iterator<Item = (*mut u8, u64)> {
        self.addresses.iter()
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> u16 {
        self.size
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
    /// handed out and [`Keeper::tell`](super::Keeper::tell) was called; [`RecvError::Breach`] when the peer broke the
    /// protocol. Buffers that the same call handed out before stay held.
    #[inline]
    pub fn receive(&mut self, max: u16, mut give: impl FnMut(Slot)) -> Result<Received, RecvError> {
        let down = self.link.is_down();
        if down {
            self.begin_leftovers()?;
        }
        let faults = fault_count();
        if faults != self.faults {
            self.check_memory(faults)?;
        }
        let mut count = 0;
        let mut tally = Tally::default();
        // `give` goes to no other function, or what it changes with every packet would lie in memory.
        let mut taken = !self.interrupts | down;
        let result = loop {
            if !down
                && self.seen.wrapping_sub(self.next) <= max - count
                && let Err(error) = self.look()
            {
                break Err(error);
            }
            if let Err(breach) = self.hand_out(max, &mut count, &mut tally, &mut give) {
                break Err(breach);
            }
            if taken || (count == max && self.next != self.seen) {
                break Ok(());
            }
            if self.shared.left().leave(self.seen) {
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
        let more = self.next != self.seen && self.unfinished.is_none();
        if down && count == 0 && !more {
            self.end_leftovers()?;
        }
        Ok(Received { count, more })
    }

    /// After the signal was taken with no room left: what came meanwhile is signalled again.
    #[cold]
    fn look_after_signal(&mut self) -> Result<(), RecvError> {
        self.look()?;
        if self.next != self.seen && self.unfinished.is_none() {
            signal(&*self.shared.interrupt);
        }
        Ok(())
    }

    /// Loads the peer's cursor.
    #[inline]
    fn look(&mut self) -> Result<(), RecvError> {
        let found = self.peer_cursor();
        // back <= next <= the peer's cursor <= back + size
        let limit = self.size - self.next.wrapping_sub(self.back);
        if found.wrapping_sub(self.next) > limit {
            return self.resynchronise(found, limit);
        }
        if self.unfinished.is_some_and(|at| at != found) {
            self.unfinished = None;
        }
        self.seen = found;
        if found == self.next {
            self.ask_ahead();
        }
        Ok(())
    }

    /// Asks for the cache lines of the next packet while there is none: they then come along with the cursor and not
    /// after it.
    #[inline]
    fn ask_ahead(&self) {
        self.ring.prefetch(self.next);
        let (region, offset) = match self.role {
            // Slaves keep to the buffers of a slot, and those lie in a row.
            Role::Master => (self.last.0, self.last.1.wrapping_add(self.stride)),
            Role::Slave => match self.table.get(usize::from(self.next & self.mask)) {
                Some(entry) => (entry.buffer.region, entry.posted_offset),
                None => return,
            },
        };
        self.regions.prefetch(region, offset);
    }

    #[inline]
    fn peer_cursor(&self) -> u16 {
        match self.role {
            Role::Master => self.ring.load_head(),
            Role::Slave => self.ring.load_tail(),
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
        if self.unfinished.is_some() {
            return Ok(());
        }
        while *count < max && self.next != self.seen {
            if self.next != self.checked {
                *count += u16::from(self.hand_out_chained(give, tally));
                continue;
            }
            let chain = match self.role {
                Role::Master => self.hand_out_singles::<true>(max, count, tally, give)?,
                Role::Slave => self.hand_out_singles::<false>(max, count, tally, give)?,
            };
            match chain {
                Some(head) if !self.check_chain(head, tally)? => break,
                _ => {}
            }
        }
        Ok(())
    }

    /// Packets of one descriptor each. Ends at a chain, with what was read of its first descriptor.
    #[inline]
    fn hand_out_singles<const MASTER: bool>(
        &mut self,
        max: u16,
        count: &mut u16,
        tally: &mut Tally,
        give: &mut impl FnMut(Slot),
    ) -> Result<Option<DescriptorHead>, RecvError> {
        let mut next = self.next;
        let mut last = self.last;
        let mut handed = *count;
        let mut bytes = 0;
        let result = loop {
            if handed == max || next == self.seen {
                break Ok(None);
            }
            let index = next;
            let head = DescriptorHead::from_word(self.ring.load_word(index, 0));
            if head.has_next() {
                break Ok(Some(head));
            }
            let place = match self.locate::<MASTER>(index, head) {
                Ok(place) => place,
                Err(error) => break Err(error),
            };
            next = index.wrapping_add(1);
            if let Some(Place { data, offset }) = place.filter(|_| head.length > 0) {
                prefetch::to_read(data);
                if MASTER {
                    self.stride = offset.wrapping_sub(last.1);
                    last = (head.region, offset);
                }
                handed += 1;
                bytes += u64::from(head.length);
                give(Slot { index, data, len: head.length, next: false });
            } else {
                (self.next, self.checked) = (next, next);
                self.skip(index, 1, tally);
            }
        };
        (self.next, self.checked, self.last) = (next, next, last);
        tally.packets += u64::from(handed - *count);
        tally.bytes += bytes;
        *count = handed;
        result
    }

    /// Where the bytes of a descriptor lie, or `None` when it is to be dropped. Loads the second word, as master. What
    /// has no bytes lies somewhere, too: it may be a part of a chain, and users look at the first byte of what they
    /// get.
    #[inline]
    fn locate<const MASTER: bool>(&self, index: u16, head: DescriptorHead) -> Result<Option<Place>, RecvError> {
        let length = head.length;
        let (region, offset) = if MASTER {
            (head.region, offset_from_word(self.ring.load_word(index, 1)))
        } else {
            // The master says only how much it wrote; where is known from posting the buffer.
            let Some(entry) = self.table.get(usize::from(index & self.mask)) else {
                return Ok(None);
            };
            if length > entry.posted {
                let (queue, slot) = (self.shared.name, index);
                let capacity = entry.posted;
                return Err(self.fail(Breach::OverCapacity { queue, slot, length, capacity }));
            }
            (entry.buffer.region, entry.posted_offset)
        };
        let found = self.addresses.find(region, offset, length.max(1));
        Ok(found.map(|data| Place { data, offset }))
    }

    /// Marks the slots of a bad packet. With nothing before them that somebody holds they go back at once.
    #[cold]
    fn skip(&mut self, start: u16, slots: u16, tally: &mut Tally) {
        tally.bad += 1;
        tally.dropped += 1;
        self.fill_table();
        for i in 0..slots {
            let at = usize::from(start.wrapping_add(i) & self.mask);
            if let Some(entry) = self.table.get_mut(at) {
                entry.skipped = true;
            }
        }
        self.skipped += slots;
        let held = self.next.wrapping_sub(self.back);
        if held == self.skipped {
            for i in 0..held {
                self.repost(self.back.wrapping_add(i));
            }
            self.give_back(held);
        }
    }

    /// Panics unless the positions are in order and every mark is where it may be.
    #[cfg(all(test, not(loom)))]
    pub(in crate::queue::slots) fn check(&self) {
        // There from the start, so that filling it allocates nothing.
        assert!(self.table.capacity() >= usize::from(self.size));
        let from_back = |at: u16| at.wrapping_sub(self.back);
        let (next, checked, seen) = (from_back(self.next), from_back(self.checked), from_back(self.seen));
        // A peer that takes back part of a chain that was read leaves `seen` before its end.
        assert!(next <= checked && checked <= self.size, "{next} {checked}");
        assert!(next <= seen && seen <= self.size, "{next} {seen}");
        let entry = |i: u16| {
            let at = usize::from(self.back.wrapping_add(i) & self.mask);
            self.table.get(at).copied().unwrap_or_default()
        };
        let count = |marked: fn(&Entry) -> bool, slots: u16| {
            let marks = (0..self.size).filter(|i| marked(&entry(*i)));
            assert!(marks.clone().all(|i| i < slots), "a mark behind {slots} slots");
            marks.count()
        };
        assert_eq!(count(|entry| entry.skipped, next), usize::from(self.skipped));
        assert_eq!(count(|entry| entry.next, checked), usize::from(self.chained));
    }

    #[cold]
    fn check_memory(&mut self, faults: usize) -> Result<(), RecvError> {
        self.faults = faults;
        if self.regions.any_gone() { Err(self.fail(Breach::MemoryGone)) } else { Ok(()) }
    }

    #[cold]
    fn fail(&self, breach: Breach) -> RecvError {
        RecvError::Breach(self.link.fail(breach))
    }

    /// Adds to the counters.
    #[inline]
    fn settle(&mut self, tally: &Tally) {
        let counters = &self.shared.counters;
        if tally.packets > 0 {
            self.resyncs_in_row = 0;
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
struct Tally {
    packets: u64,
    bytes: u64,
    bad: u64,
    dropped: u64,
}

impl std::fmt::Debug for RxSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RxSlots")
            .field("queue", &self.shared.name)
            .field("ring_size", &self.size)
            .field("held", &self.next.wrapping_sub(self.back))
            .finish_non_exhaustive()
    }
}
