//! How much memory a file may ask for.

/// Bytes of the longest packet, as of libpcap.
pub const MAX_PACKET: u32 = 262_144;
/// Bytes of the longest block that is looked into: with packets, interfaces and sections. Others are passed over.
pub const MAX_BLOCK: u32 = 1 << 20;
/// Interfaces of a section.
pub const MAX_INTERFACES: usize = 65_536;
/// Bytes of the window of a Zstandard frame: what RFC 8878 asks of every decoder, and `zstd -1` to `-19` keep to.
pub const MAX_WINDOW: u64 = 8 << 20;
