//! pcapng: blocks. The form is that of draft-ietf-opsawg-pcapng.

use std::io::Read;

use super::buffer::Buffer;
use super::clock::Clock;
use super::error::{LengthProblem, Place, ReadError};
use super::formats::Format;
use super::limits::{MAX_BLOCK, MAX_INTERFACES, MAX_PACKET};
use super::order::Order;
use super::packet::{Found, Meta, Span};

/// Types of blocks. That of a section header reads the same in either byte order.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE: u32 = 2;
const SIMPLE: u32 = 3;
const ENHANCED: u32 = 6;

/// In a section header, in its byte order.
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Bytes of a block without a body: type, length, length.
const FRAME: usize = 12;
/// Options of an interface.
const END_OF_OPTIONS: u16 = 0;
const IF_TSRESOL: u16 = 9;
const IF_TSOFFSET: u16 = 14;

/// A file that is read: how the section is written that is read now, and its interfaces.
#[derive(Debug, Default)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
}

#[derive(Clone, Copy, Debug)]
struct Interface {
    link_type: u16,
    /// Bytes of its packets that are kept at most; 0 for all.
    snap_length: u32,
    clock: Clock,
}

/// Whether a file of this format begins so.
pub(super) fn begins(first: &[u8]) -> bool {
    first.starts_with(&SECTION.to_le_bytes())
}

/// Bytes that a block of that type has at least, of those that are looked into.
fn least(kind: u32) -> Option<usize> {
    match kind {
        SECTION => Some(FRAME + 16),
        INTERFACE => Some(FRAME + 8),
        OBSOLETE | ENHANCED => Some(FRAME + 20),
        SIMPLE => Some(FRAME + 4),
        _ => None,
    }
}

impl Pcapng {
    /// Whether the next block is a whole packet.
    pub(super) fn is_ready(&self, available: &[u8]) -> bool {
        let length = self.order.u32(available, 4) as usize;
        available.len() >= FRAME
            && available.len() >= length
            && matches!(self.order.u32(available, 0), OBSOLETE | SIMPLE | ENHANCED)
    }

    /// The next packet.
    #[inline]
    pub(super) fn next<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Found, ReadError> {
        loop {
            if !buffer.have(FRAME)? {
                return Ok(if buffer.available().is_empty() { Found::End } else { Found::Cut(buffer.cut_here()) });
            }
            let (place, head) = (buffer.place(), buffer.available());
            let kind = self.order.u32(head, 0);
            if kind == SECTION {
                self.order = byte_order(head, place)?;
            }
            let length = self.order.u32(head, 4);
            let wrong = |problem| Err(ReadError::BlockLength { place, kind, length, problem });
            if !length.is_multiple_of(4) {
                return wrong(LengthProblem::Odd);
            }
            let looked_into = least(kind);
            if (length as usize) < looked_into.unwrap_or(FRAME) {
                return wrong(LengthProblem::Short);
            }
            if looked_into.is_none() {
                let cut = buffer.cut_here();
                if !buffer.skip(u64::from(length) - 4)? || !buffer.have(4)? {
                    return Ok(Found::Cut(cut));
                }
                let end = self.order.u32(buffer.available(), 0);
                if end != length {
                    return wrong(LengthProblem::Unequal(end));
                }
                buffer.take(4);
                continue;
            }
            if length > MAX_BLOCK {
                return wrong(LengthProblem::Long);
            }
            let whole = length as usize;
            if !buffer.have(whole)? {
                return Ok(Found::Cut(buffer.cut_here()));
            }
            let block = buffer.available().get(..whole).unwrap_or_default();
            let end = self.order.u32(block, whole - 4);
            if end != length {
                return wrong(LengthProblem::Unequal(end));
            }
            let meta = self.look_into(kind, block, place)?;
            buffer.take(whole);
            if let Some(meta) = meta {
                return Ok(Found::Packet(meta));
            }
        }
    }

