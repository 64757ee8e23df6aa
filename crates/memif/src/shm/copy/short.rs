//! Short copies out of steps of fixed size, which each kind of processor has in assembly of its own.

use super::steps::{step1, step2, step4, step8, step16, step32, step64};

/// The usual smallest packets, which are most of those that are counted by the million: two steps, no loop. Returns
/// whether that was it. In every loop of a caller, where all else may be called.
///
/// # Safety
/// As [`super::between_shared`].
#[inline(always)]
pub(super) unsafe fn smallest(dst: *mut u8, src: *const u8, len: usize) -> bool {
    if len.wrapping_sub(33) >= 32 {
        return false;
    }
    // SAFETY: 33 to 64 bytes: both steps of 32 lie within them.
    unsafe {
        step32(dst, src);
        step32(dst.add(len - 32), src.add(len - 32));
    }
    true
}

/// Steps of 64 bytes, then smaller ones.
///
/// # Safety
/// As [`super::between_shared`].
#[inline]
pub(super) unsafe fn short(mut dst: *mut u8, mut src: *const u8, mut len: usize) {
    while len >= 64 {
        // SAFETY: at least 64 bytes are left on both sides.
        unsafe { step64(dst, src) };
        // SAFETY: 64 <= len, so both pointers stay within their ranges or one past the end.
        let next = unsafe { (dst.add(64), src.add(64)) };
        (dst, src) = next;
        len -= 64;
    }
    // The rest goes in two steps of the largest power of two that fits, the second flush with the end: the
    // bytes where both meet are moved twice.
    // SAFETY: in each arm the step is at most `len`, and `len - step` plus the step is `len`.
    unsafe {
        match len {
            0 => {}
            1 => step1(dst, src),
            2..=3 => {
                step2(dst, src);
                step2(dst.add(len - 2), src.add(len - 2));
            }
            4..=7 => {
                step4(dst, src);
                step4(dst.add(len - 4), src.add(len - 4));
            }
            8..=15 => {
                step8(dst, src);
                step8(dst.add(len - 8), src.add(len - 8));
            }
            16..=31 => {
                step16(dst, src);
                step16(dst.add(len - 16), src.add(len - 16));
            }
            _ => {
                step32(dst, src);
                step32(dst.add(len - 32), src.add(len - 32));
            }
        }
    }
}
