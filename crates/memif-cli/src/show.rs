//! The details of an interface, laid out as libmemif's example shows them.

use std::fmt;
use std::net::Ipv4Addr;

use memif::{Details, QueueDetails};

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
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = self.details;
        let (app, interface) = details
            .peer
            .as_ref()
            .map_or_else(Default::default, |peer| (peer.app_name, peer.interface_name));
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
        write!(f, "\tlink: {}", if details.link_up { "up" } else { "down" })
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
