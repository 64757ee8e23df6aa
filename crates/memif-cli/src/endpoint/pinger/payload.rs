//! The bytes of an echo request: different for every request, so that a stale or mixed-up reply shows.

/// What the payload of one request is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(u64);

/// The first byte of a reply that is not what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) at: usize,
    pub(crate) sent: u8,
    pub(crate) found: u8,
}

impl Pattern {
    /// The pattern of request `number` of the program that uses that ICMP id.
    pub(crate) fn new(id: u16, number: u64) -> Self {
        Self(u64::from(id) << 48 ^ number)
    }

    /// Writes the pattern over all of `bytes`.
    pub(crate) fn fill(self, bytes: &mut [u8]) {
        for (block, chunk) in (0_u64..).zip(bytes.chunks_mut(8)) {
            for (byte, value) in chunk.iter_mut().zip(self.block(block)) {
                *byte = value;
            }
        }
    }

    /// Where `bytes` first differ from the pattern.
    pub(crate) fn difference(self, bytes: &[u8]) -> Option<Difference> {
        for (block, chunk) in (0_u64..).zip(bytes.chunks(8)) {
            let wanted = self.block(block);
            if wanted[..chunk.len()] == *chunk {
                continue;
            }
            let start = usize::try_from(block).unwrap_or(usize::MAX).saturating_mul(8);
            for (at, (found, sent)) in (start..).zip(chunk.iter().zip(wanted)) {
                if *found != sent {
                    return Some(Difference { at, sent, found: *found });
                }
            }
        }
        None
    }

    /// Eight bytes that look random (the output function of SplitMix64).
    fn block(self, block: u64) -> [u8; 8] {
        let mut mixed = self.0.wrapping_add(block.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_found_where_it_is() {
        for len in [0, 1, 7, 8, 9, 56, 1001] {
            let pattern = Pattern::new(3, 4);
            let mut bytes = vec![0; len];
            pattern.fill(&mut bytes);
            assert_eq!(pattern.difference(&bytes), None);
            for at in 0..len {
                bytes[at] ^= 0x10;
                let found = pattern.difference(&bytes).unwrap();
                assert_eq!((found.at, found.found ^ found.sent), (at, 0x10));
                bytes[at] ^= 0x10;
            }
        }
    }

    #[test]
    fn requests_and_programs_differ() {
        let bytes = |id, number| {
            let mut bytes = [0; 16];
            Pattern::new(id, number).fill(&mut bytes);
            bytes
        };
        assert_ne!(bytes(1, 1), bytes(1, 2));
        assert_ne!(bytes(1, 1), bytes(2, 1));
        // The sequence number of ICMP comes round after 65,536 requests, the pattern does not.
        assert_ne!(bytes(1, 1), bytes(1, 65_537));
    }
}
