//! Modes, signals and sleeps.

use std::io::Write;
use std::os::fd::AsFd;
use std::time::Duration;

use super::{Pair, packet};
use crate::config::{InterfaceConfig, RxMode};
use crate::error::RecvError;
use crate::queue::QueueShared;
use crate::ring::RingMemory;
use crate::wire::ring::FLAG_MASK_INT;

fn pair(mode: RxMode) -> Pair {
    Pair::new(InterfaceConfig::slave(0).ring_size(1024).rx_mode(mode), InterfaceConfig::master(0).rx_mode(mode))
}

#[test]
fn each_mode_tells_the_sender() {
    for (mode, flags) in [(RxMode::Polling, FLAG_MASK_INT), (RxMode::Adaptive, FLAG_MASK_INT), (RxMode::Interrupt, 0)] {
        let mut pair = pair(mode);
        assert!(pair.rings.iter().all(|ring| ring.load_flags() == flags), "{mode}");
        for (tx, rx) in
            [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])]
        {
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
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        while handle.repeat_signals() {
            assert!(std::time::Instant::now() < deadline, "asked every millisecond for ever");
            std::thread::yield_now();
        }
    }
}

/// A queue, the clock that its driver asks it by, and how often that was.
struct Looked<'a> {
    queue: &'a QueueShared,
    now: Duration,
}

impl Looked<'_> {
    /// Looks until the queue wants no more or the time has passed. Returns how often.
    fn go_on(&mut self, time: Duration) -> u64 {
        let end = self.now + time;
        let mut looks = 0;
        while self.now < end {
            looks += 1;
            match self.queue.repeat(u64::try_from(self.now.as_nanos()).unwrap()) {
                Some(wait) => self.now += wait,
                None => break,
            }
        }
        looks
    }
}

fn heard(rx: &mut crate::RxQueue) -> u64 {
    let before = rx.counters().wake_ups;
    rx.acknowledge();
    rx.counters().wake_ups - before
}

fn sent(tx: &mut crate::TxQueue, count: u64) {
    let mut batch = tx.reserve().unwrap();
    for number in 0..count {
        batch.push(&packet(number, 60)).unwrap();
    }
    assert_eq!(batch.commit(), usize::try_from(count).unwrap());
}

#[test]
fn a_receiver_that_was_halted_hears_of_the_rest_at_once() {
    let mut pair = pair(RxMode::Interrupt);
    for (tx, rx, handle) in [
        (&mut pair.slave.tx[0], &mut pair.master.rx[0], &pair.slave.handle),
        (&mut pair.master.tx[0], &mut pair.slave.rx[0], &pair.master.handle),
    ] {
        let queue = handle.tx_queue(0);
        let mut looked = Looked { queue: &queue, now: Duration::from_secs(1) };
        sent(tx, 900);
        let signals = tx.counters().signals;
        assert_eq!(signals, 4);
        let looks = looked.go_on(Duration::from_secs(100));
        assert!((6250..6260).contains(&looks), "{looks} looks in 100 seconds");
        assert_eq!(tx.counters().signals, signals, "more signals than were read");
        // 256 for each time that it wakes, as VPP does.
        let mut left = 900_usize;
        while left > 0 {
            rx.acknowledge();
            left -= (&mut rx.recv(256).unwrap()).into_iter().count();
            let before = looked.now;
            let signals = tx.counters().signals;
            while left > 0 && tx.counters().signals == signals {
                looked.go_on(Duration::from_nanos(1));
            }
            assert!(looked.now - before <= Duration::from_millis(17), "{:?}", looked.now - before);
        }
        assert!(looked.go_on(Duration::from_secs(1)) <= 1);
    }
}

