//! Modes, signals and sleeps.

use std::time::Duration;

use super::{Pair, packet};
use crate::config::{InterfaceConfig, RxMode};
use crate::error::RecvError;
use crate::ring::RingMemory;
use crate::wire::ring::FLAG_MASK_INT;

fn pair(mode: RxMode) -> Pair {
    Pair::new(
        InterfaceConfig::slave(0).ring_size(1024).rx_mode(mode),
        InterfaceConfig::master(0).rx_mode(mode),
    )
}

#[test]
fn each_mode_tells_the_sender() {
    for (mode, flags) in [
        (RxMode::Polling, FLAG_MASK_INT),
        (RxMode::Adaptive, FLAG_MASK_INT),
        (RxMode::Interrupt, 0),
    ] {
        let mut pair = pair(mode);
        assert!(pair.rings.iter().all(|ring| ring.load_flags() == flags), "{mode}");
        for (tx, rx) in [
            (&mut pair.slave.tx[0], &mut pair.master.rx[0]),
            (&mut pair.master.tx[0], &mut pair.slave.rx[0]),
        ] {
            for number in 0..600 {
                tx.send(&packet(number, 60)).unwrap();
            }
            assert_eq!(tx.counters().signals, if flags == 0 { 600 } else { 0 });
            assert_eq!(rx.wait(Some(Duration::ZERO)), Ok(true));
        }
    }
}

#[test]
fn a_long_burst_signals_once_per_256_packets() {
    let mut pair = pair(RxMode::Interrupt);
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    for number in 0..600 {
        batch.push(&packet(number, 60)).unwrap();
    }
    batch.commit();
    assert_eq!(pair.slave.tx[0].counters().signals, 3);
}

#[test]
fn signals_are_repeated_while_the_receiver_lags() {
    let mut pair = pair(RxMode::Interrupt);
    for (tx, rx, handle) in [
        (&mut pair.slave.tx[0], &mut pair.master.rx[0], &pair.slave.handle),
        (&mut pair.master.tx[0], &mut pair.slave.rx[0], &pair.master.handle),
    ] {
        let mut batch = tx.reserve().unwrap();
        for number in 0..600 {
            batch.push(&packet(number, 60)).unwrap();
        }
        batch.commit();
        // A receiver that takes 256 per signal and forgets the rest.
        let mut seen = 0;
        let mut repeats = 0;
        while seen < 600 {
            rx.acknowledge();
            for _ in &mut rx.recv(256).unwrap() {
                seen += 1;
            }
            assert_eq!(handle.repeat_signals(), seen < 600);
            repeats += 1;
            assert!(repeats < 10);
        }
        assert!(!handle.repeat_signals());
        assert_eq!(tx.counters().signals, 3 + 2);
        // A receiver that never comes is asked less and less, and hears it when it comes late all the same.
        tx.send(&[1]).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while handle.repeat_signals() {
            assert!(std::time::Instant::now() < deadline, "asked every millisecond for ever");
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_wait_ends_for_a_packet_a_time_and_a_lost_link() {
    for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
        let Pair { mut master, mut slave, .. } = pair(mode);
        assert_eq!(slave.rx[0].wait(Some(Duration::from_millis(5))), Ok(false));
        std::thread::scope(|scope| {
            let rx = &mut slave.rx[0];
            let tx = &mut master.tx[0];
            scope.spawn(|| {
                for number in 0..200 {
                    assert_eq!(rx.wait(None), Ok(true), "{mode}");
                    let mut batch = rx.recv(1).unwrap();
                    assert_eq!(
                        (&mut batch).into_iter().next().unwrap().to_vec(),
                        packet(number, 60)
                    );
                }
                assert_eq!(rx.wait(None), Err(RecvError::Disconnected));
            });
            for number in 0..200 {
                tx.send_wait(&packet(number, 60)).unwrap();
                if number % 10 == 0 {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            while tx.counters().packets > slave.handle.rx_packets(0) {
                std::thread::yield_now();
            }
            slave.handle.shut();
        });
    }
}

#[test]
fn one_wait_serves_many_queues() {
    for count in [1u8, 8, 9, 40] {
        let slave = InterfaceConfig::slave(0).rx_queues(count).ring_size(16);
        let mut pair = Pair::new(slave, InterfaceConfig::master(0).tx_queues(count));
        for index in (0..usize::from(count)).rev() {
            let rx = &mut pair.slave.rx;
            assert_eq!(crate::RxQueue::wait_any(rx, Some(Duration::from_millis(1))), Ok(false));
            std::thread::scope(|scope| {
                scope.spawn(|| pair.master.tx[index].send(&[1; 60]).unwrap());
                assert_eq!(crate::RxQueue::wait_any(rx, None), Ok(true));
            });
            assert_eq!(rx[index].recv_into(&mut [0; 60]), Ok(Some(60)));
        }
    }
    assert_eq!(crate::RxQueue::wait_any(&mut [], None), Ok(false));
}

#[test]
fn a_storm_of_signals_does_not_keep_a_wait_busy() {
    let Pair { mut master, slave, .. } = pair(RxMode::Interrupt);
    let interrupt = slave.tx[0].shared_interrupt();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                crate::link::signal(&*interrupt);
            }
        });
        let rx = &mut master.rx[0];
        assert_eq!(rx.wait(Some(Duration::from_millis(300))), Ok(false));
        let woken = rx.counters().wake_ups;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        // Without the brake there are as many as the other thread makes, tens of thousands.
        assert!(woken < 64 + 2 * 300 + 400, "{woken} wake-ups");
    });
}
