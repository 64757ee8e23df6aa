//! Steps of fixed size in assembly for aarch64: pairs of registers of 16 bytes, which every such processor has.

use std::arch::asm;

/// # Safety
/// 64 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step64(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 64 bytes at `src`, writes 64 at `dst`; neither instruction asks for alignment in normal memory,
    // and files in memory are mapped as such.
    unsafe {
        asm!(
            "ldp {a:q}, {b:q}, [{s}]",
            "ldp {c:q}, {d:q}, [{s}, #32]",
            "stp {a:q}, {b:q}, [{t}]",
            "stp {c:q}, {d:q}, [{t}, #32]",
            s = in(reg) src, t = in(reg) dst,
            a = out(vreg) _, b = out(vreg) _, c = out(vreg) _, d = out(vreg) _,
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
            "ldp {a:q}, {b:q}, [{s}]",
            "stp {a:q}, {b:q}, [{t}]",
            s = in(reg) src, t = in(reg) dst, a = out(vreg) _, b = out(vreg) _,
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
        asm!("ldr {a:q}, [{s}]", "str {a:q}, [{t}]", s = in(reg) src, t = in(reg) dst,
            a = out(vreg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// 8 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step8(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 8 bytes at `src`, writes 8 at `dst`.
    unsafe {
        asm!("ldr {a:x}, [{s}]", "str {a:x}, [{t}]", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// 4 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step4(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 4 bytes at `src`, writes 4 at `dst`.
    unsafe {
        asm!("ldr {a:w}, [{s}]", "str {a:w}, [{t}]", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// 2 bytes valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step2(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 2 bytes at `src`, writes 2 at `dst`.
    unsafe {
        asm!("ldrh {a:w}, [{s}]", "strh {a:w}, [{t}]", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}

/// # Safety
/// One byte valid at both pointers, as [`short`](super::short::short).
#[inline(always)]
pub(super) unsafe fn step1(dst: *mut u8, src: *const u8) {
    // SAFETY: reads 1 byte at `src`, writes 1 at `dst`.
    unsafe {
        asm!("ldrb {a:w}, [{s}]", "strb {a:w}, [{t}]", s = in(reg) src, t = in(reg) dst,
            a = out(reg) _, options(nostack, preserves_flags));
    }
}
