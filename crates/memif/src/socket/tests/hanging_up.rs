//! Peers that go while nobody polls the socket: their queues say so by themselves.

use std::os::fd::AsRawFd;

use super::*;
use crate::config::RxMode;
use crate::error::{RecvError, SendError};
use crate::queue::{RxQueue, TxQueue};

const MODES: [RxMode; 3] = [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive];

/// One end of a link that stays, whose socket nobody polls, and the one that goes.
struct Ends {
    socket: Socket,
    key: InterfaceKey,
    link: Link,
    peer: Socket,
    peer_key: InterfaceKey,
    peer_link: Link,
}

impl Ends {
    fn new(stays: Role, mode: RxMode, queues: u8) -> Self {
        let set = |config: InterfaceConfig| config.rx_mode(mode).ring_size(16).rx_queues(queues).tx_queues(queues);
        let mut both = Both::new(set(InterfaceConfig::master(1)), set(InterfaceConfig::slave(1)));
        let (left, right) = both.links();
        let Both { master, slave, master_key, slave_key } = both;
        match stays {
            Role::Master => {
                Self { socket: master, key: master_key, link: left, peer: slave, peer_key: slave_key, peer_link: right }
            }
            Role::Slave => {
                Self { socket: slave, key: slave_key, link: right, peer: master, peer_key: master_key, peer_link: left }
            }
        }
    }

    fn each(mut test: impl FnMut(Self)) {
        for stays in [Role::Master, Role::Slave] {
            MODES.into_iter().for_each(|mode| test(Self::new(stays, mode, 1)));
        }
    }

    /// The peer goes, with the words of its driver.
    fn peer_goes(&mut self) {
        self.peer.remove_interface(self.peer_key).unwrap();
    }

    /// As a process does that is killed.
    fn peer_dies(&self) {
        for connection in self.peer.driver.connections.values() {
            sys::shut_down(connection);
        }
    }

    /// What the driver tells when it is asked at last.
    fn reason(&mut self) -> DisconnectReason {
        expect_down(&mut self.socket, self.key)
    }
}

/// Waits until the link is down.
fn wait_for_the_end(rx: &mut RxQueue) {
    assert_eq!(rx.wait(Some(WATCHDOG)), Err(RecvError::Disconnected));
    assert_eq!(rx.wait(None), Err(RecvError::Disconnected));
    assert_eq!(rx.recv(1).unwrap_err(), RecvError::Disconnected);
}

/// Calls that do not wait, until one of them says that the link is down. Returns what they gave before.
fn try_until_the_end(tx: &mut TxQueue, mut call: impl FnMut(&mut TxQueue) -> Result<(), SendError>) -> usize {
    let deadline = Instant::now() + WATCHDOG;
    let mut sent = 0;
    loop {
        match call(tx) {
            Ok(()) => sent += 1,
            Err(SendError::Full) => assert!(Instant::now() < deadline, "full for ever"),
            Err(error) => {
                assert_eq!(error, SendError::Disconnected);
                return sent;
            }
        }
    }
}

#[test]
fn a_wait_ends_with_the_peer_and_the_reason_comes_later() {
    Ends::each(|mut ends| {
        ends.peer_goes();
        wait_for_the_end(&mut ends.link.rx[0]);
        assert_eq!(ends.link.tx[0].send(&[1; 60]), Err(SendError::Disconnected));
        assert!(!ends.link.rx[0].is_connected() && !ends.link.tx[0].is_connected());
        let reason = ends.reason();
        assert!(matches!(&reason, DisconnectReason::Peer { reason, .. } if reason == "interface removed"), "{reason}");
    });
}

#[test]
fn a_wait_that_sleeps_is_woken() {
    for mode in MODES {
        let Ends { mut link, mut peer, peer_key, socket: _unpolled, .. } = Ends::new(Role::Master, mode, 1);
        let mut rx = link.rx.remove(0);
        std::thread::scope(|scope| {
            let waits = scope.spawn(move || wait_for_the_end(&mut rx));
            // However far it has come.
            peer.remove_interface(peer_key).unwrap();
            waits.join().unwrap();
        });
    }
}

#[test]
fn what_was_published_before_is_received_first() {
    Ends::each(|mut ends| {
        for number in 0..3 {
            ends.peer_link.tx[0].send(&[number; 60]).unwrap();
        }
        ends.peer_dies();
        let mut numbers = vec![];
        while let Ok(true) = ends.link.rx[0].wait(Some(WATCHDOG)) {
            for packet in &mut ends.link.rx[0].recv(2).unwrap() {
                numbers.push(packet.to_vec()[0]);
            }
        }
        assert_eq!(numbers, [0, 1, 2]);
        wait_for_the_end(&mut ends.link.rx[0]);
        let reason = ends.reason();
        assert!(matches!(reason, DisconnectReason::Hangup), "{reason}");
    });
}

