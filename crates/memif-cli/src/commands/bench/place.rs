//! Where an end of the link that is measured is, and what it is like.

use std::time::Duration;

use memif::{InterfaceConfig, Role, SocketAddress, SocketBuilder};

use crate::endpoint::links::no_link;
use crate::endpoint::options::InterfaceOptions;
use crate::error::Error;

/// How soon a slave of ours tries again when the other end is ours, too.
const RETRY: Duration = Duration::from_millis(10);

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

    /// What to say when no link came up.
    pub(crate) fn not_connected(&self, role: Role, last: Option<String>) -> Error {
        let both = if self.both { "; the other end may have said more, see -v" } else { "" };
        Error::NotConnected(no_link(role, &self.address, self.id, self.timeout, last) + both)
    }
}
