//! The memory that a slave brings.

use clap::Args;
use memif::{CacheLine, InterfaceConfig};

use crate::endpoint::values::{memory_bytes, number, ring_slots};

/// Rings, buffers, and where they lie.
#[derive(Args, Clone, Debug)]
pub(super) struct MemoryOptions {
    /// Slots of each ring, a power of two from 1 to 16384 (1k is 1024); the slave's choice counts
    #[arg(long, value_name = "N", default_value = "1024", value_parser = ring_slots, allow_negative_numbers = true)]
    ring_size: u32,

    /// Bytes of the cache line that the peer was built for, 64 or 128: rings are laid out so. Without it a slave takes
    /// what is usual on this processor (128 on aarch64, 64 elsewhere), a master what its slave has
    #[arg(long, value_name = "BYTES")]
    cacheline: Option<CacheLine>,

    /// Bytes of each buffer, 1 to 65535 (2k is 2048); longer packets are chained. Towards DPDK not above its own buffer
    /// size
    #[arg(long, value_name = "BYTES", default_value = "2048", value_parser = memory_bytes,
        allow_negative_numbers = true)]
    buffer_size: u32,

    /// Send no packet in more than one buffer: those that are longer than one are refused. Chains of the peer are taken
    #[arg(long)]
    no_chains: bool,

    /// Slave: put the buffers on huge pages of 2 MiB, which must be reserved (sysctl vm.nr_hugepages)
    #[arg(long)]
    huge_pages: bool,

    /// Slave: take the memory from this NUMA node
    #[arg(long, value_name = "N", value_parser = number::<u32>(0, 1023), allow_negative_numbers = true)]
    numa_node: Option<u32>,

    /// Make and map all memory before the link comes up, not as packets first come to it
    #[arg(long)]
    prefault: bool,
}

impl MemoryOptions {
    /// The interface with that memory.
    pub(super) fn apply(&self, config: InterfaceConfig) -> InterfaceConfig {
        config
            .ring_size(self.ring_size)
            .cache_line(self.cacheline)
            .buffer_size(self.buffer_size)
            .chaining(!self.no_chains)
            .huge_pages(self.huge_pages)
            .numa_node(self.numa_node)
            .prefault(self.prefault)
    }

    /// Slots of each ring and bytes of each buffer asked for.
    pub(super) fn ring(&self) -> (u32, u32) {
        (self.ring_size, self.buffer_size)
    }

    /// Whether the buffers lie on huge pages, the NUMA node of the memory, and whether it is made ahead.
    pub(super) fn placement(&self) -> (bool, Option<u32>, bool) {
        (self.huge_pages, self.numa_node, self.prefault)
    }
}