/// A peer that closes half of its connection alone is gone, as it is for the driver.
#[test]
fn half_a_connection_is_none() {
    Ends::each(|mut ends| {
        for connection in ends.peer.driver.connections.values() {
            rustix::net::shutdown(connection, rustix::net::Shutdown::Write).unwrap();
        }
        wait_for_the_end(&mut ends.link.rx[0]);
        let reason = ends.reason();
        assert!(matches!(reason, DisconnectReason::Hangup), "{reason}");
    });
}

#[test]
fn of_many_queues_any_sees_it() {
    for queues in [3, 20] {
        let mut ends = Ends::new(Role::Master, RxMode::Interrupt, queues);
        let mut others = Ends::new(Role::Slave, RxMode::Interrupt, queues);
        let mut all: Vec<_> = ends.link.rx.drain(..).chain(others.link.rx.drain(..)).collect();
        assert_eq!(RxQueue::wait_any(&mut all, Duration::ZERO), Ok(None));
        others.peer_dies();
        assert_eq!(RxQueue::wait_any(&mut all, Some(WATCHDOG)), Err(RecvError::Disconnected));
        let up = all.iter().filter(|queue| queue.is_connected()).count();
        assert_eq!(up, usize::from(queues), "the other link is up");
    }
}

#[test]
fn whoever_only_receives_hears_of_it() {
    Ends::each(|mut ends| {
        ends.peer_dies();
        let deadline = Instant::now() + WATCHDOG;
        while let Ok(batch) = ends.link.rx[0].recv(1) {
            assert!(batch.is_empty() && Instant::now() < deadline, "nothing for ever");
        }
        wait_for_the_end(&mut ends.link.rx[0]);
    });
}

#[test]
fn short_waits_hear_of_it() {
    Ends::each(|mut ends| {
        ends.peer_dies();
        let deadline = Instant::now() + WATCHDOG;
        while ends.link.rx[0].wait(Some(Duration::ZERO)) == Ok(false) {
            assert!(Instant::now() < deadline, "in vain for ever");
        }
        wait_for_the_end(&mut ends.link.rx[0]);
    });
}

#[test]
fn a_ring_full_is_all_that_is_sent_to_nobody() {
    Ends::each(|mut ends| {
        ends.peer_dies();
        let tx = &mut ends.link.tx[0];
        assert_eq!(try_until_the_end(tx, |tx| tx.send(&[1; 60])), 16);
        assert_eq!(tx.send_wait(&[1; 60]), Err(SendError::Disconnected));
    });
    Ends::each(|mut ends| {
        ends.peer_dies();
        let push = |tx: &mut TxQueue| {
            let mut batch = tx.reserve()?;
            let pushed = batch.push(&[1; 60]);
            batch.commit();
            pushed
        };
        assert_eq!(try_until_the_end(&mut ends.link.tx[0], push), 16);
    });
}

#[test]
fn a_wait_for_room_ends_with_the_peer() {
    Ends::each(|mut ends| {
        ends.peer_dies();
        assert_eq!(try_until_the_end(&mut ends.link.tx[0], |tx| tx.send_timeout(&[1; 60], WATCHDOG)), 16);
        assert_eq!(ends.link.tx[0].send_wait(&[1; 60]), Err(SendError::Disconnected));
    });
}

#[test]
fn the_descriptor_of_a_queue_tells_of_it() {
    Ends::each(|mut ends| {
        ends.link.rx[0].set_mode(RxMode::Interrupt);
        assert!(!is_readable(&ends.link.rx[0]));
        ends.peer_dies();
        assert!(is_readable(&ends.link.rx[0]));
        ends.link.rx[0].acknowledge();
        assert_eq!(ends.link.rx[0].recv(1).unwrap_err(), RecvError::Disconnected);
        ends.reason();
        assert!(is_readable(&ends.link.rx[0]), "for good");
    });
}

/// The driver lets go of a connection while queues may wait for it: no other file gets its number meanwhile.
#[test]
fn queues_keep_the_number_of_their_connection_from_others() {
    Ends::each(|mut ends| {
        let connections = &ends.socket.driver.connections;
        let number = connections.values().next().map(|connection| connection.as_fd().as_raw_fd()).unwrap();
        ends.socket.disconnect(ends.key, "enough").unwrap();
        assert!(ends.socket.driver.connections.is_empty());
        let others: Vec<_> = (0..64).map(|_| eventfd(0, EventfdFlags::CLOEXEC).unwrap()).collect();
        assert!(others.iter().all(|other| other.as_raw_fd() != number));
        assert_eq!(ends.link.rx[0].wait(None), Err(RecvError::Disconnected));
        // The peer sees the end all the same.
        let reason = expect_down(&mut ends.peer, ends.peer_key);
        assert!(matches!(&reason, DisconnectReason::Peer { reason, .. } if reason == "enough"), "{reason}");
    });
}
