//! A ring in shared memory, reached through atomics of the exact width of each field.

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use super::mapping::Mapping;
use super::prefetch;
use crate::ring::{Descriptors, RingMemory};
use crate::wire::ring::{
    COOKIE_OFFSET, DESCRIPTOR_SIZE, FLAGS_OFFSET, HEAD_OFFSET, HEADER_SIZE, RING_ALIGNMENT, TAIL_OFFSET, ring_bytes,
};

const _: () = assert!(HEADER_SIZE.is_multiple_of(align_of::<AtomicU64>()));
const _: () = assert!(HEAD_OFFSET.is_multiple_of(2) && TAIL_OFFSET.is_multiple_of(2));
const _: () = assert!(COOKIE_OFFSET.is_multiple_of(4) && FLAGS_OFFSET.is_multiple_of(2));

/// One ring of a mapped region.
///
/// Every access is an atomic of its field's own width: `flags` and `head` share a 32-bit word and have different
/// writers, so nothing wider is ever stored to the header.
#[derive(Clone)]
pub(crate) struct MappedRing {
    start: NonNull<u8>,
    mask: u16,
    /// Keeps `start` mapped. Not followed by any access.
    mapping: Arc<Mapping>,
}

// SAFETY: all accesses are atomic, and the mapping that holds the addresses is itself `Send` and `Sync`.
unsafe impl Send for MappedRing {}
// SAFETY: as above.
unsafe impl Sync for MappedRing {}

impl MappedRing {
    /// The ring of `2^log2` slots at `offset`, or `None` where it is not aligned or leaves the region.
    pub(crate) fn new(mapping: &Arc<Mapping>, offset: u32, log2: u8) -> Option<Self> {
        if log2 > crate::terms::MAX_LOG2_RING_SIZE || !u64::from(offset).is_multiple_of(RING_ALIGNMENT) {
            return None;
        }
        let bytes = usize::try_from(ring_bytes(log2)).ok()?;
        let slice = mapping.slice(u64::from(offset), bytes)?;
        let start = NonNull::new(slice.as_ptr())?;
        // Caller's memory may start anywhere.
        if !start.addr().get().is_multiple_of(align_of::<AtomicU64>()) {
            return None;
        }
        debug_assert!(start >= mapping.start());
        Some(Self { start, mask: (1 << log2) - 1, mapping: Arc::clone(mapping) })
    }

    #[inline]
    fn half(&self, offset: usize) -> &AtomicU16 {
        debug_assert!(offset < HEADER_SIZE);
        // SAFETY: `new` checked that the header lies in the mapping and that `start` is a multiple of 8; the
        // offsets used are even constants below the header's size. The mapping lives as long as `self`, and an
        // atomic allows for writers elsewhere.
        unsafe { AtomicU16::from_ptr(self.start.as_ptr().add(offset).cast()) }
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
        let offset = HEADER_SIZE + index * DESCRIPTOR_SIZE + part * size_of::<u64>();
        // SAFETY: `index <= mask`, and `MappedRing::new` checked that all `mask + 1` descriptors lie in the mapping;
        // `part` is 0 or 1. Header and descriptor sizes are multiples of 8 as is `start`, so the word is aligned. The
        // mapping lives as long as the ring, which is borrowed for `'a`.
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
        self.half(TAIL_OFFSET).load(Ordering::Acquire)
    }

    #[inline]
    fn store_head(&self, head: u16) {
        self.half(HEAD_OFFSET).store(head, Ordering::Release);
    }

    #[inline]
    fn store_tail(&self, tail: u16) {
        self.half(TAIL_OFFSET).store(tail, Ordering::Release);
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
        MappedDescriptors { start: self.start, mask: self.mask, ring: PhantomData }
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
            .field("mapping", &self.mapping)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::tests::private_mapping;

    #[test]
    fn a_ring_must_fit_and_be_aligned() {
        let mapping = Arc::new(private_mapping(4224 + 8));
        assert!(MappedRing::new(&mapping, 0, 8).is_some());
        assert!(MappedRing::new(&mapping, 8, 8).is_some());
        assert!(MappedRing::new(&mapping, 16, 8).is_none());
        assert!(MappedRing::new(&mapping, 4, 7).is_none());
        assert!(MappedRing::new(&mapping, u32::MAX - 7, 0).is_none());
        assert!(MappedRing::new(&mapping, 0, 15).is_none());
        assert!(MappedRing::new(&mapping, 0, 255).is_none());
    }

    #[test]
    fn fields_lie_where_the_format_says() {
        let mapping = Arc::new(private_mapping(1024));
        let ring = MappedRing::new(&mapping, 64, 1).unwrap();
        ring.set_cookie(0x03E3_1F20);
        ring.store_flags(1);
        ring.store_head(0x1122);
        ring.store_tail(0x3344);
        ring.store_word(1, 0, 5);
        ring.store_word(3, 1, 6);
        let mut bytes = [0; 160];
        mapping.slice(64, 160).unwrap().read(0, &mut bytes);
        assert_eq!(bytes[..4], 0x03E3_1F20u32.to_ne_bytes());
        assert_eq!(bytes[4..6], 1u16.to_ne_bytes());
        assert_eq!(bytes[6..8], 0x1122u16.to_ne_bytes());
        assert_eq!(bytes[64..66], 0x3344u16.to_ne_bytes());
        assert_eq!(bytes[144..152], 5u64.to_ne_bytes());
        assert_eq!(bytes[152..160], 6u64.to_ne_bytes());
    }
}
