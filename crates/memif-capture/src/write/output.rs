//! An open file or stream, which takes blocks whole or not at all.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::chunk;
use super::compress::Compression;
use super::sink::Refused;

/// Where packets are written to.
#[derive(Debug)]
pub enum Target {
    /// A file of that name, which is emptied if it is there. The end of the name says how it is compressed.
    Path(PathBuf),
    /// Something that is open already, such as a pipe: not compressed.
    Stream(File),
}

/// An open file.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    compression: Compression,
    /// Whether it can be cut.
    regular: bool,
    /// Bytes that it has, as they stand there.
    size: u64,
}

impl Output {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { compression: Compression::of(path), ..Self::of(File::create(path)?) })
    }

    pub(super) fn of(file: File) -> Self {
        let regular = file.metadata().is_ok_and(|data| data.is_file());
        Self { file, compression: Compression::None, regular, size: 0 }
    }

    /// Bytes that stand there.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.compression != Compression::None
    }

    /// Writes blocks that belong together.
    pub(super) fn write(&mut self, blocks: &[u8]) -> io::Result<()> {
        self.put(blocks, |_| (0, 0)).map_err(|refused| refused.error)
    }

    /// Writes blocks of packets. Where that fails, those stay that are whole.
    pub(super) fn write_packets(&mut self, blocks: &[u8]) -> Result<(), Refused> {
        self.put(blocks, |written| chunk::prefix(blocks, |_, bytes, _| bytes <= written))
    }

    /// `whole` says how many packets and bytes are whole when so many bytes are written.
    fn put(&mut self, blocks: &[u8], whole: impl FnOnce(usize) -> (u64, usize)) -> Result<(), Refused> {
        let compressed = self.compression.compress(blocks).map_err(|error| Refused { packets: 0, error })?;
        let bytes = compressed.as_deref().unwrap_or(blocks);
        let Err((written, error)) = write_all(&mut self.file, bytes) else {
            self.size += u64::try_from(bytes.len()).unwrap_or_default();
            return Ok(());
        };
        let (packets, kept) = if compressed.is_some() { (0, 0) } else { whole(written) };
        self.size += u64::try_from(kept).unwrap_or_default();
        // Of a stream the beginning of a block is out already.
        if self.regular {
            let _ = self.file.set_len(self.size);
        }
        Err(Refused { packets, error })
    }
}

/// As [`Write::write_all`], and says how far it came.
fn write_all(file: &mut File, bytes: &[u8]) -> Result<(), (usize, io::Error)> {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.write(rest) {
            Ok(0) => return Err((written, ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err((written, error)),
        }
    }
    Ok(())
}
