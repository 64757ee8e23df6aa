//! Hints to the processor that a cache line is needed soon. They give nothing and never fault, so any address will do.

/// The line at `at` will be read.
#[inline(always)]
pub(crate) fn to_read(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint changes no register, no flag and no memory.
    unsafe {
        std::arch::asm!("prefetcht0 [{at}]", at = in(reg) at.addr(),
            options(nostack, preserves_flags, nomem));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{at}]", at = in(reg) at.addr(),
            options(nostack, preserves_flags, nomem));
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    let _ = at;
}

/// The line at `at` will be written: it is taken from other caches.
#[cfg(feature = "raw")]
#[inline(always)]
pub(crate) fn to_write(at: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: as above. Processors without this instruction take it as one that does nothing.
    unsafe {
        std::arch::asm!("prefetchw [{at}]", at = in(reg) at.addr(),
            options(nostack, preserves_flags, nomem));
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pstl1keep, [{at}]", at = in(reg) at.addr(),
            options(nostack, preserves_flags, nomem));
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    let _ = at;
}
