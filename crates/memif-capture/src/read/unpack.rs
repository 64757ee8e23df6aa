//! The bytes of a file, unpacked where they are packed.

use std::fmt;
use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::error::ReadError;
use super::formats::Compression;
use super::limits::MAX_WINDOW;
use super::magic::{MAGIC, compression_of};
use super::watched::Watched;

/// Packed bytes that are read at once.
const PACKED: usize = 1 << 17;

/// The source with its first bytes, which were looked at, back in front of it.
type Whole<R> = Watched<Chain<Cursor<Vec<u8>>, R>>;

/// A source that is unpacked.
pub(super) struct Unpacked<R> {
    kind: Kind<R>,
    cut: bool,
}

enum Kind<R> {
    Plain(Whole<R>),
    Gzip(Box<MultiGzDecoder<BufReader<Whole<R>>>>),
    Zstd(Box<Zstd<R>>),
}

/// Frames of Zstandard, one behind the other.
struct Zstd<R> {
    source: BufReader<Whole<R>>,
    decoder: FrameDecoder,
    /// Whether there is a frame that was begun and not read to its end.
    in_frame: bool,
}

impl<R: Read> Unpacked<R> {
    /// Looks at the first bytes.
    pub(super) fn new(mut source: R) -> Result<Self, ReadError> {
        let mut first = Vec::with_capacity(MAGIC);
        let mut watched = Watched::new(&mut source);
        if let Err(error) = (&mut watched).take(MAGIC as u64).read_to_end(&mut first) {
            return Err(ReadError::Io(watched.take_failure().unwrap_or(error)));
        }
        let compression = compression_of(&first)?;
        let whole = Watched::new(Cursor::new(first).chain(source));
        let kind = match compression {
            None => Kind::Plain(whole),
            Some(Compression::Gzip) => {
                Kind::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(PACKED, whole))))
            }
            Some(Compression::Zstd) => {
                let mut decoder = FrameDecoder::new();
                decoder.set_max_window_size(MAX_WINDOW);
                let source = BufReader::with_capacity(PACKED, whole);
                Kind::Zstd(Box::new(Zstd { source, decoder, in_frame: false }))
            }
        };
        Ok(Self { kind, cut: false })
    }

    /// Reads some bytes; none at the end. Packed bytes that break off end the file, too: see [`is_cut`](Self::is_cut).
    pub(super) fn read(&mut self, into: &mut [u8]) -> Result<usize, ReadError> {
        match &mut self.kind {
            Kind::Gzip(_) if self.cut => Ok(0),
            Kind::Plain(source) => {
                source.read(into).map_err(|error| ReadError::Io(source.take_failure().unwrap_or(error)))
            }
            Kind::Gzip(gzip) => match gzip.read(into) {
                Ok(read) => Ok(read),
                Err(error) => {
                    if let Some(failure) = gzip.get_mut().get_mut().take_failure() {
                        return Err(ReadError::Io(failure));
                    }
                    if error.kind() != io::ErrorKind::UnexpectedEof {
                        return Err(ReadError::Damaged { compression: Compression::Gzip, reason: error.to_string() });
                    }
                    self.cut = true;
                    Ok(0)
                }
            },
            Kind::Zstd(zstd) => zstd.read(into, &mut self.cut),
        }
    }
}

impl<R> Unpacked<R> {
    /// Whether the packed bytes end where they should not.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    pub(super) fn compression(&self) -> Option<Compression> {
        match self.kind {
            Kind::Plain(_) => None,
            Kind::Gzip(_) => Some(Compression::Gzip),
            Kind::Zstd(_) => Some(Compression::Zstd),
        }
    }
}

impl<R: Read> Zstd<R> {
    fn read(&mut self, into: &mut [u8], cut: &mut bool) -> Result<usize, ReadError> {
        loop {
            if !self.in_frame && (*cut || !self.begin(cut)?) {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() && !*cut {
                let decoded = self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1));
                if let Err(error) = decoded {
                    self.judge(error)?;
                    // What the window holds comes out with the last block of the frame alone. So that is put in the
                    // place of those that are missing: an empty one, and a checksum that is not compared.
                    *cut = true;
                    let last: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
                    let _ = self.decoder.decode_blocks(last, BlockDecodingStrategy::UptoBlocks(1));
                    break;
                }
            }
            match self.decoder.read(into) {
                Ok(0) => {}
                Ok(read) => {
                    // The rest comes with the next calls, also that of a frame that was cut: its window may be larger.
                    return Ok(read);
                }
                Err(error) => return Err(damaged(&error)),
            }
            self.in_frame = false;
            if *cut {
                return Ok(0);
            }
            let sums = (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
            if let (Some(told), Some(found)) = sums
                && told != found
            {
                return Err(damaged(&format_args!("its checksum is {found:08x} and should be {told:08x}")));
            }
        }
    }

    /// Begins the next frame, if there is one.
    fn begin(&mut self, cut: &mut bool) -> Result<bool, ReadError> {
        loop {
            match self.source.fill_buf() {
                Ok([]) => return Ok(false),
                Ok(_) => {}
                Err(error) => return Err(ReadError::Io(self.source.get_mut().take_failure().unwrap_or(error))),
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let skipped = io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink());
                    let skipped = skipped
                        .map_err(|error| ReadError::Io(self.source.get_mut().take_failure().unwrap_or(error)))?;
                    if skipped < u64::from(length) {
                        *cut = true;
                        return Ok(false);
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                    return Err(ReadError::Window { asked: requested });
                }
                Err(error) => {
                    self.judge(error)?;
                    *cut = true;
                    return Ok(false);
                }
            }
        }
    }

    /// Passes over an error that means no more than that the source has ended.
    fn judge(&mut self, error: FrameDecoderError) -> Result<(), ReadError> {
        let source = self.source.get_mut();
        match source.take_failure() {
            Some(failure) => Err(ReadError::Io(failure)),
            None if source.has_ended() => Ok(()),
            None => Err(damaged(&error)),
        }
    }
}

fn damaged(reason: &dyn fmt::Display) -> ReadError {
    ReadError::Damaged { compression: Compression::Zstd, reason: reason.to_string() }
}

impl<R> fmt::Debug for Unpacked<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unpacked").field("compression", &self.compression()).field("cut", &self.cut).finish()
    }
}
