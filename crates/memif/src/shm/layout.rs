//! Where a slave puts its rings and buffers.
//!
//! Rings come first in region 0, behind a decoy that no message names and its buffer, see [`decoy`](super::decoy).
//! Buffers follow in the same region or in regions of their own. Huge pages hold buffers alone: rings are some pages at
//! most, and their file can then be sealed so that no page of it is ever lost.
//!
//! A ring to receive on lies before the ring to send on of the same number: the header of that, of which a link that
//! rests has no more, then begins on the last page of the other one's descriptors. `memif-watch` finds them by these
//! places.
//!
//! A ring's place depends on its direction, index and size alone, and there are places for 16 rings each way at least.
//! A queue of a DPDK server that had a ring on an earlier link keeps that place when the next slave brings fewer (D5),
//! and so finds zeros there: neither our other rings nor buffers nor the end of the region. Offsets have 32 bits, so a
//! region ends at 4 GiB and further buffers go to the next one.

use super::decoy;
use super::placement::HUGE_PAGE;
use crate::error::ConfigError;
use crate::wire::ring::{CacheLine, ring_bytes};

/// Places of rings and buffers start at multiples of this. With [first places](Layout::new) at multiples of the ring's
/// own line, rings of 8 slots and more lie at multiples of that.
const STEP: u64 = 64;
/// Bytes that really lie behind every posted offset, whatever capacity is posted: DPDK's fast path as server
/// copies up to its own buffer size (default 2048) without looking at the capacity.
const LEAST_BUFFER: u64 = 2048;
/// Spare bytes behind each buffer: a DPDK application that prepends data sends that much more.
const SPARE: u64 = 128;
/// First offset that 32 bits cannot name.
const REGION_END: u64 = 1 << 32;
/// Rings of each direction that have a place, whether they are there or not. Pages of the others are never made.
const PLACES: u8 = 16;
/// Their numbers go from 0 to 255.
const MOST_REGIONS: usize = 256;
/// Buffers in region 0 start at a page of their own.
const PAGE: u64 = 4096;

/// The rings of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rings {
    /// From slave to master.
    pub(crate) s2m: u8,
    /// From master to slave.
    pub(crate) m2s: u8,
    /// Binary logarithm of their slots.
    pub(crate) log2: u8,
    /// The cache line that they are laid out for.
    pub(crate) line: CacheLine,
}

/// What the buffers are to be like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffers {
    /// Bytes of each.
    pub(crate) size: u32,
    /// Those of a ring to receive on beyond one for each slot, behind the others.
    pub(crate) spares: u32,
    /// Whether they lie without spare room: the caller sizes its memory by the buffers alone.
    pub(crate) packed: bool,
    /// Whether they lie in other regions than the rings.
    pub(crate) apart: bool,
    pub(crate) huge_pages: bool,
    /// Bytes of the caller's memory, where they lie in that.
    pub(crate) given: Option<u64>,
}

/// Where one queue's buffers lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferPlace {
    /// The region.
    pub(crate) region: u16,
    /// Offset of the buffer of slot 0.
    pub(crate) offset: u32,
}

/// The whole plan for one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Bytes of each region; the ones that the caller provides count with what is needed of them.
    pub(crate) regions: Vec<u64>,
    /// Offset of each ring in region 0, S2M rings first.
    pub(crate) rings: Vec<u32>,
    /// Offset of the decoy's buffer in region 0.
    pub(crate) decoy_buffer: u32,
    /// Place of each queue's buffers, in the same order.
    pub(crate) buffers: Vec<BufferPlace>,
    /// Bytes from one buffer to the next.
    pub(crate) stride: u32,
}

