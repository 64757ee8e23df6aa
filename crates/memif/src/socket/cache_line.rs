//! What a slave does about a master that was built for another cache line: it looks where that writes.
//!
//! The master sees from the places of the rings what they are laid out for, if it is ours. One of another program takes
//! them for its own kind, and nothing tells the slave but the tails, which then lie where the slave does not look: its
//! queues would wait for ever.

use std::time::{Duration, Instant};

use super::connection::{Connection, Machine};
use super::driver::Driver;
use super::key::InterfaceKey;
use super::timers::Timer;

/// A link's age at the first look. Later ones come when it is twice as old as at the one before, until something shows
/// which line the master has: its first packets do.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// The longest pause between two looks.
const LAST_PAUSE: Duration = Duration::from_secs(10);

impl Driver {
    /// A link is up.
    pub(super) fn look_for_cache_line(&mut self, key: InterfaceKey, connection: &Connection) {
        if matches!(connection.machine, Machine::Slave { .. }) {
            self.waits.set(Timer::CacheLine(key.number), Instant::now().checked_add(FIRST_LOOK));
        }
    }

    /// It is time to look. Where the master has another line the link goes down, as for a breach that a queue found.
    pub(super) fn look_at_cache_line(&mut self, number: u32) {
        let key = self.interfaces.key(number);
        let token = self.interfaces.get(key).ok().and_then(|interface| interface.connection);
        let Some(up) = token.and_then(|token| self.connections.get(&token)?.link.as_ref()) else {
            return;
        };
        if !up.handle.is_down() && !up.handle.line_is_known() {
            let pause = up.since.elapsed().clamp(FIRST_LOOK, LAST_PAUSE);
            self.waits.set(Timer::CacheLine(number), Instant::now().checked_add(pause));
        }
    }
}
