//! Log lines of the control path, for those who asked for them at build time.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use crate::sys::Credentials;
use crate::wire::Message;

/// A line at a level of the `tracing` crate. Without the feature nothing is evaluated.
macro_rules! control_log {
    ($level:ident, $($line:tt)+) => {
        #[cfg(feature = "tracing")]
        tracing::$level!($($line)+);
        #[cfg(not(feature = "tracing"))]
        if false {
            let _ = format_args!($($line)+);
        }
    };
}

pub(super) use control_log;

/// A control message that comes or goes, decoded when the line is really written.
pub(super) struct Traced<'a> {
    socket: RawFd,
    peer: Option<Credentials>,
    bytes: &'a [u8],
    len: usize,
    descriptors: usize,
}

impl<'a> Traced<'a> {
    /// One of its own length without descriptors.
    pub(super) fn new(socket: &impl AsFd, peer: Option<Credentials>, bytes: &'a [u8]) -> Self {
        Self { socket: socket.as_fd().as_raw_fd(), peer, bytes, len: bytes.len(), descriptors: 0 }
    }

    /// The same with that many descriptors, and longer than what there is of it.
    pub(super) fn with(self, len: usize, descriptors: usize) -> Self {
        Self { len, descriptors, ..self }
    }
}

impl fmt::Display for Traced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == self.bytes.len() {
            match Message::parse(self.bytes) {
                Ok(message) => write!(f, "{message}")?,
                Err(breach) => write!(f, "{breach}")?,
            }
        } else {
            write!(f, "{} bytes that are no message", self.len)?;
        }
        match self.descriptors {
            0 => {}
            1 => f.write_str(", 1 descriptor")?,
            many => write!(f, ", {many} descriptors")?,
        }
        match self.peer {
            Some(peer) => write!(f, " (descriptor {}, pid {})", self.socket, peer.pid),
            None => write!(f, " (descriptor {})", self.socket),
        }
    }
}
