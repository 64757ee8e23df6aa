//! Every way in which an operation fails, one enum per operation, and every breach of the protocol by name.

use std::io;
use std::path::PathBuf;

use crate::config::{Mode, Role};
use crate::wire::RingDirection;

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
    /// The versions do not meet (C9).
    #[error("incompatible version {min:#06x} to {max:#06x}, not 0x0200")]
    Version {
        /// Lowest version of the peer.
        min: u16,
        /// Highest version of the peer.
        max: u16,
    },
    /// No interface has that id (C7).
    #[error("unmatched interface id {0}")]
    UnknownId(u32),
    /// The interface has a link already (C7).
    #[error("interface id {0} already connected")]
    AlreadyConnected(u32),
    /// The interface is administratively down.
    #[error("interface id {0} is down")]
    AdminDown(u32),
    /// The modes differ (C9).
    #[error("mode mismatch: {}, not {ours}", mode_name(*theirs))]
    Mode {
        /// The peer's mode, as numbered on the wire.
        theirs: u8,
        /// Our mode.
        ours: Mode,
    },
    /// A secret is demanded and none came (C8).
    #[error("secret required")]
    SecretRequired,
    /// The secret is wrong (C8).
    #[error("incorrect secret")]
    SecretWrong,
    /// The peer's user or group is not on the allow-list (C23).
    #[error("uid {uid} gid {gid} not allowed")]
    NotAllowed {
        /// User of the peer.
        uid: u32,
        /// Group of the peer.
        gid: u32,
    },
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
    /// The handshake took too long (C18).
    #[error("handshake not done in {0} ms")]
    HandshakeTimeout(u64),
    /// Pushed out by newer connections that had not finished their handshake either (C18).
    #[error("too many unfinished handshakes")]
    Evicted,
    /// Unfinished handshakes hold too many descriptors together, this one most of them (C18).
    #[error("more than {0} descriptors in unfinished handshakes")]
    TooManyDescriptors(usize),
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

/// A queue as this end names it: `rx 0`, `tx 3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueueName {
    /// Whether packets arrive here.
    pub direction: Direction,
    /// Number of the queue within its direction.
    pub index: u8,
}

impl std::fmt::Display for QueueName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.direction, self.index)
    }
}

/// Which way packets go through a queue, seen from this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// Towards us.
    Rx,
    /// From us.
    Tx,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Direction::Rx => "rx",
            Direction::Tx => "tx",
        })
    }
}

/// Why a receive call has no batch. An empty ring is no error: the batch is empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The link is down; a later connection brings new queues.
    #[error("link is down")]
    Disconnected,
    /// The peer broke the protocol; the link goes down for that reason.
    #[error("peer broke the protocol: {0}")]
    Breach(#[from] Breach),
    /// A wait for no queue at all, which no packet and no end of a link would end. A link has no queue in a
    /// direction only where its program allows that.
    #[error("no queue to wait for: the link has none in this direction")]
    NoQueue,
}

/// Why a packet was not sent. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Too few free slots now.
    #[error("ring is full")]
    Full,
    /// A packet of no bytes.
    #[error("a packet has at least one byte")]
    Empty,
    /// The packet can never fit.
    #[error("packet of {len} bytes is longer than {max}")]
    TooLong {
        /// Bytes of the packet.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The link is down; a later connection brings new queues.
    #[error("link is down")]
    Disconnected,
    /// The peer broke the protocol; the link goes down for that reason.
    #[error("peer broke the protocol: {0}")]
    Breach(#[from] Breach),
}

/// Why a socket could not be opened, or an interface not be added to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another interface of the same role has that id.
    #[error("id {id} is taken by another {role} interface on this socket")]
    IdInUse {
        /// The id.
        id: u32,
        /// The role.
        role: Role,
    },
    /// The directory of the socket does not exist.
    #[error("directory {0:?} does not exist: create it, or start the program that does")]
    NoDirectory(PathBuf),
    /// Somebody listens on that address already.
    #[error("{0} is in use by another program: stop it or choose another socket")]
    InUse(String),
    /// Something that is no socket stands at the path.
    #[error("{0:?} exists and is not a socket: choose another path, or remove it")]
    NotASocket(PathBuf),
    /// The path may not be used by this user.
    #[error("no permission for {0}: run as a user who may write there, or choose another socket")]
    Permission(String),
    /// The socket file may not be given the owner or group that is wanted.
    #[error("no permission to give {0} that owner or group: choose a group that this user is in, or run as root")]
    Ownership(String),
    /// A descriptor that was handed in is not what it must be.
    #[error("the descriptor is not {0}")]
    WrongDescriptor(&'static str),
    /// The interface's key is of another socket, or the interface was removed.
    #[error("no such interface on this socket")]
    NoSuchInterface,
    /// The request was answered by its end: the peer is gone, or its time is over.
    #[error("the connection that asked is gone")]
    RequestGone,
    /// What the kernel said, and about which call.
    #[error("{operation}: {source}")]
    Io {
        /// The call.
        operation: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Why an attempt to connect failed. It is repeated, see the event that carries this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing stands at the address.
    #[error("socket does not exist")]
    NotFound,
    /// Nobody listens at the address.
    #[error("nobody listens on the socket")]
    NobodyListens,
    /// What stands at the path is a file, a directory or something else that nobody can listen on.
    #[error("the path is not a socket")]
    NotASocket,
    /// This user may not connect.
    #[error("no permission to connect to the socket")]
    Permission,
    /// The listener is a socket of another type, hence no memif master.
    #[error("the socket is not a memif socket")]
    WrongSocketType,
    /// The listener's queue is full.
    #[error("the listener is busy")]
    Busy,
    /// The master refused, in its own words.
    #[error("refused by the master: {0}")]
    Refused(String),
    /// The master acknowledged INIT and closed, as libmemif does when no interface has the id.
    #[error("closed after INIT: most likely the master has no interface with this id")]
    UnknownId,
    /// The master closed during the handshake without a word.
    #[error("closed by the master during the handshake while {0}")]
    Closed(&'static str),
    /// The master broke the protocol, is of another version of it, or did not finish the handshake in time.
    #[error("{}: {_0}", master_fault(_0))]
    Breach(Breach),
    /// This side could not go on (memory, descriptors).
    #[error("local failure: {0}")]
    Local(String),
    /// The connect call failed in another way.
    #[error("connect: {0}")]
    Io(String),
}

/// Time and version need no fault of the master: it may be halted, or be of another age.
fn master_fault(breach: &Breach) -> &'static str {
    match breach {
        Breach::HandshakeTimeout(_) => "no answer from the master",
        Breach::Version { .. } => "the master speaks another version of the protocol",
        Breach::NotAllowed { .. } => "the user of the master is not on the list of this side",
        _ => "master broke the protocol",
    }
}

/// Why a wait for a connection ended without one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is over. The last failed attempt says why, if there was one.
    #[error("not connected in time{}", .last.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    TimedOut {
        /// What the last attempt failed with.
        last: Option<ConnectError>,
    },
    /// A waker ended the wait.
    #[error("woken before the connection came")]
    Woken,
    /// The interface is not on this socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// The name of a mode as numbered on the wire, or the number where it has none.
fn mode_name(number: u8) -> String {
    Mode::from_wire(number).map_or_else(|| number.to_string(), |mode| mode.to_string())
}
