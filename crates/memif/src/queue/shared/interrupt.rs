//! The eventfds of rings. The peer holds them too and may fill, drain or reconfigure them at any moment.

use std::io::IoSliceMut;
use std::os::fd::AsFd;

use rustix::io::{Errno, ReadWriteFlags, preadv2, read};

use crate::sys::is_signalled;

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
    use rustix::io::write;

    #[test]
    fn no_read_blocks_on_a_blocking_eventfd() {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        assert!(!drain(&fd));
        write(&fd, &1u64.to_ne_bytes()).unwrap();
        assert!(drain(&fd));
        assert!(!drain(&fd) && !is_signalled(&fd));
    }
}
