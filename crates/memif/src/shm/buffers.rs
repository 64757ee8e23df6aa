//! Buffers by number, each with its address: found inside its region when it is put in, and not looked up again for
//! every packet.

use std::cell::Cell;
use std::ptr::NonNull;

use super::mapping::{RegionStart, Regions};
use super::prefetch;
use super::slice::SharedSlice;

/// A buffer, or the part of one that a packet fills.
#[derive(Clone, Copy)]
struct Buffer {
    start: NonNull<u8>,
    len: u32,
    region: u16,
    mark: u16,
}

const NOTHING: Buffer = Buffer { start: NonNull::dangling(), len: 0, region: 0, mark: 0 };

/// A table of buffers of one link.
///
/// Whatever has a length lies in one of `regions`: [`put`](Self::put), [`Parts`] and [`Recorder`] are
/// the only ways in, and nothing makes a buffer longer or moves it.
pub(crate) struct BufferTable {
    buffers: Box<[Cell<Buffer>]>,
    regions: Regions,
}

// SAFETY: the pointers are addresses in mappings, which are memory of the process and not of a thread; `regions`, which
// keeps them mapped, is `Send` itself.
unsafe impl Send for BufferTable {}

/// What a table has at one place.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) bytes: SharedSlice<'a>,
    pub(crate) region: u16,
    /// Whatever the user of the table puts there.
    pub(crate) mark: u16,
}

impl BufferTable {
    /// A table of `count` places without a buffer.
    pub(crate) fn new(regions: &Regions, count: usize) -> Self {
        let buffers = (0..count).map(|_| Cell::new(NOTHING)).collect();
        Self { buffers, regions: regions.clone() }
    }

    /// How many places there are.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.buffers.len()
    }

    /// Puts a buffer there, of which the first `most` bytes at most are used. A buffer that is not in its region has no
    /// bytes. Returns whether it is.
    #[inline]
    pub(crate) fn put(&self, at: usize, region: u16, offset: u32, len: u32, most: u32) -> bool {
        let Some(cell) = self.buffers.get(at) else { return false };
        let found = self.regions.place(region).and_then(|place| place.find(offset, len));
        cell.set(match found {
            Some(start) => Buffer { start, len: len.min(most), region, mark: 0 },
            None => Buffer { region, ..NOTHING },
        });
        found.is_some()
    }

    #[inline]
    fn buffer(&self, at: usize) -> Buffer {
        self.buffers.get(at).map_or(NOTHING, Cell::get)
    }

    /// Everything about one of them. Nothing has no bytes.
    #[inline]
    pub(crate) fn entry(&self, at: usize) -> Entry<'_> {
        let Buffer { start, len, region, mark } = self.buffer(at);
        // SAFETY: found inside a region when it was put here, with at least this length, or of no length at all;
        // `regions` keeps the mapping for as long as `self` is borrowed.
        let bytes = unsafe { SharedSlice::new(start, len as usize) };
        Entry { bytes, region, mark }
    }

    /// The first `len` bytes of one of them, and its region; `None` where it is shorter.
    #[inline]
    pub(crate) fn room(&self, at: usize, len: u32) -> Option<(SharedSlice<'_>, u16)> {
        let buffer = self.buffer(at);
        if len > buffer.len {
            return None;
        }
        // SAFETY: as in `entry`; `len` is not longer.
        Some((unsafe { SharedSlice::new(buffer.start, len as usize) }, buffer.region))
    }

    /// Bytes of one of them.
    #[inline]
    pub(crate) fn len(&self, at: usize) -> u32 {
        self.buffer(at).len
    }

    /// The region of one of them, also where it has no bytes.
    #[inline]
    pub(crate) fn region(&self, at: usize) -> u16 {
        self.buffer(at).region
    }

    /// Where in its region one of them begins.
    pub(crate) fn offset(&self, at: usize) -> u32 {
        let buffer = self.buffer(at);
        self.regions.place(buffer.region).map_or(0, |place| place.offset_of(buffer.start))
    }

    /// The address of one of them.
    #[inline]
    pub(crate) fn address(&self, at: usize) -> usize {
        self.buffer(at).start.addr().get()
    }

    pub(crate) fn set_mark(&self, at: usize, mark: u16) {
        if let Some(cell) = self.buffers.get(at) {
            cell.set(Buffer { mark, ..cell.get() });
        }
    }

    /// Lets one of these and one of another table change places, marks and all, if they are of one link and lie in one
    /// region. Returns whether they did.
    pub(crate) fn swap(&self, at: usize, other: &Self, other_at: usize) -> bool {
        let (Some(one), Some(two)) = (self.buffers.get(at), other.buffers.get(other_at)) else {
            return false;
        };
        let can = self.regions.is_same(&other.regions) && one.get().region == two.get().region;
        if can {
            one.swap(two);
        }
        can
    }

    /// Asks for the first line of one of them, to be read soon.
    #[inline]
    pub(crate) fn prefetch(&self, at: usize) {
        prefetch::to_read(self.buffer(at).start.as_ptr());
    }

    /// Fills this table with parts of the buffers that another one has at the same places; `None` where that is of
    /// another link.
    #[cfg(feature = "raw")]
    #[inline]
    pub(crate) fn parts_of<'a>(&'a self, whole: &'a Self) -> Option<Parts<'a>> {
        self.regions.is_same(&whole.regions).then_some(Parts { table: &self.buffers, whole: &whole.buffers })
    }

    /// Finds what descriptors name. As slave that is in these buffers, one for each slot.
    #[inline]
    pub(crate) fn finder(&self) -> Finder<'_> {
        Finder { buffers: self, number: 0, place: self.regions.place(0).unwrap_or_default() }
    }

    /// Fills this table with what descriptors name; `None` where those are of another link.
    #[inline]
    pub(crate) fn recorder<'a>(&'a self, finder: Finder<'a>) -> Option<Recorder<'a>> {
        self.regions.is_same(&finder.buffers.regions).then_some(Recorder { table: self, finder })
    }
}

