//! For x86-64: steps, and AVX and string instructions where they are faster.

use std::arch::asm;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::short::{short, smallest};

/// Bytes from which wider registers are used, if there are any.
const LONG: usize = 512;
/// Bytes from which one string instruction beats a loop of steps.
const STRING_COPY_FROM: usize = 4096;
/// The same where the steps have to do with half the width.
const STRING_COPY_FROM_SSE: usize = 1024;

/// Whether there are registers of 32 bytes.
static AVX: AtomicBool = AtomicBool::new(false);
/// Bytes from which the string instruction is used.
static STRING_FROM: AtomicUsize = AtomicUsize::new(STRING_COPY_FROM_SSE);

/// The same for every kind of memory: one block of assembly is one access that the compiler knows nothing of.
///
/// # Safety
/// As [`super::from_shared`], [`super::to_shared`] or [`super::between_shared`].
#[inline(always)]
pub(super) unsafe fn copy<const SHARED_TO: bool, const SHARED_FROM: bool>(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if !smallest(dst, src, len) {
            others(dst, src, len);
        }
    }
}

/// As [`copy`], of whatever length.
///
/// # Safety
/// As [`copy`].
#[inline]
unsafe fn others(dst: *mut u8, src: *const u8, len: usize) {
    if len < LONG {
        // SAFETY: the caller's promise.
        return unsafe { short(dst, src, len) };
    }
    if len >= STRING_FROM.load(Ordering::Relaxed) {
        // SAFETY: `rep movsb` reads `len` bytes at `src` and writes `len` at `dst`, both valid by the
        // caller's promise; the direction flag is clear on entry by the ABI of inline assembly.
        unsafe {
            asm!("rep movsb", inout("rcx") len => _, inout("rdi") dst => _, inout("rsi") src => _,
                options(nostack, preserves_flags));
        }
    } else if AVX.load(Ordering::Relaxed) {
        // SAFETY: the processor has the instructions, and 128 is less than `LONG`.
        unsafe { blocks128(dst, src, len) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { short(dst, src, len) };
    }
}

/// Finds out what the processor has. Not done by [`copy`], where a call that is never made costs registers: 8
/// instructions of the 75 that it takes to send 64 bytes.
///
/// With wide registers, AMD's processors do without the string instruction: Zen 3 and 4 take several times as long for
/// it where source and destination lie alike in their pages (glibc's bug 30994, which left it out there in 2.40), and
/// buffers lie alike in theirs for a whole run.
pub(super) fn prepare() {
    let avx = is_x86_feature_detected!("avx");
    let string_from = match (avx, is_amd()) {
        (false, _) => STRING_COPY_FROM_SSE,
        (true, false) => STRING_COPY_FROM,
        (true, true) => usize::MAX,
    };
    STRING_FROM.store(string_from, Ordering::Relaxed);
    AVX.store(avx, Ordering::Relaxed);
}

/// As [`copy`] on a processor of AMD.
///
/// # Safety
/// As [`copy`], on a processor with AVX.
#[cfg(test)]
pub(super) unsafe fn without_string(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise, and 128 is less than `LONG`.
    unsafe { if len < LONG { short(dst, src, len) } else { blocks128(dst, src, len) } };
}

/// Whether AMD made the processor, or Hygon, whose processors are AMD's.
fn is_amd() -> bool {
    #[allow(unused_unsafe, reason = "safe in newer compilers")]
    // SAFETY: every x86-64 processor has the instruction and its leaf 0.
    let vendor = unsafe { std::arch::x86_64::__cpuid(0) };
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    matches!(name.as_flattened(), b"AuthenticAMD" | b"HygonGenuine")
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