impl Layout {
    /// The plan for those rings, each with as many buffers as it has slots.
    pub(crate) fn new(rings: &Rings, buffers: &Buffers) -> Result<Self, ConfigError> {
        let Rings { s2m, m2s, log2, line } = *rings;
        let Buffers { size, spares, packed, apart, huge_pages, given } = *buffers;
        let queues = usize::from(s2m) + usize::from(m2s);
        let ring = ring_bytes(line, log2).next_multiple_of(STEP);
        let stride =
            if packed { u64::from(size) } else { (u64::from(size).max(LEAST_BUFFER) + SPARE).next_multiple_of(STEP) };
        let of_queue = |spares: u32| stride * ((1_u64 << log2) + u64::from(spares));
        // At most 510 rings of 262,400 bytes and queues of 49,152 buffers of 65,664 bytes, far below 2^32 and 2^64.
        let decoy_buffer = decoy::bytes(line).next_multiple_of(STEP);
        let decoy_end = decoy_buffer + u64::from(decoy::BUFFER_BYTES) + SPARE;
        let first = decoy_end.next_multiple_of(line.bytes() as u64);
        let place = |pair: u8, s2m: bool| first + (2 * u64::from(pair) + u64::from(s2m)) * ring;
        let rings = (0..s2m).map(|k| place(k, true)).chain((0..m2s).map(|k| place(k, false)));
        let rings = rings.map(|offset| u32::try_from(offset).unwrap_or(u32::MAX)).collect();
        let rings_end = (first + 2 * u64::from(s2m.max(m2s).max(PLACES)) * ring).next_multiple_of(PAGE);
        let (mut regions, mut next) = if apart { (vec![rings_end], 0) } else { (vec![], rings_end) };
        let mut buffers = Vec::with_capacity(queues);
        for queue in 0..queues {
            let bytes = of_queue(if queue < usize::from(s2m) { 0 } else { spares });
            if next + bytes > REGION_END {
                regions.push(next);
                next = 0;
            }
            buffers.push(BufferPlace {
                region: u16::try_from(regions.len()).unwrap_or(u16::MAX),
                offset: u32::try_from(next).unwrap_or(u32::MAX),
            });
            next += bytes;
        }
        regions.push(next);
        if regions.len() > MOST_REGIONS {
            return Err(ConfigError::TooManyRegions(regions.len()));
        }
        if huge_pages {
            // Peers map and unmap what is announced, which must be whole pages. 4 GiB are.
            for size in regions.iter_mut().skip(1) {
                *size = size.next_multiple_of(HUGE_PAGE);
            }
        }

        if let Some(size) = given {
            let needed = of_queue(0) * u64::from(s2m) + of_queue(spares) * u64::from(m2s);
            if regions.len() > 2 {
                return Err(ConfigError::BuffersTooLarge(needed));
            }
            if size < needed {
                return Err(ConfigError::MemoryTooSmall { size, needed });
            }
        }
        Ok(Self {
            regions,
            rings,
            decoy_buffer: u32::try_from(decoy_buffer).unwrap_or(u32::MAX),
            buffers,
            stride: u32::try_from(stride).unwrap_or(u32::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ring::RING_ALIGNMENT;
    use CacheLine::{Of64, Of128};

    fn buffers(size: u32, apart: bool) -> Buffers {
        Buffers { size, spares: 0, packed: false, apart, huge_pages: false, given: None }
    }

    fn plan(s2m: u8, m2s: u8, log2: u8, buffers: &Buffers) -> Layout {
        plan_for(Of64, s2m, m2s, log2, buffers)
    }

    fn plan_for(line: CacheLine, s2m: u8, m2s: u8, log2: u8, buffers: &Buffers) -> Layout {
        Layout::new(&Rings { s2m, m2s, log2, line }, buffers).unwrap()
    }

    /// No two rings or buffers share a byte, and all lie in their regions.
    fn disjoint(layout: &Layout, log2: u8, buffer_size: u64) {
        disjoint_with(Of64, layout, log2, buffer_size, 0, 0);
    }

    /// The same of rings of which those from the `s2m`th on have spare buffers.
    fn disjoint_with(line: CacheLine, layout: &Layout, log2: u8, buffer_size: u64, s2m: usize, spares: u64) {
        let decoy_buffer = u64::from(layout.decoy_buffer);
        assert!(decoy_buffer.is_multiple_of(STEP));
        let mut ranges: Vec<(u64, u64, u64)> =
            vec![(0, 0, decoy::bytes(line)), (0, decoy_buffer, decoy_buffer + u64::from(decoy::BUFFER_BYTES) + SPARE)];
        for offset in &layout.rings {
            let multiple = if log2 < 3 { STEP } else { line.bytes() as u64 };
            assert!(u64::from(*offset).is_multiple_of(RING_ALIGNMENT.max(multiple)));
            ranges.push((0, u64::from(*offset), u64::from(*offset) + ring_bytes(line, log2)));
        }
        for (queue, place) in layout.buffers.iter().enumerate() {
            for slot in 0..(1u64 << log2) + if queue < s2m { 0 } else { spares } {
                let start = u64::from(place.offset) + slot * u64::from(layout.stride);
                let end = start + buffer_size.max(LEAST_BUFFER) + SPARE;
                ranges.push((u64::from(place.region), start, end));
            }
        }
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            assert!(pair[0].0 < pair[1].0 || pair[0].2 <= pair[1].1, "{pair:?}");
        }
        for (region, start, end) in ranges {
            assert!(end <= layout.regions[region as usize] && start < REGION_END);
        }
    }

    #[test]
    fn nothing_overlaps() {
        for (s2m, m2s, log2, size) in
            [(1, 1, 10, 2048), (1, 0, 0, 1), (3, 7, 4, 1500), (0, 2, 1, 65_535), (8, 8, 5, 100)]
        {
            for (apart, line) in [(false, Of64), (true, Of64), (false, Of128), (true, Of128)] {
                let layout = plan_for(line, s2m, m2s, log2, &buffers(size, apart));
                disjoint_with(line, &layout, log2, u64::from(size), 0, 0);
            }
        }
    }

    #[test]
    fn spare_buffers_lie_behind_those_of_the_slots() {
        for apart in [false, true] {
            let spare = |spares| plan(2, 3, 5, &Buffers { spares, ..buffers(2048, apart) });
            disjoint_with(Of64, &spare(40), 5, 2048, 2, 40);
            let (with, without) = (spare(40), spare(0));
            assert_eq!(with.buffers[..3], without.buffers[..3]);
            let bytes = |layout: &Layout| layout.regions.iter().sum::<u64>();
            assert_eq!(bytes(&with), bytes(&without) + 3 * 40 * u64::from(with.stride));
        }
        let given = |size| Buffers { spares: 40, given: Some(size), ..buffers(2048, true) };
        let needed = (2 * 32 + 3 * 72) * 2176;
        assert!(Layout::new(&Rings { s2m: 2, m2s: 3, log2: 5, line: Of64 }, &given(needed)).is_ok());
        let error = Layout::new(&Rings { s2m: 2, m2s: 3, log2: 5, line: Of64 }, &given(needed - 1)).unwrap_err();
        assert_eq!(error, ConfigError::MemoryTooSmall { size: needed - 1, needed });
    }

    #[test]
    fn fewer_rings_leave_the_others_places_empty() {
        for line in [Of64, Of128] {
            fewer_rings(line);
        }
    }

    fn fewer_rings(line: CacheLine) {
        let most = plan_for(line, 16, 16, 8, &buffers(2048, false));
        for (s2m, m2s) in [(1, 1), (1, 16), (16, 1), (3, 2)] {
            for apart in [false, true] {
                let layout = plan_for(line, s2m, m2s, 8, &buffers(2048, apart));
                let (sends, receives) = layout.rings.split_at(usize::from(s2m));
                assert_eq!(sends, &most.rings[..usize::from(s2m)]);
                assert_eq!(receives, &most.rings[16..][..usize::from(m2s)]);
                let end = u64::from(most.rings[31]) + ring_bytes(line, 8);
                assert!(layout.regions[0] >= end);
                for place in layout.buffers.iter().filter(|place| place.region == 0) {
                    assert!(u64::from(place.offset) >= end);
                }
            }
        }
    }

    #[test]
    fn huge_pages_hold_whole_regions_of_buffers() {
        let huge = |size| Buffers { huge_pages: true, ..buffers(size, true) };
        let layout = plan(1, 1, 10, &huge(2048));
        disjoint(&layout, 10, 2048);
        // The decoy with its buffer, and places for 32 rings of 16,512 bytes.
        assert_eq!((layout.decoy_buffer, layout.rings), (192, vec![82_368, 65_856]));
        assert_eq!(layout.regions, [0x92_000, 3 * HUGE_PAGE]);
        let wide = plan_for(Of128, 1, 1, 10, &huge(2048));
        assert_eq!((wide.decoy_buffer, wide.rings), (320, vec![82_688, 66_048]));
        let layout = plan(64, 64, 14, &huge(65_535));
        assert!(layout.regions.len() > 3);
        for size in &layout.regions[1..] {
            assert!(size.is_multiple_of(HUGE_PAGE) && *size <= REGION_END, "{size}");
        }
    }

    #[test]
    fn more_than_4_gib_takes_more_regions() {
        let layout = plan(255, 255, 14, &buffers(65_535, false));
        assert!(layout.regions.len() > 2 && layout.regions.len() <= 256);
        assert!(layout.regions.iter().all(|size| *size <= REGION_END));
        let spare = Buffers { spares: 32_768, ..buffers(65_535, false) };
        let layout = plan(3, 200, 14, &spare);
        assert!(layout.regions.len() > 200 && layout.regions.iter().all(|size| *size <= REGION_END));
        let refused = Layout::new(&Rings { s2m: 255, m2s: 255, log2: 14, line: Of64 }, &spare).unwrap_err();
        assert!(matches!(refused, ConfigError::TooManyRegions(257..)), "{refused}");
    }
}
