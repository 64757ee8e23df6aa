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

mod master;
mod setup;
mod slave;
#[cfg(test)]
mod tests;

use std::fmt;

pub use master::{Master, MasterEvent, MasterParams};
pub use setup::{RegionSetup, RingSetup, Setup};
pub use slave::{Slave, SlaveEvent, SlaveParams};

use crate::config::Name;
use crate::error::Breach;
use crate::wire::{Disconnect, MESSAGE_SIZE, Message, RingDirection, Text};

/// Most messages that a handshake can have: INIT, 256 regions, 255 rings each way, CONNECT.
pub const MAX_MESSAGES: u32 = 1 + 256 + 2 * 255 + 1;

/// What a machine must know about a descriptor that a peer sent.
pub trait PeerFd {
    /// Checks the descriptor of region `index`, which is said to have `size` bytes.
    /// With `require_sealed`, memory that its owner can still shrink is refused.
    ///
    /// # Errors
    /// The breach to tell the peer.
    fn check_region(&mut self, index: u16, size: u64, require_sealed: bool) -> Result<(), Breach>;

    /// Checks the descriptor that ring `index` is to be signalled through.
    ///
    /// # Errors
    /// The breach to tell the peer.
    fn check_interrupt(&mut self, direction: RingDirection, index: u16) -> Result<(), Breach>;
}

/// A message to send, with its descriptor.
#[derive(Debug)]
pub struct Transmit<F> {
    /// The whole message.
    pub bytes: [u8; MESSAGE_SIZE],
    /// The one descriptor to attach, if any.
    pub fd: Option<F>,
}

impl<F> From<Message> for Transmit<F> {
    fn from(message: Message) -> Self {
        Self { bytes: message.emit(), fd: None }
    }
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// This side wanted so, for this reason.
    Local(String),
    /// The peer broke the protocol, or was refused; it was told.
    Breach(Breach),
    /// The peer said so.
    Peer(Disconnect),
    /// The peer closed without a word.
    Hangup(Stage),
    /// The master acknowledged INIT and closed: what libmemif does when no interface has the id.
    UnknownId,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Slave: nothing came yet.
    WaitHello,
    /// Slave: INIT was sent.
    WaitInitAck,
    /// Slave: a region or a ring was sent.
    WaitAck,
    /// Slave: CONNECT was sent.
    WaitConnected,
    /// Master: HELLO was sent.
    WaitInit,
    /// Master: INIT came and is not answered yet.
    Admission,
    /// Master: INIT was acknowledged.
    Setup,
    /// Master: CONNECT came and is not answered yet.
    Mapping,
    /// Packets may flow.
    Connected,
    /// It is over.
    Closed,
}

impl Stage {
    /// What the connection does in this stage, to go behind "while".
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::WaitHello => "waiting for HELLO",
            Stage::WaitInitAck => "waiting for the ACK of INIT",
            Stage::WaitAck => "waiting for an ACK",
            Stage::WaitConnected => "waiting for CONNECTED",
            Stage::WaitInit => "waiting for INIT",
            Stage::Admission => "deciding on INIT",
            Stage::Setup => "setting up",
            Stage::Mapping => "mapping memory",
            Stage::Connected => "connected",
            Stage::Closed => "closed",
        }
    }

    /// Whether the handshake still goes on.
    #[must_use]
    pub const fn is_handshake(self) -> bool {
        !matches!(self, Stage::Connected | Stage::Closed)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The message of a breach.
fn disconnect_message(reason: &str) -> Message {
    Message::Disconnect(Disconnect { code: 0, reason: Text::lossy(reason.as_bytes()) })
}

/// Reads a message and checks that as many descriptors came as belong to it (C1 to C3).
///
/// DISCONNECT passes with any number: it ends the connection anyway and must not be answered.
fn parse_with_fds(bytes: &[u8], fds: usize) -> Result<Message, Breach> {
    let message = Message::parse(bytes)?;
    let expected = message.descriptors();
    if fds != expected && !matches!(message, Message::Disconnect(_)) {
        return Err(Breach::DescriptorCount { message: message.name(), found: fds, expected });
    }
    Ok(message)
}

/// The names that a peer gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerNames {
    /// Program and version, from HELLO or INIT.
    pub app_name: Name,
    /// Interface name, from CONNECT or CONNECTED.
    pub interface_name: Name,
}

impl PeerNames {
    /// Whether the peer says that it is a DPDK.
    #[must_use]
    pub fn is_dpdk(&self) -> bool {
        is_dpdk(&self.app_name)
    }
}

/// Whether a peer of that program name is a DPDK: all versions send "DPDK " and their number, whatever program they are
/// part of.
pub(crate) fn is_dpdk(app_name: &Name) -> bool {
    app_name.as_bytes().starts_with(b"DPDK")
}
