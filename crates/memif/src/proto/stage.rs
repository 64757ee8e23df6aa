//! How far a connection has come, and why it is over.

use std::fmt;

use crate::error::{Refusal, SystemError};
use crate::wire::Disconnect;

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closed {
    /// This side wanted so, for this reason.
    Local(SystemError),
    /// The peer was refused, or broke the protocol; it was told.
    Refused(Refusal),
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
