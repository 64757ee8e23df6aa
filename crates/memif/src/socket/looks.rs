//! When the driver looks at a link for what nothing signals: soon after it came up, and then ever more rarely.

use std::time::{Duration, Instant};

use super::connection::Up;
use super::driver::Driver;
use super::key::InterfaceKey;
use super::timers::Timer;

/// A link's age at the first look. Later ones come when it is twice as old as at the one before.
const FIRST_LOOK: Duration = Duration::from_millis(20);
/// The longest pause between two looks.
const LAST_PAUSE: Duration = Duration::from_secs(10);

impl Driver {
    /// A link is up, and to be looked at.
    pub(super) fn look_soon(&mut self, timer: Timer) {
        self.waits.set(timer, Instant::now().checked_add(FIRST_LOOK));
    }

    /// Nothing showed at a link that came up then: it is looked at again.
    pub(super) fn look_later(&mut self, timer: Timer, since: Instant) {
        let pause = since.elapsed().clamp(FIRST_LOOK, LAST_PAUSE);
        self.waits.set(timer, Instant::now().checked_add(pause));
    }

    /// The link of an interface that is up.
    pub(super) fn link_of(&self, key: InterfaceKey) -> Option<&Up> {
        let token = self.interfaces.get(key).ok()?.connection?;
        self.connections.get(&token)?.link.as_ref()
    }
}
