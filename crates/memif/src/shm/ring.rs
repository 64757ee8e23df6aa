//! A ring in shared memory, reached through atomics of the exact width of each field.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use super::mapping::Mapping;
use super::prefetch;
use crate::ring::{Descriptors, RingMemory};
use crate::wire::ring::{
    COOKIE_OFFSET, CacheLine, DESCRIPTOR_SIZE, DescriptorHead, FLAGS_OFFSET, HEAD_OFFSET, RING_ALIGNMENT, header_size,
    ring_bytes, tail_offset,
};

/// What the addresses of a ring's fields rest on, whichever line it is laid out for.
const fn is_aligned(line: CacheLine) -> bool {
    header_size(line).is_multiple_of(align_of::<AtomicU64>()) && tail_offset(line).is_multiple_of(2)
}

const _: () = assert!(is_aligned(CacheLine::Of64) && is_aligned(CacheLine::Of128));
/// Where a master with the longer line has its tail, a ring for the shorter one has its first descriptor.
const _: () = assert!(tail_offset(CacheLine::Of128) == header_size(CacheLine::Of64));
const _: () =
    assert!(HEAD_OFFSET.is_multiple_of(2) && COOKIE_OFFSET.is_multiple_of(4) && FLAGS_OFFSET.is_multiple_of(2));

/// One ring of a mapped region.
///
/// Every access is an atomic of its field's own width: `flags` and `head` share a 32-bit word and have different
/// writers, so nothing wider is ever stored to the header.
#[derive(Clone)]
pub(crate) struct MappedRing {
    start: NonNull<u8>,
    /// Where the line has the tail and the descriptors: found once, so that the data path knows of no line.
    tail: NonNull<u8>,
    descriptors: NonNull<u8>,
    mask: u16,
    line: CacheLine,
    /// Keeps all three mapped. Not followed by any access.
    mapping: Arc<Mapping>,
}

// SAFETY: all accesses are atomic, and the mapping that holds the addresses is itself `Send` and `Sync`.
unsafe impl Send for MappedRing {}
// SAFETY: as above.
unsafe impl Sync for MappedRing {}

impl MappedRing {
    /// The ring of `2^log2` slots at `offset`, laid out for that line, or `None` where it is not aligned or leaves the
    /// region.
    pub(crate) fn new(mapping: &Arc<Mapping>, offset: u32, log2: u8, line: CacheLine) -> Option<Self> {
        if log2 > crate::terms::MAX_LOG2_RING_SIZE || !u64::from(offset).is_multiple_of(RING_ALIGNMENT) {
            return None;
        }
        let bytes = usize::try_from(ring_bytes(line, log2)).ok()?;
        let slice = mapping.slice(u64::from(offset), bytes)?;
        let start = NonNull::new(slice.as_ptr())?;
        // Caller's memory may start anywhere.
        if !start.addr().get().is_multiple_of(align_of::<AtomicU64>()) {
            return None;
        }
        debug_assert!(start >= mapping.start());
        let part = |at: usize| NonNull::new(mapping.slice(u64::from(offset) + at as u64, 0)?.as_ptr());
        let (tail, descriptors) = (part(tail_offset(line))?, part(header_size(line))?);
        Some(Self { start, tail, descriptors, mask: (1 << log2) - 1, line, mapping: Arc::clone(mapping) })
    }

    /// The cache line that it is laid out for.
    pub(crate) fn line(&self) -> CacheLine {
        self.line
    }