/// See [`BufferTable::parts_of`].
#[cfg(feature = "raw")]
pub(crate) struct Parts<'a> {
    table: &'a [Cell<Buffer>],
    whole: &'a [Cell<Buffer>],
}

/// What was put by [`Parts::put`].
#[cfg(feature = "raw")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) region: u16,
    pub(crate) len: u32,
    /// Whether it begins elsewhere than what was there.
    pub(crate) moved: bool,
}

#[cfg(feature = "raw")]
impl Parts<'_> {
    /// Puts a buffer of the other table there from byte `skip` on, `less` bytes shorter than it is. `None` where
    /// nothing is left of it then, or not so much: nothing was put.
    #[inline]
    pub(crate) fn put(&self, at: usize, skip: u32, less: u32) -> Option<Part> {
        let (cell, whole) = (self.table.get(at)?, self.whole.get(at)?.get());
        let len = whole.len.checked_sub(less).filter(|len| *len > 0 && skip <= less)?;
        // SAFETY: `skip <= less <= whole.len`, the length of a buffer that was found inside its region; and
        // `skip + len <= whole.len`.
        let start = unsafe { whole.start.add(skip as usize) };
        let before = cell.get();
        let moved = start != before.start;
        if moved || len != before.len {
            cell.set(Buffer { start, len, region: whole.region, mark: 0 });
        }
        Some(Part { region: whole.region, len, moved })
    }
}

/// Bytes as a descriptor names them. A master goes by the region and the offset, a slave by the slot: where its buffer
/// lies is known from posting it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    /// Where the table has the slot's buffer.
    pub(crate) at: usize,
    pub(crate) region: u16,
    pub(crate) offset: u32,
    pub(crate) len: u32,
}

/// See [`BufferTable::finder`]. Keeps the region of the last descriptor in registers: mostly the next one's, too.
pub(crate) struct Finder<'a> {
    buffers: &'a BufferTable,
    number: u16,
    place: RegionStart,
}

