//! The handshake of both roles as machines without input or output.
//!
//! [`Master`] and [`Slave`] take what arrived (`handle_*`) and commands, and hand out what is to be done (`poll_*`).
//! They own no socket and no clock: time is an argument, and file descriptors are a type parameter, so that whole
//! connections run in memory. The result of a handshake is plain data that was checked completely ([`Setup`]);
//! only then is anything mapped.
//!
//! Rules that hold for both: one answer per request and nothing unsolicited but DISCONNECT, since peers count
//! answers instead of matching them; a DISCONNECT is never answered; every descriptor that came with a refused
//! message is dropped, hence closed.

mod lines;
mod master;
mod params;
mod peer;
mod setup;
mod slave;
mod stage;
#[cfg(test)]
mod tests;
mod transmit;

pub use master::{Master, MasterEvent};
pub use params::{MasterParams, SlaveParams};
pub(crate) use peer::is_dpdk;
pub use peer::{PeerFd, PeerNames, Sealing};
pub use setup::{RegionSetup, RingSetup, Setup};
pub use slave::{Slave, SlaveEvent};
pub use stage::{Closed, Stage};
pub use transmit::{MAX_MESSAGES, Transmit};