#[test]
fn a_slave_that_keeps_its_last_buffers_is_left_in_peace() {
    let mut pair = pair(RxMode::Interrupt);
    let queue = pair.master.handle.tx_queue(0);
    let mut looked = Looked { queue: &queue, now: Duration::from_secs(1) };
    for (count, most) in [(256, 2), (257, 60)] {
        let ring = &pair.rings[1];
        let head = ring.load_head();
        sent(&mut pair.master.tx[0], count);
        pair.slave.rx[0].acknowledge();
        let signals = pair.master.tx[0].counters().signals;
        let mut signals_heard = 0;
        for _ in 0..1000 {
            looked.go_on(Duration::from_nanos(1));
            signals_heard += heard(&mut pair.slave.rx[0]);
        }
        assert!(signals_heard <= most, "{count} kept: {signals_heard} signals");
        assert_eq!(signals_heard, pair.master.tx[0].counters().signals - signals);
        // It posts them after all.
        while pair.slave.rx[0].recv_into(&mut [0; 60]).unwrap().is_some() {}
        assert_ne!(ring.load_head(), head);
        looked.go_on(Duration::from_secs(10));
    }
}

#[test]
fn a_receiver_that_reads_signals_and_takes_nothing_hears_few() {
    let mut pair = pair(RxMode::Interrupt);
    let queue = pair.slave.handle.tx_queue(0);
    let mut looked = Looked { queue: &queue, now: Duration::from_secs(1) };
    sent(&mut pair.slave.tx[0], 1);
    let end = looked.now + Duration::from_secs(100);
    let mut signals_heard = 0;
    while looked.now < end {
        signals_heard += heard(&mut pair.master.rx[0]);
        looked.go_on(Duration::from_nanos(1));
    }
    assert!((100..115).contains(&signals_heard), "{signals_heard} signals in 100 seconds");
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
                    assert_eq!((&mut batch).into_iter().next().unwrap().to_vec(), packet(number, 60));
                }
                assert_eq!(rx.wait(None), Err(RecvError::Disconnected));
            });
            for number in 0..200 {
                tx.send_wait(&packet(number, 60)).unwrap();
                if number % 10 == 0 {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
            while tx.counters().packets > slave.handle.rx_details()[0].counters.packets {
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
            assert_eq!(crate::RxQueue::wait_any(rx, Some(Duration::from_millis(1))), Ok(None));
            std::thread::scope(|scope| {
                scope.spawn(|| pair.master.tx[index].send(&[1; 60]).unwrap());
                assert_eq!(crate::RxQueue::wait_any(rx, None), Ok(Some(index)));
            });
            assert_eq!(rx[index].recv_into(&mut [0; 60]), Ok(Some(60)));
        }
    }
}

#[test]
fn one_wait_serves_queues_of_several_links() {
    for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
        let config = || InterfaceConfig::slave(0).rx_queues(2).ring_size(16).rx_mode(mode);
        let mut pairs = [0; 3].map(|_| Pair::new(config(), InterfaceConfig::master(0).tx_queues(2)));
        for at in [5, 0, 3] {
            pairs[at / 2].master.tx[at % 2].send(&[1; 60]).unwrap();
            let mut queues: Vec<&mut crate::RxQueue> = pairs.iter_mut().flat_map(|pair| &mut pair.slave.rx).collect();
            assert_eq!(crate::RxQueue::wait_any(&mut queues, Duration::from_secs(60)), Ok(Some(at)), "{mode}");
            assert_eq!(queues[at].recv_into(&mut [0; 60]), Ok(Some(60)));
            assert_eq!(crate::RxQueue::wait_any(&mut queues, Duration::from_millis(1)), Ok(None), "{mode}");
        }
    }
}

#[test]
fn a_busy_queue_does_not_hide_the_others() {
    let config = |mode| InterfaceConfig::slave(0).rx_queues(3).ring_size(16).rx_mode(mode);
    for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
        let mut pair = Pair::new(config(mode), InterfaceConfig::master(0).tx_queues(3));
        pair.master.tx.iter_mut().for_each(|tx| tx.send(&[1; 60]).unwrap());
        // Nobody takes anything: each has its turn.
        let found: Vec<_> = (0..5).map(|_| crate::RxQueue::wait_any(&mut pair.slave.rx, None).unwrap()).collect();
        assert_eq!(found, [0, 1, 2, 0, 1].map(Some), "{mode}");
    }
}

