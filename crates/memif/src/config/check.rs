//! Whether settings fit together, and what follows from them.

use super::interface::InterfaceConfig;
use super::memory::Memory;
use crate::error::ConfigError;
use crate::shm::layout::{Buffers, Layout, Rings};
use crate::shm::placement;
use crate::terms::{MAX_BUFFER_SIZE, MAX_LOG2_RING_SIZE, MAX_PACKET_SIZE, Role};

/// Spare buffers of a queue: with those of its slots they have numbers of 16 bits.
const MOST_SPARES: u32 = 32_768;

impl InterfaceConfig {
    /// The binary logarithm of the ring size. Meaningful only for a configuration that passed
    /// [`validate`](Self::validate).
    pub(crate) fn log2_ring_size(&self) -> u8 {
        u8::try_from(self.ring_size.trailing_zeros()).unwrap_or(MAX_LOG2_RING_SIZE)
    }

    /// The longest packet that a ring of `slots` slots carries under this configuration, in bytes.
    pub(crate) fn packet_limit(&self, slots: u32) -> u32 {
        let carried = if self.chaining { self.buffer_size.saturating_mul(slots) } else { self.buffer_size };
        self.max_packet.unwrap_or(MAX_PACKET_SIZE).min(carried)
    }

    /// Checks every setting and that they fit together, and asks the kernel whether there is such a NUMA node.
    ///
    /// # Errors
    /// The first setting that cannot be, with the one to change.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if self.rx_queues == 0 && self.tx_queues == 0 {
            return Err(ConfigError::NoQueues);
        }
        if !self.ring_size.is_power_of_two() || self.ring_size > 1 << MAX_LOG2_RING_SIZE {
            return Err(ConfigError::RingSize(self.ring_size));
        }
        if self.buffer_size == 0 || self.buffer_size > MAX_BUFFER_SIZE {
            return Err(ConfigError::BufferSize(self.buffer_size));
        }
        if self.spare_buffers > MOST_SPARES {
            return Err(ConfigError::SpareBuffers(self.spare_buffers));
        }
        self.limits.validate()?;
        if let Some(max_packet) = self.max_packet {
            if max_packet == 0 || max_packet > MAX_PACKET_SIZE {
                return Err(ConfigError::MaxPacket(max_packet));
            }
            if !self.chaining && max_packet > self.buffer_size {
                return Err(ConfigError::PacketNeedsChaining { max_packet, buffer_size: self.buffer_size });
            }
            if self.role == Role::Slave && self.buffer_size.saturating_mul(self.ring_size) < max_packet {
                return Err(ConfigError::PacketExceedsRing {
                    max_packet,
                    buffer_size: self.buffer_size,
                    ring_size: self.ring_size,
                });
            }
        }
        self.check_memory()
    }

    /// Whether the queues fit the memory that a slave is to have, and whether there is such memory.
    fn check_memory(&self) -> Result<(), ConfigError> {
        if self.role == Role::Master {
            return Ok(());
        }
        if matches!(self.memory, Memory::File { .. } | Memory::Mapped(_)) {
            for (asked, setting) in [(self.huge_pages, "huge pages"), (self.numa_node.is_some(), "a NUMA node")] {
                if asked {
                    return Err(ConfigError::CallersMemory(setting));
                }
            }
        }
        let most = self.rx_queues.max(self.probe_rx_queues.unwrap_or(0));
        self.layout(self.tx_queues, most, self.log2_ring_size())?;
        if let Some(node) = self.numa_node {
            let wrong = |problem| ConfigError::NumaNode { node, problem };
            placement::check_node(node).map_err(wrong)?;
        }
        Ok(())
    }

    /// Where a slave puts `s2m` and `m2s` rings of `2^log2` slots, and their buffers.
    pub(crate) fn layout(&self, s2m: u8, m2s: u8, log2: u8) -> Result<Layout, ConfigError> {
        let (apart, given) = match &self.memory {
            Memory::OneRegion => (self.huge_pages, None),
            Memory::RingsApart => (true, None),
            Memory::File { size, .. } => (true, Some(*size)),
            Memory::Mapped(mapping) => (true, Some(mapping.len() as u64)),
        };
        Layout::new(
            &Rings { s2m, m2s, log2, line: self.cache_line.unwrap_or_default() },
            &Buffers {
                size: self.buffer_size,
                spares: self.spare_buffers,
                packed: self.external.as_ref().is_some_and(|external| external.0.allocates()),
                apart,
                huge_pages: self.huge_pages,
                given,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_do_not_fit_name_the_setting() {
        let base = InterfaceConfig::slave(0);
        let error = |config: InterfaceConfig| config.validate().unwrap_err().to_string();
        assert!(error(base.clone().ring_size(0)).contains("ring size"));
        assert!(error(base.clone().ring_size(32_768)).contains("ring size"));
        assert!(error(base.clone().buffer_size(0)).contains("buffer size"));
        assert!(error(base.clone().buffer_size(65_536)).contains("buffer size"));
        assert!(error(base.clone().spare_buffers(32_769)).contains("spare buffers"));
        assert_eq!(base.clone().ring_size(16_384).spare_buffers(32_768).validate(), Ok(()));
        assert!(error(base.clone().rx_queues(0).tx_queues(0)).contains("queue"));
        assert!(error(base.clone().max_packet(65_536)).contains("packet"));
        let unchained = base.clone().chaining(false).max_packet(9000);
        assert!(error(unchained).contains("buffer size"));
        let small = base.clone().ring_size(2).max_packet(9000);
        assert!(error(small).contains("ring size"));
        assert_eq!(base.clone().ring_size(1).packet_limit(1), 2048);
        assert_eq!(base.packet_limit(1024), 65_535);
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
    fn huge_pages_hold_no_rings() {
        for memory in [Memory::OneRegion, Memory::RingsApart] {
            let config = InterfaceConfig::slave(0).memory(memory).huge_pages(true);
            let layout = config.layout(1, 1, 10).unwrap();
            assert_eq!(layout.regions.len(), 2);
            assert!(layout.buffers.iter().all(|place| place.region == 1));
        }
        assert_eq!(InterfaceConfig::slave(0).layout(1, 1, 10).unwrap().regions.len(), 1);
    }

    #[test]
    fn a_node_without_memory_is_refused_to_a_slave() {
        let config = InterfaceConfig::slave(0).numa_node(Some(1023));
        let error = config.validate().unwrap_err().to_string();
        assert!(error.contains("NUMA node 1023"), "{error}");
        assert_eq!(InterfaceConfig::master(0).numa_node(Some(1023)).validate(), Ok(()));
    }
}
