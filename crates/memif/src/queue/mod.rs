//! Queues: one direction of one ring pair each, movable to a thread of its own, with batches and packets on top of
//! the cursors.

#[cfg(feature = "smoltcp")]
mod aside;
mod buffers;
mod flush;
mod kept;
mod leftovers;
mod memory;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod nap;
mod notify;
mod packet;
mod packet_writer;
mod pauses;
mod readiness;
mod receive;
mod room;
mod rx;
mod rx_batch;
mod rx_core;
mod rx_scan;
mod send;
mod several;
mod shared;
mod silence;
mod sleep;
#[cfg(feature = "raw")]
pub(crate) mod slots;
mod spares;
mod spin;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod steps;
mod tx;
mod tx_batch;
mod tx_core;
mod view;
mod wait;

#[cfg(feature = "smoltcp")]
pub(crate) use aside::Aside;
pub(crate) use buffers::{BufferRef, BufferRow};
pub use kept::{KeptPacket, NotKept};
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub(crate) use nap::Nap;
pub use packet::{Packet, Segments};
pub use packet_writer::PacketWriter;
pub use rx::RxQueue;
pub use rx_batch::{Packets, RxBatch};
pub(crate) use shared::{
    DriverSignals, InUse, LinkShared, PACKETS_PER_SIGNAL, PEER_GONE, QueueParts, QueueShared, drain,
};
pub use spares::KeptSegments;
#[cfg(any(feature = "async-io", feature = "tokio"))]
pub(crate) use steps::{RxWait, Step, TxWait};
pub use tx::TxQueue;
pub use tx_batch::{ForwardError, TxBatch};
pub use view::QueueView;

#[cfg(test)]
mod core_tests;
#[cfg(all(test, not(loom)))]
mod tests;
