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
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Bytes from which wider registers are used, if there are any.
    const LONG: usize = 512;
    /// Bytes from which one string instruction beats a loop of steps.
    const STRING_COPY_FROM: usize = 4096;
    /// The same where the steps have to do with half the width.
    const STRING_COPY_FROM_SSE: usize = 1024;

    /// Whether there are registers of 32 bytes.
    static AVX: AtomicBool = AtomicBool::new(false);

    /// The same for every kind of memory: one block of assembly is one access that the compiler knows nothing of.
    ///
    /// # Safety
    /// As [`super::from_shared`], [`super::to_shared`] or [`super::between_shared`].
    #[inline]
    pub(super) unsafe fn copy<const SHARED_TO: bool, const SHARED_FROM: bool>(
        dst: *mut u8,
        src: *const u8,
        len: usize,
    ) {
        if len < LONG {
            // SAFETY: the caller's promise.
            return unsafe { short(dst, src, len) };
        }
        let avx = AVX.load(Ordering::Relaxed);
        if len >= (if avx { STRING_COPY_FROM } else { STRING_COPY_FROM_SSE }) {
            // SAFETY: `rep movsb` reads `len` bytes at `src` and writes `len` at `dst`, both valid by the
            // caller's promise; the direction flag is clear on entry by the ABI of inline assembly.
            unsafe {
                asm!("rep movsb", inout("rcx") len => _, inout("rdi") dst => _, inout("rsi") src => _,
                    options(nostack, preserves_flags));
            }
        } else if avx {
            // SAFETY: the processor has the instructions, and 128 is less than `LONG`.
            unsafe { blocks128(dst, src, len) };
        } else {
            // SAFETY: the caller's promise.
            unsafe { short(dst, src, len) };
        }
    }

    /// Finds out what the processor has. Not done by [`copy`], where a call that is never made costs registers: 8
    /// instructions of the 75 that it takes to send 64 bytes.
    pub(super) fn prepare() {
        AVX.store(is_x86_feature_detected!("avx"), Ordering::Relaxed);
    }

    /// Blocks of 128 bytes, the last one flush with the end: bytes that it shares with the one before are moved twice.
    ///
    /// # Safety
    /// As [`copy`], on a processor with AVX, and `len` is at least 128.
    #[inline(always)]
    unsafe fn blocks128(dst: *mut u8, src: *const u8, len: usize) {
        // SAFETY: each turn moves 128 bytes and happens only while more than 128 are left, so it stays within `len`;
        // what comes after the loop moves the last 128 of `len` bytes. `vzeroupper` clears half of all sixteen
        // registers, and all of them are given up for it.
        unsafe {
            asm!(
                "2:",
                "vmovups ymm0, [{s}]",
                "vmovups ymm1, [{s} + 32]",
                "vmovups ymm2, [{s} + 64]",
                "vmovups ymm3, [{s} + 96]",
                "vmovups [{t}], ymm0",
                "vmovups [{t} + 32], ymm1",
                "vmovups [{t} + 64], ymm2",
                "vmovups [{t} + 96], ymm3",
                "sub {s}, -128",
                "sub {t}, -128",
                "cmp {s}, {end}",
                "jb 2b",
                "vmovups ymm0, [{end}]",
                "vmovups ymm1, [{end} + 32]",
                "vmovups ymm2, [{end} + 64]",
                "vmovups ymm3, [{end} + 96]",
                "vmovups [{last}], ymm0",
                "vmovups [{last} + 32], ymm1",
                "vmovups [{last} + 64], ymm2",
                "vmovups [{last} + 96], ymm3",
                "vzeroupper",
                s = inout(reg) src => _, t = inout(reg) dst => _,
                end = in(reg) src.add(len - 128), last = in(reg) dst.add(len - 128),
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                options(nostack)
            );
        }
    }

    /// Steps of 64 bytes, then smaller ones.
    ///
    /// # Safety
    /// As [`copy`].
    #[inline]
    unsafe fn short(mut dst: *mut u8, mut src: *const u8, mut len: usize) {
        // The usual smallest packets, which are most of those that are counted by the million: two steps, no loop.
        if len.wrapping_sub(33) < 32 {
            // SAFETY: 33 to 64 bytes: both steps of 32 lie within them.
            return unsafe {
                step32(dst, src);
                step32(dst.add(len - 32), src.add(len - 32));
            };
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
                    step32(dst, src);
                    step32(dst.add(len - 32), src.add(len - 32));
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
    /// 32 bytes valid at both pointers, as [`copy`].
    #[inline(always)]
    unsafe fn step32(dst: *mut u8, src: *const u8) {
        // SAFETY: reads 32 bytes at `src`, writes 32 at `dst`.
        unsafe {
            asm!(
                "movups {a}, [{s}]",
                "movups {b}, [{s} + 16]",
                "movups [{t}], {a}",
                "movups [{t} + 16], {b}",
                s = in(reg) src, t = in(reg) dst, a = out(xmm_reg) _, b = out(xmm_reg) _,
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

/// To be called before memory is shared: what copies best on this processor.
pub(super) fn prepare() {
    machine::prepare();
}

/// Relaxed atomic words and bytes on the shared side, for every target without assembly of its own. Tested on all.
#[cfg(any(test, miri, not(all(target_arch = "x86_64", target_pointer_width = "64"))))]
mod portable {
    use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    const WORD: usize = size_of::<usize>();

    #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64", not(miri))))]
    pub(super) fn prepare() {}

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
            let value =
                if SHARED_FROM { AtomicU8::from_ptr(src.cast_mut()).load(Ordering::Relaxed) } else { src.read() };
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
        let lengths = (0..520).chain([1023, 1024, 1025, 1151, 1152, 1153, 1500, 2048, 4095, 4096, 4097, 4900]);
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
        check(between_shared);
        prepare();
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
