//! The spare buffers of a slave's receive queue, which take the place of packets that are kept.
//!
//! A slave posts a buffer in each slot of a receive ring. Where a program keeps a packet, its slot gets a spare one and
//! is posted with that; the buffer of the packet becomes a spare when it is given back. Which buffers are kept is known
//! to this process alone, and to no descriptor: a peer that obeys writes to what is posted.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::buffers::BufferRow;
use super::rx_core::{MOVED, RxCore};
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

/// Buffers of a packet that are kept, in the order of its segments. Dropping it gives them back.
pub(super) struct Kept {
    places: Arc<Places>,
    /// The place of the first segment.
    first: u32,
    count: u16,
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

    /// Puts spares into the slots of a packet and keeps what was there: of so many segments, each given by its slot and
    /// length. `None` where fewer are free.
    pub(super) fn keep(&self, core: &RxCore, count: u16, segments: impl Iterator<Item = (u16, u32)>) -> Option<Kept> {
        if self.free() < usize::from(count) {
            return None;
        }
        let mut kept = Kept { places: Arc::clone(&self.places), first: 0, count: 0 };
        let mut last: Option<&Place> = None;
        for (slot, length) in segments {
            // There are as many: what is free is taken by this queue alone. Else those so far go back.
            let (number, place) = self.take(core, slot, length)?;
            match last {
                Some(last) => last.next.store(number, Ordering::Relaxed),
                None => kept.first = number,
            }
            kept.count += 1;
            last = Some(place);
        }
        Some(kept)
    }

    /// Puts a spare into a slot, and that with so many bytes into its place.
    fn take(&self, core: &RxCore, slot: u16, length: u32) -> Option<(u32, &Place)> {
        let places = &self.places.places;
        let from = self.next.get();
        let free = |at: &usize| places.get(*at).is_some_and(|place| !place.kept.load(Ordering::Acquire));
        let at = (from..places.len()).chain(0..from).find(free)?;
        let place = places.get(at)?;
        let slot = core.at(slot);
        if !core.buffers.swap(slot, &self.table, at) {
            return None;
        }
        core.buffers.set_mark(slot, MOVED);
        self.next.set(at + 1);
        place.offset.store(self.table.offset(at), Ordering::Relaxed);
        place.length.store(length, Ordering::Relaxed);
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

impl Kept {
    /// How many.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// The bytes of each.
    pub(super) fn segments(&self) -> KeptSegments<'_> {
        KeptSegments { places: &self.places, next: self.first, left: self.count }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut number = self.first;
        for _ in 0..self.count {
            let Some(place) = self.places.place(number) else { return };
            // Before it is given back: from then on it is the queue's.
            number = place.next.load(Ordering::Relaxed);
            place.kept.store(false, Ordering::Release);
            self.places.free.fetch_add(1, Ordering::Release);
        }
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
