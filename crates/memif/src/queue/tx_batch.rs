//! A batch of packets on their way out.

use std::io;
use std::sync::Arc;

use super::notify::notify;
use super::packet::Packet;
use super::packet_writer::PacketWriter;
use super::rx_core::MOVED;
use super::tx::TxQueue;
use crate::config::Role;
use crate::error::SendError;
use crate::ring::RingMemory;
use crate::shm::SharedSlice;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_to_word};

/// Packets on their way: written to the ring, seen by nobody before [`commit`](Self::commit). Dropping it sends
/// nothing.
#[must_use = "a batch that is not committed sends nothing"]
pub struct TxBatch<'q> {
    pub(super) queue: &'q mut TxQueue,
    /// Next slot to fill. Here alone and not in the queue, as the counts, so that what changes with every packet lies
    /// in registers: in memory, a sender of small packets waits for its own stores. For that, no call that is not
    /// inlined may be given a reference to the batch.
    pub(super) next: u16,
    pub(super) packets: usize,
    pub(super) bytes: u64,
}

impl<'q> TxBatch<'q> {
    /// An empty one. Nothing waits to be published.
    #[inline]
    pub(super) fn new(queue: &'q mut TxQueue) -> Self {
        let next = queue.core.cursor.published();
        Self { queue, next, packets: 0, bytes: 0 }
    }
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
        if let Some((room, region)) = self.single(packet.len()) {
            room.write(0, packet);
            self.finish_single(region, packet.len());
            return Ok(());
        }
        let pushed = push_rest(self.queue, self.next, packet);
        self.after(pushed, packet.len())
    }

    /// The buffer of the next slot and its region, if it is free as far as is known and takes `len` bytes.
    #[inline(always)]
    fn single(&self, len: usize) -> Option<(SharedSlice<'_>, u16)> {
        let length = u32::try_from(len).ok()?;
        // None at all is one too many, too.
        if self.next == self.queue.core.cursor.limit() || length.wrapping_sub(1) >= self.queue.max_single {
            return None;
        }
        self.queue.core.buffers.room(self.queue.core.at(self.next), length)
    }

    /// Writes the descriptor of a packet in one buffer, which is filled.
    #[inline(always)]
    fn finish_single(&mut self, region: u16, len: usize) {
        let length = u32::try_from(len).unwrap_or(u32::MAX);
        let head = DescriptorHead { flags: 0, region, length };
        self.queue.core.ring.store_word(self.next, 0, head.to_word());
        self.next = self.next.wrapping_add(1);
        self.packets += 1;
        self.bytes += len as u64;
    }

    /// Goes on behind a packet of `len` bytes, or from where it says that was not added.
    #[inline(always)]
    fn after(&mut self, added: Result<u16, (u16, SendError)>, len: usize) -> Result<(), SendError> {
        match added {
            Ok(next) => {
                self.next = next;
                self.packets += 1;
                self.bytes += len as u64;
                Ok(())
            }
            Err((next, error)) => {
                self.next = next;
                Err(error)
            }
        }
    }

    /// Adds a packet of `len` bytes that `fill` writes in place. Bytes that it leaves out hold whatever was in the
    /// buffer, which the peer has seen before.
    ///
    /// # Errors
    /// As [`push`](Self::push); `fill` is not called then.
    #[inline(always)]
    pub fn push_with(&mut self, len: usize, fill: impl FnOnce(&mut PacketWriter<'_>)) -> Result<(), SendError> {
        self.add(len, fill).inspect_err(|error| self.queue.count_full(error))
    }

    /// As [`push`](Self::push), counting no full ring.
    #[inline(always)]
    pub(crate) fn try_push(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.add(packet.len(), |writer| {
            writer.write_at(0, packet);
        })
    }

    #[inline(always)]
    pub(super) fn add(&mut self, len: usize, fill: impl FnOnce(&mut PacketWriter<'_>)) -> Result<(), SendError> {
        if let Some((room, region)) = self.single(len) {
            // The packet counts when it is whole, also should `fill` panic.
            fill(&mut PacketWriter::of_one(room, len));
            self.finish_single(region, len);
            return Ok(());
        }
        let added = match self.queue.place(self.next, len) {
            Ok(place) => {
                // Useless buffers may have gone back for good, also should `fill` panic.
                self.next = place.first;
                fill(&mut PacketWriter::of_chain(self.queue, place, len));
                self.queue.finish(place, len);
                Ok(place.end())
            }
            Err(error) => Err(error),
        };
        self.after(added, len)
    }

    /// Adds a packet whose length shows when it is written: `write` gets a [`Write`](io::Write) with room for `max`
    /// bytes, and the packet is as long as what it wrote. Returns its bytes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use std::io::Write;
    /// # use memif::{InterfaceConfig, Socket};
    /// # let mut socket = Socket::builder("@memif-doc-push-written").open()?;
    /// # let (master, slave) = (InterfaceConfig::master(0), InterfaceConfig::slave(0));
    /// # let (master, slave) = (socket.add_interface(master)?, socket.add_interface(slave)?);
    /// # let _there = socket.wait_connected(master, Duration::from_secs(10))?;
    /// # let mut here = socket.wait_connected(slave, Duration::from_secs(10))?;
    /// # let tx = &mut here.tx[0];
    /// let mut batch = tx.reserve()?;
    /// let len = batch.push_written(1500, |packet| write!(packet, "hello, {}", "world"))?;
    /// assert_eq!((len, batch.commit()), (12, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// What `write` says, [`WriteZero`](io::ErrorKind::WriteZero) where it has more than `max` bytes; otherwise those
    /// of [`push`](Self::push) for a packet of `max` bytes, and of no bytes where none were written. Nothing was added.
    pub fn push_written(
        &mut self,
        max: usize,
        write: impl FnOnce(&mut PacketWriter<'_>) -> io::Result<()>,
    ) -> io::Result<usize> {
        let place = match self.queue.place(self.next, max) {
            Ok(place) => place,
            Err((next, error)) => {
                self.next = next;
                self.queue.count_full(&error);
                return Err(error.into());
            }
        };
        // As in `push_with`.
        self.next = place.first;
        let mut writer = PacketWriter::of_chain(self.queue, place, max);
        write(&mut writer)?;
        let len = writer.written();
        if len == 0 {
            return Err(SendError::Empty.into());
        }
        let place = self.queue.cut(place, len);
        self.queue.finish(place, len);
        self.after(Ok(place.end()), len)?;
        Ok(len)
    }

    /// Sends a received packet on. Between queues of one slave link the buffers change places and no byte is
    /// copied; between all others it is one copy, shared memory to shared memory. A packet that was forwarded in a
    /// batch that is not committed is lost.
    ///
    /// # Errors
    /// As [`push`](Self::push), with the packet, which can be tried again. Where that is not wanted:
    /// `batch.forward(packet).map_err(SendError::from)?`.
    #[inline(always)]
    pub fn forward<'b>(&mut self, packet: Packet<'b>) -> Result<(), ForwardError<'b>> {
        let len = packet.len();
        // As in `push_packet`.
        if self.queue.core.role == Role::Slave && exchange(self.queue, self.next, &Packet { ..packet }) {
            self.next = self.next.wrapping_add(packet.segment_count());
            self.packets += 1;
            self.bytes += len as u64;
            return Ok(());
        }
        self.push_packet(&packet).map_err(|error| ForwardError { error, packet })
    }

    /// Adds a copy of a received packet: one copy, shared memory to shared memory. The packet can be sent to others,
    /// too.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    #[inline(always)]
    pub fn push_packet(&mut self, packet: &Packet<'_>) -> Result<(), SendError> {
        let len = packet.len();
        if packet.is_single()
            && let Some((room, region)) = self.single(len)
        {
            packet.first.copy_to(&room);
            self.finish_single(region, len);
            return Ok(());
        }
        // A copy of what describes the packet: else that would lie in memory, not in registers, for every packet.
        let copied = copy_rest(self.queue, self.next, &Packet { ..*packet });
        self.after(copied, len)
    }

    /// Adds a received packet as [`push_packet`](Self::push_packet) does, with another routine for the copy: `copy` is
    /// called with each piece of the packet and the room for it, which are of one length. So the copies of a batch can
    /// be left to an engine of the machine or of its own threads, by the addresses of both
    /// ([`SharedSlice::as_ptr`]): it must have finished before the batch is committed or dropped and before the packet
    /// goes back. Bytes that are not copied are what was in the buffer.
    ///
    /// The peer writes to both meanwhile, and where this side is master it chose both addresses, which may overlap: no
    /// copy that is undefined for either will do ([`SharedSlice::copy_to`] is one that will). An engine sees memory
    /// that the peer took away as a fault of its own.
    ///
    /// # Errors
    /// As [`push`](Self::push); `copy` is not called then.
    #[inline(always)]
    pub fn push_packet_with(
        &mut self,
        packet: &Packet<'_>,
        mut copy: impl FnMut(SharedSlice<'_>, SharedSlice<'_>),
    ) -> Result<(), SendError> {
        self.push_with(packet.len(), |writer| {
            let mut at = 0;
            for segment in packet.segments() {
                at += writer.each_room(at, segment.len(), |room, skip, from, count| {
                    if let (Some(to), Some(from)) = (room.get(skip, count), segment.get(from, count)) {
                        copy(from, to);
                    }
                });
            }
        })
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
        queue.publish(self.next);
        queue.shared.counters.packets.add(packets as u64);
        queue.shared.counters.bytes.add(self.bytes);
        notify(&queue.core.ring, &queue.shared, &queue.link, packets);
        packets
    }
}

