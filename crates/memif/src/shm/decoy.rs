//! The ring at the start of a slave's region 0, which is none of the link's.
//!
//! A DPDK server may have more queues than the rings that a slave brings. It goes on using all of them, and those
//! without a ring take region 0, offset 0 and one slot for theirs (D5). What lies there decides what that does:
//!
//! - Its surplus **receive** queues compare head with a cursor of their own, which is 0: head is 0, so they find
//!   nothing.
//! - Its surplus **transmit** queues compare head with the ring's tail. Tail is one behind head: one buffer is posted,
//!   which takes any packet, and the first packet moves tail to 0. From then on there is no room. Nothing of the link
//!   is overwritten, and what was sent there shows.
//! - The mask is set, so nobody signals.
//!
//! Nothing here is trusted: the peer can write all of it, and the worst is a hint that is wrong.

use std::sync::Arc;

use super::mapping::Mapping;
use super::ring::MappedRing;
use crate::ring::RingMemory;
use crate::wire::ring::{
    COOKIE, COOKIE_OFFSET, CacheLine, DescriptorHead, FLAG_MASK_INT, FLAGS_OFFSET, HEAD_OFFSET, header_size,
    offset_to_word, ring_bytes, tail_offset,
};

/// Bytes of the ring.
pub(crate) const fn bytes(line: CacheLine) -> u64 {
    ring_bytes(line, 0)
}

/// Bytes of its one buffer: any segment fits, since lengths are 16 bits wide at the sender, so none spoils what lies
/// behind.
pub(crate) const BUFFER_BYTES: u32 = 65_535;
/// Where the ring begins in region 0.
const OFFSET: u32 = 0;
const HEAD: u16 = 0;
const TAIL: u16 = HEAD.wrapping_sub(1);
const POSTED: DescriptorHead = DescriptorHead { flags: 0, region: 0, length: BUFFER_BYTES };

/// Fills in the bytes to write before the region is announced; the buffer lies at that offset of region 0.
pub(crate) fn image(buffer: u32, line: CacheLine, image: &mut [u8]) {
    let mut put = |offset: usize, bytes: &[u8]| {
        if let Some(place) = image.get_mut(offset..offset + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    };
    put(COOKIE_OFFSET, &COOKIE.to_ne_bytes());
    put(FLAGS_OFFSET, &FLAG_MASK_INT.to_ne_bytes());
    put(HEAD_OFFSET, &HEAD.to_ne_bytes());
    put(tail_offset(line), &TAIL.to_ne_bytes());
    put(header_size(line), &POSTED.to_word().to_ne_bytes());
    put(header_size(line) + size_of::<u64>(), &offset_to_word(buffer).to_ne_bytes());
}

/// The ring once it is shared.
#[derive(Debug)]
pub(crate) struct Decoy(MappedRing);

impl Decoy {
    /// The decoy of that region 0.
    pub(crate) fn new(region: &Arc<Mapping>, line: CacheLine) -> Option<Self> {
        MappedRing::new(region, OFFSET, 0, line).map(Self)
    }

    /// Whether the peer sent something there: it transmits on more queues than the link has.
    pub(crate) fn is_used(&self) -> bool {
        // A chain that finds no room leaves tail alone, and its first length behind.
        self.0.load_tail() != TAIL || self.0.load_word(0, 0) != POSTED.to_word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::tests::private_mapping;

    const LINES: [CacheLine; 2] = [CacheLine::Of64, CacheLine::Of128];

    fn decoy(line: CacheLine) -> Decoy {
        let mapping = Arc::new(private_mapping(4096));
        let mut image = vec![0; usize::try_from(bytes(line)).unwrap()];
        super::image(192, line, &mut image);
        mapping.slice(0, image.len()).unwrap().write(0, &image);
        Decoy::new(&mapping, line).unwrap()
    }

    #[test]
    fn a_receiver_finds_nothing_and_a_sender_one_buffer() {
        for line in LINES {
            let Decoy(ring) = decoy(line);
            assert_eq!(ring.cookie(), COOKIE);
            assert_eq!(ring.load_flags(), FLAG_MASK_INT);
            assert_eq!(ring.load_head(), 0);
            assert_eq!(ring.load_head().wrapping_sub(ring.load_tail()), 1);
            let posted = DescriptorHead::from_word(ring.load_word(0, 0));
            assert_eq!(posted, DescriptorHead { flags: 0, region: 0, length: 65_535 });
            assert_eq!(ring.load_word(0, 1), offset_to_word(192));
        }
    }

    #[test]
    fn tail_or_length_tells_of_a_sender() {
        for line in LINES {
            let untouched = decoy(line);
            assert!(!untouched.is_used());
            untouched.0.store_tail(0);
            assert!(untouched.is_used());
            let untouched = decoy(line);
            let length = DescriptorHead { flags: 0, region: 0, length: 60 };
            untouched.0.store_word(0, 0, length.to_word());
            assert!(untouched.is_used());
        }
    }
}
