//! Received packets that are kept beyond their batch, and the spare buffers that take their place on the ring.
//!
//! A slave posts a buffer in each slot of a receive ring. Where a program keeps a packet, its slot gets a spare one and
//! is posted with that; the buffer of the packet becomes a spare when it is given back. Which buffers are kept is known
//! to this process alone, and to no descriptor: a peer that obeys writes to what is posted.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::buffers::BufferRow;
use super::packet::{Packet, RawSegment};
use super::rx_core::{MOVED, RxCore};
use super::tx_batch::TxBatch;
use crate::config::Role;
use crate::error::{KeepError, SendError};
use crate::shm::{BufferTable, Regions, SharedSlice};

/// The spare buffers of a slave's receive queue.
pub(super) struct Spares {
    /// A buffer for each place: one that is free, or the one that is kept.
    table: BufferTable,
    places: Arc<Places>,
    /// From where on to look for a free place. Packets are mostly given back in their order.
    next: Cell<usize>,
}

/// Which of them are kept, and what of them. Nothing of it is shared with the peer.
struct Places {
    regions: Regions,
    /// Where all of them lie.
    region: u16,
    places: Box<[Place]>,
    /// How many are free. Only the queue takes one, anybody gives one back.
    free: AtomicUsize,
}

/// One of them. The queue writes it while it is free; from then on it stays as it is until it is given back.
#[derive(Default)]
struct Place {
    kept: AtomicBool,
    /// The bytes of the packet in the region.
    offset: AtomicU32,
    length: AtomicU32,
    /// The place of the packet's next segment.
    next: AtomicU32,
}

impl Spares {
    /// As many as were laid out behind the buffers of the ring's slots.
    pub(super) fn new(regions: &Regions, row: BufferRow, slots: u16, count: u16) -> Self {
        let table = BufferTable::new(regions, usize::from(count));
        for place in 0..count {
            let buffer = row.buffer(slots.saturating_add(place));
            table.put(usize::from(place), buffer.region, buffer.offset, buffer.capacity, buffer.capacity);
        }
        let places = Places {
            regions: regions.clone(),
            region: row.first.region,
            places: (0..count).map(|_| Place::default()).collect(),
            free: AtomicUsize::new(usize::from(count)),
        };
        Self { table, places: Arc::new(places), next: Cell::new(0) }
    }

    /// How many are free.
    pub(super) fn free(&self) -> usize {
        self.places.free.load(Ordering::Acquire)
    }

    /// Puts spares into the slots of a packet, and keeps what was there.
    fn keep(&self, core: &RxCore, packet: &Packet<'_>) -> Result<KeptPacket, KeepError> {
        let segments = usize::from(packet.segment_count());
        if self.free() < segments {
            return Err(KeepError::NoSpare);
        }
        let mut kept = KeptPacket { places: Arc::clone(&self.places), first: 0, segments: 0, bytes: packet.bytes };
        let mut last: Option<&Place> = None;
        for segment in packet.raw_segments() {
            // There are as many: what is free is taken by this queue alone. Else those so far go back.
            let (number, place) = self.take(core, segment).ok_or(KeepError::NoSpare)?;
            match last {
                Some(last) => last.next.store(number, Ordering::Relaxed),
                None => kept.first = number,
            }
            kept.segments += 1;
            last = Some(place);
        }
        Ok(kept)
    }

    /// Puts a spare into the slot of a segment, and that into its place.
    fn take(&self, core: &RxCore, segment: RawSegment) -> Option<(u32, &Place)> {
        let places = &self.places.places;
        let from = self.next.get();
        let free = |at: &usize| places.get(*at).is_some_and(|place| !place.kept.load(Ordering::Acquire));
        let at = (from..places.len()).chain(0..from).find(free)?;
        let place = places.get(at)?;
        let slot = core.at(segment.slot);
        if !core.buffers.swap(slot, &self.table, at) {
            return None;
        }
        core.buffers.set_mark(slot, MOVED);
        self.next.set(at + 1);
        place.offset.store(self.table.offset(at), Ordering::Relaxed);
        place.length.store(segment.length, Ordering::Relaxed);
        place.kept.store(true, Ordering::Relaxed);
        self.places.free.fetch_sub(1, Ordering::Relaxed);
        Some((u32::try_from(at).unwrap_or(u32::MAX), place))
    }
}

impl Places {
    fn place(&self, number: u32) -> Option<&Place> {
        self.places.get(number as usize)
    }
}

