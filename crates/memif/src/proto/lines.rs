//! What the places of a slave's rings tell of the cache line that they are laid out for.
//!
//! No message names it, but no known slave leaves room between its rings: the distance from one to the next is the
//! bytes of a ring, and so tells of its header.

use crate::terms::CacheLine;
use crate::wire::ring::ring_bytes;

/// What our own slaves round the bytes of a ring up to.
const STEP: u64 = 64;

/// A ring as it was announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Announced {
    pub(super) region: u16,
    pub(super) offset: u32,
    pub(super) log2: u8,
}

/// The line of rings at those places; `None` where they tell nothing, as of one ring in the middle of a region, or
/// where they cannot be. `region_size` gives the bytes of a region that exists.
pub(super) fn told(mut rings: Vec<Announced>, region_size: impl Fn(u16) -> Option<u64>) -> Option<CacheLine> {
    rings.sort_unstable();
    let mut told = None;
    for (at, ring) in rings.iter().enumerate() {
        let next = rings.get(at + 1).filter(|next| next.region == ring.region).map(|next| u64::from(next.offset));
        let Some(end) = next.or_else(|| region_size(ring.region)) else { continue };
        let Some(room) = end.checked_sub(ring.offset.into()) else { continue };
        match told_by(room, ring.log2, next.is_some()) {
            // A ring for the longer line would not fit.
            Some(CacheLine::Of64) => return Some(CacheLine::Of64),
            Some(line) => told = Some(line),
            None => {}
        }
    }
    told
}

/// What the bytes from the start of a ring to the next one tell, or to the end of its region.
fn told_by(room: u64, log2: u8, is_next: bool) -> Option<CacheLine> {
    let [short, long] = [CacheLine::Of64, CacheLine::Of128].map(|line| ring_bytes(line, log2));
    let fits = |bytes: u64| {
        let place = bytes.next_multiple_of(STEP);
        // Twice the place: a slave of ours leaves those of the direction out in which it has no ring.
        room == bytes || (is_next && (room == place || room == 2 * place))
    };
    if (short..long).contains(&room) || (room > short && fits(short)) {
        Some(CacheLine::Of64)
    } else {
        fits(long).then_some(CacheLine::Of128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CacheLine::{Of64, Of128};

    fn rings(step: u64, count: u32, first: u32, log2: u8) -> Vec<Announced> {
        let step = u32::try_from(step).unwrap();
        (0..count).map(|k| Announced { region: 0, offset: first + k * step, log2 }).collect()
    }

    #[test]
    fn distances_of_known_slaves_tell() {
        for line in [Of64, Of128] {
            for log2 in 0..=14 {
                let ring = ring_bytes(line, log2);
                let place = ring.next_multiple_of(64);
                for (what, step, first) in
                    [("packed", ring, 0), ("ours", place, 65_984), ("ours, one way", 2 * place, 65_856)]
                {
                    for count in [2, 3, 16] {
                        let told = told(rings(step, count, first, log2), |_| Some(1 << 40));
                        assert_eq!(told, Some(line), "{what}, {count} of 2^{log2} slots");
                    }
                }
                // One ring alone in a region that has no room for more, and two there.
                for count in [1, 2] {
                    assert_eq!(told(rings(ring, count, 0, log2), |_| Some(ring * u64::from(count))), Some(line));
                }
            }
        }
    }

    #[test]
    fn what_tells_nothing_is_not_guessed() {
        assert_eq!(told(rings(0, 1, 0, 8), |_| Some(1 << 20)), None, "one ring");
        assert_eq!(told(rings(8192, 4, 0, 8), |_| Some(1 << 20)), None, "on pages");
        assert_eq!(told(rings(4216, 2, 0, 8), |_| Some(1 << 20)), None, "overlapping");
        assert_eq!(told(rings(4216, 1, 0, 8), |_| Some(4216)), None, "beyond the region");
        assert_eq!(told(rings(0, 1, 4096, 8), |_| Some(64)), None, "behind the region");
        assert_eq!(told(rings(4224, 1, 0, 8), |_| None), None, "no region");
        let apart = [0, 1].map(|region| Announced { region, offset: 64, log2: 8 });
        assert_eq!(told(apart.to_vec(), |_| Some(1 << 20)), None, "in regions of their own");
    }

    #[test]
    fn a_ring_that_has_room_for_the_short_line_alone_decides() {
        let mut mixed = rings(4352, 3, 0, 8);
        assert_eq!(told(mixed.clone(), |_| Some(1 << 20)), Some(Of128));
        mixed.push(Announced { region: 0, offset: 2 * 4352 + 4224, log2: 8 });
        assert_eq!(told(mixed, |_| Some(1 << 20)), Some(Of64));
    }
}
