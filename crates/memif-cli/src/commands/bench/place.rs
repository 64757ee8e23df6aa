//! Where an end of the link that is measured is, and what it is like.

use std::time::{Duration, Instant};

use memif::{InterfaceConfig, Role, SocketAddress, SocketBuilder};

use crate::endpoint::links::no_link;
use crate::endpoint::metrics::Metrics;
use crate::endpoint::options::InterfaceOptions;
use crate::error::Error;
use crate::output::warn;

/// How soon a slave of ours tries again when the other end is ours, too.
const RETRY: Duration = Duration::from_millis(10);

/// How long a slave is waited for without a word.
const SOON: Duration = Duration::from_secs(1);

/// Where an end is and what it is like.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) interface: InterfaceOptions,
    pub(crate) address: SocketAddress,
    pub(crate) id: u32,
    /// Whether the other end was started by us.
    pub(crate) both: bool,
    /// How long a link may take to come up.
    pub(crate) timeout: Duration,
    pub(crate) metrics: Metrics,
}

impl Place {
    /// The socket for that role. The options for a master are for the one end that is the master.
    pub(crate) fn socket(&self, role: Role) -> Result<SocketBuilder, Error> {
        let address = self.address.clone();
        match (role, self.both) {
            (Role::Slave, true) => Ok(self.interface.slave_socket(address).retry_period(RETRY)),
            _ => self.interface.socket(address, role),
        }
    }

    /// The interface of that role and id. Between two ends of ours the options are the slave's.
    pub(crate) fn config(&self, role: Role, id: u32) -> Result<InterfaceConfig, Error> {
        match (role, self.both) {
            (Role::Master, true) => self.interface.for_own_slave().interface(role, id),
            _ => self.interface.interface(role, id),
        }
    }

    /// A wait for a link that began then. A slave says why it finds no master, and two ends of ours find each other: it
    /// is a master alone that has to say that it waits.
    pub(crate) fn waiting(&self, role: Role, start: Instant) -> Waiting {
        Waiting { start, untold: role == Role::Master && !self.both }
    }

    /// What to say when no link came up.
    pub(crate) fn not_connected(&self, role: Role, last: Option<String>) -> Error {
        let both = if self.both { "; the other end may have said more, see -v" } else { "" };
        Error::NotConnected(no_link(role, &self.address, self.id, self.timeout, last) + both)
    }
}

/// A wait for a link, of which nobody else tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    start: Instant,
    untold: bool,
}

impl Waiting {
    /// Says once, after a moment, that a slave is waited for there.
    pub(crate) fn tell(&mut self, place: &Place) {
        if self.untold && self.start.elapsed() >= SOON {
            self.untold = false;
            warn(format_args!("waiting for a slave on {}", place.address));
        }
    }
}
