//! What a file is compressed with, by its first bytes.

use super::error::ReadError;
use super::formats::Compression;

/// Bytes that tell what a file is compressed with.
pub(super) const MAGIC: usize = 6;

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
