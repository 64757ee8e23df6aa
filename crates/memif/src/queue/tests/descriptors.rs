//! Queues that somebody waits for by their descriptor, in each mode.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Pair, packet};
use crate::config::{InterfaceConfig, RxMode};
use crate::error::RecvError;
use crate::link::Connected;
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;
use crate::wire::ring::FLAG_MASK_INT;

const NOT_AT_ALL: Option<Duration> = Some(Duration::ZERO);

fn each(mode: RxMode, mut test: impl FnMut(&mut TxQueue, &mut RxQueue)) {
    let mut pair = Pair::new(InterfaceConfig::slave(0).rx_mode(mode), InterfaceConfig::master(0).rx_mode(mode));
    let Pair { master: Connected { rx, tx, .. }, slave, .. } = &mut pair;
    test(&mut slave.tx[0], &mut rx[0]);
    test(&mut tx[0], &mut slave.rx[0]);
}

fn is_readable(rx: &RxQueue) -> bool {
    let mut fds = [PollFd::new(rx, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() == 1
}

/// What a loop does when the descriptor is readable.
fn serve(rx: &mut RxQueue) -> usize {
    rx.acknowledge();
    let mut count = 0;
    loop {
        let mut batch = rx.recv(2).unwrap();
        if batch.is_empty() {
            return count;
        }
        count += (&mut batch).into_iter().count();
    }
}

#[test]
fn the_default_mode_is_right_for_a_loop() {
    each(RxMode::default(), |tx, rx| {
        tx.send(&packet(1, 60)).unwrap();
        // Of a packet that came before it was waited for nobody has told.
        assert!(is_readable(rx));
        assert_eq!(serve(rx), 1);
        assert!(!is_readable(rx));
        for number in 0..100 {
            (0..5).for_each(|_| tx.send(&packet(number, 60)).unwrap());
            assert!(is_readable(rx), "round {number}");
            assert_eq!(serve(rx), 5);
            assert!(!is_readable(rx));
        }
    });
}

#[test]
fn an_empty_queue_is_looked_at_once() {
    each(RxMode::Adaptive, |tx, rx| {
        assert!(is_readable(rx));
        assert_eq!(serve(rx), 0);
        assert!(!is_readable(rx));
        assert_eq!(tx.counters().signals, 0);
    });
}

#[test]
fn waits_in_between_leave_it_so() {
    each(RxMode::Adaptive, |tx, rx| {
        assert!(rx.as_fd().try_clone_to_owned().is_ok());
        for number in 0..100 {
            assert_eq!(rx.wait(NOT_AT_ALL), Ok(false));
            tx.send(&packet(number, 60)).unwrap();
            // With the look that has paid, an adaptive queue would have its sender be quiet.
            assert_eq!(rx.wait(None), Ok::<_, RecvError>(true));
            assert_eq!(serve(rx), 1);
            tx.send(&packet(number, 60)).unwrap();
            assert!(is_readable(rx), "round {number}");
            assert_eq!(serve(rx), 1);
        }
    });
}

#[test]
fn the_end_of_the_link_is_told_in_every_mode() {
    for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
        let mut pair = Pair::new(InterfaceConfig::slave(0).rx_mode(mode), InterfaceConfig::master(0).rx_mode(mode));
        let rx = &mut pair.master.rx[0];
        if is_readable(rx) {
            assert_eq!((mode, serve(rx)), (RxMode::Adaptive, 0));
        }
        assert!(!is_readable(rx));
        pair.master.handle.shut();
        for _ in 0..3 {
            assert!(is_readable(rx));
            rx.acknowledge();
            assert_eq!(rx.recv(1).unwrap_err(), RecvError::Disconnected);
        }
    }
}

/// Polling is what it says; back in adaptive mode, whoever waits for the descriptor is remembered.
#[test]
fn the_mode_that_is_set_counts() {
    let mut pair = Pair::sized(64, 2048);
    let (ring, tx, rx) = (&pair.rings[0], &mut pair.slave.tx[0], &mut pair.master.rx[0]);
    let masked = || ring.load_flags() & FLAG_MASK_INT != 0;
    assert!(masked());
    assert!(is_readable(rx) && !masked());
    assert_eq!(serve(rx), 0);
    rx.set_mode(RxMode::Polling);
    assert!(masked());
    tx.send(&packet(1, 60)).unwrap();
    assert!(!is_readable(rx) && masked());
    assert_eq!(serve(rx), 1);
    rx.set_mode(RxMode::Adaptive);
    assert!(!masked());
    tx.send(&packet(1, 60)).unwrap();
    assert!(is_readable(rx));
    assert_eq!(serve(rx), 1);
}
