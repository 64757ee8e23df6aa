//! What the queues of a link share with each other and with the driver of their socket.

mod asked;
mod in_use;
mod interrupt;
mod link;
mod peer;
mod queue;
mod signals;
mod standing;
mod users;

pub(crate) use in_use::InUse;
pub(crate) use interrupt::drain;
pub(crate) use link::LinkShared;
pub(crate) use peer::PEER_GONE;
pub(crate) use queue::{PACKETS_PER_SIGNAL, QueueParts, QueueShared};
pub(crate) use signals::DriverSignals;
