//! The guarded mappings of this process, as its handler of SIGBUS finds them.
//!
//! The table is the one thing in this crate that is global, since signal handlers are. It is a list of slots that only
//! grows; a slot is taken and given back by the flag in it, so that the handler, which may run in any thread at any
//! instruction, never waits for a lock or follows a pointer that was freed.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

/// A guarded range. All fields are written by the thread that holds `taken`.
pub(super) struct Slot {
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
/// Threads in [`mend`].
static MENDING: AtomicUsize = AtomicUsize::new(0);

/// Number of guarded mappings that were hit in this process so far. A queue looks at this one number and only
/// when it changed at its own mappings.
#[inline]
pub(crate) fn fault_count() -> usize {
    // Acquire: whoever sees the number sees the mark on the mapping that raised it.
    FAULTS.load(Ordering::Acquire)
}

impl Slot {
    /// Puts a range under guard. Only by who took the slot.
    pub(super) fn guard(&self, start: usize, len: usize, page: usize) {
        self.hit.store(false, Ordering::Relaxed);
        self.set(start, len, page);
    }

    /// Takes the guard off and gives the slot back.
    pub(super) fn give_back(&self) {
        self.set(0, 0, 1);
        self.taken.store(false, Ordering::Release);
    }

    /// Whether the range was replaced.
    pub(super) fn was_hit(&self) -> bool {
        self.hit.load(Ordering::Acquire)
    }

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

/// A slot of the caller's, for as long as it has not given it back.
pub(super) fn take_slot() -> &'static Slot {
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

/// Whether a thread may be putting zeros somewhere and have overlooked a guard that was put up before this call.
pub(super) fn is_mending() -> bool {
    // With the one in `mend`: either that sees the guard, or this sees the thread.
    fence(Ordering::SeqCst);
    MENDING.load(Ordering::SeqCst) > 0
}

/// For the handler: puts zeros in place of the guarded mapping that holds the address and marks all guards of that
/// memory, of which there can be several. Returns whether there is one. Only system calls and atomics.
pub(super) fn mend(address: usize) -> bool {
    MENDING.fetch_add(1, Ordering::SeqCst);
    fence(Ordering::SeqCst);
    let mended = mend_counted(address);
    MENDING.fetch_sub(1, Ordering::SeqCst);
    mended
}

fn mend_counted(address: usize) -> bool {
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
    // SAFETY: all, or one page, of a mapping that is under guard, hence live because a thread is accessing it.
    unsafe { put_zeros(start, len) || put_zeros(only, page) }
}

/// Puts zeroed memory in place of a range, in one step: other threads see old or new pages and never none. Returns
/// whether it did. Only a system call.
///
/// # Safety
/// The range must be in whole pages of its file, and all or a part of a mapping that belongs to the caller, or be
/// where such a mapping was when the caller tried to put another in its place.
pub(super) unsafe fn put_zeros(start: usize, len: usize) -> bool {
    // SAFETY: the range is the caller's. The pointer only carries the address. rustix makes the call without touching
    // anything but `errno`.
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
