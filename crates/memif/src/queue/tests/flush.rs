//! What of a sender's packets its peer has taken.

use std::time::Duration;

use super::{Pair, packet};
use crate::error::{Breach, SendError};
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;

const NOW: Option<Duration> = Some(Duration::ZERO);

/// Both directions of a link.
fn both(pair: &mut Pair) -> [(&mut TxQueue, &mut RxQueue); 2] {
    let Pair { master, slave, .. } = pair;
    [(&mut slave.tx[0], &mut master.rx[0]), (&mut master.tx[0], &mut slave.rx[0])]
}

fn send(tx: &mut TxQueue, count: u64) {
    for number in 0..count {
        tx.send(&packet(number, 250)).unwrap();
    }
}

fn take(rx: &mut RxQueue, max: usize) -> usize {
    (&mut rx.recv(max).unwrap()).into_iter().count()
}

#[test]
fn a_ring_is_drained_when_the_peer_has_taken_everything() {
    let mut pair = Pair::sized(64, 100);
    for (tx, rx) in both(&mut pair) {
        assert!(tx.is_drained());
        assert_eq!(tx.flush(NOW), Ok(true));
        send(tx, 5);
        assert!(!tx.is_drained());
        assert_eq!(tx.flush(NOW), Ok(false));
        let batch = rx.recv(10).unwrap();
        assert_eq!(tx.flush(Some(Duration::from_millis(2))), Ok(false), "seen and not taken");
        drop(batch);
        assert_eq!(take(rx, 4), 4);
        assert_eq!(tx.flush(NOW), Ok(false));
        assert_eq!(take(rx, 4), 1);
        assert!(tx.is_drained());
        assert_eq!(tx.flush(None), Ok(true));
        // What is not published is not waited for.
        let mut batch = tx.reserve().unwrap();
        batch.push(&[1]).unwrap();
        drop(batch);
        assert_eq!(tx.flush(None), Ok(true));
    }
}

#[test]
fn a_flush_ends_when_another_thread_has_taken_everything() {
    let mut pair = Pair::sized(64, 100);
    for (tx, rx) in both(&mut pair) {
        send(tx, 20);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let mut left = 20;
                while left > 0 {
                    left -= take(rx, 3);
                    std::thread::yield_now();
                }
            });
            assert_eq!(tx.flush(None), Ok(true));
        });
    }
}

/// A master whose slave has not posted a buffer, or keeps some.
#[test]
fn buffers_that_a_slave_keeps_are_not_taken_for_taken_packets() {
    let mut pair = Pair::sized(64, 100);
    let m2s = &pair.rings[1];
    let tx = &mut pair.master.tx[0];
    m2s.store_head(0);
    assert!(tx.is_drained(), "nothing was published");
    assert_eq!(tx.flush(None), Ok(true));
    m2s.store_head(60);
    send(tx, 1);
    // It took the packet of three buffers, and posted one less.
    m2s.store_head(62);
    assert_eq!(tx.flush(NOW), Ok(false));
    assert!(!tx.is_drained());
    m2s.store_head(67);
    assert_eq!(tx.flush(NOW), Ok(true));
}

#[test]
fn the_end_of_the_link_ends_a_flush() {
    for taken in [false, true] {
        for leaves in [false, true] {
            let mut pair = Pair::sized(64, 100);
            for (tx, rx) in both(&mut pair) {
                send(tx, 3);
                if taken {
                    assert_eq!(take(rx, 3), 3);
                }
            }
            for handle in [&pair.slave.handle, &pair.master.handle] {
                if leaves { handle.leave() } else { handle.shut() }
            }
            for (tx, _) in both(&mut pair) {
                // What the peer took before it left, it took.
                let result = if taken { Ok(true) } else { Err(SendError::Disconnected) };
                assert_eq!((tx.flush(None), tx.is_drained()), (result, taken));
            }
        }
    }
}

#[test]
fn a_cursor_out_of_range_is_a_breach() {
    let mut pair = Pair::sized(64, 100);
    for (tx, _) in both(&mut pair) {
        send(tx, 3);
    }
    pair.rings[0].store_tail(10);
    pair.rings[1].store_head(5);
    for (tx, _) in both(&mut pair) {
        assert!(!tx.is_drained());
        assert!(matches!(tx.flush(None), Err(SendError::Breach(Breach::Cursor { .. }))));
        assert_eq!(tx.flush(None), Err(SendError::Disconnected));
    }
}
