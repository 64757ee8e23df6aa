//! Lost wake-ups, at every moment of a wait: a packet is seen by others right after the n-th look of the receiver at
//! the ring, whose thread then loses its processor for a millisecond.
//!
//! The rings play a processor that keeps a store until the next fence. So what is not fenced is seen too late each time
//! and not once in a million, and what no sleep with a limit finds is not found.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::reactor::sealed::Waits;
use super::{Reactor, RxQueue};
use crate::config::{InterfaceConfig, RxMode};
use crate::queue::{self, TxQueue};
use crate::socket::Socket;
use crate::sys::signal;
use crate::wire::ring::FLAG_MASK_INT;

/// How late the store of a sender without a fence is seen at most, and how long the first sleep after that takes.
const LATE: Duration = Duration::from_millis(1);
/// More looks than a wait makes until it sleeps without a limit.
const LOOKS: usize = 9;
/// After which nothing comes any more but what is sent.
const QUIET: Duration = Duration::from_millis(10);
/// No test waits longer than this for anything.
const WATCHDOG: Duration = Duration::from_secs(60);

/// How the sender's stores and loads are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// As ours: it publishes, and then reads whether to signal.
    Fenced,
    /// It read that before the receiver asked for signals, and its packet is seen after that.
    Unfenced,
}

/// A packet that comes at a certain moment.
struct Race {
    tx: TxQueue,
    sender: Sender,
    /// The look after which it comes, and the one after which a signal comes that brings nothing.
    at: usize,
    stray: usize,
    looks: usize,
    begin: Instant,
    /// It was sent, and whether that was signalled.
    sent: Option<bool>,
}

impl Race {
    fn looked(&mut self) {
        self.looks += 1;
        if self.looks == self.stray {
            assert!(signal(&self.tx.shared_interrupt()));
        }
        if self.looks == self.at && self.sent.is_none() {
            // What is seen later than this was loaded later, too.
            let late = self.begin.elapsed() >= LATE;
            self.send(if late { Sender::Fenced } else { self.sender });
            let away = Instant::now();
            while away.elapsed() <= LATE {
                std::hint::spin_loop();
            }
        }
    }

    fn send(&mut self, sender: Sender) {
        let before = self.tx.counters().signals;
        self.tx.watched().see_flags((sender == Sender::Unfenced).then_some(FLAG_MASK_INT));
        self.tx.send(b"one").unwrap();
        self.tx.watched().see_flags(None);
        self.sender = sender;
        self.sent = Some(self.tx.counters().signals > before);
    }

    /// The receiver sleeps. Opposite a sender with a fence it needs no limit for that.
    fn falls_asleep(&self) {
        let lies = self.sender == Sender::Fenced && self.sent == Some(false);
        assert!(!lies, "a packet lies on the ring, its sender was not asked to signal, and the receiver sleeps");
    }
}

/// What waits for descriptors.
trait Runtime {
    type Reactor: Reactor;
    fn run<T>(future: impl Future<Output = T>) -> T;
}

/// A reactor that sleeps when the task does, and knows what the sender did.
#[derive(Debug)]
enum Asleep {}

thread_local! {
    static RACE: RefCell<Option<Arc<Mutex<Race>>>> = const { RefCell::new(None) };
    static DESCRIPTORS: RefCell<Vec<Weak<OwnedFd>>> = const { RefCell::new(Vec::new()) };
}

/// Whether one of them is readable, after that time at the latest.
fn readable(descriptors: &[Arc<OwnedFd>], limit: Duration) -> bool {
    let mut all: Vec<_> = descriptors.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    poll(&mut all, Some(&Timespec::try_from(limit).unwrap())).unwrap() > 0
}

impl Reactor for Asleep {}

impl Waits for Asleep {
    type Source = Arc<OwnedFd>;
    type Turns = ();

    fn register(fd: Arc<OwnedFd>) -> io::Result<Self::Source> {
        DESCRIPTORS.with_borrow_mut(|all| all.push(Arc::downgrade(&fd)));
        Ok(fd)
    }

    fn poll_readable<T>(
        source: &Self::Source,
        _: &mut Context<'_>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Poll<io::Result<T>> {
        while readable(std::slice::from_ref(source), Duration::ZERO) {
            if let Some(found) = look() {
                return Poll::Ready(Ok(found));
            }
        }
        Poll::Pending
    }

