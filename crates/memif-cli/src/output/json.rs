//! What `--json` prints: one object per line, told apart by `type`. Names of fields end in their unit where they have
//! one. Fields and types may be added; the ones that are here stay as they are.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use memif::{Details, Event, Peer, QueueDetails, Role, SocketAddress};
use serde::Serialize;

use crate::commands::bridge::tally as bridge;
use crate::endpoint::responder::tally::{Reason, Tally};
use crate::packet::Station;

/// A report, printed by [`output::report`](crate::output::report).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Report {
    /// An interface was made; its link is not up yet.
    Interface(InterfaceReport),
    /// A link is up.
    Connected(ConnectedReport),
    /// A link is down.
    Disconnected(DisconnectedReport),
    /// A slave could not connect. Told once per cause and minute.
    ConnectFailed(ConnectFailedReport),
    /// The peer transmits on more queues than the link has. Told once per link.
    SurplusQueues(SurplusQueuesReport),
    /// A master refused a slave. Told once per cause and minute.
    Refused(RefusedReport),
    /// A slave came and left before it had a link. Told once per cause and minute.
    Left(LeftReport),
    /// How an interface stands.
    Details(DetailsReport),
    /// What became of the packets that a responder received.
    ResponderStatistics(ResponderReport),
    /// What became of the packets of a bridge, each way.
    BridgeStatistics(BridgeReport),
    /// A command was carried out.
    Done(DoneReport),
    /// A command was not carried out, and changed nothing.
    Rejected(RejectedReport),
    /// The commands that there are.
    Help(HelpReport),
    /// Why the command ended with status 2.
    Error(ErrorReport),
}

/// An interface.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct InterfaceReport {
    pub(crate) interface_id: u32,
    /// `slave` or `master`.
    pub(crate) role: String,
    pub(crate) socket: String,
    /// The address that it answers for.
    pub(crate) ip: Option<String>,
    pub(crate) ip6: Option<String>,
    pub(crate) mac: Option<String>,
    /// The device that it is bridged to; not there but for a bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device: Option<DeviceReport>,
}

/// A device of the kernel.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DeviceReport {
    pub(crate) name: String,
    /// `tap` or `tun`.
    pub(crate) kind: String,
    /// Whether the bridge made it, so that it goes away with that.
    pub(crate) created: bool,
    pub(crate) mtu_bytes: u16,
    pub(crate) queues: usize,
}

impl InterfaceReport {
    /// An interface with an address of its own.
    pub(crate) fn with_station(
        interface_id: u32,
        role: Role,
        socket: &SocketAddress,
        own: Station,
        ip6: Option<Ipv6Addr>,
    ) -> Self {
        Self {
            interface_id,
            role: role.to_string(),
            socket: socket.to_string(),
            ip: Some(own.ip.to_string()),
            ip6: ip6.map(|ip6| ip6.to_string()),
            mac: Some(own.mac.to_string()),
            device: None,
        }
    }

    /// An interface that is bridged to a device.
    pub(crate) fn with_device(interface_id: u32, role: Role, socket: &SocketAddress, device: DeviceReport) -> Self {
        Self {
            interface_id,
            role: role.to_string(),
            socket: socket.to_string(),
            ip: None,
            ip6: None,
            mac: None,
            device: Some(device),
        }
    }
}

/// The other end of a link, by its own words and by the kernel's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PeerReport {
    pub(crate) app_name: String,
    pub(crate) interface_name: String,
    /// 0 when the process is not visible from here; `null` where the kernel does not tell.
    pub(crate) pid: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl From<&Peer> for PeerReport {
    fn from(peer: &Peer) -> Self {
        let credentials = peer.credentials.as_ref();
        Self {
            app_name: peer.app_name.to_string(),
            interface_name: peer.interface_name.to_string(),
            pid: credentials.map(|known| known.pid),
            uid: credentials.map(|known| known.uid),
            gid: credentials.map(|known| known.gid),
        }
    }
}

/// A link that is up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConnectedReport {
    pub(crate) interface_id: u32,
    pub(crate) peer: PeerReport,
    pub(crate) rx_queues: usize,
    pub(crate) tx_queues: usize,
}

/// A link that is down.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DisconnectedReport {
    pub(crate) interface_id: u32,
    /// Who ended it: `local` or `peer`.
    pub(crate) by: String,
    pub(crate) reason: String,
}

/// A slave that did not get through.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConnectFailedReport {
    pub(crate) interface_id: u32,
    pub(crate) reason: String,
    pub(crate) advice: String,
    /// When it is tried again; `null` when it is not.
    pub(crate) retry_in_ms: Option<f64>,
    /// How often it came since it was last told.
    pub(crate) count: u64,
}

