//! A view of shared bytes that only copies.

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::copy::{between_shared, from_shared, to_shared};

/// Bytes in shared memory: a pointer and a length, nothing that dereferences.
///
/// The peer may change these bytes at any moment, so there is no way to a `&[u8]` in safe code; copy what a
/// decision depends on, then look at the copy.
#[derive(Clone, Copy)]
pub struct SharedSlice<'a> {
    start: NonNull<u8>,
    len: usize,
    mapping: PhantomData<&'a ()>,
}

// SAFETY: the pointer is only used by the copy routines, which treat shared memory as changed and read at any time
// by anyone, threads of this process with other views of the same bytes included; the lifetime keeps the mapping,
// which is itself `Sync`, in place.
unsafe impl Send for SharedSlice<'_> {}
// SAFETY: as above; no method gives out more through `&self` than through a copy of the value.
unsafe impl Sync for SharedSlice<'_> {}

impl<'a> SharedSlice<'a> {
    /// # Safety
    /// The `len` bytes at `start` must be mapped readable and writable for `'a`.
    #[inline]
    pub(super) unsafe fn new(start: NonNull<u8>, len: usize) -> Self {
        Self { start, len, mapping: PhantomData }
    }

    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part that starts at `offset` and has `len` bytes, or `None` where it would leave the slice.
    #[inline]
    #[must_use]
    pub fn get(&self, offset: usize, len: usize) -> Option<SharedSlice<'a>> {
        if offset > self.len || len > self.len - offset {
            return None;
        }
        // SAFETY: `offset <= self.len`, so the pointer stays in the mapping or one past its end; the bytes after
        // it lie in this slice by the comparison above and are mapped for `'a`.
        Some(unsafe { SharedSlice::new(self.start.add(offset), len) })
    }

    /// Copies from `offset` on into `to`, as many bytes as both have. Returns how many.
    #[inline(always)]
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        let len = self.len.saturating_sub(offset).min(to.len());
        if len > 0 {
            // SAFETY: `offset + len <= self.len`, mapped for `'a`; `to` is private and has at least `len` bytes.
            unsafe { from_shared(to.as_mut_ptr(), self.start.as_ptr().add(offset), len) };
        }
        len
    }

    /// Copies `from` to `offset` on, as many bytes as both have room for. Returns how many.
    #[inline(always)]
    pub fn write(&self, offset: usize, from: &[u8]) -> usize {
        let len = self.len.saturating_sub(offset).min(from.len());
        if len > 0 {
            // SAFETY: `offset + len <= self.len`, mapped for `'a`; `from` is private, immutable here, and has at
            // least `len` bytes.
            unsafe { to_shared(self.start.as_ptr().add(offset), from.as_ptr(), len) };
        }
        len
    }

    /// Copies from this slice to the start of another, as many bytes as both have. Returns how many. Where the two
    /// overlap, what arrives is undetermined.
    #[inline]
    pub fn copy_to(&self, to: &SharedSlice<'_>) -> usize {
        let len = self.len.min(to.len);
        if len > 0 {
            // SAFETY: both ranges are mapped and at least `len` long; should they overlap, both are memory that
            // only raw pointers reach.
            unsafe { between_shared(to.start.as_ptr(), self.start.as_ptr(), len) };
        }
        len
    }

    /// Where the bytes lie. Safe to call; anything done with the pointer is not: the peer writes there meanwhile, can
    /// take the memory away, and as slave decides whether it overlaps with another slice of its link.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// The bytes as a slice, for callers who trust the peer.
    ///
    /// # Safety
    /// For `'a`, nobody may write these bytes: neither the peer, in breach of the protocol or not, nor this
    /// process through another view.
    #[must_use]
    pub unsafe fn as_slice(&self) -> &'a [u8] {
        // SAFETY: mapped for `'a`, and immutable by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl std::fmt::Debug for SharedSlice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedSlice").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::shm::tests::private_mapping;

    #[test]
    fn nothing_leaves_the_slice() {
        let mapping = private_mapping(4096);
        let slice = mapping.slice(100, 50).unwrap();
        assert_eq!(slice.write(40, &[1; 20]), 10);
        let mut all = [0xff; 64];
        assert_eq!(slice.read(0, &mut all), 50);
        assert!(all[..40].iter().all(|b| *b == 0) && all[40..50].iter().all(|b| *b == 1));
        assert!(all[50..].iter().all(|b| *b == 0xff));
        assert_eq!(slice.read(50, &mut all), 0);
        assert_eq!(slice.read(usize::MAX, &mut all), 0);
        assert_eq!(slice.write(51, &all), 0);
        assert!(slice.get(50, 0).is_some());
        assert!(slice.get(51, 0).is_none() && slice.get(1, 50).is_none());
        assert!(slice.get(usize::MAX, usize::MAX).is_none());
        let other = mapping.slice(200, 20).unwrap();
        assert_eq!(slice.get(40, 10).unwrap().copy_to(&other), 10);
        let mut copied = [0; 10];
        other.read(0, &mut copied);
        assert_eq!(copied, [1; 10]);
    }
}
