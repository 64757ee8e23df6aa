//! Row F11 at speed: a peer that makes the eventfds of a link wait and not wait, and fills the one that the library
//! signals, as fast as it can while packets go both ways. Neither the sender nor the driver stops, and a link beside it
//! notices nothing.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memif::{InterfaceConfig, Link, RxMode};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, ReadWriteFlags, preadv2, write};
use testkit::filter::{self, Call};
use testkit::patience::STEP;
use testkit::slave_path::take_signal;
use testkit::{Child, Parent, eventually};

use crate::common::{MasterRig, PeerEnd, Rig, SlaveRig, cross_lengths, send};

/// For how long in each role, in seconds, instead of [`SHORT`].
const SECONDS: &str = "MEMIF_TOGGLE_SECONDS";
const SHORT: Duration = Duration::from_secs(2);

fn time() -> Duration {
    match std::env::var(SECONDS) {
        Ok(text) => Duration::from_secs(text.parse().unwrap_or_else(|_| panic!("{SECONDS}={text}: no number"))),
        Err(_) => SHORT,
    }
}

/// A thread of the peer that changes an eventfd all the time, until told to stop.
struct Toggler {
    stop: Arc<AtomicBool>,
    turns: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl Toggler {
    /// Sets and clears `O_NONBLOCK`. With `fills`, it fills the counter to the brim whenever there is room, whatever
    /// the library has added meanwhile: nearly every signal finds it full.
    fn on(fd: &Arc<OwnedFd>, fills: bool) -> Self {
        let (stop, turns, fd) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), fd.clone());
        let (flag, count) = (stop.clone(), turns.clone());
        let thread = std::thread::spawn(move || {
            let flags = fcntl_getfl(&fd).unwrap();
            while !flag.load(Ordering::Relaxed) {
                fcntl_setfl(&fd, flags | OFlags::NONBLOCK).unwrap();
                if fills {
                    fill(&fd);
                }
                fcntl_setfl(&fd, flags - OFlags::NONBLOCK).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
            fcntl_setfl(&fd, flags | OFlags::NONBLOCK).unwrap();
        });
        Self { stop, turns, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.turns.load(Ordering::Relaxed)
    }
}

/// Fills a counter to the brim, by a descriptor that does not wait now. Others may add to it at the same time.
fn fill(fd: &OwnedFd) {
    let add = |count: u64| write(fd, &count.to_ne_bytes()).is_ok();
    if !add(u64::MAX - 1) && add(1) {
        // What is in it already is not known: after each step there is less room than that step.
        for bit in (0..u64::BITS).rev() {
            add(1 << bit);
        }
    }
}

/// Traffic both ways for a while over a link whose peer does that to the eventfd that the library writes, `written`,
/// and to the one that it reads.
fn goes_on<R: Rig>(mut rig: R, mut link: Link, mut peer: R::Peer, [written, read]: [Arc<OwnedFd>; 2]) {
    let togglers = [Toggler::on(&written, true), Toggler::on(&read, false)];
    let (start, mut rounds) = (Instant::now(), 0);
    while start.elapsed() < time() {
        cross_lengths(&mut link, &mut peer, 50, &[64]);
        // Packets that stay on the ring with their signal read: the driver signals again.
        for n in 0..50 {
            send(&mut link.tx[0], &[n; 64]);
        }
        let _ = take_signals(&written);
        rig.check_neighbour();
        for n in 0..50 {
            assert_eq!(peer.receive(0), [n; 64]);
        }
        rounds += 1;
    }
    let signals = link.tx[0].counters().signals;
    assert_eq!(has_writers(), Parent::scenario().is_some(), "threads that write are there where they are needed alone");
    let turns = togglers.map(Toggler::stop);
    eprintln!("{rounds} rounds, {signals} signals, {turns:?} turns in {:?}", start.elapsed());
    assert!(signals > 0 && turns.iter().all(|turns| *turns > 0));
    // And the link is as it was: signals come, and are read.
    eventually("an empty counter", || take_signals(&written).is_none().then_some(()));
    send(&mut link.tx[0], &[1; 64]);
    assert!(take_signal(written.as_fd(), STEP).is_some(), "no signal");
    assert_eq!(peer.receive(0), [1; 64]);
    drop((peer, written, read));
    rig.disconnected(link);
    rig.finish();
}

/// Whether this process has threads that signal for it.
fn has_writers() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    tasks
        .map(|task| std::fs::read_to_string(task.path().join("comm")))
        .any(|name| name.is_ok_and(|n| n == "memif signals\n"))
}

/// What the peer finds in its counter now. Never waits, whatever was done to the flag.
fn take_signals(fd: &Arc<OwnedFd>) -> Option<u64> {
    let mut bytes = [0; 8];
    let read = preadv2(fd, &mut [IoSliceMut::new(&mut bytes)], u64::MAX, ReadWriteFlags::NOWAIT);
    read.ok().map(|_| u64::from_ne_bytes(bytes))
}

pub(crate) fn f11_master_toggled_eventfd() {
    let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_mode(RxMode::Interrupt));
    let (link, peer) = rig.link();
    let eventfds = [peer.rx[0].interrupt.clone(), peer.tx[0].interrupt.clone()];
    goes_on(rig, link, peer, eventfds);
}

pub(crate) fn f11_slave_toggled_eventfd() {
    let mut rig = SlaveRig::with(InterfaceConfig::slave(0).ring_size(256).rx_mode(RxMode::Interrupt));
    let (link, peer) = rig.link();
    let eventfds = [peer.rx[0].interrupt.clone(), peer.tx[0].interrupt.clone()];
    goes_on(rig, link, peer, eventfds);
}

/// The same where the kernel does not let this process have asynchronous I/O, as filters of containers and services
/// forbid it: from the first of its calls on, or the one that signals.
pub(crate) fn f11_toggled_eventfd_without_aio() {
    for (role, call, error) in [
        ("master", Call::IoSetup, Errno::PERM),
        ("master", Call::IoSubmit, Errno::NOSYS),
        ("slave", Call::IoSetup, Errno::NOSYS),
        ("slave", Call::IoSubmit, Errno::PERM),
    ] {
        let mut child = filter::without(call, error, || Child::start("toggled", &[role]));
        child.expect_within("done", time() + Duration::from_secs(120));
        child.finish();
    }
}

/// The helper.
pub(crate) fn helper(parent: &Parent) {
    match parent.argument(0) {
        "master" => f11_master_toggled_eventfd(),
        _ => f11_slave_toggled_eventfd(),
    }
    parent.say("done");
}