/// A peer that transmits on more queues than the link has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SurplusQueuesReport {
    pub(crate) interface_id: u32,
    /// Receive queues of the link.
    pub(crate) rx_queues: u8,
    pub(crate) advice: String,
}

/// A slave that was not let in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RefusedReport {
    pub(crate) reason: String,
    pub(crate) advice: String,
    pub(crate) peer: PeerReport,
    /// How often it came since it was last told; `peer` is the last.
    pub(crate) count: u64,
}

/// A slave that did not stay.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LeftReport {
    /// The interface that it was admitted to; `null` when it left before that.
    pub(crate) interface_id: Option<u32>,
    pub(crate) reason: String,
    pub(crate) advice: String,
    pub(crate) peer: PeerReport,
    /// How often it came since it was last told; `peer` is the last.
    pub(crate) count: u64,
}

impl Report {
    /// The same of so many events.
    pub(crate) fn with_count(self, count: u64) -> Self {
        match self {
            Report::ConnectFailed(told) => Report::ConnectFailed(ConnectFailedReport { count, ..told }),
            Report::Refused(told) => Report::Refused(RefusedReport { count, ..told }),
            Report::Left(told) => Report::Left(LeftReport { count, ..told }),
            other => other,
        }
    }

    /// The same of one of too many reasons to tell them all.
    pub(crate) fn for_other_reasons(self) -> Self {
        let (reason, advice) = ("other reasons".to_owned(), "see -v".to_owned());
        match self {
            Report::ConnectFailed(told) => Report::ConnectFailed(ConnectFailedReport { reason, advice, ..told }),
            Report::Refused(told) => Report::Refused(RefusedReport { reason, advice, ..told }),
            Report::Left(told) => Report::Left(LeftReport { reason, advice, ..told }),
            other => other,
        }
    }
}

/// What became of the packets that a responder received.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ResponderReport {
    pub(crate) interface_id: u32,
    pub(crate) received_packets: u64,
    pub(crate) answered_echo_requests: u64,
    pub(crate) answered_arp_requests: u64,
    pub(crate) answered_neighbour_solicitations: u64,
    /// Packets without an answer, all of them and by reason.
    pub(crate) dropped_packets: u64,
    pub(crate) dropped_packets_by_reason: BTreeMap<Reason, u64>,
}

impl ResponderReport {
    /// The counts of that interface.
    pub(crate) fn new(interface_id: u32, tally: &Tally) -> Self {
        let by_reason: BTreeMap<_, _> = Reason::ALL.into_iter().map(|reason| (reason, tally.dropped(reason))).collect();
        Self {
            interface_id,
            received_packets: tally.received,
            answered_echo_requests: tally.echoes,
            answered_arp_requests: tally.arps,
            answered_neighbour_solicitations: tally.neighbours,
            dropped_packets: by_reason.values().sum(),
            dropped_packets_by_reason: by_reason,
        }
    }
}

/// What became of the packets of a bridge.
#[derive(Clone, Debug, Serialize)]
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
    pub(crate) dropped_packets_by_reason: BTreeMap<bridge::Reason, u64>,
    /// Times that a packet had to wait for a full ring.
    pub(crate) ring_full_waits: u64,
}

impl BridgeReport {
    /// The counts of that interface and device.
    pub(crate) fn new(interface_id: u32, device: &str, tally: &bridge::Tally) -> Self {
        let flow = |flow: &bridge::Flow| FlowReport {
            packets: flow.packets,
            bytes: flow.bytes,
            dropped_packets: flow.all_dropped(),
            dropped_packets_by_reason: bridge::Reason::ALL
                .into_iter()
                .map(|reason| (reason, flow.dropped(reason)))
                .collect(),
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

/// Why a command failed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ErrorReport {
    /// What went wrong and what to do.
    pub(crate) message: String,
    pub(crate) exit_status: u8,
}

/// A command that was carried out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DoneReport {
    /// As it was typed.
    pub(crate) command: String,
}

/// A command that was not carried out.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RejectedReport {
    /// As it was typed; `null` for a line that is too long to be one.
    pub(crate) command: Option<String>,
    /// What is wrong and what to do.
    pub(crate) message: String,
}

/// The commands that there are.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HelpReport {
    pub(crate) text: String,
}

