//! What became of the packets that a responder received, for programs.

use serde::Serialize;

use super::tally::{Drops, Tally};

/// What became of the packets that a responder received.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "responder_statistics")]
pub(crate) struct ResponderReport {
    pub(crate) interface_id: u32,
    pub(crate) received_packets: u64,
    pub(crate) answered_echo_requests: u64,
    pub(crate) answered_arp_requests: u64,
    pub(crate) answered_neighbour_solicitations: u64,
    /// Fragments that were kept until the packet was whole, or wait for the others.
    pub(crate) kept_fragments: u64,
    /// Packets without an answer, all of them and by reason.
    pub(crate) dropped_packets: u64,
    pub(crate) dropped_packets_by_reason: Drops,
}

impl ResponderReport {
    /// The counts of that interface.
    pub(crate) fn new(interface_id: u32, tally: &Tally) -> Self {
        Self {
            interface_id,
            received_packets: tally.received,
            answered_echo_requests: tally.echoes,
            answered_arp_requests: tally.arps,
            answered_neighbour_solicitations: tally.neighbours,
            kept_fragments: tally.fragments,
            dropped_packets: tally.dropped.all(),
            dropped_packets_by_reason: tally.dropped,
        }
    }
}