impl<'b> Packet<'b> {
    /// Keeps the packet beyond its batch, without a copy: for as long as a program wants, which gives it back by
    /// dropping it, in any order and from any thread. In its place the peer gets one of the
    /// [spare buffers](crate::InterfaceConfig::spare_buffers) of the queue for each segment.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use memif::{InterfaceConfig, Socket};
    /// # let mut socket = Socket::builder("@memif-doc-keep").open()?;
    /// # let master = socket.add_interface(InterfaceConfig::master(0))?;
    ///
    /// let slave = socket.add_interface(InterfaceConfig::slave(0).spare_buffers(64))?;
    /// # let mut there = socket.wait_connected(master, Duration::from_secs(10))?;
    /// let mut here = socket.wait_connected(slave, Duration::from_secs(10))?;
    /// # there.tx[0].send(b"to be kept")?;
    /// # assert!(here.rx[0].wait(Some(Duration::from_secs(10)))?);
    /// let mut kept = Vec::new();
    /// for packet in &mut here.rx[0].recv(64)? {
    ///     match packet.keep() {
    ///         Ok(packet) => kept.push(packet),
    ///         Err(not_kept) => println!("{} bytes were not kept: {not_kept}", not_kept.packet.len()),
    ///     }
    /// }
    /// assert_eq!(kept[0].to_vec(), b"to be kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Every [`KeepError`], with the packet, which can be copied.
    pub fn keep(self) -> Result<KeptPacket, NotKept<'b>> {
        let scan = self.scan;
        let kept = match &scan.spares {
            Some(spares) => spares.keep(&scan.core, &self),
            None if scan.core.role == Role::Master => Err(KeepError::Master),
            None => Err(KeepError::NoSpares),
        };
        kept.map_err(|error| NotKept { error, packet: self })
    }
}

/// A received packet that a program has kept, see [`Packet::keep`]. Dropping it gives its buffers back.
///
/// Its place and length are private and were checked. The bytes are in memory that the peer has, too: one that obeys
/// does not write there until they are posted again, a hostile one can at any moment. So there is no way to a `&[u8]`
/// or to `Bytes` without a copy, which is [`to_vec`](Self::to_vec) (`Bytes::from(packet.to_vec())`); engines that copy
/// by address, such as RDMA, get it by [`SharedSlice::as_ptr`].
///
/// It outlives its queue and its link, whose memory it keeps mapped. Where the buffers lie in memory of the caller
/// ([`Memory::File`](crate::Memory::File), [`Memory::Mapped`](crate::Memory::Mapped)), the next link has its buffers in
/// the same bytes and overwrites what is still kept of the one before.
pub struct KeptPacket {
    places: Arc<Places>,
    /// The place of the first segment.
    first: u32,
    segments: u16,
    bytes: u32,
}

impl KeptPacket {
    /// Bytes of the packet, at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a packet has at least one byte")]
    pub fn len(&self) -> usize {
        self.bytes as usize
    }

    /// The packet's segments in order, each in one buffer.
    #[must_use]
    pub fn segments(&self) -> KeptSegments<'_> {
        KeptSegments { places: &self.places, next: self.first, left: self.segments }
    }

    /// Copies from byte `offset` of the packet on, as many bytes as there are and as there is room for. Returns how
    /// many.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset, 0);
        for segment in self.segments() {
            done += segment.read(skip, to.get_mut(done..).unwrap_or_default());
            skip = skip.saturating_sub(segment.len());
        }
        done
    }

    /// A copy of the whole packet in memory of its own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        let copied = self.read(0, &mut bytes);
        bytes.truncate(copied);
        bytes
    }
}

impl TxBatch<'_> {
    /// Adds a copy of a packet that was kept: one copy, shared memory to shared memory.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_kept(&mut self, packet: &KeptPacket) -> Result<(), SendError> {
        self.push_with(packet.len(), |writer| {
            packet.segments().fold(0, |at, segment| at + writer.write_shared_at(at, segment));
        })
    }
}

impl Drop for KeptPacket {
    fn drop(&mut self) {
        let mut number = self.first;
        for _ in 0..self.segments {
            let Some(place) = self.places.place(number) else { return };
            // Before it is given back: from then on it is the queue's.
            number = place.next.load(Ordering::Relaxed);
            place.kept.store(false, Ordering::Release);
            self.places.free.fetch_add(1, Ordering::Release);
        }
    }
}

impl std::fmt::Debug for KeptPacket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptPacket").field("len", &self.len()).field("segments", &self.segments).finish_non_exhaustive()
    }
}

/// Iterator over the segments of a packet that was kept.
#[derive(Clone)]
pub struct KeptSegments<'a> {
    places: &'a Places,
    next: u32,
    left: u16,
}

impl<'a> Iterator for KeptSegments<'a> {
    type Item = SharedSlice<'a>;

    fn next(&mut self) -> Option<SharedSlice<'a>> {
        self.left = self.left.checked_sub(1)?;
        let place = self.places.place(self.next)?;
        self.next = place.next.load(Ordering::Relaxed);
        let (offset, length) = (place.offset.load(Ordering::Relaxed), place.length.load(Ordering::Relaxed));
        self.places.regions.slice(self.places.region, offset, length)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize::from(self.left), Some(usize::from(self.left)))
    }
}

impl ExactSizeIterator for KeptSegments<'_> {}

impl std::fmt::Debug for KeptSegments<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptSegments").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Why a packet was not kept, and the packet.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotKept<'b> {
    /// Why.
    pub error: KeepError,
    /// The packet, still there.
    pub packet: Packet<'b>,
}

impl From<NotKept<'_>> for KeepError {
    fn from(not_kept: NotKept<'_>) -> Self {
        not_kept.error
    }
}
