//! A packet as a file has it.

/// A packet of a file. Its bytes are there until the next one is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// When it was captured, in nanoseconds since 1970 without leap seconds; finer stamps are rounded down. `None` in a
    /// simple packet block, which has no stamp. 128 bits, since pcapng counts in units of up to a second with 64.
    pub time: Option<i128>,
    /// The number of its interface within its section, from 0; 0 in pcap.
    pub interface: u32,
    /// What it begins with, by its number in the list of LINKTYPE values of tcpdump.org.
    pub link_type: u16,
    /// The bytes that were captured, at most [`MAX_PACKET`](super::limits::MAX_PACKET).
    pub data: &'a [u8],
    /// How many bytes it had, at least as many as there are in `data`.
    pub original_length: u32,
}

/// Where a file ends that ends within a packet or a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The byte at which that packet or block begins, counted after unpacking; or the length of what could be unpacked.
    pub offset: u64,
}

/// What was found where the next packet was looked for.
#[derive(Debug)]
pub(super) enum Found {
    Packet(Meta),
    Cut(Cut),
    End,
}

/// All of a packet but its bytes, which are the last ones that were taken from the buffer.
#[derive(Debug)]
pub(super) struct Meta {
    pub(super) time: Option<i128>,
    pub(super) interface: u32,
    pub(super) link_type: u16,
    pub(super) length: Span,
    pub(super) original_length: u32,
}

/// Where the bytes of a packet lie: so far before the end of what was taken, and so many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) back: usize,
    pub(super) length: usize,
}
