//! Signalling an eventfd by a call that cannot wait for it.
//!
//! A write to an eventfd waits while the counter is full, unless `O_NONBLOCK` is set, and both are in the hands of
//! everybody who holds it. The kernel itself signals eventfds in another way, for one when a request of its
//! asynchronous I/O is done: it adds one to the counter, leaves a full one as it is, and never waits. So each signal
//! here is a request that is done at once, and the eventfd to be signalled is the one that hears of it.
//!
//! The request reads no bytes from that same eventfd. The kernel answers that such a read is too short before it looks
//! at the counter or at any flag, which is all that is wanted of it; no other file is needed, and what is no eventfd is
//! refused before anything happens to it.
//!
//! The same answers the question whether a descriptor is an eventfd at all, without a signal: a request with flags that
//! no kernel knows is refused for its flags, but for a descriptor that is no eventfd before that.
//!
//! Requests belong to a context, which is a page of memory and no descriptor. One serves the whole process, from its
//! first listener or signal to its end.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, read};

/// What came of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The counter is one more, or was full.
    Signalled,
    /// That descriptor is no eventfd, and nothing was done to it.
    NoEventfd,
    /// It is an eventfd, and was not signalled: that was not asked for.
    KnownEventfd,
    /// Not in this way: the kernel has no such calls, does not allow them to this process, or has too many contexts.
    Refused,
}

/// The context of this process, by the kernel's name for it, which is the address of a page; or one of the numbers
/// below.
static CONTEXT: AtomicUsize = AtomicUsize::new(NONE);
/// It was not needed yet.
const NONE: usize = 0;
/// The kernel gave none.
const REFUSED: usize = 1;
/// The kernel gave one that does not signal. It will not do better later.
const USELESS: usize = 2;
/// Signals since [`REFUSED`].
static REFUSALS: AtomicU32 = AtomicU32::new(0);
/// After so many it is tried again: there may be fewer contexts in the system by then.
const TRY_AGAIN: u32 = 1024;
/// Room for requests whose end was not collected, at least. With so many a context counts against the limit of the
/// system (`fs.aio-max-nr`); it has a page of them.
const REQUESTS: libc::c_long = 1;
/// Ends that are collected in one call, which is all that a page has.
const COLLECTED: usize = 128;
/// Most such calls in a row: with many processors a context has more than a page.
const COLLECTIONS: usize = 1024;
/// Tries of one signal, which other threads or a fork may spoil.
const TRIES: usize = 4;

/// A request, as `linux/aio_abi.h` has it.
#[repr(C)]
#[derive(Default)]
struct Request {
    data: u64,
    /// Written by the kernel.
    #[cfg(target_endian = "little")]
    key: u32,
    rw_flags: u32,
    #[cfg(target_endian = "big")]
    key: u32,
    operation: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    notified: u32,
}

/// `IOCB_CMD_PREAD`.
const READ: u16 = 0;
/// Those of a read that is to be done.
const NO_FLAGS: u32 = 0;
/// All there are, of which no kernel knows every one.
const ALL_FLAGS: u32 = u32::MAX;
/// `IOCB_FLAG_RESFD`: `notified` is an eventfd that hears of the end.
const NOTIFY: u32 = 1;

/// The end of a request, of which nobody wants to know anything.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct End {
    data: u64,
    request: u64,
    results: [i64; 2],
}

const _: () = assert!(size_of::<Request>() == 64 && size_of::<End>() == 32);

/// Adds one to the counter of an eventfd, whoever else holds it. Never waits for anybody.
pub(super) fn signal(fd: BorrowedFd<'_>) -> Outcome {
    request(fd, NO_FLAGS)
}

/// Whether a descriptor is known to be an eventfd. What is not known to be one may be one all the same. Nobody is
/// signalled, and nothing happens to what is no eventfd.
///
/// The kernel takes hold of the eventfd to be notified, and refuses what is none as invalid, before it looks at the
/// flags of a read, and those before it reads. A request that it does not take up has no end that it would tell of.
pub(super) fn is_eventfd(fd: BorrowedFd<'_>) -> bool {
    request(fd, ALL_FLAGS) == Outcome::KnownEventfd
}

/// Makes room for the first signal, and the first question, before they are of any hurry.
pub(crate) fn prepare() {
    let context = CONTEXT.load(Ordering::Relaxed);
    if context == NONE {
        replace(context);
    }
}

