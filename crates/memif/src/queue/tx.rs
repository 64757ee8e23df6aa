//! Sending.

use std::sync::Arc;
use std::time::Duration;

use super::tx_batch::TxBatch;
use super::wait::Patience;
use super::{BufferRef, table};
use crate::config::{InterfaceConfig, MAX_PACKET_SIZE, Role};
use crate::counters::Counters;
use crate::error::{Breach, SendError};
use crate::queue::{LinkShared, QueueParts, QueueShared};
use crate::ring::{OutOfRange, RingMemory, TxCursor};
use crate::shm::{MappedRing, Regions, SharedSlice, Spots, fault_count};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word};

/// The sending half of a queue pair: packets go in.
///
/// Movable to a thread of its own, used by one thread at a time. Stays valid when its link goes down; every call
/// then says so, and a later connection brings new queues.
pub struct TxQueue {
    pub(super) ring: MappedRing,
    pub(super) cursor: TxCursor,
    pub(super) shared: Arc<QueueShared>,
    pub(super) link: Arc<LinkShared>,
    regions: Regions,
    /// The buffer of each slot, as far as one descriptor may fill it: as slave its own, for good but for exchanges; as
    /// master what the slave posted, read once and checked, with no bytes where it broke the rules.
    pub(super) buffers: Spots,
    /// Master: the words by which each buffer was posted. Slave: empty.
    posted: Box<[(u64, u64)]>,
    pub(super) role: Role,
    pub(super) max_packet: u32,
    /// Longest descriptor that is sent.
    pub(super) max_segment: u32,
    /// Longest packet that one descriptor may hold.
    pub(super) max_single: u32,
    pub(super) chaining: bool,
    faults: usize,
    /// Buffers that go back empty with the next store of the cursor.
    empty: u64,
    /// Slave, manual: its buffers, for [`into_slots`](Self::into_slots).
    #[cfg(feature = "raw")]
    own: Box<[BufferRef]>,
}

/// Where a packet goes: consecutive slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) first: u16,
    pub(super) slots: u16,
}

impl Place {
    /// The slot after them.
    #[inline]
    pub(super) fn end(self) -> u16 {
        self.first.wrapping_add(self.slots)
    }
}

impl TxQueue {
    /// A queue on a ring that was checked. A slave brings the buffers.
    pub(crate) fn new(
        config: &InterfaceConfig,
        link: &Arc<LinkShared>,
        parts: QueueParts,
        shared: Arc<QueueShared>,
        buffers: Option<Box<[BufferRef]>>,
    ) -> Self {
        let cursor = TxCursor::new(link.role, parts.log2);
        // Slots come with tables of their own.
        let slots = if config.manual { 0 } else { usize::from(cursor.size()) };
        let max_packet = match link.role {
            Role::Slave => config.packet_limit(u32::from(cursor.size())),
            // The slave's buffers decide what a ring carries.
            Role::Master => config.max_packet.unwrap_or(MAX_PACKET_SIZE),
        };
        // No bytes at all, as no buffer that was put has: what the table begins with.
        let posted = match link.role {
            Role::Master => vec![(0, 0); slots],
            Role::Slave => Vec::new(),
        };
        // A slave's buffers are as long as the longest descriptor that is sent.
        let own = buffers.unwrap_or_default();
        let buffers = table(&link.regions, slots, if config.manual { &[] } else { &own });
        Self {
            ring: parts.ring,
            shared,
            link: Arc::clone(link),
            regions: link.regions.clone(),
            buffers,
            posted: posted.into(),
            role: link.role,
            max_packet,
            max_segment: config.buffer_size,
            max_single: max_packet.min(config.buffer_size),
            chaining: config.chaining,
            faults: 0,
            empty: 0,
            cursor,
            #[cfg(feature = "raw")]
            own: if config.manual { own } else { Box::default() },
        }
    }

    /// The ring as slots, for bindings. A queue of an interface that is [`manual`](InterfaceConfig::manual) is good for
    /// this alone; of another interface it is one that was not sent on.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn into_slots(self) -> super::slots::TxSlots {
        let Self { ring, cursor, shared, link, regions, buffers, max_segment, own, .. } = self;
        let buffers = if own.is_empty() { super::buffers_of(&buffers) } else { own };
        super::slots::TxSlots::new(ring, cursor, shared, link, regions, &buffers, max_segment)
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

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> usize {
        usize::from(self.cursor.size())
    }

