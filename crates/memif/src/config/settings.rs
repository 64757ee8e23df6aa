//! What an interface is set to.

use std::time::Duration;

use super::InterfaceConfig;
use crate::limits::Limits;
use crate::names::Name;
use crate::terms::{CacheLine, Mode, Role, RxMode};

/// The settings of an [`InterfaceConfig`], to be read: each is described at the method of its name there. Of the secret
/// only whether there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each has the documentation of the method that sets it")]
pub struct Settings {
    pub role: Role,
    pub id: u32,
    pub mode: Mode,
    pub secret_set: bool,
    pub name: Name,
    pub rx_queues: u8,
    pub tx_queues: u8,
    pub probe_rx_queues: Option<u8>,
    pub ring_size: u32,
    pub cache_line: Option<CacheLine>,
    pub buffer_size: u32,
    /// `None`: as long as the protocol and the ring allow.
    pub max_packet: Option<u32>,
    pub chaining: bool,
    pub rx_mode: RxMode,
    pub spin: Duration,
    pub huge_pages: bool,
    pub numa_node: Option<u32>,
    pub prefault: bool,
    pub require_sealed: bool,
    pub resync_limit: u32,
    pub one_way: bool,
    pub limits: Limits,
    pub admin_up: bool,
}

impl InterfaceConfig {
    /// What is set, to be read. Where the buffers lie ([`memory`](Self::memory)) is not part of it.
    ///
    /// ```
    /// let settings = memif::InterfaceConfig::slave(3).ring_size(512).settings();
    /// assert_eq!((settings.id, settings.ring_size, settings.buffer_size), (3, 512, 2048));
    /// ```
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            role: self.role,
            id: self.id,
            mode: self.mode,
            secret_set: self.secret.is_some(),
            name: self.name,
            rx_queues: self.rx_queues,
            tx_queues: self.tx_queues,
            probe_rx_queues: self.probe_rx_queues,
            ring_size: self.ring_size,
            cache_line: self.cache_line,
            buffer_size: self.buffer_size,
            max_packet: self.max_packet,
            chaining: self.chaining,
            rx_mode: self.rx_mode,
            spin: self.spin,
            huge_pages: self.huge_pages,
            numa_node: self.numa_node,
            prefault: self.prefault,
            require_sealed: self.require_sealed,
            resync_limit: self.resync_limit,
            one_way: self.one_way,
            limits: self.limits,
            admin_up: self.admin_up,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn what_was_set_is_read() {
        let config = InterfaceConfig::master(7)
            .mode(Mode::Ip)
            .secret(Some(Secret::new("s").unwrap()))
            .rx_queues(2)
            .tx_queues(3)
            .probe_rx_queues(Some(4))
            .cache_line(Some(CacheLine::Of128))
            .buffer_size(1024)
            .max_packet(512)
            .chaining(false)
            .rx_mode(RxMode::Interrupt)
            .spin(Duration::from_micros(5))
            .huge_pages(true)
            .numa_node(Some(1))
            .prefault(true)
            .require_sealed(true)
            .resync_limit(8)
            .one_way(true)
            .admin_up(false);
        let set = config.settings();
        assert_eq!((set.role, set.id, set.mode, set.secret_set), (Role::Master, 7, Mode::Ip, true));
        assert_eq!((set.rx_queues, set.tx_queues, set.probe_rx_queues), (2, 3, Some(4)));
        assert_eq!(set.cache_line, Some(CacheLine::Of128));
        assert_eq!((set.buffer_size, set.max_packet, set.chaining), (1024, Some(512), false));
        assert_eq!((set.rx_mode, set.spin, set.resync_limit), (RxMode::Interrupt, Duration::from_micros(5), 8));
        assert!(set.huge_pages && set.prefault && set.require_sealed && set.one_way && !set.admin_up);
        assert_eq!((set.numa_node, set.name.to_string()), (Some(1), "memif7".to_owned()));
        assert_eq!(set.limits, Limits::default());
    }
}
