//! Survives a peer that takes its memory away.
//!
//! A file that its owner can still shrink, or a huge page file in which a hole was punched, raises SIGBUS in
//! whoever touches the missing pages. The handler ([`sigbus`](super::sigbus)) looks the address up among the guarded
//! mappings of this process. One of ours is replaced, whole, by zeroed anonymous memory and marked; the access is then
//! repeated by the processor and succeeds, and the link goes down at its next call.
//!
//! The table of guarded mappings is the one thing in this crate that is global, since signal handlers are. It is
//! a list of slots that only grows; a slot is taken and given back by the flag in it, so that the handler, which
//! may run in any thread at any instruction, never waits for a lock or follows a pointer that was freed.

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

use super::sigbus;

/// A guarded range. All fields are written by the thread that holds `taken`.
struct Slot {
    /// Whether some mapping owns this slot.
    taken: AtomicBool,
    /// Even while `start` and `len` belong together, odd while they change.
    version: AtomicUsize,
    start: AtomicUsize,
    len: AtomicUsize,
    /// Bytes of a page of the file.
    page: AtomicUsize,
    hit: AtomicBool,
    /// Set before the slot is published, never changed after.
    next: AtomicPtr<Slot>,
}

static SLOTS: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());
static FAULTS: AtomicUsize = AtomicUsize::new(0);

/// Number of guarded mappings that were hit in this process so far. A queue looks at this one number and only
/// when it changed at its own mappings.
#[inline]
pub(crate) fn fault_count() -> usize {
    // Acquire: whoever sees the number sees the mark on the mapping that raised it.
    FAULTS.load(Ordering::Acquire)
}

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
        slot.hit.store(false, Ordering::Relaxed);
        slot.set(start.addr().get(), len, page);
        Ok(Self(slot))
    }

    /// Whether the mapping was replaced.
    pub(super) fn was_hit(&self) -> bool {
        self.0.hit.load(Ordering::Acquire)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.set(0, 0, 1);
        self.0.taken.store(false, Ordering::Release);
    }
}

impl Slot {
    /// Changes the range in the manner of a sequence lock: a handler that runs meanwhile skips this slot, which
    /// is right since a thread that faults in a mapping has not begun to drop it.
    fn set(&self, start: usize, len: usize, page: usize) {
        self.version.fetch_add(1, Ordering::Relaxed);
        fence(Ordering::Release);
        self.start.store(start, Ordering::Relaxed);
        self.len.store(len, Ordering::Relaxed);
        self.page.store(page, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Start, length and page size, or `None` while they change.
    fn range(&self) -> Option<(usize, usize, usize)> {
        let version = self.version.load(Ordering::Acquire);
        let range =
            (self.start.load(Ordering::Relaxed), self.len.load(Ordering::Relaxed), self.page.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        (version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version).then_some(range)
    }
}

/// The slots from the newest on.
fn slots() -> impl Iterator<Item = &'static Slot> {
    let mut next = SLOTS.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: a slot is leaked before its address is published with release order, and never freed.
        let slot: &'static Slot = unsafe { next.as_ref() }?;
        next = slot.next.load(Ordering::Relaxed);
        Some(slot)
    })
}

fn take_slot() -> &'static Slot {
    let free =
        slots().find(|slot| slot.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok());
    free.unwrap_or_else(|| {
        let slot: &'static mut Slot = Box::leak(Box::new(Slot {
            taken: AtomicBool::new(true),
            version: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            page: AtomicUsize::new(1),
            hit: AtomicBool::new(false),
            next: AtomicPtr::new(ptr::null_mut()),
        }));
        let slot: &'static Slot = slot;
        let mut first = SLOTS.load(Ordering::Relaxed);
        loop {
            slot.next.store(first, Ordering::Relaxed);
            let new = ptr::from_ref(slot).cast_mut();
            match SLOTS.compare_exchange_weak(first, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return slot,
                Err(now) => first = now,
            }
        }
    })
}

/// For the handler: puts zeros in place of the guarded mapping that holds the address and marks all guards of that
/// memory, of which there can be several. Returns whether there is one. Only system calls and atomics.
pub(super) fn mend(address: usize) -> bool {
    let holds = |(start, len, _): &(usize, usize, usize)| address >= *start && address - *start < *len;
    let Some((start, len, page)) = slots().filter_map(Slot::range).find(holds) else {
        return false;
    };
    // Marked before the zeros are there: a thread that reads them, and finds them wrong, must find the reason, too.
    for slot in slots() {
        let shares = |(at, size, _): (usize, usize, usize)| at < start + len && start < at + size;
        if slot.range().is_some_and(shares) {
            slot.hit.store(true, Ordering::Release);
        }
    }
    FAULTS.fetch_add(1, Ordering::Release);
    // Where memory is not to be had for all of it (`vm.overcommit_memory` of 2), the page alone.
    let only = address - (address - start) % page;
    put_zeros(start, len) || put_zeros(only, page)
}

fn put_zeros(start: usize, len: usize) -> bool {
    // SAFETY: the range is all, or one page, of a mapping that is under guard, hence live because a thread is
    // accessing it; the new one takes its place in one step, so that other threads see old or new pages and never
    // none. The pointer only carries the address. rustix makes the call without touching anything but `errno`.
    let replaced = unsafe {
        mmap_anonymous(
            ptr::without_provenance_mut(start),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
        )
    };
    replaced.is_ok()
}

#[cfg(test)]
mod tests {
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