fn request(fd: BorrowedFd<'_>, rw_flags: u32) -> Outcome {
    for _ in 0..TRIES {
        let context = match CONTEXT.load(Ordering::Relaxed) {
            context if is_usable(context) => context,
            none => match replace(none) {
                Some(context) => context,
                None => return Outcome::Refused,
            },
        };
        match submit(context, fd, rw_flags) {
            Ok(()) => return Outcome::Signalled,
            Err(Errno::OPNOTSUPP) if rw_flags == ALL_FLAGS => return Outcome::KnownEventfd,
            // Full of ends that nobody has collected.
            Err(Errno::AGAIN) if collect(context) => {}
            // The child of a fork has the number and not what it stands for.
            Err(Errno::INVAL) if !exists(context) => drop(replace(context)),
            Err(Errno::INVAL | Errno::BADF) => return Outcome::NoEventfd,
            Err(_) => return Outcome::Refused,
        }
    }
    Outcome::Refused
}

fn is_usable(context: usize) -> bool {
    !matches!(context, NONE | REFUSED | USELESS)
}

/// Puts a new context in the place of what stood there, unless another thread was first. Returns the one to use.
#[cold]
fn replace(before: usize) -> Option<usize> {
    let waits = before == REFUSED && REFUSALS.fetch_add(1, Ordering::Relaxed) % TRY_AGAIN != TRY_AGAIN - 1;
    if before == USELESS || waits {
        return None;
    }
    let made = make();
    // One that comes second is left as it is, a page for each thread at most: to destroy it takes tens of milliseconds.
    let now = match CONTEXT.compare_exchange(before, made, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => made,
        Err(first) => first,
    };
    is_usable(now).then_some(now)
}

/// A context that is known to work: a kernel before 5.8 cannot read eventfds in this way, and what only looks like
/// Linux may do otherwise.
fn make() -> usize {
    // Without an allocation, since this is on the path of a packet.
    let Ok(event) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) else { return REFUSED };
    match set_up() {
        Ok(context) if is_usable(context) => {
            let works = submit(context, event.as_fd(), NO_FLAGS).is_ok() && read(&event, &mut [0; 8]).is_ok();
            if works { context } else { USELESS }
        }
        _ => REFUSED,
    }
}

/// A new context of this process.
fn set_up() -> Result<usize, Errno> {
    let mut context: libc::c_ulong = 0;
    // SAFETY: `context` is writable for the one word that the kernel writes, and zero, as it asks for. The kernel maps
    // pages of its own where nothing was mapped, so no object of this process changes; what is made of the address is a
    // number for the calls below, never a pointer.
    let result = unsafe { libc::syscall(libc::SYS_io_setup, REQUESTS, &raw mut context) };
    checked(result).and_then(|_| usize::try_from(context).map_err(|_| Errno::INVAL))
}

/// Has the kernel signal the eventfd through that context, by a read with those flags.
fn submit(context: usize, fd: BorrowedFd<'_>, rw_flags: u32) -> Result<(), Errno> {
    let number = u32::try_from(fd.as_raw_fd()).map_err(|_| Errno::BADF)?;
    let mut request =
        Request { rw_flags, operation: READ, fd: number, flags: NOTIFY, notified: number, ..Request::default() };
    let (count, mut requests): (libc::c_long, _) = (1, [&raw mut request]);
    // SAFETY: `context` is a number that the kernel looks up among the contexts of this process, and refuses if it has
    // no such one; it is read as memory only through the kernel's checked access. `requests` is readable for the one
    // pointer that is asked for, and `request`, which lives until the call has returned, is readable as a whole and
    // writable for its `key`: both are what the kernel copies, and no reference to either exists meanwhile. Neither is
    // used after the call, even by a kernel that leaves the request to be done later: it keeps the address of `request`
    // as a name for it, to be found in its `End`, and the request itself names no memory, since `bytes` is zero. The
    // descriptor is open throughout, as `fd` is borrowed, and the kernel holds its file for as long as it needs it.
    let result = unsafe { libc::syscall(libc::SYS_io_submit, context, count, requests.as_mut_ptr()) };
    checked(result).and_then(|taken| if taken == 1 { Ok(()) } else { Err(Errno::AGAIN) })
}

/// Makes room for further requests. Returns whether there is some.
#[cold]
fn collect(context: usize) -> bool {
    for _ in 0..COLLECTIONS {
        match ends(context, COLLECTED) {
            Ok(COLLECTED) => {}
            // Interrupted it is only where another thread left nothing.
            Ok(_) | Err(Errno::INTR) => return true,
            Err(_) => return false,
        }
    }
    true
}

