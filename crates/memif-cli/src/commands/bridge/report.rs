//! What became of the packets of a bridge, for programs.

use serde::Serialize;

use super::tally::{Drops, Flow, Tally};

/// What became of the packets of a bridge, each way.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bridge_statistics")]
pub(crate) struct BridgeReport {
    pub(crate) interface_id: u32,
    pub(crate) device: String,
    /// From the device to the peer.
    pub(crate) to_memif: FlowReport,
    /// From the peer to the device.
    pub(crate) from_memif: FlowReport,
}

/// Packets that went one way through a bridge.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct FlowReport {
    /// Passed on.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) dropped_packets: u64,
    pub(crate) dropped_packets_by_reason: Drops,
    /// Times that a packet had to wait for a full ring.
    pub(crate) ring_full_waits: u64,
}

impl BridgeReport {
    /// The counts of that interface and device.
    pub(crate) fn new(interface_id: u32, device: &str, tally: &Tally) -> Self {
        let flow = |flow: &Flow| FlowReport {
            packets: flow.packets,
            bytes: flow.bytes,
            dropped_packets: flow.dropped.all(),
            dropped_packets_by_reason: flow.dropped,
            ring_full_waits: flow.waits,
        };
        Self {
            interface_id,
            device: device.to_owned(),
            to_memif: flow(&tally.to_memif),
            from_memif: flow(&tally.from_memif),
        }
    }
}
