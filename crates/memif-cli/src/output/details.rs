//! The details of an interface, laid out as libmemif's example shows them.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use memif::{Counters, Details, QueueDetails, RxMode};

use crate::endpoint::responder::tally::Tally;
use crate::output::advice;

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
    pub(crate) tally: Tally,
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
