//! The details of an interface: laid out as libmemif's example shows them, and for programs.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use memif::{Counters, Details, QueueDetails, RxMode};
use serde::Serialize;

use super::advice;
use super::json::PeerReport;

/// What stands above the first interface.
pub(crate) const HEADING: &str = "MEMIF DETAILS\n==============================";

/// The details of one interface.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    /// Number of the interface in the list that is shown.
    pub(crate) index: usize,
    pub(crate) details: &'a Details,
    /// The address that the interface answers for.
    pub(crate) ip: Ipv4Addr,
    /// What libmemif's example does not show.
    pub(crate) more: Option<More>,
}

/// What is shown after the lines of libmemif's example.
#[derive(Clone, Debug)]
pub(crate) struct More {
    /// The second address that the interface answers for.
    pub(crate) ip6: Option<Ipv6Addr>,
    /// How each receive queue learns of packets.
    pub(crate) rx_modes: Vec<RxMode>,
    /// What became of the packets of all links so far.
    pub(crate) tally: String,
    /// Why there is no link, and what to do.
    pub(crate) trouble: Option<String>,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.details;
        let (app, interface) =
            details.peer.as_ref().map_or_else(Default::default, |peer| (peer.app_name, peer.interface_name));
        writeln!(f, "interface index: {}", self.index)?;
        writeln!(f, "\tinterface ip: {}", self.ip)?;
        writeln!(f, "\tinterface name: {}", details.interface_name)?;
        writeln!(f, "\tapp name: {}", details.app_name)?;
        writeln!(f, "\tremote interface name: {interface}")?;
        writeln!(f, "\tremote app name: {app}")?;
        writeln!(f, "\tid: {}", details.id)?;
        // The secret itself is nothing for a screen.
        writeln!(f, "\tsecret: {}", if details.secret_set { "(set)" } else { "" })?;
        writeln!(f, "\trole: {}", details.role)?;
        writeln!(f, "\tmode: {}", details.mode)?;
        writeln!(f, "\tsocket filename: {}", details.socket)?;
        queues(f, "rx", &details.rx)?;
        queues(f, "tx", &details.tx)?;
        write!(f, "\tlink: {}", if details.link_up { "up" } else { "down" })?;
        self.more.as_ref().map_or(Ok(()), |more| more.write(f, details))
    }
}

impl More {
    fn write(&self, f: &mut fmt::Formatter<'_>, details: &Details) -> fmt::Result {
        if let Some(trouble) = self.trouble.as_ref().filter(|_| !details.link_up) {
            write!(f, "\n\tlast reason: {trouble}")?;
        }
        if details.surplus_queues {
            let rx_queues = u8::try_from(details.rx.len()).unwrap_or(u8::MAX);
            write!(f, "\n\tlost: {}", advice::surplus(rx_queues))?;
        }
        if let Some(ip6) = self.ip6 {
            write!(f, "\n\tinterface ip6: {ip6}")?;
        }
        write!(f, "\n\tcounters:")?;
        for (queue, mode) in details.rx.iter().zip(&self.rx_modes) {
            let Counters { packets, bytes, dropped, bad_descriptors, resyncs, wake_ups, .. } = queue.counters;
            write!(
                f,
                "\n\t\trx queue {}: {packets} packets, {bytes} bytes, {dropped} dropped, \
                 {bad_descriptors} bad descriptors, {resyncs} resyncs, {wake_ups} wake-ups, {mode}",
                queue.index
            )?;
        }
        for queue in &details.tx {
            let Counters { packets, bytes, ring_full, bad_descriptors, signals, .. } = queue.counters;
            write!(
                f,
                "\n\t\ttx queue {}: {packets} packets, {bytes} bytes, {ring_full} ring full, \
                 {bad_descriptors} bad descriptors, {signals} signals",
                queue.index
            )?;
        }
        write!(f, "\n\t\tall links: {}", self.tally)
    }
}

fn queues(f: &mut fmt::Formatter<'_>, direction: &str, queues: &[QueueDetails]) -> fmt::Result {
    writeln!(f, "\t{direction} queues:")?;
    for queue in queues {
        writeln!(f, "\t\tqueue id: {}", queue.index)?;
        writeln!(f, "\t\tring size: {}", queue.ring_size)?;
        writeln!(f, "\t\tbuffer size: {}", queue.buffer_size)?;
    }
    Ok(())
}

/// How an interface stands.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "details")]
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
