//! Sending.

use std::sync::Arc;
use std::time::Duration;

use super::BufferRef;
use super::packet::Packet;
use super::wait::Patience;
use crate::config::{InterfaceConfig, MAX_PACKET_SIZE, Role};
use crate::counters::Counters;
use crate::error::{Breach, SendError};
use crate::link::{LinkShared, QueueParts, QueueShared};
use crate::ring::{OutOfRange, RingMemory, TxCursor};
use crate::shm::{MappedRing, Regions, SharedSlice, fault_count};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

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
    /// The buffer of each slot: as slave its own, for good but for exchanges; as master what the slave posted,
    /// read once and checked, with no capacity where it broke the rules.
    slots: Box<[BufferRef]>,
    role: Role,
    max_packet: u32,
    /// Longest descriptor that is sent.
    max_segment: u32,
    /// Longest packet that one descriptor may hold.
    max_single: u32,
    chaining: bool,
    faults: usize,
    /// Buffers that go back empty with the next store of the cursor.
    empty: u64,
}

/// Where a packet goes: consecutive slots.
#[derive(Clone, Copy, Debug)]
struct Place {
    first: u16,
    slots: u16,
    /// The buffer of the first, which is where the data path finds it.
    buffer: BufferRef,
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
        let slots = usize::from(cursor.size());
        let max_packet = match link.role {
            Role::Slave => config.packet_limit(u32::from(cursor.size())),
            // The slave's buffers decide what a ring carries.
            Role::Master => config.max_packet.unwrap_or(MAX_PACKET_SIZE),
        };
        Self {
            ring: parts.ring,
            shared,
            link: Arc::clone(link),
            regions: link.regions.clone(),
            slots: buffers.unwrap_or_else(|| vec![BufferRef::default(); slots].into()),
            role: link.role,
            max_packet,
            max_segment: config.buffer_size,
            max_single: max_packet.min(config.buffer_size),
            chaining: config.chaining,
            faults: 0,
            empty: 0,
            cursor,
        }
    }

    /// The ring as slots, for bindings. Meant for a queue that was not sent on.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn into_slots(self) -> super::slots::TxSlots {
        let Self { ring, cursor, shared, link, regions, slots, max_segment, .. } = self;
        super::slots::TxSlots::new(ring, cursor, shared, link, regions, &slots, max_segment)
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
        Ok(TxBatch { queue: self, packets: 0, bytes: 0 })
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

    fn send_patiently(
        &mut self,
        packet: &[u8],
        timeout: Option<Duration>,
    ) -> Result<(), SendError> {
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

    fn count_full(&self, error: &SendError) {
        if *error == SendError::Full {
            self.shared.counters.ring_full.add(1);
        }
    }

    /// The next slot, if it is free as far as is known and takes `len` bytes.
    #[inline]
    fn place_in_one(&self, len: usize) -> Option<Place> {
        let first = self.cursor.next();
        let buffer = self.buffer(first);
        let most = buffer.capacity.min(self.max_single) as usize;
        (self.cursor.free() > 0 && len != 0 && len <= most).then_some(Place {
            first,
            slots: 1,
            buffer,
        })
    }

    /// Finds slots for `len` bytes. All or nothing; the cursor then stands at the first of them.
    #[inline(never)]
    fn place(&mut self, len: usize) -> Result<Place, SendError> {
        if len == 0 {
            return Err(SendError::Empty);
        }
        let longest =
            if self.chaining { self.max_packet } else { self.max_packet.min(self.max_segment) };
        let limit = longest as usize;
        if len > limit {
            return Err(SendError::TooLong { len, max: limit });
        }
        let start = self.cursor.next();
        let mut first = start;
        let mut room = 0;
        loop {
            if self.cursor.free() == 0 {
                match self.refresh() {
                    Ok(0) => return Err(self.does_not_fit(first, len, room)),
                    Ok(_) => {}
                    Err(error) => {
                        self.cursor.rewind(first);
                        return Err(error);
                    }
                }
            }
            let slot = self.cursor.next();
            let capacity = self.capacity(slot) as usize;
            self.cursor.advance(1);
            if capacity == 0 || (!self.chaining && capacity < len) {
                // A buffer that is of no use goes back empty, and with it what was taken for this packet.
                first = self.hand_back_empty(first);
                room = 0;
                if first.wrapping_sub(start) >= self.cursor.size() {
                    // A slave that posts more of them as fast must not hold us here.
                    return Err(SendError::Full);
                }
                continue;
            }
            room += capacity;
            if room >= len {
                let slots = self.cursor.next().wrapping_sub(first);
                self.cursor.rewind(first);
                return Ok(Place { first, slots, buffer: self.buffer(first) });
            }
        }
    }

    /// Bytes that the slot takes.
    #[inline]
    fn capacity(&self, slot: u16) -> u32 {
        self.buffer(slot).capacity.min(self.max_segment)
    }

    #[inline]
    fn buffer(&self, slot: u16) -> BufferRef {
        self.slots.get(usize::from(slot & self.ring.mask())).copied().unwrap_or_default()
    }

    #[cold]
    fn does_not_fit(&mut self, first: u16, len: usize, room: usize) -> SendError {
        let whole_ring = self.cursor.next().wrapping_sub(first) == self.cursor.size();
        self.cursor.rewind(first);
        if whole_ring { SendError::TooLong { len, max: room } } else { SendError::Full }
    }

    #[cold]
    fn hand_back_empty(&mut self, first: u16) -> u16 {
        let end = self.cursor.next();
        let mut slot = first;
        while slot != end {
            self.write_descriptor(slot, 0, 0);
            slot = slot.wrapping_add(1);
        }
        self.empty += 1;
        if self.cursor.published() == first {
            // No packet waits before them. Published now, they are not met again by the next send.
            self.publish();
        }
        end
    }

    /// Publishes everything up to the cursor.
    #[inline]
    fn publish(&mut self) {
        self.cursor.publish(&self.ring);
        if self.empty > 0 {
            self.shared.counters.bad_descriptors.add(std::mem::take(&mut self.empty));
        }
    }

    /// Takes back everything that was not published.
    #[inline]
    fn roll_back(&mut self) {
        self.cursor.rewind(self.cursor.published());
        self.empty = 0;
    }

    /// Loads the peer's cursor. As master, reads each newly posted descriptor, once, and checks it.
    fn refresh(&mut self) -> Result<u16, SendError> {
        let mut slot = self.cursor.limit();
        match self.cursor.refresh(&self.ring) {
            Ok(free) => {
                if self.role == Role::Master {
                    while slot != self.cursor.limit() {
                        self.learn(slot);
                        slot = slot.wrapping_add(1);
                    }
                }
                Ok(free)
            }
            Err(OutOfRange { cursor, found, low, high }) => {
                let queue = self.shared.name;
                let breach = Breach::Cursor { queue, cursor, found, low, high };
                Err(SendError::Breach(self.link.fail(breach)))
            }
        }
    }

    fn learn(&mut self, slot: u16) {
        let head = DescriptorHead::from_word(self.ring.load_word(slot, 0));
        let offset = offset_from_word(self.ring.load_word(slot, 1));
        let inside = self.regions.contains(head.region, offset, head.length);
        let capacity = if inside { head.length } else { 0 };
        if let Some(known) = self.slots.get_mut(usize::from(slot & self.ring.mask())) {
            *known = BufferRef { region: head.region, offset, capacity };
        }
    }

    /// Says how much of a slot's buffer is used. The region is written back as it was, the offset never.
    #[inline]
    fn write_descriptor(&self, slot: u16, flags: u16, length: u32) {
        let region = self.buffer(slot).region;
        self.ring.store_word(slot, 0, DescriptorHead { flags, region, length }.to_word());
    }

    /// Writes the descriptors of a packet of `len` bytes whose buffers are filled.
    #[inline]
    fn finish(&self, place: Place, len: usize) {
        if place.slots == 1 {
            let (region, length) = (place.buffer.region, u32::try_from(len).unwrap_or(u32::MAX));
            let head = DescriptorHead { flags: 0, region, length };
            return self.ring.store_word(place.first, 0, head.to_word());
        }
        let mut left = len;
        for i in 0..place.slots {
            let slot = place.first.wrapping_add(i);
            let length = self.capacity(slot).min(u32::try_from(left).unwrap_or(u32::MAX));
            left -= length as usize;
            self.write_descriptor(slot, if left > 0 { FLAG_NEXT } else { 0 }, length);
        }
    }

    /// The first `len` bytes of a buffer.
    #[inline]
    fn whole_room(&self, buffer: BufferRef, len: usize) -> Option<SharedSlice<'_>> {
        self.regions.slice(buffer.region, buffer.offset, u32::try_from(len).ok()?)
    }

    /// The room of one slot of a packet.
    #[inline]
    fn room(&self, slot: u16) -> Option<SharedSlice<'_>> {
        let BufferRef { region, offset, .. } = self.buffer(slot);
        self.regions.slice(region, offset, self.capacity(slot))
    }
}

