//! The one routine that moves packet bytes between private and shared memory.
//!
//! The other side of a link is another process, so a byte may change while it is copied. A plain copy would let the
//! compiler assume that it does not (read twice and expect the same, or turn the copy into something else). Here every
//! access is either an `asm!` block, which the compiler must take as reading and writing anything once, or a relaxed
//! atomic of one byte. What arrives may be torn, never undefined. That holds for threads of this process too: safe code
//! can have several views of the same bytes. Atomics of one size alone do that, since two of different sizes that meet
//! at one address are a data race like any other.

// With half of a register as pointer, as on x32, a processor is left to the routine for all others.
#[cfg(all(target_arch = "aarch64", target_pointer_width = "64", not(miri)))]
#[path = "aarch64.rs"]
mod machine;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
#[path = "x86_64.rs"]
mod machine;
#[cfg(not(all(any(target_arch = "aarch64", target_arch = "x86_64"), target_pointer_width = "64", not(miri))))]
#[path = "bytes.rs"]
mod machine;

#[cfg(all(any(target_arch = "aarch64", target_arch = "x86_64"), target_pointer_width = "64", not(miri)))]
mod short;
#[cfg(all(target_arch = "aarch64", target_pointer_width = "64", not(miri)))]
#[path = "steps_aarch64.rs"]
mod steps;
#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", not(miri)))]
#[path = "steps_x86_64.rs"]
mod steps;

/// The routine for all others is tested everywhere.
#[cfg(all(test, any(target_arch = "aarch64", target_arch = "x86_64"), target_pointer_width = "64", not(miri)))]
mod bytes;
#[cfg(test)]
mod tests;

/// Copies `len` bytes of shared memory to private memory.
///
/// # Safety
/// - `src` must be valid for reads and `dst` for writes of `len` bytes.
/// - `dst` must be private to the caller. The bytes at `src` may be changed by anyone at any time, this process
///   included.
#[inline(always)]
pub(in crate::shm) unsafe fn from_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: the caller's promise is what either routine asks for.
    unsafe { machine::copy::<false, true>(dst, src, len) };
}

/// Copies `len` bytes of private memory to shared memory.
///
/// # Safety
/// - `src` must be valid for reads and `dst` for writes of `len` bytes.
/// - Nobody may change the bytes at `src` meanwhile. Those at `dst` may be changed and read by anyone.
#[inline(always)]
pub(in crate::shm) unsafe fn to_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: as above.
    unsafe { machine::copy::<true, false>(dst, src, len) };
}

/// Copies `len` bytes of shared memory to shared memory. What arrives is undetermined where the two overlap.
///
/// # Safety
/// `src` must be valid for reads and `dst` for writes of `len` bytes; both may be changed and read by anyone.
#[inline]
pub(in crate::shm) unsafe fn between_shared(dst: *mut u8, src: *const u8, len: usize) {
    // SAFETY: as above.
    unsafe { machine::copy::<true, true>(dst, src, len) };
}

/// To be called before memory is shared: what copies best on this processor.
pub(in crate::shm) fn prepare() {
    machine::prepare();
}
