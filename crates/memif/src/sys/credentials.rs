//! Who is at the other end of a socket.
//!
//! The one system call that is made without rustix: its `socket_peercred` keeps the process id in a type that cannot be
//! zero, and the kernel gives zero for a process in a pid namespace that is not visible from here, such as a peer in
//! another container.

#![allow(unsafe_code)]

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};

/// Process, user and group of a peer at the time it connected or began to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// Process id; 0 when the process is not visible from here.
    pub pid: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} uid {} gid {}", self.pid, self.uid, self.gid)
    }
}

/// Who connected, or who listened when we connected.
pub(crate) fn peer_credentials(fd: impl AsFd) -> Option<Credentials> {
    const SIZE: usize = size_of::<libc::ucred>();
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut size = libc::socklen_t::try_from(SIZE).ok()?;
    // SAFETY: `found` is writable for `size` bytes, which is its own size, and `size` for its own. The kernel writes no
    // more than `size` bytes, and any bytes are a valid `ucred`: three integers.
    let result = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut size,
        )
    };
    if result != 0 || usize::try_from(size) != Ok(SIZE) {
        return None;
    }
    Some(Credentials { pid: u32::try_from(found.pid).unwrap_or(0), uid: found.uid, gid: found.gid })
}
