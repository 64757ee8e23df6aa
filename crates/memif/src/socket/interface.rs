//! What the driver keeps of an interface.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::reconnect::Backoff;
use crate::config::InterfaceConfig;

/// An interface that was added.
#[derive(Debug)]
pub(super) struct Interface {
    /// For the next connection; the present one keeps what it was made with.
    pub(super) config: Arc<InterfaceConfig>,
    pub(super) admin_up: bool,
    /// Whether a slave connects by itself.
    pub(super) reconnects: bool,
    /// Whether a slave that does not was asked to, and found the master's queue of connections full.
    pub(super) waits_in_line: bool,
    /// The connection that has it, by its token: a link, or a handshake that was admitted.
    pub(super) connection: Option<u64>,
    pub(super) backoff: Backoff,
    /// Receive queues that the master takes, as its refusal of one more told, for the attempt that follows.
    pub(super) queues_found: Option<u8>,
    /// Receive queues to watch on every link.
    pub(super) watched: BTreeSet<u8>,
    /// Whether their signals are taken before an event tells of them.
    pub(super) watch_takes: bool,
    /// Whether receive calls leave signals that were reported, for the driver to take before it sleeps.
    pub(super) watch_leaves: bool,
    /// Their tokens on the present link.
    pub(super) watch_tokens: Vec<u64>,
}

impl Interface {
    pub(super) fn new(config: InterfaceConfig, reconnects: bool) -> Self {
        Self {
            admin_up: config.admin_up,
            config: Arc::new(config),
            reconnects,
            waits_in_line: false,
            connection: None,
            backoff: Backoff::new(),
            queues_found: None,
            watched: BTreeSet::new(),
            watch_takes: true,
            watch_leaves: false,
            watch_tokens: Vec::new(),
        }
    }
}
