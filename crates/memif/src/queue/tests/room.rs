//! Batches that wait for room.

use std::time::Duration;

use super::{Pair, packet};
use crate::error::{Breach, SendError};
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;

const SOON: Duration = Duration::from_millis(2);

/// Both directions of a link.
fn both(pair: &mut Pair) -> [(&mut TxQueue, &mut RxQueue); 2] {
    let Pair { master, slave, .. } = pair;
    [(&mut slave.tx[0], &mut master.rx[0]), (&mut master.tx[0], &mut slave.rx[0])]
}

fn send(tx: &mut TxQueue, count: u64) {
    for number in 0..count {
        tx.send(&packet(number, 100)).unwrap();
    }
}

#[test]
fn a_batch_waits_for_as_much_room_as_it_needs() {
    let mut pair = Pair::sized(8, 100);
    for (tx, rx) in both(&mut pair) {
        for slots in [0, 1, 8] {
            assert!(tx.reserve_wait(slots).unwrap().is_empty());
        }
        send(tx, 6);
        assert_eq!(tx.reserve_timeout(2, Duration::ZERO).unwrap().commit(), 0);
        assert_eq!(tx.counters().ring_full, 0);
        assert_eq!(tx.reserve_timeout(3, SOON).unwrap_err(), SendError::Full);
        assert_eq!(tx.counters().ring_full, 1, "once for each batch");
        assert_eq!((&mut rx.recv(1).unwrap()).into_iter().count(), 1);
        let mut batch = tx.reserve_timeout(3, SOON).unwrap();
        batch.push(&packet(6, 300)).unwrap();
        assert_eq!(batch.commit(), 1);
        // More than the ring has is the whole of it.
        assert_eq!(tx.reserve_timeout(9, SOON).unwrap_err(), SendError::Full);
        assert_eq!((&mut rx.recv(8).unwrap()).into_iter().count(), 6);
        tx.reserve_wait(usize::MAX).unwrap().push(&packet(7, 800)).unwrap();
    }
}

#[test]
fn room_that_comes_while_it_is_waited_for_is_taken() {
    let mut pair = Pair::sized(8, 100);
    for (tx, rx) in both(&mut pair) {
        send(tx, 8);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..8 {
                    assert_eq!((&mut rx.recv(1).unwrap()).into_iter().count(), 1);
                    std::thread::yield_now();
                }
            });
            let mut batch = tx.reserve_wait(8).unwrap();
            for number in 0..8 {
                batch.push(&packet(number, 100)).unwrap();
            }
            assert_eq!(batch.commit(), 8);
        });
    }
}

#[test]
fn the_end_of_the_link_ends_the_wait() {
    for master in [false, true] {
        let Pair { master: one, slave: other, .. } = Pair::sized(8, 100);
        let mut end = if master { one } else { other };
        let handle = end.handle.clone();
        let tx = &mut end.tx[0];
        send(tx, 8);
        std::thread::scope(|scope| {
            scope.spawn(move || handle.shut());
            assert_eq!(tx.reserve_wait(1).unwrap_err(), SendError::Disconnected);
        });
        assert_eq!(tx.reserve_timeout(0, SOON).unwrap_err(), SendError::Disconnected);
    }
}

#[test]
fn a_cursor_out_of_range_ends_the_wait_as_a_breach() {
    let mut pair = Pair::sized(8, 100);
    for (tx, _) in both(&mut pair) {
        send(tx, 8);
    }
    pair.rings[0].store_tail(10);
    pair.rings[1].store_head(5);
    for (tx, _) in both(&mut pair) {
        assert!(matches!(tx.reserve_wait(1), Err(SendError::Breach(Breach::Cursor { .. }))));
    }
}