impl<'a> Finder<'a> {
    /// Where those bytes begin, and in which region: `None` where they are not all in the region that is named, or in
    /// the buffer of the slot. Asks for their first line.
    #[inline]
    fn locate<const MASTER: bool>(&mut self, named: Named) -> Option<(NonNull<u8>, u16)> {
        let Named { at, region, offset, len } = named;
        let found = if MASTER {
            if region != self.number {
                self.number = region;
                self.place = self.buffers.regions.place(region).unwrap_or_default();
            }
            (self.place.find(offset, len)?, region)
        } else {
            let Buffer { start, len: capacity, region, .. } = self.buffers.buffers.get(at)?.get();
            if len > capacity {
                return None;
            }
            (start, region)
        };
        prefetch::to_read(found.0.as_ptr());
        Some(found)
    }

    /// Those bytes, if they are all in the region that is named, or in the buffer of the slot. Asks for their first
    /// line.
    #[cfg(any(test, feature = "raw"))]
    #[inline]
    pub(crate) fn find<const MASTER: bool>(&mut self, named: Named) -> Option<SharedSlice<'a>> {
        let (start, _) = self.locate::<MASTER>(named)?;
        // SAFETY: `locate` found all of them in a region, or in a buffer of the table, which keeps both mapped.
        Some(unsafe { SharedSlice::new(start, named.len as usize) })
    }
}

/// See [`BufferTable::recorder`].
pub(crate) struct Recorder<'a> {
    table: &'a BufferTable,
    finder: Finder<'a>,
}

