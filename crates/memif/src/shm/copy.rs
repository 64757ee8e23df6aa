//! The one routine that moves packet bytes between private and shared memory.
//!
//! The other side of a link is another process, so a byte may change while it is copied. A plain copy would let
//! the compiler assume that it does not (read twice and expect the same, or turn the copy into something else).
//! Here every access is either an `asm!` block, which the compiler must take as reading and writing anything
//! once, or a relaxed atomic on the shared side. What arrives may be torn, never undefined. That holds for
//! threads of this process too: safe code can have several views of the same bytes.

/// Copies `len` bytes of shared memory to private memory.
///
/// # Safety
/// - `src` must be valid for reads and `dst` for writes of `len` bytes.
/// - `dst` must be private to the caller. The bytes at `src` may be changed by anyone at any time, this process
///   included.
#[inline]
pub(super) unsafe fn from_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise is what either routine asks for.
    unsafe { machine::copy::<false, true>(dst, src, len) };
}

/// Copies `len` bytes of private memory to shared memory.
///
/// # Safety
/// - `src` must be valid for reads and `dst` for writes of `len` bytes.
/// - Nobody may change the bytes at `src` meanwhile. Those at `dst` may be changed and read by anyone.
#[inline]
pub(super) unsafe fn to_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: as above.
    unsafe { machine::copy::<true, false>(dst, src, len) };
}

/// Copies `len` bytes of shared memory to shared memory. What arrives is undetermined where the two overlap.
///
/// # Safety
/// `src` must be valid for reads and `dst` for writes of `len` bytes; both may be changed and read by anyone.
#[inline]
pub(super) unsafe fn between_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: as above.
    unsafe { machine::copy::<true, true>(dst, src, len) };
}

// x32 keeps pointers in half of a register and is left to the portable routine.
#[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", not(miri))))]
use portable as machine;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
use x86_64 as machine;

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
mod x86_64 {
    use std::arch::asm;

    /// Bytes from which one string instruction beats a loop of 64-byte steps.
    const STRING_COPY_FROM: usize = 1024;

