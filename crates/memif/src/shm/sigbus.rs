//! The process's handler of SIGBUS.
//!
//! A fault of this process's own access to a guarded mapping is mended, see [`guard_table`](super::guard_table). Every
//! other signal behaves as if this handler were not there: whatever was in place before it decides, with its flags and
//! its mask. What a handler does to its own place, as when it puts the default there, is noted as the new state of what
//! was there before, and this handler stays.
//!
//! A handler that the program installs later, over this one, is left alone. It has to call the one that it found.

use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering, fence};

use super::guard_table;

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
type SimpleHandler = extern "C" fn(libc::c_int);

/// What would happen to the signal without us.
static PREVIOUS: Previous = Previous::new();

/// Puts the handler in place, once in the life of the process.
///
/// # Errors
/// What the kernel says.
pub(super) fn install() -> io::Result<()> {
    static INSTALLED: OnceLock<Result<(), i32>> = OnceLock::new();
    let installed = INSTALLED.get_or_init(|| {
        // Our handler waits for a record that is being written, and this thread may be the one that writes it.
        let mask = change_mask(libc::SIG_BLOCK, only_sigbus());
        let installed = current().and_then(|action| {
            PREVIOUS.write(&action);
            put_in_place()
        });
        change_mask(libc::SIG_SETMASK, mask);
        installed.map_err(|error| error.raw_os_error().unwrap_or(libc::EINVAL))
    });
    installed.map_err(io::Error::from_raw_os_error)
}

/// Makes [`handler`] the one that the kernel calls, and notes what it takes the place of. With SIGBUS blocked.
fn put_in_place() -> io::Result<()> {
    loop {
        // As what was there before would have it: its mask while handlers run, and calls that go on or do not.
        let before = PREVIOUS.read();
        let mut action = default_action();
        action.sa_sigaction = handler as Handler as usize;
        action.sa_mask = before.sa_mask;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        if is_function(before.sa_sigaction) {
            action.sa_flags |= before.sa_flags & libc::SA_RESTART;
        } else {
            action.sa_flags |= libc::SA_RESTART;
        }
        let found = set(&action)?;
        if is_ours(&found) {
            return Ok(());
        }
        // The first time, and when another thread was faster than the look before.
        PREVIOUS.write(&found);
    }
}

extern "C" fn handler(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the address of this thread's `errno`, which the interrupted code may be about to read.
    let errno = unsafe { *libc::__errno_location() };
    // SAFETY: the kernel hands a valid `siginfo_t` to a handler with SA_SIGINFO.
    let code = unsafe { (*info).si_code };
    // Only these two are about an access that this thread is making now: `kill` and its kin carry no address, and a
    // memory error that the kernel only reports (BUS_MCEERR_AO) is one that nobody has come to yet.
    let mended = (code == libc::BUS_ADRERR || code == libc::BUS_MCEERR_AR) && {
        // SAFETY: as above; `si_addr` is set for every SIGBUS of the processor.
        let address = unsafe { (*info).si_addr() }.addr();
        guard_table::mend(address)
    };
    if !mended {
        pass_on(signal, info, context);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
}

/// Does what would have happened without us.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let action = PREVIOUS.read();
    // SAFETY: the kernel handed a valid `siginfo_t`.
    let code = unsafe { (*info).si_code };
    // A signal from somebody, or a report. All others are faults, which come back as long as nobody mends them.
    let told = code <= 0 || code == libc::BUS_MCEERR_AO;
    if is_function(action.sa_sigaction) {
        if action.sa_flags & libc::SA_RESETHAND != 0 {
            let mut used_up = action;
            used_up.sa_sigaction = libc::SIG_DFL;
            PREVIOUS.write(&used_up);
        }
        if action.sa_flags & libc::SA_NODEFER != 0 {
            change_mask(libc::SIG_UNBLOCK, only_sigbus());
        }
        call(&action, signal, info, context);
        change_mask(libc::SIG_BLOCK, only_sigbus());
        follow(&action);
    } else if action.sa_sigaction == libc::SIG_DFL || !told {
        // The kernel takes a fault for the default, too, where the signal is ignored.
        die(signal, info);
        // Still here: the first process of a pid namespace, whom a signal with the default action does not reach. A
        // fault repeats, and then ends it.
        if told {
            let _ = put_in_place();
        }
    }
}

/// Ends the process as the default action does, by the same signal with the same words.
fn die(signal: libc::c_int, info: *mut libc::siginfo_t) {
    let _ = set(&default_action());
    // SAFETY: `info` is valid and only read; a thread may send anything to itself.
    let sent = unsafe {
        let (process, thread) = (libc::getpid(), libc::syscall(libc::SYS_gettid));
        libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, thread, signal, info)
    };
    if sent != 0 {
        // SAFETY: no memory is involved.
        unsafe { libc::raise(signal) };
    }
    change_mask(libc::SIG_UNBLOCK, only_sigbus());
}