impl Recorder<'_> {
    /// Puts those bytes there, if they are all where they must be. Returns whether they are; else nothing was put.
    #[inline]
    pub(crate) fn record<const MASTER: bool>(&mut self, to: usize, named: Named, mark: u16) -> bool {
        let Some(cell) = self.table.buffers.get(to) else { return false };
        let Some((start, region)) = self.finder.locate::<MASTER>(named) else { return false };
        cell.set(Buffer { start, len: named.len, region, mark });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::shm::tests::private_mapping;

    fn regions() -> Regions {
        Regions::new(vec![Arc::new(private_mapping(100)), Arc::new(private_mapping(4096))])
    }

    #[test]
    fn what_is_put_in_lies_in_its_region() {
        let regions = regions();
        let table = BufferTable::new(&regions, 2);
        assert!(table.put(0, 1, 96, 4000, 2048));
        assert_eq!((table.len(0), table.region(0), table.offset(0)), (2048, 1, 96));
        assert_eq!(table.entry(0).bytes.as_ptr(), regions.slice(1, 96, 1).unwrap().as_ptr());
        for (region, offset, len) in [(0, 1, 100), (2, 0, 1), (0, u32::MAX, u32::MAX)] {
            assert!(!table.put(1, region, offset, len, u32::MAX));
            assert_eq!((table.len(1), table.region(1)), (0, region));
            assert!(table.room(1, 1).is_none());
        }
        assert!(!table.put(2, 0, 0, 1, 1));
        assert_eq!(table.entry(2).bytes.len(), 0);
    }

    #[test]
    fn rooms_are_no_longer_than_their_buffers() {
        let table = BufferTable::new(&regions(), 1);
        table.put(0, 0, 0, 64, u32::MAX);
        assert_eq!(table.room(0, 64).unwrap().0.len(), 64);
        assert!(table.room(0, 65).is_none() && table.room(1, 1).is_none());
    }

    #[test]
    #[cfg(feature = "raw")]
    fn parts_stay_in_their_buffer_and_tell_that_they_moved() {
        let (one, two) = (regions(), regions());
        let (whole, posted, other) = (BufferTable::new(&one, 1), BufferTable::new(&one, 1), BufferTable::new(&two, 1));
        whole.put(0, 1, 1000, 100, u32::MAX);
        let parts = posted.parts_of(&whole).unwrap();
        let seen = || (posted.offset(0), posted.len(0), posted.region(0));
        for (skip, less, offset, len, moved) in
            [(30, 30, 1030, 70, true), (30, 90, 1030, 10, false), (99, 99, 1099, 1, true), (0, 0, 1000, 100, true)]
        {
            assert_eq!(parts.put(0, skip, less), Some(Part { region: 1, len, moved }));
            assert_eq!(seen(), (offset, len, 1));
        }
        for (skip, less) in [(0, 100), (0, 101), (1, 0), (100, 99), (u32::MAX, 1), (0, u32::MAX)] {
            assert_eq!(parts.put(0, skip, less), None);
        }
        assert_eq!(seen(), (1000, 100, 1));
        assert_eq!(parts.put(1, 0, 0), None);
        assert!(other.parts_of(&whole).is_none());
    }

    fn named(at: usize, region: u16, offset: u32, len: u32) -> Named {
        Named { at, region, offset, len }
    }

    #[test]
    fn descriptors_are_checked_region_by_region() {
        let regions = regions();
        let (posted, table) = (BufferTable::new(&regions, 0), BufferTable::new(&regions, 4));
        let mut recorder = table.recorder(posted.finder()).unwrap();
        let mut finder = posted.finder();
        let mut put = |to, region, offset, len, mark| {
            let named = named(usize::MAX, region, offset, len);
            let found = finder.find::<true>(named);
            assert!(to > 3 || found.is_some() == recorder.record::<true>(to, named, mark));
            found.is_some_and(|found| found.len() == len as usize)
        };
        assert!(put(0, 0, 36, 64, 7));
        assert!(put(1, 1, 4000, 96, 8));
        assert!(!put(2, 0, 37, 64, 9));
        assert!(!put(2, 9, 0, 1, 9) && !put(2, 1, 4097, 0, 9));
        assert!(put(3, 0, 0, 100, 9));
        let seen = [0, 1, 3].map(|at| (table.entry(at).mark, table.len(at), table.offset(at)));
        assert_eq!(seen, [(7, 64, 36), (8, 96, 4000), (9, 100, 0)]);
        assert_eq!(table.len(2), 0);
        assert!(!recorder.record::<true>(4, named(0, 0, 0, 1), 9));
    }

    #[test]
    fn what_is_posted_is_filled_as_far_as_it_goes_and_nothing_is_taken_from_another_link() {
        let (one, two) = (regions(), regions());
        let (posted, table, other) = (BufferTable::new(&one, 2), BufferTable::new(&one, 1), BufferTable::new(&two, 1));
        posted.put(0, 0, 0, 50, u32::MAX);
        other.put(0, 0, 0, 60, u32::MAX);
        let mut recorder = table.recorder(posted.finder()).unwrap();
        // The place that a descriptor names is nothing to a slave.
        assert!(recorder.record::<false>(0, named(0, 7, 9, 50), 5));
        assert!(
            !recorder.record::<false>(0, named(0, 0, 0, 51), 6) && !recorder.record::<false>(0, named(2, 0, 0, 0), 6)
        );
        assert!(!recorder.record::<false>(1, named(0, 0, 0, 1), 6));
        assert_eq!((table.len(0), table.region(0), table.offset(0), table.entry(0).mark), (50, 0, 0, 5));
        assert!(posted.finder().find::<false>(named(0, 0, 0, 51)).is_none());
        assert_eq!(posted.finder().find::<false>(named(0, 7, 9, 50)).map(|found| found.len()), Some(50));
        assert!(table.recorder(other.finder()).is_none() && !table.swap(0, &other, 0));
        assert!(posted.swap(1, &table, 0) && !posted.swap(2, &table, 0));
        assert_eq!((posted.len(1), table.len(0)), (50, 0));
        // Nor from another region of the same link.
        posted.put(0, 1, 0, 1, 1);
        assert!(!posted.swap(0, &table, 0));
    }
}
