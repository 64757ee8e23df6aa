//! The arithmetic on memory that behaves, on memory that lies, and under every interleaving.

#[cfg(not(loom))]
mod adversary;
#[cfg(loom)]
mod interleavings;
#[cfg(not(loom))]
mod model;
