//! The ring header and the descriptor as they lie in shared memory.
//!
//! A ring is a header of two cache lines and `2^n` descriptors of 16 bytes. `head` is always written by the slave and
//! `tail` always by the master, whichever way packets flow. The [line](CacheLine) is what the slave was built for or
//! told.

pub use crate::terms::CacheLine;

/// First four bytes of every ring.
pub const COOKIE: u32 = 0x03E3_1F20;
/// Offset of the cookie in the header.
pub const COOKIE_OFFSET: usize = 0;
/// Offset of the 16-bit flags in the header, written by the side that receives packets on the ring.
pub const FLAGS_OFFSET: usize = 4;
/// Offset of the 16-bit head in the header, written by the slave.
pub const HEAD_OFFSET: usize = 6;
/// Bytes of a descriptor.
pub const DESCRIPTOR_SIZE: usize = 16;
/// Ring flag: the receiver asks not to be signalled.
pub const FLAG_MASK_INT: u16 = 1;
/// Descriptor flag: the packet goes on in the next slot.
pub const FLAG_NEXT: u16 = 1;
/// What ring offsets must be a multiple of, so that a descriptor is two aligned 64-bit words.
pub const RING_ALIGNMENT: u64 = 8;

/// Offset of the 16-bit tail in the header, written by the master; a cache line of its own.
#[must_use]
#[inline]
pub const fn tail_offset(line: CacheLine) -> usize {
    line.bytes()
}

/// Bytes of the header: the descriptors follow.
#[must_use]
#[inline]
pub const fn header_size(line: CacheLine) -> usize {
    2 * line.bytes()
}

/// Bytes of a ring of `2^log2` slots, or as many as can be told.
#[must_use]
pub const fn ring_bytes(line: CacheLine, log2: u8) -> u64 {
    // 2^60 slots of 16 bytes are more than 64 bits can count.
    if log2 < 60 { header_size(line) as u64 + ((DESCRIPTOR_SIZE as u64) << log2) } else { u64::MAX }
}

/// The first eight bytes of a descriptor: flags, region and length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DescriptorHead {
    /// Bit 0 is [`FLAG_NEXT`].
    pub flags: u16,
    /// Region of the buffer.
    pub region: u16,
    /// Bytes of data, or room in a posted empty buffer.
    pub length: u32,
}

impl DescriptorHead {
    /// From the word as loaded.
    #[must_use]
    #[inline]
    pub const fn from_word(word: u64) -> Self {
        let b = word.to_ne_bytes();
        Self {
            flags: u16::from_ne_bytes([b[0], b[1]]),
            region: u16::from_ne_bytes([b[2], b[3]]),
            length: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// The word to store.
    #[must_use]
    #[inline]
    pub const fn to_word(self) -> u64 {
        let f = self.flags.to_ne_bytes();
        let r = self.region.to_ne_bytes();
        let l = self.length.to_ne_bytes();
        u64::from_ne_bytes([f[0], f[1], r[0], r[1], l[0], l[1], l[2], l[3]])
    }

    /// Whether the packet goes on in the next slot.
    #[must_use]
    #[inline]
    pub const fn has_next(self) -> bool {
        self.flags & FLAG_NEXT != 0
    }
}

/// The last eight bytes of a descriptor as a word: offset, then metadata, which no peer uses and which is sent as 0.
#[must_use]
#[inline]
pub const fn offset_to_word(offset: u32) -> u64 {
    let o = offset.to_ne_bytes();
    u64::from_ne_bytes([o[0], o[1], o[2], o[3], 0, 0, 0, 0])
}

/// The offset in the last eight bytes of a descriptor.
#[must_use]
#[inline]
pub const fn offset_from_word(word: u64) -> u32 {
    let b = word.to_ne_bytes();
    u32::from_ne_bytes([b[0], b[1], b[2], b[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_has_the_bytes_of_the_format() {
        let head = DescriptorHead { flags: 0x0102, region: 0x0304, length: 0x0506_0708 };
        let mut bytes = head.to_word().to_ne_bytes().to_vec();
        bytes.extend(offset_to_word(0x090a_0b0c).to_ne_bytes());
        let mut expected = Vec::new();
        expected.extend(0x0102u16.to_ne_bytes());
        expected.extend(0x0304u16.to_ne_bytes());
        expected.extend(0x0506_0708u32.to_ne_bytes());
        expected.extend(0x090a_0b0cu32.to_ne_bytes());
        expected.extend(0u32.to_ne_bytes());
        assert_eq!(bytes, expected);
        assert_eq!(DescriptorHead::from_word(head.to_word()), head);
        assert_eq!(offset_from_word(offset_to_word(0x090a_0b0c)), 0x090a_0b0c);
    }

    #[test]
    fn rings_have_the_sizes_seen_on_the_wire() {
        use CacheLine::{Of64, Of128};
        assert_eq!(2 * ring_bytes(Of64, 10), 33_024);
        assert_eq!((ring_bytes(Of64, 8), ring_bytes(Of128, 8)), (4224, 4352));
        assert_eq!((ring_bytes(Of64, 59), ring_bytes(Of128, 59)), ((1 << 63) + 128, (1 << 63) + 256));
        for line in [Of64, Of128] {
            assert_eq!([60, 64, 255].map(|log2| ring_bytes(line, log2)), [u64::MAX; 3]);
            assert_eq!(CacheLine::from_bytes(line.bytes()), Some(line));
        }
        assert_eq!(CacheLine::from_bytes(32), None);
    }
}