fn call(action: &libc::sigaction, signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if action.sa_flags & libc::SA_SIGINFO != 0 {
        // SAFETY: with SA_SIGINFO a handler is a function of this type, and `is_function` said that it is one.
        let handler = unsafe { std::mem::transmute::<usize, Handler>(action.sa_sigaction) };
        handler(signal, info, context);
    } else {
        // SAFETY: without SA_SIGINFO it is a function of one argument.
        let handler = unsafe { std::mem::transmute::<usize, SimpleHandler>(action.sa_sigaction) };
        handler(signal);
    }
}

/// After a handler ran: what it put in its own place is what was there before us from now on. A handler of the standard
/// library puts the default there; others come back in this way after SA_RESETHAND. Any other function may call the one
/// that it found, which is ours, so it stays where it is.
fn follow(called: &libc::sigaction) {
    let Ok(now) = current() else { return };
    let itself = now.sa_sigaction == called.sa_sigaction;
    if !is_ours(&now) && (itself || !is_function(now.sa_sigaction)) {
        PREVIOUS.write(&now);
        let _ = put_in_place();
    }
}

fn is_function(action: usize) -> bool {
    action != libc::SIG_DFL && action != libc::SIG_IGN
}

fn is_ours(action: &libc::sigaction) -> bool {
    action.sa_sigaction == handler as Handler as usize
}

/// The default action, without flags, with an empty mask.
fn default_action() -> libc::sigaction {
    // SAFETY: all zeros is a valid value of this type, and the default action (SIG_DFL is 0).
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn set(action: &libc::sigaction) -> io::Result<libc::sigaction> {
    let mut before = default_action();
    // SAFETY: both are valid `sigaction`s; what `action` installs is the default or `handler`, which does only what a
    // signal handler may: system calls and atomics.
    match unsafe { libc::sigaction(libc::SIGBUS, ptr::from_ref(action), &raw mut before) } {
        0 => Ok(before),
        _ => Err(io::Error::last_os_error()),
    }
}

fn current() -> io::Result<libc::sigaction> {
    let mut now = default_action();
    // SAFETY: a null action only asks for the present one, which the kernel writes to `now`.
    match unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &raw mut now) } {
        0 => Ok(now),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Changes this thread's mask and returns the one before.
fn change_mask(how: libc::c_int, with: libc::sigset_t) -> libc::sigset_t {
    let mut before = default_action().sa_mask;
    // SAFETY: both are valid sets. Async-signal-safe; it fails only for a `how` that does not exist.
    unsafe { libc::pthread_sigmask(how, &raw const with, &raw mut before) };
    before
}

fn only_sigbus() -> libc::sigset_t {
    set_of(1 << (libc::SIGBUS - 1))
}

/// The set of signals `n` with bit `n - 1`.
fn set_of(bits: u64) -> libc::sigset_t {
    let mut set = default_action().sa_mask;
    for signal in 1..=64 {
        if bits & (1 << (signal - 1)) != 0 {
            // SAFETY: a valid set. It refuses numbers that are no signals of a program, which cannot be masked either.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
    }
    set
}

/// The same the other way round.
fn bits_of(set: &libc::sigset_t) -> u64 {
    // SAFETY: a valid set, which is only read.
    let holds = |signal| unsafe { libc::sigismember(ptr::from_ref(set), signal) == 1 };
    (1..=64).filter(|signal| holds(*signal)).fold(0, |bits, signal| bits | (1 << (signal - 1)))
}

/// A `sigaction` that handlers in any thread can read and write: a sequence lock. Whoever has it has SIGBUS blocked, so
/// nobody waits for the thread that he interrupted.
struct Previous {
    /// Odd while the rest changes.
    version: AtomicUsize,
    action: AtomicUsize,
    flags: AtomicI32,
    mask: AtomicU64,
}

impl Previous {
    const fn new() -> Self {
        Self {
            version: AtomicUsize::new(0),
            action: AtomicUsize::new(libc::SIG_DFL),
            flags: AtomicI32::new(0),
            mask: AtomicU64::new(0),
        }
    }

    fn write(&self, new: &libc::sigaction) {
        let version = loop {
            let version = self.version.load(Ordering::Relaxed);
            if version.is_multiple_of(2)
                && self.version.compare_exchange(version, version + 1, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                break version;
            }
            std::hint::spin_loop();
        };
        fence(Ordering::Release);
        self.action.store(new.sa_sigaction, Ordering::Relaxed);
        self.flags.store(new.sa_flags, Ordering::Relaxed);
        self.mask.store(bits_of(&new.sa_mask), Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> libc::sigaction {
        loop {
            let version = self.version.load(Ordering::Acquire);
            let mut action = default_action();
            action.sa_sigaction = self.action.load(Ordering::Relaxed);
            action.sa_flags = self.flags.load(Ordering::Relaxed);
            action.sa_mask = set_of(self.mask.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version {
                return action;
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests;
