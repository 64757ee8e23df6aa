//! A link between two ends that one thread drives.

#![allow(dead_code, reason = "no program uses all of it")]

use std::time::{Duration, Instant};

use memif::{InterfaceConfig, Link, RxMode, Socket};

/// Packets of a burst.
pub(crate) const BURST: u16 = 64;
/// Bursts that fill the ring.
const BURSTS: u64 = 16;

/// Both ends. The socket keeps the link up.
pub(crate) struct Ends {
    pub(crate) master: Link,
    pub(crate) slave: Link,
    pub(crate) socket: Socket,
}

impl Ends {
    /// A link in polling mode with the default ring of 1024 slots.
    pub(crate) fn connect(settings: impl Fn(InterfaceConfig) -> InterfaceConfig) -> Self {
        let name = format!("@memif-bench-{}", std::process::id());
        let mut socket = Socket::builder(&name).open().unwrap();
        let polling = |config: InterfaceConfig| settings(config.rx_mode(RxMode::Polling));
        let master = socket.add_interface(polling(InterfaceConfig::master(0))).unwrap();
        let slave = socket.add_interface(polling(InterfaceConfig::slave(0))).unwrap();
        // A slave of the interface for bindings waits to be told; any other has begun already.
        let _ = socket.connect_now(slave).unwrap();
        let time = Duration::from_secs(30);
        let master = socket.wait_connected(master, time).unwrap();
        let slave = socket.wait_connected(slave, time).unwrap();
        Self { master, slave, socket }
    }
}

/// The time that `iterations` calls of `measured` take, with `other` before or after them to keep the ring going: the
/// clock is read twice for a whole ring.
pub(crate) fn time<E>(
    iterations: u64,
    ends: &mut E,
    before: impl Fn(&mut E),
    measured: impl Fn(&mut E),
    after: impl Fn(&mut E),
) -> Duration {
    let mut taken = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let now = left.min(BURSTS);
        (0..now).for_each(|_| before(ends));
        let start = Instant::now();
        (0..now).for_each(|_| measured(ends));
        taken += start.elapsed();
        (0..now).for_each(|_| after(ends));
        left -= now;
    }
    taken
}

/// Nothing.
pub(crate) fn nothing<E>(_: &mut E) {}
