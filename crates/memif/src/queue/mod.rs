//! Queues: one direction of one ring pair each, movable to a thread of its own, with batches and packets on top of
//! the cursors.

mod notify;
mod packet;
mod rx;
mod rx_batch;
mod rx_core;
#[cfg(feature = "raw")]
pub(crate) mod slots;
mod tx;
mod tx_batch;
#[cfg(feature = "raw")]
mod view;
mod wait;

pub use packet::{Packet, Segments};
pub use rx::RxQueue;
pub use rx_batch::{Packets, RxBatch};
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

#[cfg(all(test, not(loom)))]
mod tests;