/// Whether this process has that context.
#[cold]
fn exists(context: usize) -> bool {
    ends(context, 0) != Err(Errno::INVAL)
}

/// Collects up to so many ends, at most [`COLLECTED`], that are there already. Returns their number.
fn ends(context: usize, most: usize) -> Result<usize, Errno> {
    let mut ends = [End::default(); COLLECTED];
    let most = libc::c_long::try_from(most.min(COLLECTED)).map_err(|_| Errno::INVAL)?;
    let at_least: libc::c_long = 0;
    let no_time = [0_i64; 2];
    // SAFETY: `context` as in `submit`. `ends` is writable for `most` entries, its length or fewer, of the kernel's
    // size and layout, and any bytes are valid ones: integers alone. `no_time` is readable for as long as the longest
    // `timespec`, and zero in each. Since at least zero ends are asked for and there is no time to wait, the call
    // returns at once; nothing that it was given is used after it.
    let result =
        unsafe { libc::syscall(libc::SYS_io_getevents, context, at_least, most, ends.as_mut_ptr(), no_time.as_ptr()) };
    checked(result).and_then(|n| usize::try_from(n).map_err(|_| Errno::INVAL))
}

fn checked(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result >= 0 {
        return Ok(result);
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::NOSYS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::EventFd;

    #[test]
    fn the_child_of_a_fork_gets_a_context_of_its_own() {
        let event = EventFd::new().unwrap();
        if signal(event.as_fd()) != Outcome::Signalled {
            eprintln!("this kernel has no asynchronous I/O");
            return;
        }
        // SAFETY: until it ends, the child calls what this module makes of system calls alone, and `malloc`, which the
        // C library keeps usable in the child of a process with threads.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let works = (0..1000).all(|_| signal(event.as_fd()) == Outcome::Signalled);
            // SAFETY: ends this process, which is the child, and runs nothing on the way.
            unsafe { libc::_exit(if works { 0 } else { 1 }) };
        }
        assert!(child > 0);
        let mut status = -1;
        // SAFETY: `status` is writable for the integer that the call writes.
        assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
        assert_eq!(status, 0, "the child's signals failed");
        let mut count = [0; 8];
        read(event.as_fd(), &mut count).unwrap();
        assert_eq!(u64::from_ne_bytes(count), 1001);
        assert_eq!(signal(event.as_fd()), Outcome::Signalled, "the parent's context is as it was");
    }

    /// Where the kernel tells, it does so of all kinds alike, and by nothing that anybody notices.
    #[test]
    fn an_eventfd_is_told_from_other_files_and_not_signalled() {
        use rustix::event::epoll;
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

        prepare();
        let full = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        let events = [(EventFd::new().unwrap().as_fd().try_clone_to_owned().unwrap(), 0), (full, u64::MAX - 1)];
        if !is_eventfd(events[0].0.as_fd()) {
            eprintln!("this kernel has no asynchronous I/O, or does not tell by it");
            return;
        }
        let context = CONTEXT.load(Ordering::Relaxed);
        for (event, count) in &events {
            // More than a context has room for: a refused request leaves nothing to be collected.
            (0..1000).for_each(|_| assert!(is_eventfd(event.as_fd())));
            let mut bytes = [0; 8];
            if *count > 0 {
                read(event, &mut bytes).unwrap();
            }
            assert_eq!(u64::from_ne_bytes(bytes), *count);
        }
        assert!(exists(context));
        let (pipe, other) = rustix::pipe::pipe().unwrap();
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC).unwrap();
        let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let file = std::os::fd::OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap());
        let socket = std::os::fd::OwnedFd::from(std::os::unix::net::UnixDatagram::unbound().unwrap());
        for fd in [pipe, other, timer, set, memory, file, socket] {
            assert!(!is_eventfd(fd.as_fd()), "{fd:?}");
        }
    }

    #[test]
    fn ends_are_collected_without_waiting() {
        let context = make();
        if !is_usable(context) {
            eprintln!("this kernel has no asynchronous I/O");
            return;
        }
        assert!(exists(context));
        assert_eq!(ends(context, COLLECTED), Ok(1), "of the request that tried it");
        assert_eq!(ends(context, COLLECTED), Ok(0));
        let event = EventFd::new().unwrap();
        for _ in 0..100 {
            submit(context, event.as_fd(), NO_FLAGS).unwrap();
        }
        assert!(collect(context));
        assert_eq!(ends(context, COLLECTED), Ok(0));
        assert!(!exists(REFUSED));
    }
}