#[test]
fn waiting_for_no_queue_is_an_error_and_no_busy_loop() {
    let (readable, mut write) = std::io::pipe().unwrap();
    write.write_all(&[0]).unwrap();
    for timeout in [None, Some(Duration::ZERO), Some(Duration::from_secs(60))] {
        assert_eq!(crate::RxQueue::wait_any::<crate::RxQueue>(&mut [], timeout), Err(RecvError::NoQueue));
        for other in [None, Some(readable.as_fd())] {
            let waited = crate::RxQueue::wait_any_or::<crate::RxQueue>(&mut [], other, timeout);
            assert_eq!(waited, Err(RecvError::NoQueue));
        }
    }
}

#[test]
fn a_signal_is_taken_before_the_next_sleep() {
    for mode in [RxMode::Interrupt, RxMode::Adaptive] {
        let mut pair = pair(mode);
        let interrupt = pair.slave.tx[0].shared_interrupt();
        let rx = &mut pair.master.rx[0];
        for signals in 1..10 {
            assert!(crate::sys::signal(&interrupt));
            // It ends the first sleep and none after that.
            assert_eq!(rx.wait(Some(Duration::from_millis(10))), Ok(false), "{mode}");
            assert_eq!(rx.counters().wake_ups, signals, "{mode}");
        }
        assert!(!crate::queue::drain(&*interrupt));
    }
}

#[test]
fn a_signal_that_ended_a_wait_counts_once_and_ends_no_other() {
    for mode in [RxMode::Interrupt, RxMode::Adaptive] {
        for acknowledges in [false, true] {
            let mut pair = pair(mode);
            let interrupt = pair.slave.tx[0].shared_interrupt();
            let rx = &mut pair.master.rx;
            // Readable with the signal, so that the wait is over with it and does not come to sleep again.
            let (other, mut end) = std::io::pipe().unwrap();
            end.write_all(b"!").unwrap();
            for signals in 1..10 {
                assert!(crate::sys::signal(&interrupt));
                assert_eq!(crate::RxQueue::wait_any_or(rx, Some(other.as_fd()), None), Ok(None));
                assert_eq!(rx[0].counters().wake_ups, signals, "{mode}");
                if acknowledges {
                    rx[0].acknowledge();
                }
                assert_eq!(rx[0].wait(Some(Duration::from_millis(2))), Ok(false), "{mode}");
                assert_eq!(rx[0].counters().wake_ups, signals, "{mode}");
            }
        }
    }
}

#[test]
fn a_storm_of_signals_does_not_keep_a_wait_busy() {
    let Pair { mut master, slave, .. } = pair(RxMode::Interrupt);
    let interrupt = slave.tx[0].shared_interrupt();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                crate::sys::signal(&interrupt);
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

#[test]
fn another_descriptor_ends_a_sleep_and_packets_come_before_it() {
    for mode in [RxMode::Adaptive, RxMode::Interrupt] {
        let mut pair = pair(mode);
        let (tx, rx) = (&mut pair.slave.tx[0], &mut pair.master.rx);
        let (other, mut end) = std::io::pipe().unwrap();
        let wait = |rx: &mut Vec<crate::RxQueue>| crate::RxQueue::wait_any_or(rx, Some(other.as_fd()), None).unwrap();
        end.write_all(b"!").unwrap();
        assert_eq!(wait(rx), None, "{mode}");
        tx.send(&packet(0, 60)).unwrap();
        assert_eq!(wait(rx), Some(0), "{mode}");
        assert_eq!(rx[0].recv_into(&mut [0; 60]), Ok(Some(60)));
        // Closed at the other end, it stays readable.
        drop(end);
        assert_eq!(wait(rx), None, "{mode}");
    }
}