    #[inline]
    fn half(&self, offset: usize) -> &AtomicU16 {
        debug_assert!(offset <= header_size(self.line));
        // SAFETY: `new` checked that the header and one descriptor at least lie in the mapping and that `start` is a
        // multiple of 8; the offsets used are even and at most the header's size. The mapping lives as long as `self`,
        // and an atomic allows for writers elsewhere.
        unsafe { AtomicU16::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }

    #[inline]
    fn tail_half(&self) -> &AtomicU16 {
        // SAFETY: as in `half`; `tail` is `start` and an even number of bytes within the header.
        unsafe { AtomicU16::from_ptr(self.tail.as_ptr().cast()) }
    }

    /// For a slave: the line of its master, as far as what that wrote tells. `None`: nothing yet.
    ///
    /// A master with the other line has its tail elsewhere. In a ring for 128 bytes that is where nobody else writes.
    /// In one for 64 it is the first descriptor's flags, of which nobody sets more than the lowest bit; a tail of 1
    /// tells nothing there.
    pub(crate) fn line_of_master(&self) -> Option<CacheLine> {
        let other = self.line.other();
        let (elsewhere, most) = match self.line {
            // As a word, which our own queue may store at this moment: of two sizes that would be a race.
            CacheLine::Of64 => (DescriptorHead::from_word(self.load_word(0, 0)).flags, 1),
            CacheLine::Of128 => (self.half(tail_offset(other)).load(Ordering::Relaxed), 0),
        };
        if elsewhere > most {
            return Some(other);
        }
        (self.tail_half().load(Ordering::Relaxed) != 0).then_some(self.line)
    }

    fn cookie_word(&self) -> &AtomicU32 {
        // SAFETY: within the header, a multiple of 4 from an 8-aligned start, see `half`.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(COOKIE_OFFSET).cast()) }
    }

    /// The cookie as it stands.
    pub(crate) fn cookie(&self) -> u32 {
        self.cookie_word().load(Ordering::Relaxed)
    }

    /// Puts the cookie, as a slave does before it announces the ring.
    #[cfg(test)]
    pub(crate) fn set_cookie(&self, cookie: u32) {
        self.cookie_word().store(cookie, Ordering::Relaxed);
    }
}

/// The descriptors of a ring.
#[derive(Clone, Copy)]
pub(crate) struct MappedDescriptors<'a> {
    start: NonNull<u8>,
    mask: u16,
    ring: PhantomData<&'a MappedRing>,
}

impl<'a> MappedDescriptors<'a> {
    #[inline]
    fn word(self, slot: u16, part: usize) -> &'a AtomicU64 {
        let index = usize::from(slot & self.mask);
        let offset = index * DESCRIPTOR_SIZE + part * size_of::<u64>();
        // SAFETY: `index <= mask`, and `MappedRing::new` checked that all `mask + 1` descriptors lie in the mapping
        // from `start` on, the header's size behind the ring's; `part` is 0 or 1. Header and descriptor sizes are
        // multiples of 8 as is the ring's start, so the word is aligned. The mapping lives as long as the ring, which
        // is borrowed for `'a`.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().add(offset).cast()) }
    }
}

impl Descriptors for MappedDescriptors<'_> {
    #[inline]
    fn load(self, slot: u16, part: usize) -> u64 {
        self.word(slot, part & 1).load(Ordering::Relaxed)
    }
}

impl RingMemory for MappedRing {
    #[inline]
    fn load_head(&self) -> u16 {
        self.half(HEAD_OFFSET).load(Ordering::Acquire)
    }

    #[inline]
    fn load_tail(&self) -> u16 {
        self.tail_half().load(Ordering::Acquire)
    }

    #[inline]
    fn store_head(&self, head: u16) {
        self.half(HEAD_OFFSET).store(head, Ordering::Release);
    }

    #[inline]
    fn store_tail(&self, tail: u16) {
        self.tail_half().store(tail, Ordering::Release);
    }

    #[inline]
    fn load_flags(&self) -> u16 {
        self.half(FLAGS_OFFSET).load(Ordering::Relaxed)
    }

    #[inline]
    fn store_flags(&self, flags: u16) {
        self.half(FLAGS_OFFSET).store(flags, Ordering::Relaxed);
    }

    #[inline]
    fn load_word(&self, slot: u16, part: usize) -> u64 {
        self.descriptors().load(slot, part)
    }

    #[inline]
    fn store_word(&self, slot: u16, part: usize, word: u64) {
        self.descriptors().word(slot, part & 1).store(word, Ordering::Relaxed);
    }

    #[inline]
    fn mask(&self) -> u16 {
        self.mask
    }

    type Descriptors<'a> = MappedDescriptors<'a>;