    fn poll_turn((): &mut (), _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

/// Whether a task is to have its turn.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Runtime for Asleep {
    type Reactor = Self;

    fn run<T>(future: impl Future<Output = T>) -> T {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            if !woken.0.swap(false, Ordering::Relaxed) {
                RACE.with_borrow(|race| race.as_ref().unwrap().lock().unwrap().falls_asleep());
                let all: Vec<_> = DESCRIPTORS.with_borrow(|all| all.iter().filter_map(Weak::upgrade).collect());
                assert!(readable(&all, WATCHDOG), "nothing ends the sleep");
            }
        }
    }
}

#[cfg(feature = "tokio")]
impl Runtime for crate::tokio::Tokio {
    type Reactor = Self;

    fn run<T>(future: impl Future<Output = T>) -> T {
        ::tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(future)
    }
}

#[cfg(feature = "async-io")]
impl Runtime for crate::async_io::AsyncIo {
    type Reactor = Self;

    fn run<T>(future: impl Future<Output = T>) -> T {
        ::async_io::block_on(future)
    }
}

/// One wait. Returns the queues, and whether the packet came at its moment.
fn race<R: Runtime>(rx: queue::RxQueue, race: Race) -> (queue::RxQueue, TxQueue, bool) {
    let what = format!("{:?} after look {}, a stray signal after {}", race.sender, race.at, race.stray);
    let race = Arc::new(Mutex::new(race));
    let there = Arc::clone(&race);
    let (told, ended) = channel();
    let thread = std::thread::spawn(move || {
        R::run(async {
            RACE.set(Some(Arc::clone(&there)));
            let mut rx = RxQueue::<R::Reactor>::new(rx).unwrap();
            there.lock().unwrap().begin = Instant::now();
            let hook = Arc::clone(&there);
            rx.get_ref().watched().hold_stores(true);
            rx.get_ref().watched().after_each_look(move || hook.lock().unwrap().looked());
            assert_eq!(rx.recv_into(&mut [0; 64]).await, Ok(3));
            rx.get_ref().watched().after_each_look(|| ());
            rx.get_ref().watched().hold_stores(false);
            RACE.set(None);
            drop(there);
            told.send(()).unwrap();
            rx.into_inner()
        })
    });
    let (mut hit, mut end) = (true, ended.recv_timeout(QUIET));
    if end == Err(RecvTimeoutError::Timeout) {
        let mut race = race.lock().unwrap();
        if race.sent.is_none() {
            hit = false;
            race.send(Sender::Fenced);
        }
        drop(race);
        end = ended.recv_timeout(WATCHDOG);
    }
    assert_ne!(end, Err(RecvTimeoutError::Timeout), "{what}: a packet lies on the ring and the receiver sleeps");
    let rx = thread.join().unwrap_or_else(|_| panic!("{what}"));
    let race = Arc::into_inner(race).unwrap().into_inner().unwrap();
    (rx, race.tx, hit)
}

fn races<R: Runtime>() {
    let name = format!("@memif-races-{}-{}", std::process::id(), std::any::type_name::<R>());
    let mut socket = Socket::builder(&*name).open().unwrap();
    let adaptive = |config: InterfaceConfig| config.rx_mode(RxMode::Adaptive).spin(Duration::ZERO);
    let master = socket.add_interface(adaptive(InterfaceConfig::master(0))).unwrap();
    let slave = socket.add_interface(adaptive(InterfaceConfig::slave(0))).unwrap();
    let mut there = socket.wait_connected(master, WATCHDOG).unwrap();
    let mut here = socket.wait_connected(slave, WATCHDOG).unwrap();
    let mut hits = 0;
    let ways = [(there.rx.remove(0), here.tx.remove(0)), (here.rx.remove(0), there.tx.remove(0))];
    for (mut rx, mut tx) in ways {
        for sender in [Sender::Fenced, Sender::Unfenced] {
            for (at, stray) in (1..=LOOKS).flat_map(|at| [0, 2, 3, 4].map(|stray| (at, stray))) {
                // As after a burst: the sender is not to signal.
                rx.acknowledge();
                rx.set_mode(RxMode::Adaptive);
                let (looks, begin, sent) = (0, Instant::now(), None);
                let hit;
                (rx, tx, hit) = race::<R>(rx, Race { tx, sender, at, stray, looks, begin, sent });
                hits += usize::from(hit);
            }
        }
    }
    println!("{hits} of {} packets came at their moments", 2 * 2 * 4 * LOOKS);
    assert!(hits > 0);
}

#[test]
fn no_wake_up_is_lost() {
    races::<Asleep>();
}

#[cfg(feature = "tokio")]
#[test]
fn no_wake_up_is_lost_with_tokio() {
    races::<crate::tokio::Tokio>();
}

#[cfg(feature = "async-io")]
#[test]
fn no_wake_up_is_lost_with_async_io() {
    races::<crate::async_io::AsyncIo>();
}
