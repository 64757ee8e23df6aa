//! What a slave does about a DPDK master that has more queues than the link (D5): it looks whether they are used, and
//! where that was asked for it brings as many receive queues as the master has.

use std::time::Instant;

use super::connection::{Connection, Machine};
use super::driver::Driver;
use super::event::Event;
use super::key::InterfaceKey;
use super::timers::Timer;
use super::trace::control_log;

impl Driver {
    /// A link is up: where its master may use more queues than it has, that is looked for. No other master does.
    pub(super) fn look_for_surplus(&mut self, key: InterfaceKey, connection: &Connection) {
        let slave = matches!(connection.machine, Machine::Slave { .. });
        if slave && connection.names.is_dpdk() {
            // Whoever uses such queues does so soon.
            self.look_soon(Timer::Surplus(key.number));
        }
    }

    /// It is time to look. Nothing signals what is sent on queues that the link does not have.
    pub(super) fn look_at_surplus(&mut self, number: u32) {
        let key = self.interfaces.key(number);
        let Some(up) = self.link_of(key) else { return };
        if !up.handle.surplus_used() {
            self.look_later(Timer::Surplus(number), up.since);
            return;
        }
        let rx_queues = up.handle.rx_count();
        control_log!(warn, "the master of slave {number} sends on more than {rx_queues} queues");
        self.events.push(Event::SurplusQueues { interface: key, rx_queues });
    }

    /// Where the master refused the first receive queue that it does not have, and it was tried how many it has:
    /// connects again with as many, once. Returns whether it does.
    pub(super) fn connect_with_fewer(&mut self, key: InterfaceKey, has: Option<u8>) -> bool {
        let Ok(interface) = self.interfaces.get_mut(key) else { return false };
        let first = interface.attempts.queues_found.is_none() && interface.config.probe_rx_queues.is_some();
        interface.attempts.queues_found = has.filter(|_| first);
        if interface.attempts.queues_found.is_none() || !interface.wants_to_connect() {
            return false;
        }
        control_log!(debug, "slave {}: the master takes {has:?} receive queues", key.number);
        self.waits.set(Timer::Connect(key.number), Some(Instant::now()));
        true
    }
}