    #[inline]
    fn descriptors(&self) -> MappedDescriptors<'_> {
        MappedDescriptors { start: self.descriptors, mask: self.mask, ring: PhantomData }
    }

    #[inline]
    fn prefetch(&self, slot: u16) {
        prefetch::to_read(self.descriptors().word(slot, 0).as_ptr().cast());
    }

    #[inline]
    fn full_fence(&self) {
        fence(Ordering::SeqCst);
    }
}

impl std::fmt::Debug for MappedRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MappedRing")
            .field("slots", &(u32::from(self.mask) + 1))
            .field("line", &self.line)
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::tests::private_mapping;

    const LINES: [CacheLine; 2] = [CacheLine::Of64, CacheLine::Of128];

    #[test]
    fn a_ring_must_fit_and_be_aligned() {
        for line in LINES {
            let mapping = Arc::new(private_mapping(ring_bytes(line, 8) + 8));
            let fits = |offset, log2| MappedRing::new(&mapping, offset, log2, line).is_some();
            assert!(fits(0, 8) && fits(8, 8));
            assert!(!fits(16, 8) && !fits(4, 7) && !fits(u32::MAX - 7, 0));
            assert!(!fits(0, 15) && !fits(0, 255));
        }
    }

    #[test]
    fn fields_lie_where_the_format_says() {
        for (line, tail, descriptors) in [(CacheLine::Of64, 64, 128), (CacheLine::Of128, 128, 256)] {
            let mapping = Arc::new(private_mapping(1024));
            let ring = MappedRing::new(&mapping, 64, 1, line).unwrap();
            ring.set_cookie(0x03E3_1F20);
            ring.store_flags(1);
            ring.store_head(0x1122);
            ring.store_tail(0x3344);
            ring.store_word(1, 0, 5);
            ring.store_word(3, 1, 6);
            let mut expected = [0; 512];
            let mut put = |at: usize, bytes: &[u8]| expected[at..at + bytes.len()].copy_from_slice(bytes);
            put(0, &0x03E3_1F20_u32.to_ne_bytes());
            put(4, &1_u16.to_ne_bytes());
            put(6, &0x1122_u16.to_ne_bytes());
            put(tail, &0x3344_u16.to_ne_bytes());
            put(descriptors + 16, &5_u64.to_ne_bytes());
            put(descriptors + 24, &6_u64.to_ne_bytes());
            let mut bytes = [0; 512];
            mapping.slice(64, 512).unwrap().read(0, &mut bytes);
            assert_eq!(bytes, expected);
        }
    }

    /// Miri tells.
    #[test]
    fn a_look_for_the_masters_line_is_no_race_with_our_own_stores() {
        for line in LINES {
            let mapping = Arc::new(private_mapping(1024));
            let ring = MappedRing::new(&mapping, 64, 2, line).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    ring.store_word(0, 0, 1);
                    ring.store_head(1);
                    ring.store_flags(1);
                });
                assert_eq!(ring.line_of_master(), None);
            });
        }
    }

    #[test]
    fn a_master_with_another_line_shows_by_its_tail() {
        let own = |line, mapping: &Arc<Mapping>| MappedRing::new(mapping, 64, 2, line).unwrap();
        for line in LINES {
            let mapping = Arc::new(private_mapping(1024));
            let (slaves, masters) = (own(line, &mapping), own(line.other(), &mapping));
            masters.store_tail(0);
            assert_eq!(slaves.line_of_master(), None, "zero, as before");
            masters.store_tail(1);
            // One packet in a ring for 64 bytes may be a chain's first part.
            let told = (line == CacheLine::Of128).then_some(line.other());
            assert_eq!(slaves.line_of_master(), told);
            masters.store_tail(2);
            assert_eq!(slaves.line_of_master(), Some(line.other()));

            let mapping = Arc::new(private_mapping(1024));
            let ring = own(line, &mapping);
            let chained = DescriptorHead { flags: 1, region: 0xffff, length: u32::MAX };
            ring.store_word(0, 0, chained.to_word());
            assert_eq!(ring.line_of_master(), None, "a chain's first part");
            ring.store_tail(1);
            assert_eq!(ring.line_of_master(), Some(line));
        }
    }
}