/// How an interface stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DetailsReport {
    /// Its place in the list that is shown.
    pub(crate) index: usize,
    pub(crate) interface_id: u32,
    /// The addresses that it answers for.
    pub(crate) ip: Option<String>,
    pub(crate) ip6: Option<String>,
    pub(crate) interface_name: String,
    pub(crate) app_name: String,
    pub(crate) role: String,
    pub(crate) mode: String,
    pub(crate) socket: String,
    pub(crate) secret_set: bool,
    pub(crate) link_up: bool,
    /// Why there is no link, and what to do, as far as that is known.
    pub(crate) last_reason: Option<String>,
    pub(crate) peer: Option<PeerReport>,
    pub(crate) rx_queues: Vec<QueueReport>,
    pub(crate) tx_queues: Vec<QueueReport>,
    pub(crate) regions: Vec<RegionReport>,
    /// Whether the peer transmits on more queues than the link has.
    pub(crate) surplus_queues: bool,
}

impl DetailsReport {
    /// The details of an interface that answers for `ip`.
    pub(crate) fn new(index: usize, details: &Details, ip: Option<String>) -> Self {
        let regions = details.regions.iter();
        Self {
            index,
            interface_id: details.id,
            ip,
            ip6: None,
            interface_name: details.interface_name.to_string(),
            app_name: details.app_name.to_string(),
            role: details.role.to_string(),
            mode: details.mode.to_string(),
            socket: details.socket.to_string(),
            secret_set: details.secret_set,
            link_up: details.link_up,
            last_reason: None,
            peer: details.peer.as_ref().map(PeerReport::from),
            rx_queues: details.rx.iter().map(QueueReport::from).collect(),
            tx_queues: details.tx.iter().map(QueueReport::from).collect(),
            regions: regions.map(|region| RegionReport { index: region.index, size_bytes: region.size }).collect(),
            surplus_queues: details.surplus_queues,
        }
    }
}

/// A region of shared memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct RegionReport {
    pub(crate) index: u16,
    pub(crate) size_bytes: u64,
}

/// A queue and what it has counted since its link came up.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct QueueReport {
    pub(crate) index: u8,
    pub(crate) ring_size_slots: u32,
    pub(crate) buffer_size_bytes: u32,
    pub(crate) region: u16,
    pub(crate) offset_bytes: u32,
    /// As they stand in shared memory.
    pub(crate) head: u16,
    pub(crate) tail: u16,
    pub(crate) flags: u16,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) ring_full_packets: u64,
    pub(crate) bad_descriptors: u64,
    pub(crate) dropped_packets: u64,
    pub(crate) resyncs: u64,
    pub(crate) wake_ups: u64,
    pub(crate) signals: u64,
}

impl From<&QueueDetails> for QueueReport {
    fn from(queue: &QueueDetails) -> Self {
        let counters = queue.counters;
        Self {
            index: queue.index,
            ring_size_slots: queue.ring_size,
            buffer_size_bytes: queue.buffer_size,
            region: queue.region,
            offset_bytes: queue.offset,
            head: queue.head,
            tail: queue.tail,
            flags: queue.flags,
            packets: counters.packets,
            bytes: counters.bytes,
            ring_full_packets: counters.ring_full,
            bad_descriptors: counters.bad_descriptors,
            dropped_packets: counters.dropped,
            resyncs: counters.resyncs,
            wake_ups: counters.wake_ups,
            signals: counters.signals,
        }
    }
}

/// The report of an event of the interface with that id; `None` for events that nobody is told.
pub(crate) fn event(event: &Event, interface_id: u32, advice: &str) -> Option<Report> {
    let advice = || advice.to_owned();
    Some(match event {
        Event::Connected { link, .. } => Report::Connected(ConnectedReport {
            interface_id,
            peer: (&link.peer).into(),
            rx_queues: link.rx.len(),
            tx_queues: link.tx.len(),
        }),
        Event::Disconnected { reason, .. } => Report::Disconnected(DisconnectedReport {
            interface_id,
            by: reason.by().to_string(),
            reason: reason.to_string(),
        }),
        Event::ConnectFailed { error, retry_in, .. } => Report::ConnectFailed(ConnectFailedReport {
            interface_id,
            reason: error.to_string(),
            advice: advice(),
            retry_in_ms: retry_in.map(milliseconds),
            count: 1,
        }),
        Event::SurplusQueues { rx_queues, .. } => {
            Report::SurplusQueues(SurplusQueuesReport { interface_id, rx_queues: *rx_queues, advice: advice() })
        }
        Event::Refused { reason, peer } => {
            Report::Refused(RefusedReport { reason: reason.to_string(), advice: advice(), peer: peer.into(), count: 1 })
        }
        Event::Left { interface, reason, peer } => Report::Left(LeftReport {
            interface_id: interface.map(|_| interface_id),
            reason: reason.to_string(),
            advice: advice(),
            peer: peer.into(),
            count: 1,
        }),
        _ => return None,
    })
}

/// A time as every report gives it.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
