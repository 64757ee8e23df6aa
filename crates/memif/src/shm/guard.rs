//! Survives a peer that takes its memory away.
//!
//! A file that its owner can still shrink, or a huge page file in which a hole was punched, raises SIGBUS in
//! whoever touches the missing pages. The handler here looks the address up among the guarded mappings of this
//! process. One of ours is replaced, whole, by zeroed anonymous memory and marked; the access is then repeated by
//! the processor and succeeds, and the link goes down at its next call. Any other fault goes to the handler that
//! was there before.
//!
//! The table of guarded mappings is the one thing in this crate that is global, since signal handlers are. It is
//! a list of slots that only grows; a slot is taken and given back by the flag in it, so that the handler, which
//! may run in any thread at any instruction, never waits for a lock or follows a pointer that was freed.

use std::io;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous};

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
static PREVIOUS: OnceLock<libc::sigaction> = OnceLock::new();
static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();

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
        (*INSTALLED.get_or_init(install)).map_err(io::Error::from_raw_os_error)?;
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
        let range = (
            self.start.load(Ordering::Relaxed),
            self.len.load(Ordering::Relaxed),
            self.page.load(Ordering::Relaxed),
        );
        fence(Ordering::Acquire);
        (version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version)
            .then_some(range)
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
    let free = slots().find(|slot| {
        slot.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
    });
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

fn install() -> Result<(), i32> {
    let errno = || io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL);
    let mut previous = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: a null action only asks for the present one, which the kernel writes to `previous`.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), previous.as_mut_ptr()) } != 0 {
        return Err(errno());
    }
    // SAFETY: written by the call above, which succeeded.
    let previous = unsafe { previous.assume_init() };
    // Kept before the handler goes in, which reads it.
    PREVIOUS.get_or_init(|| previous);
    if put_in_place() { Ok(()) } else { Err(errno()) }
}

/// Makes [`handler`] the one that the kernel calls. A system call and nothing else.
fn put_in_place() -> bool {
    // SAFETY: all zeros is a valid `sigaction`: the default action, no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction =
        (handler as extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void)) as usize;
    // On the alternate stack where the thread has one, and with the mask of the handler before.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART;
    if let Some(previous) = PREVIOUS.get() {
        action.sa_mask = previous.sa_mask;
    }
    // SAFETY: `action` is filled; the handler only does what a signal handler may.
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) == 0 }
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // Faults of this thread's own accesses alone: `kill` and its kin carry no address, and a memory error that
    // the kernel only reports concerns an access that is not being made.
    // SAFETY: the kernel hands a valid `siginfo_t` to a handler with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    if code == libc::BUS_ADRERR || code == libc::BUS_MCEERR_AR {
        // SAFETY: as above; `si_addr` is set for every SIGBUS of the processor.
        let address = unsafe { (*info).si_addr() }.addr();
        if slots().any(|slot| replace(slot, address)) {
            return;
        }
    }
    pass_on(signal, info, context);
    if code <= 0 {
        // The standard library's handler takes itself, and with it this one, out when a signal is not for it.
        // That is right for a fault, which repeats and then ends the process, and wrong for a signal that was sent.
        let _ = put_in_place();
    }
}

/// Replaces the mapping of this slot when it holds the address. Only system calls and atomics.
fn replace(slot: &Slot, address: usize) -> bool {
    let Some((start, len, page)) = slot.range() else { return false };
    if address < start || address - start >= len {
        return false;
    }
    // Marked before the zeros are there: a thread that reads them, and finds them wrong, must find the reason, too.
    slot.hit.store(true, Ordering::Release);
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

/// Hands the signal to whoever had it before us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let previous = PREVIOUS.get();
    let action = previous.map_or(libc::SIG_DFL, |previous| previous.sa_sigaction);
    match action {
        libc::SIG_DFL | libc::SIG_IGN => {
            // The default for a fault is death, also when it was ignored: the access cannot be completed. With
            // the default in place, returning repeats the access, or the signal is raised again if it was sent.
            // SAFETY: all zeros is the default action.
            let default: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
            // SAFETY: the kernel handed a valid `siginfo_t`.
            let sent = unsafe { (*info).si_code } <= 0;
            if sent && action == libc::SIG_IGN {
                return;
            }
            // SAFETY: `default` is a valid action.
            unsafe { libc::sigaction(signal, &raw const default, ptr::null_mut()) };
            if sent {
                // SAFETY: no memory is involved.
                unsafe { libc::raise(signal) };
            }
        }
        handler => {
            let flags = previous.map_or(0, |previous| previous.sa_flags);
            if flags & libc::SA_SIGINFO != 0 {
                // SAFETY: with SA_SIGINFO the previous action is a function of this type.
                let handler = unsafe {
                    std::mem::transmute::<
                        usize,
                        extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void),
                    >(handler)
                };
                handler(signal, info, context);
            } else {
                // SAFETY: without SA_SIGINFO it is a function of one argument.
                let handler =
                    unsafe { std::mem::transmute::<usize, extern "C" fn(libc::c_int)>(handler) };
                handler(signal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_used_again() {
        let range = |n: usize| NonNull::new(ptr::without_provenance_mut::<u8>(n << 20)).unwrap();
        // SAFETY: never mapped, never touched; the handler only compares the addresses.
        let first = unsafe { Guarded::new(range(1), 4096, 4096) }.unwrap();
        let slot: *const Slot = first.0;
        drop(first);
        // SAFETY: as above.
        let again: Vec<_> =
            (2..40).map(|n| unsafe { Guarded::new(range(n), 4096, 4096) }.unwrap()).collect();
        assert!(again.iter().any(|guard| ptr::eq(guard.0, slot)));
        assert!(again.iter().all(|guard| !guard.was_hit()));
    }
}
