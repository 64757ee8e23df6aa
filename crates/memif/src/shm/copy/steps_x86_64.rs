//! Steps of fixed size in assembly for x86-64: SSE2, which every such processor has.

use std::arch::asm;

/// # Safety
/// 64 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step64(dst: *mut u8, src: *const u8) {
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
/// 32 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step32(dst: *mut u8, src: *const u8) {
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
/// 16 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step16(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 16 bytes at `src`, writes 16 at `dst`.
    unsafe {
        asm!("movups {a}, [{s}]", "movups [{t}], {a}", s = in(reg) src, t = in(reg) dst,
            a = out(xmm_reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// 8 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step8(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 8 bytes at `src`, writes 8 at `dst`.
    unsafe {
        asm!("mov {a}, [{s}]", "mov [{t}], {a}", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// 4 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step4(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 4 bytes at `src`, writes 4 at `dst`.
    unsafe {
        asm!("mov {a:e}, [{s}]", "mov [{t}], {a:e}", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// 2 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step2(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 2 bytes at `src`, writes 2 at `dst`.
    unsafe {
        asm!("mov {a:x}, [{s}]", "mov [{t}], {a:x}", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// One byte valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step1(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 1 byte at `src`, writes 1 at `dst`.
    unsafe {
        asm!("mov {a}, [{s}]", "mov [{t}], {a}", s = in(reg) src, t = in(reg) dst,
            a = out(reg_byte) _, options(nostack, preserves_flags));
    }
}
