//! Packets across a link between the library and a scripted peer, proven by content and by the counters of both ends.

use memif::{Link, RxQueue, SendError, TxQueue};
use testkit::patience::{Patience, STEP};
use testkit::slave_path::Tally;
use testkit::traffic::{InOrder, packet};
use testkit::{MasterLink, SlaveLink};

/// The data path of a scripted peer, whatever its role.
pub(crate) trait PeerEnd {
    /// Sends one packet to the library, waiting for room.
    fn send(&mut self, queue: usize, packet: &[u8]);
    /// Waits for a packet of the library.
    fn receive(&mut self, queue: usize) -> Vec<u8>;
    /// What was sent to and received from the library.
    fn tallies(&self, queue: usize) -> (Tally, Tally);
    /// Queues towards the library and from it.
    fn queues(&self) -> (usize, usize);
    /// Waits for the library to end the link: the reason, when it gave one.
    fn end(&self) -> Option<String>;
    /// Whether the control connection is quiet and open.
    fn is_up(&self) -> bool;
}

/// Both kinds have the same fields.
macro_rules! peer_ends {
    ($($link:ty),+) => {$(
        impl PeerEnd for $link {
            #[track_caller]
            fn send(&mut self, queue: usize, packet: &[u8]) {
                self.tx[queue].send(packet);
            }

            #[track_caller]
            fn receive(&mut self, queue: usize) -> Vec<u8> {
                self.rx[queue].wait()
            }

            fn tallies(&self, queue: usize) -> (Tally, Tally) {
                let tally = |tally: Option<Tally>| tally.unwrap_or_default();
                (tally(self.tx.get(queue).map(|q| q.tally)), tally(self.rx.get(queue).map(|q| q.tally)))
            }

            fn queues(&self) -> (usize, usize) {
                (self.tx.len(), self.rx.len())
            }

            #[track_caller]
            fn end(&self) -> Option<String> {
                self.socket.last_words()
            }

            fn is_up(&self) -> bool {
                self.socket.is_quiet()
            }
        }
    )+};
}

peer_ends!(SlaveLink, MasterLink);

/// Waits for one packet.
#[track_caller]
pub(crate) fn receive(rx: &mut RxQueue) -> Vec<u8> {
    let mut patience = Patience::default();
    loop {
        assert!(rx.wait(Some(STEP)).expect("waiting for a packet"), "no packet in time");
        let mut batch = rx.recv(1).expect("receiving");
        if let Some(packet) = (&mut batch).into_iter().next() {
            return packet.to_vec();
        }
        assert!(patience.more(), "wait says that there is a packet and there is none");
    }
}

/// All packets that are on the ring now.
#[track_caller]
pub(crate) fn receive_all(rx: &mut RxQueue) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    loop {
        let mut batch = rx.recv(64).expect("receiving");
        if batch.is_empty() {
            return packets;
        }
        for packet in &mut batch {
            packets.push(packet.to_vec());
        }
    }
}

/// Sends one packet, waiting for room.
#[track_caller]
pub(crate) fn send(tx: &mut TxQueue, packet: &[u8]) {
    match tx.send_timeout(packet, STEP) {
        Ok(()) => {}
        Err(SendError::Full) => panic!("no room in time"),
        Err(error) => panic!("sending: {error}"),
    }
}

/// Packet lengths that need up to five slots of 2048 bytes.
pub(crate) const LENGTHS: &[usize] = &[16, 64, 1500, 2048, 2049, 9000];

/// Packets of some lengths both ways on every queue.
#[track_caller]
pub(crate) fn cross(link: &mut Link, peer: &mut impl PeerEnd) {
    cross_lengths(link, peer, 8, LENGTHS);
}

/// `rounds` times packets of these lengths both ways on every queue; the counters of both ends tell the same.
#[track_caller]
pub(crate) fn cross_lengths(link: &mut Link, peer: &mut impl PeerEnd, rounds: u64, lengths: &[usize]) {
    let (to_us, from_us) = peer.queues();
    assert_eq!((link.rx.len(), link.tx.len()), (to_us, from_us), "queues of both ends");
    for (queue, rx) in link.rx.iter_mut().enumerate() {
        let (before, (sent_before, _)) = (rx.counters(), peer.tallies(queue));
        let stream = u32::try_from(queue).expect("a queue");
        let mut order = InOrder::of(stream);
        let mut sequence = 0;
        for _ in 0..rounds {
            for len in lengths {
                peer.send(queue, &packet(stream, sequence, *len));
                sequence += 1;
                order.take(&receive(rx));
            }
        }
        let (after, (sent, _)) = (rx.counters(), peer.tallies(queue));
        let theirs = (sent.packets - sent_before.packets, sent.bytes - sent_before.bytes);
        assert_eq!((after.packets - before.packets, after.bytes - before.bytes), theirs, "rx {queue}");
        assert_eq!(theirs, (order.count(), order.bytes), "rx {queue}");
    }
    for (queue, tx) in link.tx.iter_mut().enumerate() {
        let (before, (_, got_before)) = (tx.counters(), peer.tallies(queue));
        let stream = 1000 + u32::try_from(queue).expect("a queue");
        let mut order = InOrder::of(stream);
        let mut sequence = 0;
        for _ in 0..rounds {
            for len in lengths {
                send(tx, &packet(stream, sequence, *len));
                sequence += 1;
                order.take(&peer.receive(queue));
            }
        }
        let (after, (_, got)) = (tx.counters(), peer.tallies(queue));
        let theirs = (got.packets - got_before.packets, got.bytes - got_before.bytes);
        assert_eq!((after.packets - before.packets, after.bytes - before.bytes), theirs, "tx {queue}");
        assert_eq!(theirs, (order.count(), order.bytes), "tx {queue}");
    }
}
