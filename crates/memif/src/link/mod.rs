//! One connection's memory and queues: mapped, checked, and taken down again.

mod interrupt;
mod master;
mod peer_fd;
mod shared;
mod signals;
mod slave;
mod standing;

pub(crate) use interrupt::{drain, signal};
pub(crate) use master::MasterMemory;
pub(crate) use shared::{LinkHandle, LinkShared, PACKETS_PER_SIGNAL, QueueParts, QueueShared};
pub(crate) use signals::DriverSignals;
pub(crate) use slave::SlaveMemory;

use crate::queue::{RxQueue, TxQueue};

/// A link that is up: what the driver keeps and what the caller gets.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) handle: LinkHandle,
    pub(crate) rx: Vec<RxQueue>,
    pub(crate) tx: Vec<TxQueue>,
}