/// Packets on their way: written to the ring, seen by nobody before [`commit`](Self::commit). Dropping it sends
/// nothing.
#[must_use = "a batch that is not committed sends nothing"]
pub struct TxBatch<'q> {
    queue: &'q mut TxQueue,
    packets: usize,
    bytes: u64,
}

impl TxBatch<'_> {
    /// Packets in the batch.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets
    }

    /// Whether there is no packet in the batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets == 0
    }

    /// Adds a copy of a packet, as a chain where it is longer than a buffer.
    ///
    /// # Errors
    /// Every [`SendError`]; the batch is as it was. What is in it can still be committed, unless the link went
    /// down.
    #[inline(always)]
    pub fn push(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let queue = &mut *self.queue;
        if let Some(place) = queue.place_in_one(packet.len())
            && let Some(room) = queue.whole_room(place.buffer, packet.len())
        {
            room.write(0, packet);
            queue.finish(place, packet.len());
            queue.cursor.advance(1);
            self.packets += 1;
            self.bytes += packet.len() as u64;
            return Ok(());
        }
        self.push_rest(packet)
    }

    /// What is left of [`push`](Self::push): chains, a look at the peer's cursor, errors. Out of line, so that the rest
    /// stays small in every loop that it becomes part of, which it does also where a program has several: as a call it takes
    /// half as long again.
    #[inline(never)]
    fn push_rest(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.push_with(packet.len(), |writer| {
            writer.write(0, packet);
        })
    }

    /// Adds a packet of `len` bytes that `fill` writes in place. Bytes that it leaves out hold whatever was in the
    /// buffer, which the peer has seen before.
    ///
    /// # Errors
    /// As [`push`](Self::push); `fill` is not called then.
    #[inline]
    pub fn push_with(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut PacketWriter<'_>),
    ) -> Result<(), SendError> {
        self.add(len, fill).inspect_err(|error| self.queue.count_full(error))
    }

    #[inline]
    fn add(
        &mut self,
        len: usize,
        fill: impl FnOnce(&mut PacketWriter<'_>),
    ) -> Result<(), SendError> {
        let place = match self.queue.place_in_one(len) {
            Some(place) => place,
            None => self.queue.place(len)?,
        };
        // The cursor moves when the packet is whole, also should `fill` panic.
        fill(&mut PacketWriter { queue: self.queue, place, len });
        self.queue.finish(place, len);
        self.queue.cursor.advance(place.slots);
        self.packets += 1;
        self.bytes += len as u64;
        Ok(())
    }

    /// Sends a received packet on. Between queues of one slave link the buffers change places and no byte is
    /// copied; between all others it is one copy, shared memory to shared memory. A packet that was forwarded in a
    /// batch that is not committed is lost.
    ///
    /// # Errors
    /// As [`push`](Self::push), with the packet, which can be tried again.
    #[inline]
    pub fn forward<'b>(&mut self, packet: Packet<'b>) -> Result<(), ForwardError<'b>> {
        let len = packet.len();
        if self.exchange(&packet) {
            self.packets += 1;
            self.bytes += len as u64;
            return Ok(());
        }
        let copied = self.push_with(len, |writer| {
            let mut at = 0;
            for segment in packet.segments() {
                at += writer.write_shared(at, segment);
            }
        });
        copied.map_err(|error| ForwardError { error, packet })
    }

    /// Puts the packet's buffers into our slots and ours into its slots, where that is possible.
    fn exchange(&mut self, packet: &Packet<'_>) -> bool {
        let queue = &mut *self.queue;
        let segments = packet.segment_count();
        if queue.role != Role::Slave
            || !Arc::ptr_eq(&queue.link, &packet.core.link)
            || packet.len() > queue.max_packet as usize
            || (segments > 1 && !queue.chaining)
        {
            return false;
        }
        let fits = |free: u16| segments <= free;
        // What is wrong with a peer that fails here, the copy will say.
        if !fits(queue.cursor.free()) && !queue.refresh().is_ok_and(fits) {
            return false;
        }
        let first = queue.cursor.next();
        let mask = queue.ring.mask();
        let pairs = || (0u16..).map(|i| first.wrapping_add(i)).zip(packet.raw_segments());
        // A descriptor is two words. With the region unchanged only the one with the offset is, so a master that
        // reads a slot too early still finds a buffer of ours.
        if pairs().any(|(slot, segment)| {
            queue.buffer(slot).region != segment.region || segment.length > queue.max_segment
        }) {
            return false;
        }
        for (slot, segment) in pairs() {
            let theirs = packet.core.slots.get(usize::from(segment.slot & mask_of(packet)));
            let ours = queue.slots.get_mut(usize::from(slot & mask));
            if let (Some(theirs), Some(ours)) = (theirs, ours) {
                let mut received = theirs.get();
                std::mem::swap(&mut received.buffer, ours);
                theirs.set(received);
                queue.ring.store_word(slot, 1, offset_to_word(ours.offset));
            }
        }
        for (left, (slot, segment)) in (0..segments).rev().zip(pairs()) {
            queue.write_descriptor(slot, if left > 0 { FLAG_NEXT } else { 0 }, segment.length);
        }
        queue.cursor.advance(segments);
        true
    }

    /// Publishes the batch with one store, and signals if the receiver asked for it. Returns the number of
    /// packets: none when the link went down meanwhile.
    #[inline]
    pub fn commit(self) -> usize {
        let packets = self.packets;
        let queue = &mut *self.queue;
        if packets == 0 || queue.link.is_down() {
            return 0;
        }
        queue.publish();
        queue.shared.counters.packets.add(packets as u64);
        queue.shared.counters.bytes.add(self.bytes);
        queue.notify(packets);
        packets
    }
}

