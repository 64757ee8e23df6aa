//! The other end: a program of the library's, which keeps what comes.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memif::{InterfaceConfig, InterfaceKey, Link, Socket};

use super::util::{Finished, abstract_name, memif};

/// How long anything may take.
const WATCHDOG: Duration = Duration::from_secs(120);

/// A master that waits for its slave.
pub(crate) struct Master {
    socket: Socket,
    key: InterfaceKey,
    pub(crate) name: String,
}

impl Master {
    pub(crate) fn new() -> Self {
        Self::with(|config| config)
    }

    pub(crate) fn with(change: impl FnOnce(InterfaceConfig) -> InterfaceConfig) -> Self {
        let name = abstract_name();
        let mut socket = Socket::builder(name.as_str()).open().unwrap();
        let key = socket.add_interface(change(InterfaceConfig::master(0))).unwrap();
        Self { socket, key, name }
    }

    pub(crate) fn link(&mut self) -> Link {
        self.socket.wait_connected(self.key, WATCHDOG).unwrap()
    }

    /// Keeps all that comes over one link, queue by queue.
    pub(crate) fn receive(mut self) -> Vec<Vec<Vec<u8>>> {
        let mut link = self.link();
        link.rx.iter_mut().map(|_| Vec::new()).collect::<Vec<_>>().into_iter().zip(&mut link.rx).map(rest).collect()
    }
}

/// All that comes on a queue until its link is down.
fn rest((mut packets, rx): (Vec<Vec<u8>>, &mut memif::RxQueue)) -> Vec<Vec<u8>> {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < WATCHDOG, "the link does not go down");
        // The end comes after all that was published.
        if rx.wait(Some(Duration::from_secs(1))).is_err() {
            return packets;
        }
        let Ok(mut batch) = rx.recv(64) else { return packets };
        for packet in &mut batch {
            let mut bytes = vec![0; packet.len()];
            packet.copy_to(&mut bytes);
            packets.push(bytes);
        }
    }
}

/// Takes so many packets of the first queue.
pub(crate) fn take(link: &mut Link, count: usize) -> Vec<Vec<u8>> {
    let (start, mut packets) = (Instant::now(), Vec::new());
    while packets.len() < count {
        assert!(start.elapsed() < WATCHDOG, "{} of {count} packets came", packets.len());
        link.rx[0].wait(Some(Duration::from_secs(1))).unwrap();
        for packet in &mut link.rx[0].recv(count - packets.len()).unwrap() {
            let mut bytes = vec![0; packet.len()];
            packet.copy_to(&mut bytes);
            packets.push(bytes);
        }
    }
    packets
}

/// Receives in a thread of its own.
pub(crate) fn receiving(master: Master) -> JoinHandle<Vec<Vec<Vec<u8>>>> {
    thread::spawn(move || master.receive())
}

/// Replays a file with these options, and gives what arrived on the only queue and what was said.
pub(crate) fn replayed(arguments: &str) -> (Vec<Vec<u8>>, Finished) {
    let master = Master::new();
    let program = memif(&format!("replay --socket {} {arguments}", master.name));
    let receiver = receiving(master);
    let finished = program.finish();
    let mut queues = receiver.join().unwrap();
    assert_eq!(queues.len(), 1);
    (queues.remove(0), finished)
}

/// The same with a master that takes IP packets.
pub(crate) fn replayed_ip(arguments: &str) -> (Vec<Vec<u8>>, Finished) {
    let master = Master::with(|config| config.mode(memif::Mode::Ip));
    let program = memif(&format!("replay --mode ip --socket {} {arguments}", master.name));
    let receiver = receiving(master);
    let finished = program.finish();
    (receiver.join().unwrap().remove(0), finished)
}
