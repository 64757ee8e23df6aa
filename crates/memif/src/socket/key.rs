//! The names of interfaces.

/// Names an interface of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceKey {
    /// Tells the keys of this socket from those of others.
    pub(super) socket: u64,
    pub(super) number: u32,
}
