//! A peer: a program of the library's, which sends what is counted.

use std::time::{Duration, Instant};

use memif::{InterfaceConfig, InterfaceKey, Link, Name, Socket};

use super::http::{metrics, sum};

const WATCHDOG: Duration = Duration::from_secs(120);

/// A slave with a link, which goes down with it.
pub(crate) struct Slave {
    socket: Socket,
    key: InterfaceKey,
    pub(crate) link: Link,
}

impl Slave {
    pub(crate) fn connect(address: &str) -> Self {
        Self::named(address, Name::lossy(b"tests"))
    }

    pub(crate) fn named(address: &str, name: Name) -> Self {
        let mut socket = Socket::builder(address).app_name(name).open().unwrap();
        let key = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
        let link = socket.wait_connected(key, WATCHDOG).unwrap();
        Self { socket, key, link }
    }

    /// Sends so many packets to a station that is not there, and waits until they are taken.
    pub(crate) fn send(&mut self, packets: usize, bytes: usize) {
        let mut packet = vec![0; bytes];
        packet[0] = 2;
        for _ in 0..packets {
            self.link.tx[0].send_wait(&packet).unwrap();
        }
        self.link.tx[0].flush(Some(WATCHDOG)).unwrap();
    }

    /// Says that it ends the link.
    pub(crate) fn leave(mut self) {
        self.socket.disconnect(self.key, "the test is over").unwrap();
    }
}

/// Reads metrics until they are as wanted.
#[track_caller]
pub(crate) fn until(address: &str, family: &str, labels: &[&str], wanted: u64) -> String {
    let start = Instant::now();
    loop {
        let text = metrics(address);
        if text.lines().any(|line| line.starts_with(&format!("{family}{{"))) && sum(&text, family, labels) == wanted {
            return text;
        }
        assert!(start.elapsed() < WATCHDOG, "{family} {labels:?} is not {wanted}:\n{text}");
    }
}