    /// The same for every kind of memory: one block of assembly is one access that the compiler knows nothing of.
    ///
    /// # Safety
    /// As [`super::from_shared`], [`super::to_shared`] or [`super::between_shared`].
    #[inline]
    pub(super) unsafe fn copy<const SHARED_TO: bool, const SHARED_FROM: bool>(
        mut dst: *mut u8,
        mut src: *const u8,
        mut len: usize,
    ) {
        if len >= STRING_COPY_FROM {
            // SAFETY: `rep movsb` reads `len` bytes at `src` and writes `len` at `dst`, both valid by the
            // caller's promise; the direction flag is clear on entry by the ABI of inline assembly.
            unsafe {
                asm!("rep movsb", inout("rcx") len => _, inout("rdi") dst => _, inout("rsi") src => _,
                    options(nostack, preserves_flags));
            }
            return;
        }
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
                    step16(dst, src);
                    step16(dst.add(16), src.add(16));
                    step16(dst.add(len - 32), src.add(len - 32));
                    step16(dst.add(len - 16), src.add(len - 16));
                }
            }
        }
    }

    /// # Safety
    /// 64 bytes valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step64(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 64 bytes at `src`, writes 64 at `dst`; SSE2 is part of every x86-64 target.
        unsafe {
            asm!(
                "movups {a}, [{s}]",
                "movups {b}, [{s} + 16]",
                "movups {c}, [{s} + 32]",
                "movups {d}, [{s} + 48]",
                "movups [{t}], {a}",
                "movups [{t} + 16], {b}",
                "movups [{t} + 32], {c}",
                "movups [{t} + 48], {d}",
                s = in(reg) src, t = in(reg) dst,
                a = out(xmm_reg) _, b = out(xmm_reg) _, c = out(xmm_reg) _, d = out(xmm_reg) _,
                options(nostack, preserves_flags)
            );
        }
    }

    /// # Safety
    /// 16 bytes valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step16(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 16 bytes at `src`, writes 16 at `dst`.
        unsafe {
            asm!("movups {a}, [{s}]", "movups [{t}], {a}", s = in(reg) src, t = in(reg) dst,
                a = out(xmm_reg) _, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// 8 bytes valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step8(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 8 bytes at `src`, writes 8 at `dst`.
        unsafe {
            asm!("mov {a}, [{s}]", "mov [{t}], {a}", s = in(reg) src, t = in(reg) dst,
                a = out(reg) _, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// 4 bytes valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step4(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 4 bytes at `src`, writes 4 at `dst`.
        unsafe {
            asm!("mov {a:e}, [{s}]", "mov [{t}], {a:e}", s = in(reg) src, t = in(reg) dst,
                a = out(reg) _, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// 2 bytes valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step2(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 2 bytes at `src`, writes 2 at `dst`.
        unsafe {
            asm!("mov {a:x}, [{s}]", "mov [{t}], {a:x}", s = in(reg) src, t = in(reg) dst,
                a = out(reg) _, options(nostack, preserves_flags));
        }
    }

    /// # Safety
    /// One byte valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step1(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 1 byte at `src`, writes 1 at `dst`.
        unsafe {
            asm!("mov {a}, [{s}]", "mov [{t}], {a}", s = in(reg) src, t = in(reg) dst,
                a = out(reg_byte) _, options(nostack, preserves_flags));
        }
    }
}

/// Relaxed atomic words and bytes on the shared side, for every target without assembly of its own. Tested on all.
#[cfg(any(test, miri, not(all(target_arch = "x86_64", target_pointer_width = "64"))))]
mod portable {
    use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    const WORD: usize = size_of::<usize>();

    /// # Safety
    /// As [`super::from_shared`], [`super::to_shared`] or [`super::between_shared`], by which sides are shared.
    #[inline]
    pub(super) unsafe fn copy<const SHARED_TO: bool, const SHARED_FROM: bool>(
        dst: *mut u8,
        src: *const u8,
        len: usize,
    ) {
        let mut done = 0;
        // Words only where both sides are aligned at the same places.
        let words = (dst.addr() ^ src.addr()).is_multiple_of(WORD);
        let lead = if words { dst.align_offset(WORD).min(len) } else { len };
        while done < lead {
            // SAFETY: `done < len`, within both ranges.
            unsafe { byte::<SHARED_TO, SHARED_FROM>(dst.add(done), src.add(done)) };
            done += 1;
        }
        while len - done >= WORD {
            // SAFETY: `done + WORD <= len` keeps both words in range; both are aligned by the test above and the
            // lead. A private word is plain memory that nobody else touches, a shared one is atomic.
            unsafe {
                let from = src.add(done).cast::<usize>();
                let to = dst.add(done).cast::<usize>();
                let word = if SHARED_FROM {
                    AtomicUsize::from_ptr(from.cast_mut()).load(Ordering::Relaxed)
                } else {
                    from.read()
                };
                if SHARED_TO {
                    AtomicUsize::from_ptr(to).store(word, Ordering::Relaxed);
                } else {
                    to.write(word);
                }
            }
            done += WORD;
        }
        while done < len {
            // SAFETY: `done < len`, within both ranges.
            unsafe { byte::<SHARED_TO, SHARED_FROM>(dst.add(done), src.add(done)) };
            done += 1;
        }
    }

    /// # Safety
    /// As [`copy`] for one byte.
    #[inline]
    unsafe fn byte<const SHARED_TO: bool, const SHARED_FROM: bool>(dst: *mut u8, src: *const u8) {
        // SAFETY: valid by the caller's promise, and a byte is always aligned; private sides are plain, shared
        // ones atomic.
        unsafe {
            let value = if SHARED_FROM {
                AtomicU8::from_ptr(src.cast_mut()).load(Ordering::Relaxed)
            } else {
                src.read()
            };
            if SHARED_TO {
                AtomicU8::from_ptr(dst).store(value, Ordering::Relaxed);
            } else {
                dst.write(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length and alignment moves exactly its bytes and no neighbour.
    fn check(copy: unsafe fn(*mut u8, *const u8, usize)) {
        let mut src: Vec<u8> = (0..5000u32).map(|i| (i * 7 % 251) as u8).collect();
        let lengths = (0..300).chain([511, 512, 1023, 1024, 1025, 1500, 2048, 4096, 4900]);
        for len in lengths {
            for (from, to) in [(0, 0), (1, 0), (0, 3), (5, 5), (7, 2)] {
                let mut dst = vec![0xee; 5100];
                // SAFETY: `from + len <= 5000` and `to + len <= 5100`, and both vectors are private.
                unsafe { copy(dst.as_mut_ptr().add(to), src.as_mut_ptr().add(from), len) };
                assert_eq!(dst[to..to + len], src[from..from + len], "len {len}");
                assert!(dst[..to].iter().chain(&dst[to + len..]).all(|b| *b == 0xee), "len {len}");
            }
        }
    }

    #[test]
    fn copies_exactly() {
        check(from_shared);
        check(to_shared);
        check(between_shared);
    }

    #[test]
    fn the_portable_routine_copies_exactly() {
        check(portable::copy::<false, true>);
        check(portable::copy::<true, false>);
        check(portable::copy::<true, true>);
    }
}
