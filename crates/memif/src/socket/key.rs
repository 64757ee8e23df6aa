//! The names of interfaces.

use std::fmt;

/// Names an interface of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceKey {
    /// Tells the keys of this socket from those of others.
    pub(super) socket: u64,
    pub(super) number: u32,
}

/// For logs: `interface 3`, counted as they were added to their socket. The id that peers know is another number, see
/// [`Details::id`](crate::Details::id).
impl fmt::Display for InterfaceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "interface {}", self.number)
    }
}