    /// What a whole block says: a packet, or something about those to come.
    #[inline]
    fn look_into(&mut self, kind: u32, block: &[u8], place: Place) -> Result<Option<Meta>, ReadError> {
        let order = self.order;
        match kind {
            SECTION => {
                self.interfaces.clear();
                let (major, minor) = (order.u16(block, 12), order.u16(block, 14));
                // 1.2 is what some programs wrote for 1.0.
                if major != 1 {
                    return Err(ReadError::Version { place, format: Format::Pcapng, major, minor });
                }
                Ok(None)
            }
            INTERFACE => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(ReadError::Interfaces { place });
                }
                self.interfaces.push(interface(order, block, place)?);
                Ok(None)
            }
            SIMPLE => self.simple(block, place).map(Some),
            ENHANCED => self.stamped(kind, block, order.u32(block, 8), place).map(Some),
            _ => self.stamped(kind, block, order.u16(block, 8).into(), place).map(Some),
        }
    }

    /// A packet with a time stamp: enhanced, or obsolete, which differ in how the interface is written.
    #[inline]
    fn stamped(&self, kind: u32, block: &[u8], interface: u32, place: Place) -> Result<Meta, ReadError> {
        const DATA: usize = 28;
        let order = self.order;
        let described = self.interface(interface, place)?;
        let (captured, original) = (order.u32(block, 20), order.u32(block, 24));
        let room = block.len() - DATA - 4;
        let length = check(captured, room, kind, block, place)?;
        let stamp = u64::from(order.u32(block, 12)) << 32 | u64::from(order.u32(block, 16));
        Ok(Meta {
            time: Some(described.clock.nanoseconds(stamp)),
            interface,
            link_type: described.link_type,
            length: Span { back: block.len() - DATA, length },
            original_length: original.max(captured),
        })
    }

    /// A packet of the first interface, without a time stamp and without the number of bytes that were captured.
    fn simple(&self, block: &[u8], place: Place) -> Result<Meta, ReadError> {
        const DATA: usize = 12;
        let described = self.interface(0, place)?;
        let original = self.order.u32(block, 8);
        let room = block.len() - DATA - 4;
        let kept = if described.snap_length == 0 { original } else { original.min(described.snap_length) };
        let captured = kept.min(u32::try_from(room).unwrap_or(u32::MAX));
        let length = check(captured, room, SIMPLE, block, place)?;
        Ok(Meta {
            time: None,
            interface: 0,
            link_type: described.link_type,
            length: Span { back: block.len() - DATA, length },
            original_length: original,
        })
    }

    #[inline]
    fn interface(&self, interface: u32, place: Place) -> Result<Interface, ReadError> {
        let described = self.interfaces.len();
        let found = usize::try_from(interface).ok().and_then(|at| self.interfaces.get(at));
        found.copied().ok_or(ReadError::NoInterface { place, interface, described })
    }
}

/// The bytes of a packet, if its block has room for them and they are not too many.
#[inline]
fn check(captured: u32, room: usize, kind: u32, block: &[u8], place: Place) -> Result<usize, ReadError> {
    if captured > MAX_PACKET {
        return Err(ReadError::LongPacket { place, length: captured });
    }
    let length = captured as usize;
    if length > room {
        let problem = LengthProblem::Packet(captured);
        let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
        return Err(ReadError::BlockLength { place, kind, length, problem });
    }
    Ok(length)
}

/// How the section is written that begins so.
fn byte_order(head: &[u8], place: Place) -> Result<Order, ReadError> {
    for order in [Order::Little, Order::Big] {
        if order.u32(head, 8) == BYTE_ORDER {
            return Ok(order);
        }
    }
    let found = head.get(8..12).and_then(|found| found.try_into().ok()).unwrap_or_default();
    Err(ReadError::ByteOrder { place, found })
}

/// An interface as it is described.
fn interface(order: Order, block: &[u8], place: Place) -> Result<Interface, ReadError> {
    let mut clock = Clock::default();
    let mut options = block.get(FRAME + 4..block.len() - 4).unwrap_or_default();
    while options.len() >= 4 {
        let (code, length) = (order.u16(options, 0), order.u16(options, 2));
        if code == END_OF_OPTIONS {
            break;
        }
        let Some(value) = options.get(4..4 + usize::from(length)) else {
            return Err(ReadError::OptionLength { place, code, length });
        };
        match (code, value) {
            (IF_TSRESOL, [resolution, ..]) => clock = clock.with_resolution(*resolution),
            (IF_TSOFFSET, [_, _, _, _, _, _, _, _]) => clock = clock.with_offset(order.i64(value, 0)),
            _ => {}
        }
        options = options.get(4 + usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Interface { link_type: order.u16(block, 8), snap_length: order.u32(block, 12), clock })
}
