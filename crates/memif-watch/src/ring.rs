//! What stands in a ring: cursors, flags, descriptors.

use memif::wire::RingDirection;
use memif::wire::ring::{
    COOKIE, COOKIE_OFFSET, CacheLine, DESCRIPTOR_SIZE, DescriptorHead, FLAG_MASK_INT, FLAGS_OFFSET, HEAD_OFFSET,
    header_size, offset_from_word, tail_offset,
};

/// A ring of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    /// Which way packets go.
    pub direction: RingDirection,
    /// Number of the queue within its direction.
    pub index: u16,
    /// Slots, a power of two, at most 2^14.
    pub size: u16,
    /// The cache line that it is laid out for.
    pub cache_line: CacheLine,
    /// Where the header lies in region 0, in bytes; a multiple of 8.
    pub offset: u64,
}

impl Ring {
    /// Packets' slots between the two ends: filled by the sender, and not yet given back by the receiver. `None` when
    /// the cursors are impossible: further apart than the ring has slots.
    #[must_use]
    pub const fn in_flight(&self, cursors: &Cursors) -> Option<u16> {
        let between = cursors.head.wrapping_sub(cursors.tail);
        match self.direction {
            _ if between > self.size => None,
            // Head is the sender's, tail says what the receiver gave back.
            RingDirection::S2m => Some(between),
            // Head counts empty buffers that the receiver posted, tail those that the sender filled.
            RingDirection::M2s if between == 0 && cursors.head == 0 => Some(0),
            RingDirection::M2s => Some(self.size - between),
        }
    }

    /// Where the descriptor of the first slot lies in region 0, in bytes.
    pub(crate) const fn descriptors(&self) -> u64 {
        self.offset + header_size(self.cache_line) as u64
    }

    /// Slots that the sender may still fill at once. `None` as for [`in_flight`](Self::in_flight).
    #[must_use]
    pub const fn room(&self, cursors: &Cursors) -> Option<u16> {
        let between = cursors.head.wrapping_sub(cursors.tail);
        match self.direction {
            _ if between > self.size => None,
            RingDirection::S2m => Some(self.size - between),
            RingDirection::M2s => Some(between),
        }
    }
}

/// The two cursors of a ring and its flags, as they were at one look.
///
/// Both cursors count slots modulo 65,536. The slave writes the head, the master the tail, in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Cursors {
    /// Slots that the slave handed to the master: packets (S2M) or empty buffers (M2S).
    pub head: u16,
    /// Slots that the master handed to the slave: buffers that it has read (S2M) or packets (M2S).
    pub tail: u16,
    /// Flags; bit 0 means that the receiver does not want to be signalled.
    pub flags: u16,
}

impl Cursors {
    /// Slots that the sender has filled so far, modulo 65,536: the head of S2M, the tail of M2S. A packet in a chain of
    /// buffers takes several.
    #[must_use]
    pub const fn sent(&self, direction: RingDirection) -> u16 {
        match direction {
            RingDirection::S2m => self.head,
            RingDirection::M2s => self.tail,
        }
    }

    /// Whether the receiver polls: it masked the interrupt of this ring.
    #[must_use]
    pub const fn is_masked(&self) -> bool {
        self.flags & FLAG_MASK_INT != 0
    }

    /// From the beginning of a ring's header; `None` where no ring begins.
    pub(crate) fn from_header(header: &[u8; HEADER_READ], line: CacheLine) -> Option<Self> {
        let word = |at: usize| u16::from_ne_bytes([header[at], header[at + 1]]);
        const C: usize = COOKIE_OFFSET;
        let cookie = u32::from_ne_bytes([header[C], header[C + 1], header[C + 2], header[C + 3]]);
        let (head, tail, flags) = (word(HEAD_OFFSET), word(tail_offset(line)), word(FLAGS_OFFSET));
        (cookie == COOKIE).then_some(Self { head, tail, flags })
    }
}

/// Bytes of a ring that are read for the cursors: up to the tail, wherever the cache line has it, in whole words. The
/// smallest ring has as many. The kernel copies whole words at once and what is left byte by byte, which could tear a
/// cursor.
pub(crate) const HEADER_READ: usize = tail_offset(CacheLine::Of128) + 8;