fn mask_of(packet: &Packet<'_>) -> u16 {
    u16::try_from(packet.core.slots.len().saturating_sub(1)).unwrap_or(u16::MAX)
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

impl std::fmt::Debug for TxBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxBatch")
            .field("packets", &self.packets)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for PacketWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketWriter").field("len", &self.len).finish_non_exhaustive()
    }
}

impl Drop for TxBatch<'_> {
    #[inline]
    fn drop(&mut self) {
        self.queue.roll_back();
    }
}

/// Why a packet was not forwarded, and the packet.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ForwardError<'b> {
    /// Why.
    pub error: SendError,
    /// The packet, still there.
    pub packet: Packet<'b>,
}

/// Room for one packet in the buffers of a transmit queue.
pub struct PacketWriter<'w> {
    queue: &'w TxQueue,
    place: Place,
    len: usize,
}

impl PacketWriter<'_> {
    /// Bytes of the packet.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a packet has at least one byte")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Writes from byte `offset` of the packet on, as many bytes as there are and as the packet has room for.
    /// Returns how many.
    #[inline]
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.len.saturating_sub(offset));
        self.each_room(offset, len, |room, at, from, count| {
            room.write(at, bytes.get(from..from + count).unwrap_or_default());
        })
    }

    /// Writes shared bytes from byte `offset` of the packet on, as [`write`](Self::write) does.
    #[inline]
    pub fn write_shared(&mut self, offset: usize, bytes: SharedSlice<'_>) -> usize {
        let len = bytes.len().min(self.len.saturating_sub(offset));
        self.each_room(offset, len, |room, at, from, count| {
            if let (Some(to), Some(from)) = (room.get(at, count), bytes.get(from, count)) {
                from.copy_to(&to);
            }
        })
    }

    /// Calls `copy` with each room that holds some of `len` bytes from `offset` on: the room, where in it, which
    /// of the bytes, and how many.
    #[inline]
    fn each_room(
        &self,
        offset: usize,
        len: usize,
        copy: impl Fn(SharedSlice<'_>, usize, usize, usize),
    ) -> usize {
        if self.place.slots == 1 {
            let Some(room) = self.queue.whole_room(self.place.buffer, self.len) else { return 0 };
            let count = room.len().saturating_sub(offset).min(len);
            if count > 0 {
                copy(room, offset, 0, count);
            }
            return count;
        }
        let mut skip = offset;
        let mut done = 0;
        for i in 0..self.place.slots {
            if done == len {
                break;
            }
            let Some(room) = self.queue.room(self.place.first.wrapping_add(i)) else { break };
            if skip >= room.len() {
                skip -= room.len();
                continue;
            }
            let count = (room.len() - skip).min(len - done);
            copy(room, skip, done, count);
            done += count;
            skip = 0;
        }
        done
    }
}

#[cfg(test)]
impl TxBatch<'_> {
    /// The next slot to fill.
    pub(super) fn next_slot(&self) -> u16 {
        self.queue.cursor.next()
    }

    /// Where the buffer of the batch's first slot lies.
    pub(super) fn queue_slot_start(&self) -> *mut u8 {
        let first = self.queue.cursor.published();
        self.queue.room(first).map_or(std::ptr::null_mut(), |room| room.as_ptr())
    }
}

#[cfg(test)]
impl TxQueue {
    /// Where a slot's buffer lies in its region.
    pub(super) fn slot_offset(&self, slot: u16) -> u32 {
        self.buffer(slot).offset
    }

    /// The eventfd that this queue signals through.
    pub(super) fn shared_interrupt(&self) -> Arc<std::os::fd::OwnedFd> {
        Arc::clone(&self.shared.interrupt)
    }
}
