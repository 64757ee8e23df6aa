//! Queues: one direction of one ring pair each, movable to a thread of its own, with batches and packets on top of
//! the cursors.

mod leftovers;
mod notify;
mod packet;
mod rx;
mod rx_batch;
mod rx_core;
mod shared;
#[cfg(feature = "raw")]
pub(crate) mod slots;
mod spin;
mod tx;
mod tx_batch;
#[cfg(feature = "raw")]
mod view;
mod wait;

use crate::shm::{Regions, Spots};

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
fn table(regions: &Regions, slots: usize, buffers: &[BufferRef]) -> Spots {
    let table = Spots::new(regions, slots);
    for (at, BufferRef { region, offset, capacity }) in buffers.iter().enumerate() {
        table.put(at, *region, *offset, *capacity, *capacity);
    }
    table
}

/// The buffers of a table.
#[cfg(feature = "raw")]
fn buffers_of(table: &Spots) -> Box<[BufferRef]> {
    let buffer = |at| BufferRef { region: table.region(at), offset: table.offset(at), capacity: table.len(at) };
    (0..table.count()).map(buffer).collect()
}

#[cfg(all(test, not(loom)))]
mod tests;
