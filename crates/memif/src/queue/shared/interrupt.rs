//! The eventfds of rings. The peer holds them too and may fill, drain or reconfigure them at any moment.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read, write};

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Signals the other side. Returns whether a write was made.
///
/// A write waits when the counter is full and `O_NONBLOCK` is cleared, and the peer can do both: that flag lives in the
/// shared open file. So one of the two is asked about first. The peer can still win the race between the two calls; no
/// call that writes an eventfd closes it.
pub(crate) fn signal(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    // Every known peer leaves the flag set, and to ask for it costs a fraction of what `poll` does.
    let returns = fcntl_getfl(fd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
    // A full counter means that a signal is waiting already.
    (returns || has_room(fd)) && write(fd, &1u64.to_ne_bytes()).is_ok()
}

/// Whether a write would find room.
#[cold]
fn has_room(fd: BorrowedFd<'_>) -> bool {
    is_ready(fd, PollFlags::OUT)
}

/// Whether a signal waits to be read.
pub(crate) fn is_signalled(fd: impl AsFd) -> bool {
    is_ready(fd.as_fd(), PollFlags::IN)
}

fn is_ready(fd: BorrowedFd<'_>, wanted: PollFlags) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, wanted)];
    matches!(poll(&mut fds, Some(&NOW)), Ok(n) if n > 0) && fds[0].revents().contains(wanted)
}

/// Takes the signals that came. Returns whether there were any. Never blocks: the read refuses to wait whatever
/// the peer did to the file's flags.
pub(crate) fn drain(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    let mut count = [0; 8];
    match preadv2(fd, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT) {
        Ok(n) => n == count.len(),
        // Kernels before 5.8 do not know the flag for eventfds.
        Err(Errno::OPNOTSUPP) => is_signalled(fd) && matches!(read(fd, &mut count), Ok(n) if n == count.len()),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};
    use rustix::fs::fcntl_setfl;

    #[test]
    fn neither_call_blocks_on_a_blocking_eventfd() {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        assert!(!drain(&fd));
        assert!(!is_signalled(&fd));
        assert!(signal(&fd) && signal(&fd));
        assert!(is_signalled(&fd));
        assert!(drain(&fd));
        assert!(!drain(&fd) && !is_signalled(&fd));
        write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        assert!(!signal(&fd));
        assert!(drain(&fd));
        // Nor where the flag says so, whatever the counter holds.
        fcntl_setfl(&fd, OFlags::RDWR | OFlags::NONBLOCK).unwrap();
        assert!(signal(&fd) && drain(&fd));
        write(&fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        assert!(!signal(&fd));
    }
}
