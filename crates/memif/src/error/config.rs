//! Settings that cannot be.

use std::convert::Infallible;
use std::io;

/// A setting, or a pair of settings, that cannot be. The text names the one to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a role.
    #[error("role {0:?} is unknown: say master (or server) or slave (or client)")]
    Role(String),
    /// Not a mode.
    #[error("mode {0:?} is unknown: say ethernet, ip or punt/inject")]
    Mode(String),
    /// Not a receive mode.
    #[error("receive mode {0:?} is unknown: say polling, interrupt or adaptive")]
    RxMode(String),
    /// Not a cache line that rings are laid out for.
    #[error("cache line {0:?} is unknown: say 64 or 128, the bytes that the peer was built for")]
    CacheLine(String),
    /// A secret of the wrong length, or one that holds a zero byte.
    #[error("a secret has 1 to 23 bytes and no zero byte, this one has {0} bytes")]
    Secret(usize),
    /// A name that does not fit, or that holds a zero byte.
    #[error("a name has at most {max} bytes and no zero byte, this one has {len} bytes")]
    Name {
        /// Bytes given.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// Neither a receive nor a transmit queue.
    #[error("an interface needs at least one queue: set the number of rx or tx queues to 1 or more")]
    NoQueues,
    /// Not a power of two from 1 to 16384.
    #[error("ring size {0} is not a power of two from 1 to 16384")]
    RingSize(u32),
    /// Not 1 to 65535.
    #[error("buffer size {0} is not in 1 to 65535")]
    BufferSize(u32),
    /// More than 32768.
    #[error("{0} spare buffers are more than 32768")]
    SpareBuffers(u32),
    /// Not 1 to 65535.
    #[error("maximum packet size {0} is not in 1 to 65535")]
    MaxPacket(u32),
    /// Not 1 to 256.
    #[error("region limit {0} is not in 1 to 256")]
    RegionLimit(u16),
    /// Not 1 to 510.
    #[error("ring limit {0} is not in 1 to 510, which is 255 each way")]
    RingLimit(u16),
    /// Not even one ring of one slot.
    #[error("slot limit 0 allows no ring: raise it")]
    SlotLimit,
    /// Not even a region and a ring.
    #[error("descriptor limit {0} allows no link: a region and a ring take 2")]
    DescriptorLimit(u16),
    /// Chains are switched off and the buffer is too small for the packet.
    #[error(
        "packets of {max_packet} bytes do not fit a buffer of {buffer_size} with chaining off: \
         raise the buffer size to {max_packet}, or switch chaining on"
    )]
    PacketNeedsChaining {
        /// Longest packet asked for, in bytes.
        max_packet: u32,
        /// Bytes per buffer.
        buffer_size: u32,
    },
    /// A whole ring is too small for one packet.
    #[error(
        "packets of {max_packet} bytes do not fit a ring of {ring_size} buffers of {buffer_size}: \
         raise the ring size or the buffer size"
    )]
    PacketExceedsRing {
        /// Longest packet asked for, in bytes.
        max_packet: u32,
        /// Bytes per buffer.
        buffer_size: u32,
        /// Slots per ring.
        ring_size: u32,
    },
    /// The caller's memory is too small for the buffers.
    #[error(
        "memory of {size} bytes is too small: the queues need {needed}; \
         give more memory, or lower the ring size, the buffer size or the number of queues"
    )]
    MemoryTooSmall {
        /// Bytes given.
        size: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// The buffers pass the 4 GiB of a region that an offset can name, and the caller's memory is one region.
    #[error(
        "the buffers take {0} bytes and one region holds 4 GiB: \
         lower the ring size, the buffer size or the number of queues"
    )]
    BuffersTooLarge(u64),
    /// The buffers take more regions than a link can have.
    #[error(
        "the buffers take {0} regions of 4 GiB and a link has at most 256: \
         lower the ring size, the buffer size, the number of queues or of spare buffers"
    )]
    TooManyRegions(usize),
    /// A setting for memory of the library, and the buffers lie in the caller's.
    #[error(
        "{0} cannot be had for memory of the caller: take the library's, or leave the setting out \
         and make the memory so"
    )]
    CallersMemory(&'static str),
    /// No memory of that NUMA node can be had.
    #[error("NUMA node {node}: {problem}")]
    NumaNode {
        /// The node.
        node: u32,
        /// What is in the way, and what to do.
        problem: String,
    },
    /// An address that is neither a path nor an abstract name.
    #[error("socket address {given:?}: {problem}")]
    Address {
        /// What was given.
        given: String,
        /// What is wrong with it, and what to do.
        problem: &'static str,
    },
}

/// For what is an address already.
impl From<Infallible> for ConfigError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<ConfigError> for io::Error {
    fn from(error: ConfigError) -> Self {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
