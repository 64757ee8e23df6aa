//! Survives a peer that takes its memory away.
//!
//! A file that its owner can still shrink, or a huge page file in which a hole was punched, raises SIGBUS in
//! whoever touches the missing pages. The handler ([`sigbus`](super::sigbus)) looks the address up among the guarded
//! mappings of this process ([`guard_table`](super::guard_table)). One of ours is replaced, whole, by zeroed anonymous
//! memory and marked; the access is then repeated by the processor and succeeds, and the link goes down at its next
//! call.

use std::io;
use std::ptr::NonNull;

use super::guard_table::{Slot, take_slot};
use super::sigbus;

/// A mapping under guard. Dropped before the range is unmapped.
pub(super) struct Guarded(&'static Slot);

impl Guarded {
    /// Puts a mapping under guard, installing the handler with the first.
    ///
    /// # Safety
    /// The range must be a whole mapping that the caller owns and unmaps only after this value is dropped;
    /// its start and length must be multiples of `page`, the page size of its file.
    pub(super) unsafe fn new(start: NonNull<u8>, len: usize, page: usize) -> io::Result<Self> {
        sigbus::install()?;
        let slot = take_slot();
        slot.guard(start.addr().get(), len, page);
        Ok(Self(slot))
    }

    /// Whether the mapping was replaced.
    pub(super) fn was_hit(&self) -> bool {
        self.0.was_hit()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;
    use crate::shm::Mapping;

    #[test]
    fn slots_are_used_again() {
        let range = |n: usize| NonNull::new(ptr::without_provenance_mut::<u8>(n << 20)).unwrap();
        // SAFETY: never mapped, never touched; the handler only compares the addresses.
        let first = unsafe { Guarded::new(range(1), 4096, 4096) }.unwrap();
        let slot: *const Slot = first.0;
        drop(first);
        // SAFETY: as above.
        let again: Vec<_> = (2..40).map(|n| unsafe { Guarded::new(range(n), 4096, 4096) }.unwrap()).collect();
        assert!(again.iter().any(|guard| ptr::eq(guard.0, slot)));
        assert!(again.iter().all(|guard| !guard.was_hit()));
    }

    #[test]
    fn every_guard_of_the_same_memory_hears_of_the_fault() {
        use std::sync::Arc;

        let fd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 8192).unwrap();
        let fd = Arc::new(fd);
        let whole = crate::shm::tests::mapped_by_the_caller(&fd, 8192);
        // SAFETY: memory that stays mapped. It is compared and read here, and no peer is given the file.
        let (again, part) = unsafe {
            let part = whole.start().add(4096);
            (Mapping::from_raw(whole.start(), 8192, Arc::clone(&fd)), Mapping::from_raw(part, 4096, Arc::clone(&fd)))
        };
        let other = crate::shm::tests::mapped_by_the_caller(&fd, 8192);
        for mapping in [&whole, &again, &part, &other] {
            mapping.guard_callers().unwrap();
        }
        rustix::fs::ftruncate(&*fd, 0).unwrap();
        whole.slice(0, 1).unwrap().read(0, &mut [0]);
        assert_eq!([&whole, &again, &part, &other].map(Mapping::is_gone), [true, true, true, false]);
    }
}
