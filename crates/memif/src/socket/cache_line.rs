//! What a slave does about a master that was built for another cache line: it looks where that writes.
//!
//! The master sees from the places of the rings what they are laid out for, if it is ours. One of another program takes
//! them for its own kind, and nothing tells the slave but the tails, which then lie where the slave does not look: its
//! queues would wait for ever.

use super::connection::{Connection, Machine};
use super::driver::Driver;
use super::key::InterfaceKey;
use super::timers::Timer;

impl Driver {
    /// A link is up.
    pub(super) fn look_for_cache_line(&mut self, key: InterfaceKey, connection: &Connection) {
        if matches!(connection.machine, Machine::Slave { .. }) {
            self.look_soon(Timer::CacheLine(key.number));
        }
    }

    /// It is time to look, which ends when something shows which line the master has: its first packets do. Where the
    /// master has another line the link goes down, as for a breach that a queue found.
    pub(super) fn look_at_cache_line(&mut self, number: u32) {
        let key = self.interfaces.key(number);
        let Some(up) = self.link_of(key) else { return };
        if !up.handle.is_down() && !up.handle.line_is_known() {
            self.look_later(Timer::CacheLine(number), up.since);
        }
    }
}
