//! pcap: a header, then packets. The form is that of draft-ietf-opsawg-pcap.

use std::io::Read;

use super::buffer::Buffer;
use super::error::ReadError;
use super::formats::Format;
use super::limits::MAX_PACKET;
use super::order::Order;
use super::packet::{Cut, Found, Meta, Span};

/// Bytes of the header of a file.
const HEADER: usize = 24;
/// Bytes before each packet.
const RECORD: usize = 16;

/// Numbers at the beginning of a file, in its byte order: with microseconds, with nanoseconds, and with microseconds
/// and eight bytes more before each packet, as kernels of long ago were patched to write.
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
const PATCHED: u32 = 0xa1b2_cd34;

/// A file that is read.
#[derive(Debug)]
pub(super) struct Pcap {
    order: Order,
    /// Nanoseconds of a unit of its stamps.
    unit: u32,
    /// Bytes before each packet.
    record: usize,
    link_type: u16,
    /// The file ends within its header.
    cut: Option<Cut>,
}

/// Whether a file of this format begins so.
pub(super) fn begins(first: &[u8]) -> bool {
    // Of a header that was cut four bytes are enough.
    first.len() >= 4 && order_and_magic(first).is_some()
}

fn order_and_magic(first: &[u8]) -> Option<(Order, u32)> {
    let of = |order: Order| (order, order.u32(first, 0));
    let known = |(_, magic): &(Order, u32)| matches!(*magic, MICROSECONDS | NANOSECONDS | PATCHED);
    [of(Order::Little), of(Order::Big)].into_iter().find(known)
}

impl Pcap {
    /// Reads the header.
    pub(super) fn new<R: Read>(buffer: &mut Buffer<R>) -> Result<Self, ReadError> {
        let whole = buffer.have(HEADER)?;
        let header = buffer.available();
        let (order, magic) = order_and_magic(header).unwrap_or_default();
        if !whole {
            let cut = Some(buffer.cut_here());
            return Ok(Self { order, unit: 1, record: RECORD, link_type: 0, cut });
        }
        let (major, minor) = (order.u16(header, 4), order.u16(header, 6));
        // Files of before 2.4, of the last century, have the two lengths of a packet the other way round.
        if (major, minor) != (2, 4) {
            return Err(ReadError::Version { place: buffer.place(), format: Format::Pcap, major, minor });
        }
        // Above the lower half stands, if anything, the length of check sequences.
        let link_type = u16::try_from(order.u32(header, 20) & 0xffff).unwrap_or_default();
        buffer.take(HEADER);
        let unit = if magic == NANOSECONDS { 1 } else { 1000 };
        let record = if magic == PATCHED { RECORD + 8 } else { RECORD };
        Ok(Self { order, unit, record, link_type, cut: None })
    }

    pub(super) fn link_type(&self) -> u16 {
        self.link_type
    }

    /// Whether the next packet is whole.
    pub(super) fn is_ready(&self, available: &[u8]) -> bool {
        let length = self.order.u32(available, 8) as usize;
        self.cut.is_none() && available.len() >= self.record && available.len() - self.record >= length
    }

    /// The next packet.
    #[inline]
    pub(super) fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Found, ReadError> {
        if let Some(cut) = self.cut {
            return Ok(Found::Cut(cut));
        }
        if !buffer.have(self.record)? {
            return Ok(if buffer.available().is_empty() { Found::End } else { Found::Cut(buffer.cut_here()) });
        }
        let header = buffer.available();
        let (seconds, units) = (self.order.u32(header, 0), self.order.u32(header, 4));
        let (captured, original) = (self.order.u32(header, 8), self.order.u32(header, 12));
        if captured > MAX_PACKET {
            return Err(ReadError::LongPacket { place: buffer.place(), length: captured });
        }
        let length = captured as usize;
        if !buffer.have(self.record + length)? {
            return Ok(Found::Cut(buffer.cut_here()));
        }
        buffer.take(self.record + length);
        let time = u64::from(seconds) * 1_000_000_000 + u64::from(units) * u64::from(self.unit);
        Ok(Found::Packet(Meta {
            time: Some(time.into()),
            interface: 0,
            link_type: self.link_type,
            length: Span { back: length, length },
            original_length: original.max(captured),
        }))
    }
}
