//! Why a file cannot be read.

use std::fmt;
use std::io;

use super::formats::Compression;
use super::limits::{MAX_BLOCK, MAX_INTERFACES, MAX_PACKET, MAX_WINDOW};

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The byte, from 0.
    pub offset: u64,
    /// Whether it is counted in what was unpacked, and not in the file itself.
    pub unpacked: bool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}{}", self.offset, if self.unpacked { " of the unpacked file" } else { "" })
    }
}

/// Why a file cannot be read, or not any further. As text it says what to do, where there is something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[source] io::Error),
    /// There is nothing in it.
    #[error("it is empty{}; not even the header of a capture was written", .packed.map_or("", |_| " once unpacked"))]
    Empty {
        /// What it is compressed with.
        packed: Option<Compression>,
    },
    /// It begins as no capture does.
    #[error("it begins with {}: neither pcap nor pcapng, as it is or compressed with gzip or zstd", hex(.first))]
    NotACapture {
        /// Its first bytes, four at most.
        first: Vec<u8>,
    },
    /// It is compressed by a program that is not known here.
    #[error("it is compressed with {program}: unpack it first, or give what `{program} -dc` prints")]
    OtherCompression {
        /// The program that unpacks it.
        program: &'static str,
    },
    /// The packed bytes are not what their compression allows.
    #[error("its {compression} data is damaged: {reason}")]
    Damaged {
        /// What it is compressed with.
        compression: Compression,
        /// What is wrong.
        reason: String,
    },
    /// To unpack it takes too much memory.
    #[error(
        "to unpack it takes a window of {asked} bytes, and {MAX_WINDOW} are allowed, which `zstd -19` keeps to: give \
         what `zstd -dc --long=31` prints"
    )]
    Window {
        /// Bytes of the window.
        asked: u64,
    },
    /// A version of its format that is not known.
    #[error("{place}: version {major}.{minor} of {format} is not known here")]
    Version {
        /// The header that says so.
        place: Place,
        /// The format.
        format: super::formats::Format,
        /// Its number before the point.
        major: u16,
        /// Its number behind the point.
        minor: u16,
    },
    /// A packet that is longer than any.
    #[error("{place}: a packet of {length} bytes, where {MAX_PACKET} are the most: the file is damaged from there on")]
    LongPacket {
        /// Where its header begins.
        place: Place,
        /// Its bytes.
        length: u32,
    },
    /// A block whose length cannot be.
    #[error("{place}: a block of type {kind:#010x} with a length of {length} bytes, {problem}")]
    BlockLength {
        /// Where it begins.
        place: Place,
        /// Its type.
        kind: u32,
        /// The length at its beginning.
        length: u32,
        /// What is wrong with that.
        problem: LengthProblem,
    },
    /// A section that says in no byte order how it is written.
    #[error("{place}: a section header without a byte order ({} in its place)", hex(.found))]
    ByteOrder {
        /// Where it begins.
        place: Place,
        /// What stands in its place.
        found: [u8; 4],
    },
    /// An option that is longer than its block.
    #[error("{place}: option {code} of an interface has {length} bytes, more than are left of its block")]
    OptionLength {
        /// Where the block begins.
        place: Place,
        /// Its code.
        code: u16,
        /// Its length.
        length: u16,
    },
    /// More interfaces than are kept.
    #[error("{place}: more than {MAX_INTERFACES} interfaces in one section")]
    Interfaces {
        /// Where the next one is described.
        place: Place,
    },
    /// A packet of an interface that was not described.
    #[error("{place}: a packet of interface {interface}, and {described} are described before it")]
    NoInterface {
        /// Where its block begins.
        place: Place,
        /// The interface.
        interface: u32,
        /// How many there are.
        described: usize,
    },
}

/// What is wrong with the length of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LengthProblem {
    /// It is too short for what such a block has.
    Short,
    /// It is no multiple of 4.
    Odd,
    /// It is longer than what is looked into.
    Long,
    /// The length at its end is another one: this.
    Unequal(u32),
    /// The packet in it, of so many bytes, does not fit.
    Packet(u32),
}

impl fmt::Display for LengthProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("too short for what belongs in it"),
            Self::Odd => f.write_str("which is no multiple of 4"),
            Self::Long => write!(f, "where {MAX_BLOCK} are the most"),
            Self::Unequal(end) => write!(f, "but {end} at its end"),
            Self::Packet(length) => write!(f, "which has no room for its packet of {length}"),
        }
    }
}

/// Bytes as people read them.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
