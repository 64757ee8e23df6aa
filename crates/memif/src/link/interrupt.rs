//! The eventfds of rings. The peer holds them too and may fill, drain or reconfigure them at any moment.

use std::io::IoSliceMut;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read, write};

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Signals the other side. Returns whether a write was made.
///
/// The peer can fill the counter and clear `O_NONBLOCK`, which lives in the shared open file; a write would then
/// block. So the counter is asked for room first. The peer can still win the race between the two calls; no
/// call that writes an eventfd closes it.
pub(crate) fn signal(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    let mut fds = [PollFd::new(&fd, PollFlags::OUT)];
    match poll(&mut fds, Some(&NOW)) {
        Ok(n) if n > 0 && fds[0].revents().contains(PollFlags::OUT) => {}
        // A full counter means that a signal is waiting already.
        _ => return false,
    }
    write(fd, &1u64.to_ne_bytes()).is_ok()
}

/// Whether a signal waits to be read.
pub(super) fn is_signalled(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    let mut fds = [PollFd::new(&fd, PollFlags::IN)];
    matches!(poll(&mut fds, Some(&NOW)), Ok(n) if n > 0) && fds[0].revents().contains(PollFlags::IN)
}

/// Takes the signals that came. Returns whether there were any. Never blocks: the read refuses to wait whatever
/// the peer did to the file's flags.
pub(crate) fn drain(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    let mut count = [0; 8];
    match preadv2(fd, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT) {
        Ok(n) => n == count.len(),
        // Kernels before 5.8 do not know the flag for eventfds.
        Err(Errno::OPNOTSUPP) => {
            is_signalled(fd) && matches!(read(fd, &mut count), Ok(n) if n == count.len())
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{EventfdFlags, eventfd};

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
    }
}
