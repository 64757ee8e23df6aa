//! Buffers by number, each with its address: found inside its region when it is put in, and not looked up again for
//! every packet.

use std::cell::Cell;
use std::ptr::NonNull;

use super::mapping::{RegionStart, Regions};
use super::prefetch;
use super::slice::SharedSlice;

/// A buffer, or the part of one that a packet fills.
#[derive(Clone, Copy)]
struct Spot {
    start: NonNull<u8>,
    len: u32,
    region: u16,
    mark: u16,
}

const NOTHING: Spot = Spot { start: NonNull::dangling(), len: 0, region: 0, mark: 0 };

/// A table of buffers of one link.
///
/// Whatever has a length lies in one of `regions`: [`put`](Self::put), [`Filler`] and [`Copier`] are the only ways in,
/// and nothing makes a spot longer or moves it.
pub(crate) struct Spots {
    spots: Box<[Cell<Spot>]>,
    regions: Regions,
}

// SAFETY: the pointers are addresses in mappings, which are memory of the process and not of a thread; `regions`, which
// keeps them mapped, is `Send` itself.
unsafe impl Send for Spots {}

/// What a table has at one place.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) bytes: SharedSlice<'a>,
    pub(crate) region: u16,
    /// Whatever the user of the table puts there.
    pub(crate) mark: u16,
}

impl Spots {
    /// A table of `count` empty spots.
    pub(crate) fn new(regions: &Regions, count: usize) -> Self {
        let spots = (0..count).map(|_| Cell::new(NOTHING)).collect();
        Self { spots, regions: regions.clone() }
    }

    /// How many there are.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.spots.len()
    }

    /// Puts a buffer there, of which the first `most` bytes at most are used. A buffer that is not in its region has no
    /// bytes. Returns whether it is.
    #[inline]
    pub(crate) fn put(&self, at: usize, region: u16, offset: u32, len: u32, most: u32) -> bool {
        let Some(cell) = self.spots.get(at) else { return false };
        let found = self.regions.place(region).and_then(|place| place.find(offset, len));
        cell.set(match found {
            Some(start) => Spot { start, len: len.min(most), region, mark: 0 },
            None => Spot { region, ..NOTHING },
        });
        found.is_some()
    }

    #[inline]
    fn spot(&self, at: usize) -> Spot {
        self.spots.get(at).map_or(NOTHING, Cell::get)
    }

    /// Everything about one of them. Nothing has no bytes.
    #[inline]
    pub(crate) fn entry(&self, at: usize) -> Entry<'_> {
        let Spot { start, len, region, mark } = self.spot(at);
        // SAFETY: found inside a region when it was put here, with at least this length, or of no length at all;
        // `regions` keeps the mapping for as long as `self` is borrowed.
        let bytes = unsafe { SharedSlice::new(start, len as usize) };
        Entry { bytes, region, mark }
    }

    /// The first `len` bytes of one of them, and its region; `None` where it is shorter.
    #[inline]
    pub(crate) fn room(&self, at: usize, len: u32) -> Option<(SharedSlice<'_>, u16)> {
        let spot = self.spot(at);
        if len > spot.len {
            return None;
        }
        // SAFETY: as in `entry`; `len` is not longer.
        Some((unsafe { SharedSlice::new(spot.start, len as usize) }, spot.region))
    }

    /// Bytes of one of them.
    #[inline]
    pub(crate) fn len(&self, at: usize) -> u32 {
        self.spot(at).len
    }

    /// The region of one of them, also where it has no bytes.
    #[inline]
    pub(crate) fn region(&self, at: usize) -> u16 {
        self.spot(at).region
    }

    /// Where in its region one of them begins.
    pub(crate) fn offset(&self, at: usize) -> u32 {
        let spot = self.spot(at);
        self.regions.place(spot.region).map_or(0, |place| place.offset_of(spot.start))
    }

    /// The address of one of them.
    #[inline]
    pub(crate) fn address(&self, at: usize) -> usize {
        self.spot(at).start.addr().get()
    }

    pub(crate) fn set_mark(&self, at: usize, mark: u16) {
        if let Some(cell) = self.spots.get(at) {
            cell.set(Spot { mark, ..cell.get() });
        }
    }

    /// Lets one of these and one of another table of the same link change places, marks and all. Returns whether they
    /// did.
    pub(crate) fn swap(&self, at: usize, other: &Spots, other_at: usize) -> bool {
        let (Some(one), Some(two)) = (self.spots.get(at), other.spots.get(other_at)) else {
            return false;
        };
        let same_link = self.regions.is_same(&other.regions);
        if same_link {
            one.swap(two);
        }
        same_link
    }

    /// Asks for the first line of one of them, to be read soon.
    #[inline]
    pub(crate) fn prefetch(&self, at: usize) {
        prefetch::to_read(self.spot(at).start.as_ptr());
    }

    /// Fills the table from descriptors.
    #[inline]
    pub(crate) fn filler(&self) -> Filler<'_> {
        Filler { spots: self, number: 0, place: self.regions.place(0).unwrap_or_default() }
    }

    /// Fills the table from another one of the same link; `None` where it is of another.
    #[inline]
    pub(crate) fn copier<'a>(&'a self, from: &'a Spots) -> Option<Copier<'a>> {
        self.regions.is_same(&from.regions).then_some(Copier { spots: self, from })
    }
}

