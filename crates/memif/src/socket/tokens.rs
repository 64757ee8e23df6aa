//! What a ready descriptor is known by.

/// The descriptors that every socket has. Those of connections and watched queues come behind.
pub(super) const LISTENER: u64 = 0;
pub(super) const TIMER: u64 = 1;
pub(super) const WAKER: u64 = 2;
pub(super) const PENDING: u64 = 3;
pub(super) const ATTENTION: u64 = 4;
pub(super) const REPEAT: u64 = 5;
pub(super) const PATH: u64 = 6;
/// Those of a binding, [`MANY_OTHERS`] at most.
#[cfg(feature = "raw")]
pub(super) const OTHER: u64 = 8;
#[cfg(feature = "raw")]
pub(super) const MANY_OTHERS: u8 = 8;
/// The first that is given out.
pub(super) const FIRST: u64 = 16;
