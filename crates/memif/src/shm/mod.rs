//! Memory that the peer can rewrite at any moment: where the `unsafe` code is (but for one system call in
//! `sys::credentials`).
//!
//! Nothing here hands out a reference to shared bytes. [`SharedSlice`] copies in and out, [`MappedRing`] goes
//! through atomics, and both hold or borrow the [`Mapping`] that keeps the addresses valid.

#![allow(unsafe_code)]

mod buffers;
mod copy;
pub(crate) mod decoy;
mod guard;
mod guard_table;
pub(crate) mod layout;
mod mapping;
pub(crate) mod placement;
pub(crate) mod prefetch;
mod ring;
mod sigbus;
mod slice;
#[cfg(miri)]
pub(crate) mod stand_in;

pub(crate) use buffers::{BufferTable, Entry, Named};
#[cfg(feature = "raw")]
pub(crate) use buffers::{Part, Parts};
pub(crate) use decoy::Decoy;
pub(crate) use guard_table::fault_count;
pub use mapping::Mapping;
pub(crate) use mapping::Regions;
pub(crate) use ring::MappedRing;
pub use slice::SharedSlice;

#[cfg(test)]
pub(crate) mod tests {
    use std::os::fd::OwnedFd;
    use std::ptr::NonNull;
    use std::sync::Arc;

    use rustix::mm::{MapFlags, ProtFlags, mmap};

    use super::Mapping;

    /// A mapping of a file that nobody else has.
    pub(crate) fn private_mapping(len: u64) -> Mapping {
        #[cfg(miri)]
        let fd = super::stand_in::file(len).unwrap();
        #[cfg(not(miri))]
        let fd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        #[cfg(not(miri))]
        rustix::fs::ftruncate(&fd, len).unwrap();
        Mapping::map(&fd, len, false).unwrap()
    }

    /// A mapping as a caller of the library makes it, which stays until the process ends.
    pub(crate) fn mapped_by_the_caller(fd: &Arc<OwnedFd>, len: u64) -> Mapping {
        let len = usize::try_from(len).unwrap();
        // SAFETY: a new mapping touches no memory that exists.
        let start =
            unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0) }
                .unwrap();
        let start = NonNull::new(start.cast()).unwrap();
        // SAFETY: mapped above and never unmapped; no reference to the bytes is made.
        unsafe { Mapping::from_raw(start, len, Arc::clone(fd)) }
    }
}