/// See [`Spots::filler`]. Keeps the region of the last one in registers: mostly the next one's, too.
pub(crate) struct Filler<'a> {
    spots: &'a Spots,
    number: u16,
    place: RegionStart,
}

impl Filler<'_> {
    /// Puts these bytes there and asks for their first line. Returns whether they are all in that region; else nothing
    /// was put.
    #[inline]
    pub(crate) fn put(&mut self, at: usize, region: u16, offset: u32, len: u32, mark: u16) -> bool {
        if region != self.number {
            self.number = region;
            self.place = self.spots.regions.place(region).unwrap_or_default();
        }
        let (Some(start), Some(cell)) = (self.place.find(offset, len), self.spots.spots.get(at)) else {
            return false;
        };
        prefetch::to_read(start.as_ptr());
        cell.set(Spot { start, len, region, mark });
        true
    }
}

/// See [`Spots::copier`].
pub(crate) struct Copier<'a> {
    spots: &'a Spots,
    from: &'a Spots,
}

impl Copier<'_> {
    /// Puts the first `len` bytes of one of the other table there and asks for their first line. Returns whether there
    /// are so many; else nothing was put.
    #[inline]
    pub(crate) fn put(&mut self, at: usize, from: usize, len: u32, mark: u16) -> bool {
        let (Some(source), Some(cell)) = (self.from.spots.get(from), self.spots.spots.get(at)) else {
            return false;
        };
        let Spot { start, len: capacity, region, .. } = source.get();
        if len > capacity {
            return false;
        }
        prefetch::to_read(start.as_ptr());
        cell.set(Spot { start, len, region, mark });
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::shm::mapping::tests::private_mapping;

    fn regions() -> Regions {
        Regions::new(vec![Arc::new(private_mapping(100)), Arc::new(private_mapping(4096))])
    }

    #[test]
    fn what_is_put_in_lies_in_its_region() {
        let regions = regions();
        let spots = Spots::new(&regions, 2);
        assert!(spots.put(0, 1, 96, 4000, 2048));
        assert_eq!((spots.len(0), spots.region(0), spots.offset(0)), (2048, 1, 96));
        assert_eq!(spots.entry(0).bytes.as_ptr(), regions.slice(1, 96, 1).unwrap().as_ptr());
        for (region, offset, len) in [(0, 1, 100), (2, 0, 1), (0, u32::MAX, u32::MAX)] {
            assert!(!spots.put(1, region, offset, len, u32::MAX));
            assert_eq!((spots.len(1), spots.region(1)), (0, region));
            assert!(spots.room(1, 1).is_none());
        }
        assert!(!spots.put(2, 0, 0, 1, 1));
        assert_eq!(spots.entry(2).bytes.len(), 0);
    }

    #[test]
    fn rooms_are_no_longer_than_their_buffers() {
        let spots = Spots::new(&regions(), 1);
        spots.put(0, 0, 0, 64, u32::MAX);
        assert_eq!(spots.room(0, 64).unwrap().0.len(), 64);
        assert!(spots.room(0, 65).is_none() && spots.room(1, 1).is_none());
    }

    #[test]
    fn descriptors_are_checked_region_by_region() {
        let spots = Spots::new(&regions(), 4);
        let mut filler = spots.filler();
        assert!(filler.put(0, 0, 36, 64, 7));
        assert!(filler.put(1, 1, 4000, 96, 8));
        assert!(!filler.put(2, 0, 37, 64, 9));
        assert!(!filler.put(2, 9, 0, 1, 9) && !filler.put(2, 1, 4097, 0, 9));
        assert!(!filler.put(4, 0, 0, 1, 9));
        assert!(filler.put(3, 0, 0, 100, 9));
        let seen = [0, 1, 3].map(|at| (spots.entry(at).mark, spots.len(at), spots.offset(at)));
        assert_eq!(seen, [(7, 64, 36), (8, 96, 4000), (9, 100, 0)]);
        assert_eq!(spots.len(2), 0);
    }

    #[test]
    fn nothing_is_taken_from_another_link() {
        let (one, two) = (regions(), regions());
        let (mine, found, other) = (Spots::new(&one, 2), Spots::new(&one, 1), Spots::new(&two, 1));
        mine.put(0, 0, 0, 50, u32::MAX);
        other.put(0, 0, 0, 60, u32::MAX);
        let mut copier = found.copier(&mine).unwrap();
        assert!(copier.put(0, 0, 50, 5) && !copier.put(0, 0, 51, 6) && !copier.put(0, 2, 0, 6));
        assert!(!copier.put(1, 0, 1, 6));
        assert_eq!((found.len(0), found.entry(0).mark), (50, 5));
        assert!(found.copier(&other).is_none() && !found.swap(0, &other, 0));
        assert!(mine.swap(1, &found, 0) && !mine.swap(2, &found, 0));
        assert_eq!((mine.len(1), found.len(0)), (50, 0));
    }
}
