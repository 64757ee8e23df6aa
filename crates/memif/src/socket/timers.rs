//! What is to be done when.

use std::collections::BTreeSet;
use std::time::Instant;

use super::number_map::NumberMap;

/// What a time is over for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The handshake of a connection, by its token.
    Handshake(u64),
    /// The pause before a slave's next attempt, by the number of its interface.
    Connect(u32),
    /// The pause of the listener.
    Listener,
    /// The pause of a watched queue, by its token.
    Watch(u64),
    /// The next look whether a slave's master uses queues that the link does not have, by the number of its interface.
    Surplus(u32),
    /// The next look whether a slave's master has another cache line, by the number of its interface.
    CacheLine(u32),
}

/// At most one time per purpose, the next one at hand.
#[derive(Debug, Default)]
pub(super) struct Timers {
    times: NumberMap<Timer, Instant>,
    order: BTreeSet<(Instant, Timer)>,
}

impl Timers {
    /// Sets, moves or clears a time.
    pub(super) fn set(&mut self, timer: Timer, time: Option<Instant>) {
        let old = match time {
            Some(time) => self.times.insert(timer, time),
            None => self.times.remove(&timer),
        };
        if old == time {
            return;
        }
        if let Some(old) = old {
            self.order.remove(&(old, timer));
        }
        if let Some(time) = time {
            self.order.insert((time, timer));
        }
    }

    /// The next time.
    pub(super) fn next(&self) -> Option<Instant> {
        self.order.first().map(|(time, _)| *time)
    }

    /// Takes one purpose whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = *self.order.first().filter(|(time, _)| *time <= now)?;
        self.set(timer, None);
        Some(timer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_come_in_order_and_can_be_moved() {
        let start = Instant::now();
        let at = |ms| Some(start + Duration::from_millis(ms));
        let mut timers = Timers::default();
        timers.set(Timer::Handshake(1), at(30));
        timers.set(Timer::Connect(1), at(10));
        timers.set(Timer::Listener, at(20));
        timers.set(Timer::Connect(1), at(40));
        timers.set(Timer::Watch(9), at(5));
        timers.set(Timer::Watch(9), None);
        assert_eq!(timers.next(), at(20));
        let mut order = Vec::new();
        while let Some(timer) = timers.expired(start + Duration::from_secs(1)) {
            order.push(timer);
        }
        assert_eq!(order, [Timer::Listener, Timer::Handshake(1), Timer::Connect(1)]);
        assert_eq!(timers.next(), None);
    }
}
