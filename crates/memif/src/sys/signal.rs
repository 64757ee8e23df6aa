//! Signalling a peer by an eventfd that it holds, too, without ever waiting for it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::write;

use super::aio::{self, Outcome};
use super::writers;

/// Adds one to the counter of an eventfd, whatever the peer does to it: neither this thread nor a signal to anybody
/// else waits. Returns whether it was done, or is being done.
///
/// One system call. Where the kernel does not allow it, two, and a thread for the write.
pub(crate) fn signal(fd: &Arc<OwnedFd>) -> bool {
    // Miri knows no asynchronous I/O.
    if cfg!(miri) {
        return write(fd, &1u64.to_ne_bytes()).is_ok();
    }
    match aio::signal(fd.as_fd()) {
        Outcome::Signalled => true,
        Outcome::NoEventfd | Outcome::KnownEventfd => false,
        Outcome::Refused => signal_elsewhere(fd),
    }
}

/// The same by a plain write.
///
/// Such a write waits when the counter is full and `O_NONBLOCK` is cleared. So one of the two is asked about first, and
/// since the peer can change both between that call and the write, a thread writes that nothing else waits for. If not
/// even one such thread can be had, this one writes.
#[cold]
fn signal_elsewhere(fd: &Arc<OwnedFd>) -> bool {
    // Every known peer leaves the flag set, and to ask for it costs a fraction of what `poll` does.
    let returns = fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
    // A full counter means that a signal is waiting already.
    (returns || has_room(fd.as_fd())) && (writers::write(fd) || write(fd, &1u64.to_ne_bytes()).is_ok())
}

fn has_room(fd: BorrowedFd<'_>) -> bool {
    is_ready(fd, PollFlags::OUT)
}

/// Whether a signal waits to be read.
pub(crate) fn is_signalled(fd: impl AsFd) -> bool {
    is_ready(fd.as_fd(), PollFlags::IN)
}

fn is_ready(fd: BorrowedFd<'_>, wanted: PollFlags) -> bool {
    const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(fd, wanted)];
    matches!(poll(&mut fds, Some(&NOW)), Ok(n) if n > 0) && fds[0].revents().contains(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

    fn filled(flags: EventfdFlags) -> Arc<OwnedFd> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | flags).unwrap();
        write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        Arc::new(fd)
    }

    /// Whether the kernel signals for this process; says so if not.
    fn has_aio() -> bool {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        let has = aio::signal(fd.as_fd()) == Outcome::Signalled;
        if !has {
            eprintln!("skipped: this kernel has no asynchronous I/O for us");
        }
        has
    }

    /// The counter, which is not zero.
    fn counter(fd: &OwnedFd) -> u64 {
        let mut bytes = [0; 8];
        rustix::io::read(fd, &mut bytes).unwrap();
        u64::from_ne_bytes(bytes)
    }

    #[test]
    fn a_signal_adds_one_and_never_waits() {
        if !has_aio() {
            return;
        }
        for flags in [EventfdFlags::empty(), EventfdFlags::NONBLOCK] {
            let fd = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | flags).unwrap());
            assert!(!is_signalled(&fd));
            assert!(signal(&fd));
            assert!(is_signalled(&fd));
            assert!(signal(&fd));
            assert_eq!(counter(&fd), 2);
            let full = filled(flags);
            for _ in 0..3 {
                assert!(signal(&full) && is_signalled(&full));
            }
            assert_eq!(counter(&full), u64::MAX, "as full as the kernel makes it");
            assert!(!is_signalled(&full));
        }
    }

    #[test]
    fn a_write_in_its_place_never_waits() {
        for flags in [EventfdFlags::empty(), EventfdFlags::NONBLOCK] {
            let fd = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | flags).unwrap());
            assert!(signal_elsewhere(&fd));
            while !is_signalled(&fd) {
                std::thread::yield_now();
            }
            assert_eq!(counter(&fd), 1);
        }
        // Full, where a write would wait.
        let full = filled(EventfdFlags::empty());
        assert!(!signal_elsewhere(&full) && is_signalled(&full));
    }

    #[test]
    fn what_is_no_eventfd_is_left_alone() {
        let (read, write) = rustix::pipe::pipe().unwrap();
        let (read, write) = (Arc::new(read), Arc::new(write));
        assert!(!signal(&write) && !signal(&read));
        assert!(!is_signalled(&read));
    }

    /// More of them than a context has room for, from several threads at a time.
    #[test]
    fn none_of_many_signals_is_lost() {
        if !has_aio() {
            return;
        }
        let fd = Arc::new(eventfd(0, EventfdFlags::CLOEXEC).unwrap());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..5_000).for_each(|_| assert!(signal(&fd))));
            }
        });
        assert_eq!(counter(&fd), 20_000);
    }
}
