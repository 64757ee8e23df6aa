//! Queues: one direction of one ring pair each, movable to a thread of its own, with batches and packets on top of
//! the cursors.

mod leftovers;
mod memory;
mod notify;
mod packet;
mod rx;
mod rx_batch;
mod rx_core;
mod rx_scan;
mod shared;
#[cfg(feature = "raw")]
pub(crate) mod slots;
mod spin;
mod tx;
mod tx_batch;
mod tx_core;
#[cfg(feature = "raw")]
mod view;
mod wait;

use crate::shm::{BufferTable, Regions};

pub use packet::{Packet, Segments};
pub use rx::RxQueue;
pub use rx_batch::{Packets, RxBatch};
pub(crate) use shared::{
    DriverSignals, LinkShared, PACKETS_PER_SIGNAL, QueueParts, QueueShared, drain, is_signalled, signal,
};
pub use tx::TxQueue;
pub use tx_batch::{ForwardError, PacketWriter, TxBatch};
#[cfg(feature = "raw")]
pub use view::QueueView;

/// The memory of a ring as queues have it. Tests take the same memory behind something that counts every load and
/// changes words between two of them.
#[cfg(not(all(test, not(loom))))]
use crate::shm::MappedRing as Ring;
#[cfg(all(test, not(loom)))]
use tests::Watched as Ring;

/// One packet buffer of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BufferRef {
    /// The region.
    pub(crate) region: u16,
    /// Offset of its first byte in the region.
    pub(crate) offset: u32,
    /// Bytes that it holds; none in a posted buffer that broke the rules.
    pub(crate) capacity: u32,
}

/// A table with a place for each of so many slots, which these buffers begin.
fn table(regions: &Regions, slots: usize, buffers: &[BufferRef]) -> BufferTable {
    let table = BufferTable::new(regions, slots);
    for (at, BufferRef { region, offset, capacity }) in buffers.iter().enumerate() {
        table.put(at, *region, *offset, *capacity, *capacity);
    }
    table
}

/// The buffers of a table.
#[cfg(feature = "raw")]
fn buffers_of(table: &BufferTable) -> Box<[BufferRef]> {
    let buffer = |at| BufferRef { region: table.region(at), offset: table.offset(at), capacity: table.len(at) };
    (0..table.count()).map(buffer).collect()
}

#[cfg(test)]
mod core_tests;
#[cfg(all(test, not(loom)))]
mod tests;
