//! Every breach of the protocol by name.

use crate::terms::{CacheLine, Direction, QueueName, RingDirection};

/// What the peer did that the protocol forbids, with its numbers. The text also goes into DISCONNECT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Breach {
    /// A control message is not 128 bytes long (C1).
    #[error("message of {0} bytes, not 128")]
    MessageLength(usize),
    /// A message of no known type (C2).
    #[error("unknown message type {0}")]
    UnknownType(u16),
    /// A message that this role does not expect in this state (C2, C17, C19).
    #[error("unexpected {message} while {state}")]
    UnexpectedMessage {
        /// The message's name.
        message: &'static str,
        /// What the connection was doing.
        state: &'static str,
    },
    /// A message with too few or too many file descriptors (C3, C5).
    #[error("{message} with {found} fds, not {expected}")]
    DescriptorCount {
        /// The message's name.
        message: &'static str,
        /// Descriptors that came.
        found: usize,
        /// Descriptors that belong to it.
        expected: usize,
    },
    /// File descriptors of the message were lost: too many, or this process has none left (C3, C5).
    #[error("fds of a message were cut off")]
    ControlTruncated,
    /// A region came out of order (C10).
    #[error("region index {found}, not {expected}")]
    RegionIndex {
        /// Index in the message.
        found: u16,
        /// Index that was due.
        expected: u16,
    },
    /// More regions than allowed (C10).
    #[error("more than {0} regions")]
    TooManyRegions(u16),
    /// A region of no bytes, or of more than allowed (C11).
    #[error("region {index} of {size} bytes, limit {limit}")]
    RegionSize {
        /// The region.
        index: u16,
        /// Bytes announced.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The descriptor of a region is not a shared memory file (F1).
    #[error("region {0} is not a shared memory file")]
    RegionType(u16),
    /// The file of a region is shorter than the region (F2).
    #[error("region {index} of {size} bytes in a file of {file}")]
    RegionFile {
        /// The region.
        index: u16,
        /// Bytes announced.
        size: u64,
        /// Bytes of the file.
        file: u64,
    },
    /// The file of a region can be shrunk and the policy or the build forbids that (F3, F4).
    #[error("region {0} is not sealed against shrinking")]
    RegionUnsealed(u16),
    /// The region cannot be mapped (F8).
    #[error("region {index} cannot be mapped: {error}")]
    RegionMap {
        /// The region.
        index: u16,
        /// What the kernel said.
        error: String,
    },
    /// A ring came out of order, or one too many (C12).
    #[error("{direction} ring index {found}, not {expected}")]
    RingIndex {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index in the message.
        found: u16,
        /// Index that was due.
        expected: u16,
    },
    /// More rings than the interface serves (C12): [`rx_queues`](crate::InterfaceConfig::rx_queues) from the slave to
    /// its master, [`tx_queues`](crate::InterfaceConfig::tx_queues) the other way.
    #[error(
        "more than {limit} {direction} rings: bring at most {limit} ({}-queues), or raise the {} queues of the master",
        slaves_queues(direction),
        masters_queues(direction)
    )]
    TooManyRings {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Rings allowed.
        limit: u8,
    },
    /// More rings of both directions together than [`Limits::rings`](crate::Limits::rings).
    #[error("more than {0} rings on one link: bring fewer queues")]
    LinkRings(u16),
    /// More slots of all rings together than [`Limits::slots`](crate::Limits::slots).
    #[error("more than {0} slots on one link: bring fewer queues, or smaller rings")]
    LinkSlots(u32),
    /// More regions and rings than [`Limits::descriptors`](crate::Limits::descriptors), since each comes with one.
    #[error("more than {0} descriptors for one link: bring fewer queues, or fewer regions")]
    LinkDescriptors(u16),
    /// A ring larger than announced (C13).
    #[error("{direction} ring {index} of 2^{log2}, limit 2^14")]
    RingSize {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index of the ring.
        index: u16,
        /// Binary logarithm of its size.
        log2: u8,
    },
    /// Private headers (C14).
    #[error("private headers of {0} bytes not supported")]
    PrivateHeader(u16),
    /// Flag bits that nobody defined (C14).
    #[error("unknown ring flags {0:#06x}")]
    RingFlags(u16),
    /// A ring in a region that does not exist (C15).
    #[error("{direction} ring {index} in missing region {region}")]
    RingRegion {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index of the ring.
        index: u16,
        /// The region named.
        region: u16,
    },
    /// A ring at an offset that is not a multiple of 8, or that ends behind its region (C15).
    #[error("{direction} ring {index} at {offset} to {end} of {size}")]
    RingPlace {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index of the ring.
        index: u16,
        /// First byte of the ring.
        offset: u64,
        /// First byte after it.
        end: u64,
        /// Bytes of the region.
        size: u64,
    },
    /// Two rings share bytes (C15).
    #[error("{direction} ring {index} at {offset} overlaps another ring")]
    RingOverlap {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index of the ring.
        index: u16,
        /// First byte of the ring.
        offset: u64,
    },
    /// The two ends take rings to be laid out for different cache lines, see
    /// [`cache_line`](crate::InterfaceConfig::cache_line). A master sees it from the places of a slave's rings (C24), a
    /// slave by where its master writes (M18).
    #[error("rings are for a cache line of {slave} bytes at the slave and {master} at the master: set both alike")]
    CacheLine {
        /// That of the slave.
        slave: CacheLine,
        /// That of the master.
        master: CacheLine,
    },
    /// The memory of a ring does not start with the cookie (C16).
    #[error("wrong cookie {found:#010x} on {direction} ring {index}")]
    Cookie {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index of the ring.
        index: u16,
        /// What stands there.
        found: u32,
    },
    /// CONNECT without any ring (C17).
    #[error("CONNECT without rings")]
    NoRings,
    /// CONNECT without any ring of one direction, `S2M` or `M2S`, at a master that wants both (C17), see
    /// [`one_way`](crate::InterfaceConfig::one_way).
    #[error(
        "no {_0} ring: bring at least 1 ({}-queues), or have the master allow one direction alone",
        slaves_queues(_0)
    )]
    NoRingOneWay(&'static str),
    /// The descriptor of a ring is not an eventfd (F10).
    #[error("interrupt fd of {direction} ring {index} is not an eventfd")]
    InterruptType {
        /// `S2M` or `M2S`.
        direction: &'static str,
        /// Index of the ring.
        index: u16,
    },
    /// More messages than a handshake has (C19).
    #[error("more than {0} messages in a handshake")]
    MessageFlood(u32),
    /// The peer does not read its control messages (C20).
    #[error("peer does not read its messages")]
    SlowReader,
    /// A cursor of the peer is further ahead than the ring is long (M1, M2).
    #[error("{queue} {cursor} {found} out of {low} to {high}")]
    Cursor {
        /// The queue, as this end names it.
        queue: QueueName,
        /// `head` or `tail`.
        cursor: &'static str,
        /// What was read.
        found: u16,
        /// Lowest value that is possible.
        low: u16,
        /// Highest value that is possible.
        high: u16,
    },
    /// A ring was overrun again and again and brought no valid packet (M1, M2).
    #[error("{queue} overrun {count} times in a row")]
    Overrun {
        /// The queue, as this end names it.
        queue: QueueName,
        /// Resynchronisations in a row.
        count: u32,
    },
    /// A packet came back longer than the buffer that was posted (M8).
    #[error("{queue} slot {slot}: {length} bytes in a buffer of {capacity}")]
    OverCapacity {
        /// The queue, as this end names it.
        queue: QueueName,
        /// The slot.
        slot: u16,
        /// Bytes that the peer says it wrote.
        length: u32,
        /// Bytes that there are.
        capacity: u32,
    },
    /// A buffer was posted that does not lie in a region, or has no bytes (M7, M8). Through the C library alone this
    /// ends a link.
    #[error("{queue} slot {slot}: posted {length} bytes at {offset} of region {region}")]
    PostedBuffer {
        /// The queue, as this end names it.
        queue: QueueName,
        /// The slot.
        slot: u16,
        /// The region that the descriptor names.
        region: u16,
        /// Offset in the region.
        offset: u32,
        /// Bytes from there on.
        length: u32,
    },
    /// A chain fills the whole ring and has no end (M9).
    #[error("{queue} slot {slot}: chain fills the ring without an end")]
    EndlessChain {
        /// The queue, as this end names it.
        queue: QueueName,
        /// The first slot of the chain.
        slot: u16,
    },
    /// The peer took memory away that it had shared (F6).
    #[error("shared memory was taken away")]
    MemoryGone,
}

/// What a slave calls the queues whose rings go that way.
fn slaves_queues(direction: &str) -> Direction {
    if direction == RingDirection::S2m.as_str() { Direction::Tx } else { Direction::Rx }
}

/// What its master calls them.
fn masters_queues(direction: &str) -> Direction {
    match slaves_queues(direction) {
        Direction::Rx => Direction::Tx,
        Direction::Tx => Direction::Rx,
    }
}
