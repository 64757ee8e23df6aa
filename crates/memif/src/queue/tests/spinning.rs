//! What adaptive waits learn of their spins.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::error::RecvError;
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;
use crate::wire::ring::FLAG_MASK_INT;

/// Nothing takes so long but a wait that does not end.
const STEP: Duration = Duration::from_secs(60);

fn pair(spin: Duration) -> Pair {
    Pair::new(InterfaceConfig::slave(0).spin(spin), InterfaceConfig::master(0).spin(spin))
}

fn pin(thread: Option<Pid>, cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(thread, &set).unwrap();
}

/// One end of packets that go to and fro, one at a time.
struct End<'a> {
    rx: &'a mut RxQueue,
    tx: &'a mut TxQueue,
    waits: u32,
    in_vain: u32,
}

impl End<'_> {
    fn pays(&self) -> bool {
        self.rx.spin.pays()
    }

    /// Waits for a packet and takes it. Notes whether the wait spun in vain.
    fn take(&mut self) -> Result<(), RecvError> {
        let before = self.rx.spin.in_vain_so_far();
        assert!(self.rx.wait(Some(STEP))?, "no packet came");
        self.waits += 1;
        self.in_vain += u32::from(self.rx.spin.in_vain_so_far() > before);
        assert_eq!(self.rx.recv_into(&mut [0; 60])?, Some(60));
        Ok(())
    }

    fn send(&mut self) {
        self.tx.send(&packet(0, 60)).unwrap();
    }

    fn ask(&mut self) {
        self.send();
        self.take().unwrap();
    }

    /// Asks until that is so.
    fn ask_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < STEP, "not in {STEP:?}: {what}");
            self.ask();
        }
    }

    fn waits_spin_rarely(&self) {
        let Self { waits, in_vain, .. } = *self;
        assert!(4 * in_vain < waits, "{in_vain} of {waits} waits on a shared processor spun in vain");
    }
}

#[test]
fn waits_on_a_shared_processor_stop_spinning_and_spin_again_once_the_peer_is_moved() {
    let allowed = sched_getaffinity(None).unwrap();
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let (shared, other) = (cpus.next().unwrap(), cpus.next());
    let Pair { mut master, mut slave, .. } = pair(Duration::from_micros(50));
    let peer_pays = AtomicBool::new(true);
    let peer_thread = OnceLock::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            pin(None, shared);
            peer_thread.set(gettid()).unwrap();
            let mut peer = End { rx: &mut slave.rx[0], tx: &mut slave.tx[0], waits: 0, in_vain: 0 };
            while peer.take().is_ok() {
                peer_pays.store(peer.pays(), Ordering::Relaxed);
                if peer.waits == 2000 {
                    peer.waits_spin_rarely();
                }
                peer.send();
            }
        });
        scope.spawn(|| {
            let peer = *peer_thread.wait();
            pin(None, shared);
            let mut end = End { rx: &mut master.rx[0], tx: &mut master.tx[0], waits: 0, in_vain: 0 };
            for _ in 0..2000 {
                end.ask();
            }
            end.waits_spin_rarely();
            let both = |end: &End<'_>, pay| end.pays() == pay && peer_pays.load(Ordering::Relaxed) == pay;
            end.ask_until("spins of both ends are in vain", |end| both(end, false));
            if let Some(other) = other {
                pin(Some(peer), other);
                end.ask_until("spins of both ends pay again", |end| both(end, true));
            } else {
                eprintln!("not tried how spinning comes back: it takes two processors");
            }
            master.handle.shut();
            slave.handle.shut();
        });
    });
}

#[test]
fn packets_that_are_slept_for_leave_the_mask_alone() {
    // Never spins, as where that never pays; and still believes in it.
    for (spin, masked_after) in [(Duration::ZERO, 0), (STEP, FLAG_MASK_INT)] {
        let Pair { mut slave, mut master, rings } = pair(spin);
        let (rx, tx) = (&mut master.rx[0], &mut slave.tx[0]);
        let sleep = |rx: &mut RxQueue| {
            // As after a spin in vain.
            assert!(!rx.fall_asleep() || masked_after == 0);
            assert_eq!(rx.wait(Some(Duration::from_millis(2))), Ok(false));
            assert_eq!(rings[0].load_flags(), 0);
        };
        let receive = |rx: &mut RxQueue, tx: &mut TxQueue| {
            tx.send(&packet(0, 60)).unwrap();
            assert_eq!(rx.recv_into(&mut [0; 60]), Ok(Some(60)));
        };
        for signals in 1..100 {
            sleep(rx);
            receive(rx, tx);
            assert_eq!(rings[0].load_flags(), masked_after);
            assert_eq!(tx.counters().signals, signals);
        }
        // Packets that come without a sleep in between are not signalled for long.
        for _ in 0..100 {
            receive(rx, tx);
        }
        assert_eq!(rings[0].load_flags(), FLAG_MASK_INT);
        let signals = tx.counters().signals - 99;
        assert!(signals < 20, "{signals} signals for 100 packets in a row");
    }
}

#[test]
fn a_wait_that_slept_for_a_packet_expects_to_sleep_again_or_not() {
    for (spin, masked_after) in [(Duration::ZERO, 0), (Duration::from_micros(50), FLAG_MASK_INT)] {
        let Pair { mut slave, mut master, rings } = pair(spin);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while rings[0].load_flags() != 0 {
                    std::thread::yield_now();
                }
                slave.tx[0].send(&packet(0, 60)).unwrap();
            });
            assert_eq!(master.rx[0].wait(Some(STEP)), Ok(true));
        });
        assert_eq!(rings[0].load_flags(), masked_after, "{spin:?}");
    }
}

#[test]
fn who_sleeps_goes_on_sleeping() {
    let mut pair = pair(Duration::from_micros(50));
    let rx = &mut pair.master.rx[0];
    let mut wait = || {
        assert_eq!(rx.wait(Some(Duration::from_millis(1))), Ok(false));
        rx.spin.in_vain_so_far()
    };
    let once = wait();
    assert_ne!(once, Duration::ZERO);
    assert_eq!(wait(), once);
}

#[test]
fn a_look_without_a_wait_calls_for_no_signal() {
    let Pair { mut slave, mut master, rings } = pair(Duration::ZERO);
    for _ in 0..100 {
        assert_eq!(master.rx[0].wait(Some(Duration::ZERO)), Ok(false));
        assert_eq!(rings[0].load_flags(), FLAG_MASK_INT);
    }
    slave.tx[0].send(&packet(0, 60)).unwrap();
    assert_eq!(slave.tx[0].counters().signals, 0);
    assert_eq!(master.rx[0].wait(Some(Duration::ZERO)), Ok(true));
}