    /// Longest packet that this queue may send, in bytes.
    #[must_use]
    pub fn max_packet(&self) -> usize {
        self.max_packet as usize
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.link.is_down()
    }

    /// What the queue has counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters.read()
    }

    /// Starts a batch. Nothing is sent before [`TxBatch::commit`].
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the link is down, [`SendError::Breach`] when the peer broke the protocol.
    #[inline]
    pub fn reserve(&mut self) -> Result<TxBatch<'_>, SendError> {
        if self.link.is_down() {
            return Err(SendError::Disconnected);
        }
        let faults = fault_count();
        if faults != self.faults {
            self.faults = faults;
            if self.regions.any_gone() {
                return Err(SendError::Breach(self.link.fail(Breach::MemoryGone)));
            }
        }
        // A batch that was forgotten instead of dropped sends nothing either.
        self.roll_back();
        Ok(TxBatch::new(self))
    }

    /// Sends one packet now or says that the ring is full.
    ///
    /// # Errors
    /// Every [`SendError`]. Nothing of the packet was sent then.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.try_send(packet).inspect_err(|error| self.count_full(error))
    }

    /// Sends one packet, waiting for free slots at most for `timeout`. Nothing signals a freed slot, so the ring
    /// is looked at again after sleeps that grow from microseconds to one millisecond.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::Full`] when the time is over.
    pub fn send_timeout(&mut self, packet: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_patiently(packet, Some(timeout))
    }

    /// Sends one packet, waiting for free slots as long as the link is up.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never [`SendError::Full`].
    pub fn send_wait(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.send_patiently(packet, None)
    }

    fn send_patiently(&mut self, packet: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        // However often it is tried, one packet found the ring full once.
        let mut result = self.send(packet);
        let mut patience = Patience::new(timeout);
        while result == Err(SendError::Full) && patience.wait(self.link.down_event()) {
            result = self.try_send(packet);
        }
        result
    }

    /// Sends one packet now, counting no full ring.
    fn try_send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let mut batch = self.reserve()?;
        batch.add(packet.len(), |writer| {
            writer.write(0, packet);
        })?;
        batch.commit();
        Ok(())
    }

    pub(super) fn count_full(&self, error: &SendError) {
        if *error == SendError::Full {
            self.shared.counters.ring_full.add(1);
        }
    }

    /// Finds slots for `len` bytes from `next` on, all or none. Says with an error, too, from which slot on the next
    /// packet goes: buffers of no use before it go back empty.
    #[inline(never)]
    pub(super) fn place(&mut self, next: u16, len: usize) -> Result<Place, (u16, SendError)> {
        if len == 0 {
            return Err((next, SendError::Empty));
        }
        let longest = if self.chaining { self.max_packet } else { self.max_packet.min(self.max_segment) };
        let limit = longest as usize;
        if len > limit {
            return Err((next, SendError::TooLong { len, max: limit }));
        }
        let (mut first, mut slot) = (next, next);
        let mut room = 0;
        loop {
            if self.cursor.free(slot) == 0 {
                self.refresh().map_err(|error| (first, error))?;
                if self.cursor.free(slot) == 0 {
                    let whole_ring = slot.wrapping_sub(first) == self.cursor.size();
                    let error = if whole_ring { SendError::TooLong { len, max: room } } else { SendError::Full };
                    return Err((first, error));
                }
            }
            let capacity = self.capacity(slot) as usize;
            slot = slot.wrapping_add(1);
            if capacity == 0 || (!self.chaining && capacity < len) {
                // A buffer that is of no use goes back empty, and with it what was taken for this packet.
                self.hand_back_empty(first, slot);
                (first, room) = (slot, 0);
                if first.wrapping_sub(next) >= self.cursor.size() {
                    // A slave that posts more of them as fast must not hold us here.
                    return Err((first, SendError::Full));
                }
                continue;
            }
            room += capacity;
            if room >= len {
                return Ok(Place { first, slots: slot.wrapping_sub(first) });
            }
        }
    }

    /// Where the table has a slot's buffer.
    #[inline]
    pub(super) fn at(&self, slot: u16) -> usize {
        usize::from(slot & self.ring.mask())
    }

    /// Bytes that the slot takes.
    #[inline]
    fn capacity(&self, slot: u16) -> u32 {
        self.buffers.len(self.at(slot))
    }

    #[cold]
    fn hand_back_empty(&mut self, first: u16, end: u16) {
        let mut slot = first;
        while slot != end {
            self.write_descriptor(slot, 0, 0);
            slot = slot.wrapping_add(1);
        }
        self.empty += 1;
        if self.cursor.published() == first {
            // No packet waits before them. Published now, they are not met again by the next send.
            self.publish(end);
        }
    }

    /// Publishes everything up to a slot.
    #[inline]
    pub(super) fn publish(&mut self, to: u16) {
        self.cursor.publish(to, &self.ring);
        if self.empty > 0 {
            self.shared.counters.bad_descriptors.add(std::mem::take(&mut self.empty));
        }
    }

    /// Takes back what a batch that is not committed would have given back.
    #[inline]
    pub(super) fn roll_back(&mut self) {
        self.empty = 0;
    }

    /// Loads the peer's cursor. As master, reads each newly posted descriptor, once, and checks it.
    pub(super) fn refresh(&mut self) -> Result<(), SendError> {
        let slot = self.cursor.limit();
        match self.cursor.refresh(&self.ring) {
            Ok(()) => {
                if self.role == Role::Master {
                    self.learn(slot);
                }
                Ok(())
            }
            Err(OutOfRange { cursor, found, low, high }) => {
                let queue = self.shared.name;
                let breach = Breach::Cursor { queue, cursor, found, low, high };
                Err(SendError::Breach(self.link.fail(breach)))
            }
        }
    }

    /// Takes what a slave has posted from `slot` on into the table. Slaves post the same buffers again and again, so
    /// what a slot had before is remembered, and the same words need no second check: 14 instructions per packet
    /// instead of 44.
    fn learn(&mut self, mut slot: u16) {
        let (ring, mask, end) = (self.ring.descriptors(), self.ring.mask(), self.cursor.limit());
        while slot != end {
            let words = (ring.load(slot, 0), ring.load(slot, 1));
            let at = usize::from(slot & mask);
            if let Some(known) = self.posted.get_mut(at)
                && *known != words
            {
                *known = words;
                let DescriptorHead { region, length, .. } = DescriptorHead::from_word(words.0);
                self.buffers.put(at, region, offset_from_word(words.1), length, self.max_segment);
            }
            slot = slot.wrapping_add(1);
        }
    }

    /// Says how much of a slot's buffer is used. The region is written back as it was, the offset never.
    #[inline]
    pub(super) fn write_descriptor(&self, slot: u16, flags: u16, length: u32) {
        let region = self.buffers.region(self.at(slot));
        self.ring.store_word(slot, 0, DescriptorHead { flags, region, length }.to_word());
    }

    /// Writes the descriptors of a packet of `len` bytes whose buffers are filled.
    pub(super) fn finish(&self, place: Place, len: usize) {
        let mut left = len;
        for i in 0..place.slots {
            let slot = place.first.wrapping_add(i);
            let length = self.capacity(slot).min(u32::try_from(left).unwrap_or(u32::MAX));
            left -= length as usize;
            self.write_descriptor(slot, if left > 0 { FLAG_NEXT } else { 0 }, length);
        }
    }

    /// The room of one slot of a packet.
    #[inline]
    pub(super) fn room(&self, slot: u16) -> SharedSlice<'_> {
        self.buffers.entry(self.at(slot)).bytes
    }
}

impl std::fmt::Debug for TxQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxQueue")
            .field("index", &self.index())
            .field("ring_size", &self.ring_size())
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
impl TxQueue {
    /// Where a slot's buffer lies in its region.
    pub(super) fn slot_offset(&self, slot: u16) -> u32 {
        self.buffers.offset(self.at(slot))
    }

    /// The eventfd that this queue signals through.
    pub(super) fn shared_interrupt(&self) -> Arc<std::os::fd::OwnedFd> {
        Arc::clone(&self.shared.interrupt)
    }
}
