//! The arithmetic on memory that behaves, on memory that lies, and under every interleaving.

#[cfg(not(loom))]
pub(crate) mod adversary;
#[cfg(loom)]
pub(crate) mod interleavings;
#[cfg(not(loom))]
pub(crate) mod model;