/// What is left of [`TxBatch::push`]: chains, a look at the peer's cursor, errors. Out of line, so that the rest stays
/// small in every loop that it becomes part of, which it does also where a program has several: as a call it takes half
/// as long again. Returns the slot from which on the next packet goes.
#[inline(never)]
fn push_rest(queue: &mut TxQueue, next: u16, packet: &[u8]) -> Result<u16, (u16, SendError)> {
    let place = queue.place(next, packet.len()).inspect_err(|(_, error)| queue.count_full(error))?;
    PacketWriter::of_chain(queue, place, packet.len()).write_at(0, packet);
    queue.finish(place, packet.len());
    Ok(place.end())
}

/// What is left of copying in [`TxBatch::forward`], as [`push_rest`].
#[inline(never)]
fn copy_rest(queue: &mut TxQueue, next: u16, packet: &Packet<'_>) -> Result<u16, (u16, SendError)> {
    let len = packet.len();
    let place = queue.place(next, len).inspect_err(|(_, error)| queue.count_full(error))?;
    let mut writer = PacketWriter::of_chain(queue, place, len);
    let mut at = 0;
    for segment in packet.segments() {
        at += writer.write_shared_at(at, segment);
    }
    queue.finish(place, len);
    Ok(place.end())
}

/// Puts the packet's buffers into a slave's slots from `next` on and theirs into its slots, where that is possible.
/// Returns whether it was.
fn exchange(queue: &mut TxQueue, next: u16, packet: &Packet<'_>) -> bool {
    let segments = packet.segment_count();
    if !Arc::ptr_eq(&queue.link, &packet.scan.link)
        || packet.len() > queue.max_packet as usize
        || (segments > 1 && !queue.chaining)
    {
        return false;
    }
    if !queue.core.is_made() {
        queue.core.make();
    }
    // What is wrong with a peer that fails here, the copy will say.
    if segments > queue.core.cursor.free(next)
        && (queue.core.refresh().is_err() || segments > queue.core.cursor.free(next))
    {
        return false;
    }
    let pairs = || (0u16..).map(|i| next.wrapping_add(i)).zip(packet.raw_segments());
    // A descriptor is two words. With the region unchanged only the one with the offset is, so a master that reads a
    // slot too early still finds a buffer of ours.
    if pairs().any(|(slot, segment)| {
        queue.core.buffers.region(queue.core.at(slot)) != segment.region || segment.length > queue.core.max_segment
    }) {
        return false;
    }
    let received = &packet.scan.core.buffers;
    for (left, (slot, segment)) in (0..segments).rev().zip(pairs()) {
        let (at, from) = (queue.core.at(slot), packet.scan.core.at(segment.slot));
        if received.swap(from, &queue.core.buffers, at) {
            queue.core.ring.store_word(slot, 1, offset_to_word(queue.core.buffers.offset(at)));
            received.set_mark(from, MOVED);
        }
        queue.core.write_descriptor(slot, if left > 0 { FLAG_NEXT } else { 0 }, segment.length);
    }
    true
}

impl std::fmt::Debug for TxBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxBatch").field("packets", &self.packets).field("bytes", &self.bytes).finish_non_exhaustive()
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

impl From<ForwardError<'_>> for SendError {
    fn from(not_forwarded: ForwardError<'_>) -> Self {
        not_forwarded.error
    }
}

#[cfg(all(test, not(loom)))]
impl TxBatch<'_> {
    /// The next slot to fill.
    pub(super) fn next_slot(&self) -> u16 {
        self.next
    }

    /// Where the buffer of the batch's first slot lies.
    pub(super) fn queue_slot_start(&self) -> *mut u8 {
        let first = self.queue.core.cursor.published();
        self.queue.core.room(first).as_ptr()
    }
}
