//! Every call of the polling data path, in both directions. Nothing in here may allocate, or call the kernel.

use std::time::Duration;

use memif::{InterfaceConfig, Link, RecvError, RxMode, RxQueue, SendError, Socket, TxQueue};
use testkit::patience::STEP;

/// Packets of a burst.
const BURST: usize = 64;
/// In one buffer, and in a chain of five.
const LENGTHS: [usize; 3] = [64, 1500, 9000];
const PACKET: [u8; 9000] = [0x5a; 9000];

/// A link between two ends that one thread drives.
pub(crate) struct Ends {
    master: Link,
    slave: Link,
    _socket: Socket,
}

/// What is called in one round.
type Path = fn(&mut Ends);

/// By name.
pub(crate) const PATHS: &[(&str, Path)] = &[
    ("send as slave, receive as master", |ends| burst(&mut ends.slave.tx[0], &mut ends.master.rx[0])),
    ("send as master, receive as slave", |ends| burst(&mut ends.master.tx[0], &mut ends.slave.rx[0])),
    ("single packets to the master", |ends| single(&mut ends.slave.tx[0], &mut ends.master.rx[0])),
    ("single packets to the slave", |ends| single(&mut ends.master.tx[0], &mut ends.slave.rx[0])),
    ("a full ring to the master", |ends| full(&mut ends.slave.tx[0], &mut ends.master.rx[0])),
    ("a full ring to the slave", |ends| full(&mut ends.master.tx[0], &mut ends.slave.rx[0])),
    ("forward as slave, buffers exchanged", |Ends { master, slave, .. }| {
        fill(&mut master.tx[0], 64);
        forward(&mut slave.rx[0], &mut slave.tx[0]);
        drain(&mut master.rx[0], 64);
    }),
    ("forward as master, bytes copied", |Ends { master, slave, .. }| {
        fill(&mut slave.tx[0], 1500);
        forward(&mut master.rx[0], &mut master.tx[0]);
        drain(&mut slave.rx[0], 1500);
    }),
    ("waits in vain", |Ends { master, slave, .. }| {
        for rx in [&mut master.rx[0], &mut slave.rx[0]] {
            assert_eq!(rx.wait(Some(Duration::ZERO)), Ok(false));
            assert_eq!(rx.wait(Some(Duration::from_micros(50))), Ok(false));
            assert!(rx.recv(BURST).unwrap().is_empty());
        }
    }),
];

impl Ends {
    pub(crate) fn connect() -> Self {
        let name = format!("@memif-quiet-{}", testkit::seqsock::unique());
        let mut socket = Socket::builder(&name).open().unwrap();
        let polling = |config: InterfaceConfig| config.rx_mode(RxMode::Polling);
        let master = socket.add_interface(polling(InterfaceConfig::master(0))).unwrap();
        let slave = socket.add_interface(polling(InterfaceConfig::slave(0))).unwrap();
        let master = socket.wait_connected(master, STEP).unwrap();
        let slave = socket.wait_connected(slave, STEP).unwrap();
        Self { master, slave, _socket: socket }
    }
}

/// Bursts of every length.
fn burst(tx: &mut TxQueue, rx: &mut RxQueue) {
    for len in LENGTHS {
        fill(tx, len);
        drain(rx, len);
    }
    let (sent, received) = (tx.counters(), rx.counters());
    assert_eq!((sent.packets, sent.signals), (received.packets, 0));
    assert_eq!(received.wake_ups, 0);
}

/// One packet per call, and batches that are dropped.
fn single(tx: &mut TxQueue, rx: &mut RxQueue) {
    for len in LENGTHS {
        let mut batch = tx.reserve().unwrap();
        batch.push(&PACKET[..len]).unwrap();
        drop(batch);
        tx.send(&PACKET[..len]).unwrap();
        tx.send_wait(&PACKET[..len]).unwrap();
        tx.send_timeout(&PACKET[..len], STEP).unwrap();
        let mut bytes = [0; 9000];
        drop(rx.recv(BURST).unwrap());
        for _ in 0..3 {
            assert_eq!(rx.wait(Some(STEP)), Ok(true));
            assert_eq!(rx.recv_into(&mut bytes), Ok(Some(len)));
            assert_eq!(bytes[..len], PACKET[..len]);
        }
        assert_eq!(rx.recv_into(&mut bytes), Ok(None));
    }
}

/// As much as the ring takes.
fn full(tx: &mut TxQueue, rx: &mut RxQueue) {
    let mut sent = 0;
    loop {
        match tx.send(&PACKET[..64]) {
            Ok(()) => sent += 1,
            Err(error) => break assert_eq!(error, SendError::Full),
        }
    }
    assert_eq!(sent, tx.ring_size());
    while sent > 0 {
        assert_eq!(RxQueue::wait_any(std::slice::from_mut(rx), None), Ok(Some(0)));
        sent -= (&mut rx.recv(BURST).unwrap()).into_iter().count();
    }
}

fn fill(tx: &mut TxQueue, len: usize) {
    let mut batch = tx.reserve().unwrap();
    for number in 0..BURST {
        if number % 2 == 0 {
            batch.push(&PACKET[..len]).unwrap();
        } else {
            batch
                .push_with(len, |writer| {
                    assert_eq!(writer.write_at(0, &PACKET[..len]), len);
                })
                .unwrap();
        }
    }
    assert_eq!(batch.commit(), BURST);
}

fn drain(rx: &mut RxQueue, len: usize) {
    assert_eq!(rx.wait(None), Ok(true));
    let mut batch = rx.recv(BURST).unwrap();
    assert_eq!(batch.len(), BURST);
    for packet in &mut batch {
        let mut bytes = [0; 9000];
        assert_eq!(packet.copy_to(&mut bytes), len);
        assert_eq!(packet.segments().map(|segment| segment.len()).sum::<usize>(), len);
        assert_eq!(bytes[..len], PACKET[..len]);
    }
}

fn forward(rx: &mut RxQueue, tx: &mut TxQueue) {
    assert_eq!(rx.wait(Some(STEP)), Ok::<_, RecvError>(true));
    let mut received = rx.recv(BURST).unwrap();
    let mut batch = tx.reserve().unwrap();
    for packet in &mut received {
        batch.forward(packet).unwrap();
    }
    assert_eq!(batch.commit(), BURST);
}
