//! pcap and pcapng files, read packet by packet in constant memory, compressed with gzip or Zstandard or not.
//!
//! What a file is, its first bytes say and not its name. Read are pcap with microseconds and nanoseconds and its
//! variant with longer packet headers, and pcapng with any number of sections and interfaces, all in either byte
//! order, time stamps of any resolution and offset, packets in enhanced, simple and obsolete packet blocks. All other
//! blocks are passed over, however long they are.
//!
//! ```
//! use memif_capture::read::Reader;
//!
//! let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
//! file.extend([5, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 60, 0, 0, 0, 0xaa, 0xbb, 0xcc]);
//! let mut reader = Reader::new(&file[..])?;
//! while let Some(packet) = reader.next_packet()? {
//!     assert_eq!((packet.time, packet.link_type), (Some(5_000_007_000), 1));
//!     assert_eq!((packet.data, packet.original_length), (&[0xaa, 0xbb, 0xcc][..], 60));
//! }
//! assert!(reader.cut().is_none());
//! # Ok::<(), memif_capture::read::ReadError>(())
//! ```
//!
//! A file that ends within a packet or block, as one does whose writer was killed, ends with the packet before:
//! [`Reader::cut`] says where. Everything else that does not fit is an error, with the byte that it begins at; nothing
//! is read past it. Memory is bounded whatever a file claims: a packet is at most [`MAX_PACKET`] long, a block that is
//! looked into [`MAX_BLOCK`], a section has at most [`MAX_INTERFACES`], and a Zstandard frame asks for a window of at
//! most [`MAX_WINDOW`].

mod buffer;
mod carried;
mod clock;
mod error;
mod formats;
mod limits;
mod magic;
mod order;
mod packet;
mod pcap;
mod pcapng;
mod unpack;
mod watched;

#[cfg(test)]
mod tests;

use std::io::Read;

use buffer::Buffer;
pub use carried::{Misfit, carried, name_of};
pub use error::{LengthProblem, Place, ReadError};
pub use formats::{Compression, Format};
pub use limits::{MAX_BLOCK, MAX_INTERFACES, MAX_PACKET, MAX_WINDOW};
pub use packet::{Cut, Packet};
use pcap::Pcap;
use pcapng::Pcapng;
use unpack::Unpacked;

/// A capture file that is read.
#[derive(Debug)]
pub struct Reader<R> {
    buffer: Buffer<R>,
    kind: Kind,
    cut: Option<Cut>,
}

#[derive(Debug)]
enum Kind {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl<R: Read> Reader<R> {
    /// Finds out what the file is. `source` is read in large pieces: it needs no buffer of its own.
    ///
    /// # Errors
    /// [`ReadError::Empty`], [`ReadError::NotACapture`] and [`ReadError::OtherCompression`] for other files, an
    /// unknown version, and what reading the source said.
    pub fn new(source: R) -> Result<Self, ReadError> {
        let mut buffer = Buffer::new(Unpacked::new(source)?);
        let kind = match format_of(&mut buffer)? {
            Format::Pcap => Kind::Pcap(Pcap::new(&mut buffer)?),
            Format::Pcapng => Kind::Pcapng(Pcapng::default()),
        };
        Ok(Self { buffer, kind, cut: None })
    }

    /// The next packet, or `None` after the last whole one.
    ///
    /// # Errors
    /// What is wrong with the file and at which byte; then there is nothing more to read.
    pub fn next_packet(&mut self) -> Result<Option<Packet<'_>>, ReadError> {
        if self.cut.is_some() {
            return Ok(None);
        }
        let found = match &mut self.kind {
            Kind::Pcap(pcap) => pcap.next(&mut self.buffer)?,
            Kind::Pcapng(pcapng) => pcapng.next(&mut self.buffer)?,
        };
        match found {
            packet::Found::Packet(meta) => Ok(Some(Packet {
                time: meta.time,
                interface: meta.interface,
                link_type: meta.link_type,
                data: self.buffer.last(meta.length),
                original_length: meta.original_length,
            })),
            packet::Found::Cut(cut) => {
                self.cut = Some(cut);
                Ok(None)
            }
            packet::Found::End => {
                // What was unpacked may end with a packet where the packed bytes do not.
                self.cut = self.buffer.cut();
                Ok(None)
            }
        }
    }

    /// Whether the next packet is here already, so that [`next_packet`](Self::next_packet) gives it without reading
    /// from the source. `false` also where only a look at the source would tell.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match &self.kind {
            Kind::Pcap(pcap) => pcap.is_ready(self.buffer.available()),
            Kind::Pcapng(pcapng) => pcapng.is_ready(self.buffer.available()),
        }
    }

    /// Where the file ends within a packet or block: known once [`next_packet`](Self::next_packet) gave `None`.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.cut
    }

    /// What kind of file it is.
    #[must_use]
    pub fn format(&self) -> Format {
        match self.kind {
            Kind::Pcap(_) => Format::Pcap,
            Kind::Pcapng(_) => Format::Pcapng,
        }
    }

    /// What it is compressed with.
    #[must_use]
    pub fn compression(&self) -> Option<Compression> {
        self.buffer.source().compression()
    }

    /// The link type that all packets of the file have, where that is known before the first one: of pcap.
    #[must_use]
    pub fn link_type(&self) -> Option<u16> {
        match &self.kind {
            Kind::Pcap(pcap) => Some(pcap.link_type()),
            Kind::Pcapng(_) => None,
        }
    }
}

/// The format of what begins here.
fn format_of<R: Read>(buffer: &mut Buffer<R>) -> Result<Format, ReadError> {
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
