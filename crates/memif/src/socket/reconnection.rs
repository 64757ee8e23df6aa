//! When slaves try again: their timers, and the watch on the path of their master's socket.

use std::time::{Duration, Instant};

use super::interface::Interface;
use super::interfaces::Interfaces;
use super::key::InterfaceKey;
use super::path_watch::PathWatch;
use super::timers::Timer;
use super::waits::Waits;
use crate::address::SocketAddress;
use crate::terms::Role;

/// Plans the attempts of all slaves.
#[derive(Debug)]
pub(super) struct Reconnection {
    /// The longest pause between two attempts.
    period: Duration,
    path_watch: PathWatch,
}

impl Reconnection {
    pub(super) fn new(period: Duration) -> Self {
        Self { period, path_watch: PathWatch::default() }
    }

    /// Plans the next attempt of an interface, if it is a slave that is to connect. Returns the pause before it.
    pub(super) fn plan(
        &mut self,
        key: InterfaceKey,
        interface: &mut Interface,
        address: &SocketAddress,
        waits: &mut Waits,
    ) -> Option<Duration> {
        let now = Instant::now();
        interface.attempts.queues_found = None;
        if !interface.wants_to_connect() {
            return None;
        }
        let pause = interface.attempts.backoff.pause(now, self.period);
        waits.set(Timer::Connect(key.number), now.checked_add(pause));
        if interface.attempts.by_itself {
            // Before the next attempt, which finds what appeared until now.
            self.path_watch.aim(address, waits, now);
        }
        Some(pause)
    }

    /// Plans an attempt for now, and short pauses after it.
    pub(super) fn at_once(key: InterfaceKey, interface: &mut Interface, waits: &mut Waits) {
        interface.attempts.backoff.reset();
        let time = interface.wants_to_connect().then(Instant::now);
        waits.set(Timer::Connect(key.number), time);
    }

    /// A report of the watch on the path: whoever waits for the next attempt makes it now.
    pub(super) fn path_changed(&mut self, interfaces: &mut Interfaces, address: &SocketAddress, waits: &mut Waits) {
        let now = Instant::now();
        let new = self.path_watch.take(now);
        // A handshake that has begun is carried through, whatever has appeared meanwhile.
        let waiting = interfaces.iter_mut().filter(|(_, interface)| {
            interface.config.role() == Role::Slave && interface.attempts.by_itself && interface.wants_to_connect()
        });
        let mut any = false;
        for (number, interface) in waiting {
            any = true;
            if new {
                interface.attempts.backoff.reset();
                interface.attempts.backoff.expect_master(now);
                waits.set(Timer::Connect(number), Some(now));
            }
        }
        if !any {
            self.path_watch.clear();
        } else if new {
            self.path_watch.aim(address, waits, now);
        }
    }

    /// As if the time without a watch were over.
    #[cfg(test)]
    pub(super) fn end_rest(&mut self) {
        self.path_watch.end_rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InterfaceConfig;

    const ONE: InterfaceKey = InterfaceKey { socket: 0, number: 1 };

    fn address(name: &str) -> (std::path::PathBuf, SocketAddress) {
        let directory = std::env::temp_dir().join(format!("memif-reconnection-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let address = SocketAddress::Path(directory.join("socket"));
        (directory, address)
    }

    #[test]
    fn pauses_grow_and_begin_anew() {
        let mut reconnection = Reconnection::new(Duration::from_secs(2));
        let (mut waits, address) = (Waits::new().unwrap(), SocketAddress::Abstract(b"x".to_vec()));
        let mut slave = Interface::new(InterfaceConfig::slave(0), true);
        let mut plan = |slave: &mut Interface, waits: &mut Waits| {
            reconnection.plan(ONE, slave, &address, waits).map(|pause| pause.as_millis())
        };
        assert_eq!([(); 3].map(|()| plan(&mut slave, &mut waits)), [Some(2), Some(4), Some(8)]);
        assert!(waits.next_time().is_some_and(|time| time > Instant::now()));
        Reconnection::at_once(ONE, &mut slave, &mut waits);
        assert!(waits.next_time().is_some_and(|time| time <= Instant::now()));
        assert_eq!(plan(&mut slave, &mut waits), Some(2));
        slave.connection = Some(7);
        Reconnection::at_once(ONE, &mut slave, &mut waits);
        assert_eq!((plan(&mut slave, &mut waits), waits.next_time()), (None, None));
    }

    #[test]
    fn whoever_waits_tries_at_once_when_something_appears() {
        let (directory, address) = address("appears");
        let (mut reconnection, mut waits) = (Reconnection::new(Duration::MAX), Waits::new().unwrap());
        let mut interfaces = Interfaces::new();
        let waiting = interfaces.insert(InterfaceConfig::slave(1), true).unwrap();
        let connected = interfaces.insert(InterfaceConfig::slave(2), true).unwrap();
        interfaces.get_mut(connected).unwrap().connection = Some(7);
        for _ in 0..30 {
            reconnection.plan(waiting, interfaces.get_mut(waiting).unwrap(), &address, &mut waits).unwrap();
        }
        std::fs::write(directory.join("beside"), "").unwrap();
        reconnection.path_changed(&mut interfaces, &address, &mut waits);
        assert!(waits.expired(Instant::now()).is_none());
        std::fs::write(directory.join("socket"), "").unwrap();
        reconnection.path_changed(&mut interfaces, &address, &mut waits);
        assert_eq!(waits.expired(Instant::now()), Some(Timer::Connect(waiting.number)));
        assert_eq!(waits.next_time(), None);
        std::fs::remove_dir_all(directory).unwrap();
    }
}
