//! What was heard, for programs.

use std::net::Ipv4Addr;

use serde::Serialize;

use super::engine::{Heard, Reply};
use super::payload::Difference;
use crate::output::json::milliseconds;
use crate::packet::echo::NotEcho;

/// A packet that belongs to the run.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum HeardReport {
    /// A reply with every byte as it was sent, but perhaps for the checksum.
    Reply {
        from: Ipv4Addr,
        sequence: u16,
        /// Bytes of the ICMP message.
        icmp_bytes: usize,
        time_to_live: u8,
        round_trip_ms: f64,
        /// Whether the request was answered already.
        duplicate: bool,
        /// Whether its ICMP checksum was right. Every other byte was.
        icmp_checksum_ok: bool,
    },
    /// A packet that is no right reply.
    BadReply {
        from: Ipv4Addr,
        /// `null` where it cannot be trusted.
        sequence: Option<u16>,
        /// `data`, `length`, `ipv4_checksum` or `icmp_checksum`.
        problem: &'static str,
        explanation: String,
    },
}

impl HeardReport {
    /// `None` for what nobody is told.
    pub(crate) fn new(from: Ipv4Addr, sent_bytes: usize, heard: &Heard) -> Option<Self> {
        let reply = |reply: &Reply, duplicate| Self::Reply {
            from,
            sequence: reply.sequence,
            icmp_bytes: reply.icmp_len,
            time_to_live: reply.time_to_live,
            round_trip_ms: milliseconds(reply.round_trip),
            duplicate,
            icmp_checksum_ok: reply.checksum_ok,
        };
        let bad = |sequence, problem, explanation| Self::BadReply { from, sequence, problem, explanation };
        Some(match heard {
            Heard::Reply(heard) => reply(heard, false),
            Heard::Duplicate(heard) => reply(heard, true),
            Heard::Corrupt(sequence, Difference { at, sent, found }) => {
                bad(Some(*sequence), "data", format!("data byte {at} should be {sent:#04x} but was {found:#04x}"))
            }
            Heard::Length { sequence, found } => {
                bad(Some(*sequence), "length", format!("holds {found} data bytes, {sent_bytes} were sent"))
            }
            Heard::Checksum(fault) => {
                let problem = match fault {
                    NotEcho::HeaderChecksum => "ipv4_checksum",
                    _ => "icmp_checksum",
                };
                bad(None, problem, "a packet with a wrong checksum".to_owned())
            }
            Heard::Resolved(_) | Heard::Other => return None,
        })
    }
}
