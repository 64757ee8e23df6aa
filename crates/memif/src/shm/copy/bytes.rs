//! One byte at a time, by relaxed atomics on the shared side: for every processor without assembly of its own.

use std::sync::atomic::{AtomicU8, Ordering};

pub(super) fn prepare() {}

/// # Safety
/// As [`super::from_shared`], [`super::to_shared`] or [`super::between_shared`], by which sides are shared.
#[inline]
pub(super) unsafe fn copy<const SHARED_TO: bool, const SHARED_FROM: bool>(dst: *mut u8, src: *const u8, len: usize) {
    for at in 0..len {
        // SAFETY: `at < len`, within both ranges by the caller's promise, and a byte is always aligned. A private byte
        // is plain memory that nobody else touches, a shared one is atomic to all that safe code can do with it.
        unsafe {
            let (to, from) = (dst.add(at), src.add(at));
            let byte =
                if SHARED_FROM { AtomicU8::from_ptr(from.cast_mut()).load(Ordering::Relaxed) } else { from.read() };
            if SHARED_TO {
                AtomicU8::from_ptr(to).store(byte, Ordering::Relaxed);
            } else {
                to.write(byte);
            }
        }
    }
}
