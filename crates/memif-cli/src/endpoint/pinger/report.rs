//! What was heard, for programs.

use std::net::IpAddr;

use serde::Serialize;

use super::heard::{Heard, Reply};
use super::payload::Difference;
use crate::output::json::milliseconds;
use crate::packet::echo::NotEcho;

/// A packet that belongs to the run.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum HeardReport {
    /// A reply with every byte as it was sent, but perhaps for the checksum.
    Reply {
        from: IpAddr,
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
        from: IpAddr,
        /// `null` where it cannot be trusted.
        sequence: Option<u16>,
        /// `data`, `length`, `ipv4_checksum` or `icmp_checksum`.
        problem: &'static str,
        explanation: String,
    },
    /// Why a request did not arrive.
    IcmpError {
        /// Who says so.
        from: IpAddr,
        sequence: u16,
        /// `unreachable`, `fragmentation_needed`, `packet_too_big`, `time_exceeded`, `reassembly_time_exceeded`,
        /// `parameter_problem` or `redirect`.
        problem: &'static str,
        /// Of `unreachable`, as the protocol numbers it.
        code: Option<u8>,
        /// Of `fragmentation_needed` and `packet_too_big`, where it is told.
        mtu_bytes: Option<u32>,
        explanation: String,
    },
}

impl HeardReport {
    /// `None` for what nobody is told.
    pub(crate) fn new(from: IpAddr, sent_bytes: usize, heard: &Heard) -> Option<Self> {
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
            Heard::Error(error) => Self::IcmpError {
                from: error.from,
                sequence: error.invoking.sequence,
                problem: error.reason.name(),
                code: error.reason.code(),
                mtu_bytes: error.reason.mtu(),
                explanation: error.reason.to_string(),
            },
            Heard::Resolved(_) | Heard::Fragment | Heard::Other => return None,
        })
    }
}
