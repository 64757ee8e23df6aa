//! What a received packet was.

use std::time::Duration;

use super::payload::Difference;
use crate::packet::Mac;
use crate::packet::echo::NotEcho;
use crate::packet::icmp_error::IcmpError;

/// What a received packet was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The ethernet address that was asked for.
    Resolved(Mac),
    /// A reply with every byte as it was sent, but perhaps for the checksum.
    Reply(Reply),
    /// A reply to a request that was answered already.
    Duplicate(Reply),
    /// A reply with a wrong byte.
    Corrupt(u16, Difference),
    /// A reply of the wrong length.
    Length { sequence: u16, found: usize },
    /// A packet from the target with a wrong checksum.
    Checksum(NotEcho),
    /// Why a request did not arrive, as somebody tells it.
    Error(IcmpError),
    /// A part of a packet.
    Fragment,
    /// Nothing that belongs to this run.
    Other,
}

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Bytes of the ICMP message.
    pub(crate) icmp_len: usize,
    pub(crate) sequence: u16,
    pub(crate) time_to_live: u8,
    pub(crate) round_trip: Duration,
    /// Whether its ICMP checksum was right. Every other byte was.
    pub(crate) checksum_ok: bool,
}