/// A descriptor as it was at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Descriptor {
    /// Bit 0 means that the packet goes on in the next slot.
    pub flags: u16,
    /// Region of the buffer.
    pub region: u16,
    /// Bytes of data, or room in an empty buffer.
    pub length: u32,
    /// Where the data begins in the region, in bytes.
    pub offset: u32,
}

impl Descriptor {
    /// Whether the packet goes on in the next slot.
    #[must_use]
    pub const fn has_next(&self) -> bool {
        DescriptorHead { flags: self.flags, region: 0, length: 0 }.has_next()
    }

    pub(crate) fn from_bytes(bytes: &[u8; DESCRIPTOR_SIZE]) -> Self {
        let [b0, b1, b2, b3, b4, b5, b6, b7, rest @ ..] = *bytes;
        let head = DescriptorHead::from_word(u64::from_ne_bytes([b0, b1, b2, b3, b4, b5, b6, b7]));
        let offset = offset_from_word(u64::from_ne_bytes(rest));
        Self { flags: head.flags, region: head.region, length: head.length, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(direction: RingDirection) -> Ring {
        Ring { direction, index: 0, size: 16, cache_line: CacheLine::Of64, offset: 0 }
    }

    fn at(head: u16, tail: u16) -> Cursors {
        Cursors { head, tail, flags: 0 }
    }

    #[test]
    fn cursors_mean_what_the_direction_says() {
        let s2m = ring(RingDirection::S2m);
        assert_eq!((s2m.in_flight(&at(5, 5)), s2m.room(&at(5, 5))), (Some(0), Some(16)));
        assert_eq!((s2m.in_flight(&at(2, 65_530)), s2m.room(&at(2, 65_530))), (Some(8), Some(8)));
        assert_eq!((s2m.in_flight(&at(17, 0)), s2m.room(&at(0, 1))), (None, None));
        assert_eq!(at(7, 3).sent(RingDirection::S2m), 7);
        let m2s = ring(RingDirection::M2s);
        // Nothing posted yet; the whole ring posted; six filled and not given back.
        assert_eq!((m2s.in_flight(&at(0, 0)), m2s.room(&at(0, 0))), (Some(0), Some(0)));
        assert_eq!((m2s.in_flight(&at(16, 0)), m2s.room(&at(16, 0))), (Some(0), Some(16)));
        assert_eq!((m2s.in_flight(&at(16, 6)), m2s.room(&at(16, 6))), (Some(6), Some(10)));
        assert_eq!((m2s.in_flight(&at(16, 16)), m2s.in_flight(&at(17, 0))), (Some(16), None));
        assert_eq!(at(16, 3).sent(RingDirection::M2s), 3);
    }

    #[test]
    fn headers_and_descriptors_have_the_bytes_of_the_format() {
        let mut header = [0; HEADER_READ];
        assert_eq!(Cursors::from_header(&header, CacheLine::Of64), None);
        header[..4].copy_from_slice(&0x03E3_1F20_u32.to_ne_bytes());
        header[4..6].copy_from_slice(&1_u16.to_ne_bytes());
        header[6..8].copy_from_slice(&0x1234_u16.to_ne_bytes());
        header[64..66].copy_from_slice(&0x4321_u16.to_ne_bytes());
        header[128..130].copy_from_slice(&0x8765_u16.to_ne_bytes());
        for (line, tail) in [(CacheLine::Of64, 0x4321), (CacheLine::Of128, 0x8765)] {
            let read = Cursors::from_header(&header, line).unwrap();
            assert_eq!((read, read.is_masked()), (Cursors { head: 0x1234, tail, flags: 1 }, true));
        }

        let mut bytes = [0; DESCRIPTOR_SIZE];
        bytes[..2].copy_from_slice(&1_u16.to_ne_bytes());
        bytes[2..4].copy_from_slice(&2_u16.to_ne_bytes());
        bytes[4..8].copy_from_slice(&3_u32.to_ne_bytes());
        bytes[8..12].copy_from_slice(&4_u32.to_ne_bytes());
        let read = Descriptor::from_bytes(&bytes);
        assert_eq!(read, Descriptor { flags: 1, region: 2, length: 3, offset: 4 });
        assert!(read.has_next());
    }
}
