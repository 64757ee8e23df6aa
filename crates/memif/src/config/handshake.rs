//! What of the settings a handshake is told.

use super::interface::InterfaceConfig;
use crate::names::Name;
use crate::proto::{MasterParams, SlaveParams};

impl From<&InterfaceConfig> for MasterParams {
    fn from(config: &InterfaceConfig) -> Self {
        Self {
            mode: config.mode,
            secret: config.secret,
            name: config.name,
            max_s2m: config.rx_queues,
            max_m2s: config.tx_queues,
            one_way: config.one_way,
            cache_line: config.cache_line,
            limits: config.limits,
            require_sealed: config.require_sealed,
        }
    }
}

impl SlaveParams {
    /// The parameters that a configuration gives.
    #[must_use]
    pub fn new(config: &InterfaceConfig, app_name: Name) -> Self {
        Self {
            app_name,
            name: config.name,
            id: config.id,
            mode: config.mode,
            secret: config.secret,
            s2m: config.tx_queues,
            m2s: config.rx_queues,
            m2s_of_dpdk: config.probe_rx_queues,
            log2_ring_size: config.log2_ring_size(),
        }
    }
}
