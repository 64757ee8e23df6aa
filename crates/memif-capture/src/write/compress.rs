//! Compression of what is written, chosen by the name of the file.

use std::io::{self, Write};
use std::path::Path;

use flate2::Compression as Level;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How a file is compressed. What is written together is a gzip member or a Zstandard frame of its own: a file may be
/// cut behind any of them, and every reader of either takes them in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// As gzip does (RFC 1952).
    Gzip,
    /// As zstd does (RFC 8878).
    Zstandard,
}

impl Compression {
    /// What the end of that name asks for.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstandard,
            _ => Self::None,
        }
    }

    /// The end of a name that asks for it, with its point.
    pub(super) fn extension(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Gzip => ".gz",
            Self::Zstandard => ".zst",
        }
    }

    /// The bytes compressed; `None` where they stay as they are.
    pub(super) fn compress(self, bytes: &[u8]) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::None => Ok(None),
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Level::fast());
                encoder.write_all(bytes)?;
                encoder.finish().map(Some)
            }
            Self::Zstandard => Ok(Some(compress_to_vec(bytes, CompressionLevel::Fastest))),
        }
    }
}
