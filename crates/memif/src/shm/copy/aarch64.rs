//! For aarch64: steps alone.

use super::short::{short, smallest};

/// The same for every kind of memory: one block of assembly is one access that the compiler knows nothing of.
///
/// # Safety
/// As [`super::from_shared`], [`super::to_shared`] or [`super::between_shared`].
#[inline(always)]
pub(super) unsafe fn copy<const SHARED_TO: bool, const SHARED_FROM: bool>(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if !smallest(dst, src, len) {
            short(dst, src, len);
        }
    };
}

pub(super) fn prepare() {}
