//! What the driver keeps of an interface.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::backoff::Backoff;
use crate::config::{InterfaceConfig, RxMode};
use crate::error::SocketError;
use crate::terms::Role;

/// An interface that was added.
#[derive(Debug)]
pub(super) struct Interface {
    /// For the next connection; the present one keeps what it was made with.
    pub(super) config: Arc<InterfaceConfig>,
    pub(super) admin_up: bool,
    /// The connection that has it, by its token: a link, or a handshake that was admitted.
    pub(super) connection: Option<u64>,
    pub(super) attempts: Attempts,
    pub(super) watched: Watched,
}

/// How a slave comes to its connections.
#[derive(Debug)]
pub(super) struct Attempts {
    /// Whether it connects by itself.
    pub(super) by_itself: bool,
    /// Whether a slave that does not was asked to, and found the master's queue of connections full.
    pub(super) waits_in_line: bool,
    pub(super) backoff: Backoff,
    /// Receive queues that the master takes, as its refusal of one more told, for the attempt that follows.
    pub(super) queues_found: Option<u8>,
}

/// Receive queues to watch on every link.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) queues: BTreeSet<u8>,
    /// Whether their signals are taken before an event tells of them.
    pub(super) takes: bool,
    /// Whether receive calls leave signals that were reported, for the driver to take before it sleeps.
    pub(super) leaves: bool,
}

impl Watched {
    /// Whether queues with these settings can be watched.
    pub(super) fn check(&self, config: &InterfaceConfig) -> Result<(), SocketError> {
        // A binding says by itself whether its queues are signalled.
        if self.takes && config.rx_mode == RxMode::Polling { Err(SocketError::NeverSignalled) } else { Ok(()) }
    }
}

impl Interface {
    pub(super) fn new(config: InterfaceConfig, by_itself: bool) -> Self {
        Self {
            admin_up: config.admin_up,
            config: Arc::new(config),
            connection: None,
            attempts: Attempts { by_itself, waits_in_line: false, backoff: Backoff::new(), queues_found: None },
            watched: Watched { queues: BTreeSet::new(), takes: true, leaves: false },
        }
    }

    /// Whether it is a slave that should be connected and is not.
    pub(super) fn wants_to_connect(&self) -> bool {
        self.config.role() == Role::Slave
            && (self.attempts.by_itself || self.attempts.waits_in_line)
            && self.admin_up
            && self.connection.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slave_that_is_up_and_alone_wants_to_connect() {
        let mut slave = Interface::new(InterfaceConfig::slave(0), true);
        assert!(slave.wants_to_connect());
        slave.connection = Some(1);
        assert!(!slave.wants_to_connect());
        (slave.connection, slave.admin_up) = (None, false);
        assert!(!slave.wants_to_connect());
        assert!(!Interface::new(InterfaceConfig::master(0), true).wants_to_connect());
        let mut manual = Interface::new(InterfaceConfig::slave(0), false);
        assert!(!manual.wants_to_connect());
        manual.attempts.waits_in_line = true;
        assert!(manual.wants_to_connect());
    }
}
