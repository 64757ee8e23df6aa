//! Where a slave puts its rings and buffers.
//!
//! Rings come first in region 0, behind a decoy that no message names, see [`decoy`](super::decoy). Buffers follow in
//! the same region or in regions of their own. Huge pages hold buffers alone: rings are some pages at most, and their
//! file can then be sealed so that no page of it is ever lost.
//!
//! A ring's place depends on its direction, index and size alone, and there are places for 16 rings each way at least.
//! A queue of a DPDK server that had a ring on an earlier link keeps that place when the next slave brings fewer (D5),
//! and so finds zeros there: neither our other rings nor buffers nor the end of the region. Offsets have 32 bits, so a
//! region ends at 4 GiB and further buffers go to the next one.

use crate::config::{InterfaceConfig, Memory, Role};
use crate::error::ConfigError;
use crate::shm::decoy;
use crate::shm::placement::{self, HUGE_PAGE};
use crate::wire::ring::ring_bytes;

/// Rings and buffers start at multiples of a cache line.
const LINE: u64 = 64;
/// Bytes that really lie behind every posted offset, whatever capacity is posted: DPDK's fast path as server
/// copies up to its own buffer size (default 2048) without looking at the capacity.
const LEAST_BUFFER: u64 = 2048;
/// Spare bytes behind each buffer: a DPDK application that prepends data sends that much more.
const SPARE: u64 = 128;
/// First offset that 32 bits cannot name.
const REGION_END: u64 = 1 << 32;
/// Rings of each direction that have a place, whether they are there or not. Pages of the others are never made.
const PLACES: u8 = 16;
/// Buffers in region 0 start at a page of their own.
const PAGE: u64 = 4096;

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
    /// The plan for `s2m` and `m2s` rings of `2^log2` slots.
    pub(crate) fn new(config: &InterfaceConfig, s2m: u8, m2s: u8, log2: u8) -> Result<Self, ConfigError> {
        let queues = usize::from(s2m) + usize::from(m2s);
        let ring = ring_bytes(log2).next_multiple_of(LINE);
        let stride = if config.external.as_ref().is_some_and(|external| external.0.allocates()) {
            // The caller sizes its memory by the buffers alone.
            u64::from(config.buffer_size)
        } else {
            (u64::from(config.buffer_size).max(LEAST_BUFFER) + SPARE).next_multiple_of(LINE)
        };
        let per_queue = stride << log2;
        // At most 510 rings of 262,272 bytes and queues of 16384 buffers of 65,664 bytes, far below 2^32 and 2^64.
        let decoy_buffer = decoy::RING_BYTES.next_multiple_of(LINE);
        let first = decoy_buffer + (u64::from(decoy::BUFFER_BYTES) + SPARE).next_multiple_of(LINE);
        let place = |pair: u8, m2s: bool| first + (2 * u64::from(pair) + u64::from(m2s)) * ring;
        let rings = (0..s2m).map(|k| place(k, false)).chain((0..m2s).map(|k| place(k, true)));
        let rings = rings.map(|offset| u32::try_from(offset).unwrap_or(u32::MAX)).collect();
        let rings_end = first + 2 * u64::from(s2m.max(m2s).max(PLACES)) * ring;

        let (mut regions, mut next) = match &config.memory {
            Memory::OneRegion if !config.huge_pages => (vec![], rings_end.next_multiple_of(PAGE)),
            _ => (vec![rings_end.next_multiple_of(PAGE)], 0),
        };
        let mut buffers = Vec::with_capacity(queues);
        for _ in 0..queues {
            if next + per_queue > REGION_END {
                regions.push(next);
                next = 0;
            }
            buffers.push(BufferPlace {
                region: u16::try_from(regions.len()).unwrap_or(u16::MAX),
                offset: u32::try_from(next).unwrap_or(u32::MAX),
            });
            next += per_queue;
        }
        regions.push(next);
        if config.huge_pages {
            // Peers map and unmap what is announced, which must be whole pages. 4 GiB are.
            for size in regions.iter_mut().skip(1) {
                *size = size.next_multiple_of(HUGE_PAGE);
            }
        }

        let given = match &config.memory {
            Memory::OneRegion | Memory::RingsApart => None,
            Memory::File { size, .. } => Some(*size),
            Memory::Mapped(mapping) => Some(mapping.len() as u64),
        };
        if let Some(size) = given {
            for (asked, setting) in [(config.huge_pages, "huge pages"), (config.numa_node.is_some(), "a NUMA node")] {
                if asked {
                    return Err(ConfigError::CallersMemory(setting));
                }
            }
            let needed = per_queue * queues as u64;
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

/// Whether the queues of this configuration fit the memory that it names, and whether there is such memory.
pub(crate) fn check(config: &InterfaceConfig) -> Result<(), ConfigError> {
    if config.role == Role::Slave {
        let most = config.rx_queues.max(config.probe_rx_queues.unwrap_or(0));
        Layout::new(config, config.tx_queues, most, config.log2_ring_size())?;
        if let Some(node) = config.numa_node {
            let wrong = |problem| ConfigError::NumaNode { node, problem };
            placement::check_node(node).map_err(wrong)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ring::RING_ALIGNMENT;

    /// No two rings or buffers share a byte, and all lie in their regions.
    fn disjoint(layout: &Layout, log2: u8, buffer_size: u64) {
        let decoy_buffer = u64::from(layout.decoy_buffer);
        assert!(decoy_buffer.is_multiple_of(LINE));
        let mut ranges: Vec<(u64, u64, u64)> =
            vec![(0, 0, decoy::RING_BYTES), (0, decoy_buffer, decoy_buffer + u64::from(decoy::BUFFER_BYTES) + SPARE)];
        for offset in &layout.rings {
            assert!(u64::from(*offset).is_multiple_of(RING_ALIGNMENT.max(LINE)));
            ranges.push((0, u64::from(*offset), u64::from(*offset) + ring_bytes(log2)));
        }
        for place in &layout.buffers {
            for slot in 0..1u64 << log2 {
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
            let config = InterfaceConfig::slave(0).buffer_size(size);
            for memory in [Memory::OneRegion, Memory::RingsApart] {
                let config = config.clone().memory(memory);
                disjoint(&Layout::new(&config, s2m, m2s, log2).unwrap(), log2, u64::from(size));
            }
        }
    }

    #[test]
    fn fewer_rings_leave_the_others_places_empty() {
        let config = InterfaceConfig::slave(0);
        let most = Layout::new(&config, 16, 16, 8).unwrap();
        for (s2m, m2s) in [(1, 1), (1, 16), (16, 1), (3, 2)] {
            for memory in [Memory::OneRegion, Memory::RingsApart] {
                let config = config.clone().memory(memory);
                let layout = Layout::new(&config, s2m, m2s, 8).unwrap();
                let (sends, receives) = layout.rings.split_at(usize::from(s2m));
                assert_eq!(sends, &most.rings[..usize::from(s2m)]);
                assert_eq!(receives, &most.rings[16..][..usize::from(m2s)]);
                let end = u64::from(most.rings[31]) + ring_bytes(8);
                assert!(layout.regions[0] >= end);
                for place in layout.buffers.iter().filter(|place| place.region == 0) {
                    assert!(u64::from(place.offset) >= end);
                }
            }
        }
    }

    #[test]
    fn huge_pages_hold_whole_regions_of_buffers() {
        for memory in [Memory::OneRegion, Memory::RingsApart] {
            let config = InterfaceConfig::slave(0).memory(memory).huge_pages(true);
            let layout = Layout::new(&config, 1, 1, 10).unwrap();
            disjoint(&layout, 10, 2048);
            // The decoy with its buffer, and places for 32 rings of 16,512 bytes.
            assert_eq!((layout.decoy_buffer, layout.rings), (192, vec![65_856, 82_368]));
            assert_eq!(layout.regions, [0x92_000, 3 * HUGE_PAGE]);
            let layout = Layout::new(&config.buffer_size(65_535), 64, 64, 14).unwrap();
            assert!(layout.regions.len() > 3);
            for size in &layout.regions[1..] {
                assert!(size.is_multiple_of(HUGE_PAGE) && *size <= REGION_END, "{size}");
            }
        }
    }

    #[test]
    fn memory_of_the_caller_is_where_it_is() {
        let fd = std::sync::Arc::new(rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
        let config = InterfaceConfig::slave(0).memory(Memory::File { fd, size: 8 << 20 });
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.clone().prefault(true).validate(), Ok(()));
        for config in [config.clone().huge_pages(true), config.numa_node(Some(0))] {
            let error = config.validate().unwrap_err();
            assert!(matches!(error, ConfigError::CallersMemory(_)), "{error}");
        }
    }

    #[test]
    fn a_node_without_memory_is_refused_to_a_slave() {
        let config = InterfaceConfig::slave(0).numa_node(Some(1023));
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("NUMA node 1023"), "{error}");
        assert_eq!(InterfaceConfig::master(0).numa_node(Some(1023)).validate(), Ok(()));
    }

    #[test]
    fn more_than_4_gib_takes_more_regions() {
        let config = InterfaceConfig::slave(0).buffer_size(65_535);
        let layout = Layout::new(&config, 255, 255, 14).unwrap();
        assert!(layout.regions.len() > 2 && layout.regions.len() <= 256);
        assert!(layout.regions.iter().all(|size| *size <= REGION_END));
    }
}
