//! What a file is, by its first bytes.

use std::fmt;
use std::io::Read;

use super::buffer::Buffer;
use super::error::ReadError;
use super::pcap;
use super::pcapng;

/// Bytes that tell what a file is compressed with.
pub(super) const MAGIC: usize = 6;

/// The format of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic one: a header, and packets of one link type.
    Pcap,
    /// Blocks: sections, interfaces, packets and more.
    Pcapng,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        })
    }
}

/// What a file is compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// RFC 1952, of any number of members.
    Gzip,
    /// RFC 8878, of any number of frames.
    Zstd,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        })
    }
}

/// How files compressed by other programs begin, and those programs.
const OTHERS: [(&[u8], &str); 4] =
    [(b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x04\x22\x4d\x18", "lz4"), (b"\x1f\x9d", "uncompress")];

/// What a file that begins so is compressed with, if that is known.
pub(super) fn compression_of(first: &[u8]) -> Result<Option<Compression>, ReadError> {
    if let Some((_, program)) = OTHERS.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Err(ReadError::OtherCompression { program });
    }
    Ok(match first {
        [0x1f, 0x8b, ..] => Some(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Compression::Zstd),
        // A frame to be skipped may come first.
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Compression::Zstd),
        _ => None,
    })
}

/// The format of what begins here.
pub(super) fn format_of<R: Read>(buffer: &mut Buffer<R>) -> Result<Format, ReadError> {
    if !buffer.have(1)? {
        return Err(ReadError::Empty { packed: buffer.source().compression() });
    }
    buffer.have(4)?;
    let first = buffer.available();
    if pcapng::begins(first) {
        Ok(Format::Pcapng)
    } else if pcap::begins(first) {
        Ok(Format::Pcap)
    } else {
        let first = first.get(..first.len().min(4)).unwrap_or_default();
        Err(ReadError::NotACapture { first: first.to_vec() })
    }
}
