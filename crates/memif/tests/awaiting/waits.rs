//! Sleeps opposite scripted peers: none is missed, signals are taken, a storm of them costs no core.

use std::future::Future;
use std::os::fd::AsFd;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memif::awaiting::{self, Link};
use memif::{InterfaceConfig, RxMode, RxQueue};
use testkit::SlavePlan;
use testkit::patience::{Patience, STEP};
use testkit::ring::MASK_INT;
use testkit::seqsock::readable;
use testkit::slave_path::{SlaveTx, signal};
use testkit::traffic::{InOrder, packet};

use crate::common::{MasterRig, Rig};
use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads};

/// Packets that come at the moment at which the receiver falls asleep: so many, or what so many in all bring.
const RACES: u64 = 200;
const PACKETS: u64 = 2_000;
/// What a store of a sender without a fence may be late by here. A peer that was kept from its processor for longer
/// signals in any case: such a store would be visible long since.
const LATE: Duration = Duration::from_micros(300);

/// Without a poll, a task sleeps.
const QUIET: Duration = Duration::from_millis(50);
/// How long a receiver looks again and again before it sleeps.
const LONG: Duration = Duration::from_millis(1);

/// Receives up to a number of packets in a thread of its own, and counts them and the polls. What `begun` gives, when
/// the queue is ready to wait, it holds meanwhile.
fn receiver<R: Runtime, H: 'static>(
    rx: RxQueue,
    end: &Arc<AtomicU64>,
    [received, polls]: [&Arc<AtomicU64>; 2],
    begun: fn() -> H,
) -> std::thread::JoinHandle<RxQueue> {
    let (end, received, polls) = (Arc::clone(end), Arc::clone(received), Arc::clone(polls));
    std::thread::spawn(move || {
        R::run(async {
            let mut order = InOrder::of(1);
            let mut queue = awaiting::RxQueue::<R::Reactor>::new(rx).expect("a descriptor");
            let _held = begun();
            while order.count() < end.load(Ordering::Acquire) {
                let mut batch = counted(queue.recv(64), &polls).await.expect("receiving");
                for packet in &mut batch {
                    order.take(&packet.to_vec());
                }
                drop(batch);
                received.store(order.count(), Ordering::Release);
            }
            queue.into_inner()
        })
    })
}

/// A future whose polls are counted.
pub(crate) async fn counted<T>(future: impl Future<Output = T>, polls: &AtomicU64) -> T {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        future.as_mut().poll(cx)
    })
    .await
}

fn wait_for(received: &AtomicU64, count: u64) {
    let mut patience = Patience::default();
    while received.load(Ordering::Acquire) < count {
        assert!(patience.more(), "packet {count} lies on the ring and the receiver sleeps");
    }
}

/// Waits until a task sleeps.
fn stands_still(polls: &AtomicU64) {
    let mut patience = Patience::default();
    loop {
        let before = polls.load(Ordering::Relaxed);
        std::thread::sleep(QUIET);
        if polls.load(Ordering::Relaxed) == before {
            break;
        }
        assert!(patience.more(), "polls go on where nothing happens");
    }
}

pub(crate) fn unfenced_tokio() {
    unfenced::<OneThread, _>(|| ());
    unfenced::<Threads, _>(|| ());
}

pub(crate) fn unfenced_async_io() {
    unfenced::<AsyncIo, _>(|| ());
}

/// What a sender without a fence can do at worst: it reads the mask, and its store of the cursor becomes visible only
/// after that, at the moment at which the receiver has cleared the mask and looks for the last time.
///
/// The unit tests of `awaiting` are sure to meet each moment of a wait, with a memory that is played. Here two
/// processors meet as they do, which on a crowded machine may be never.
pub(crate) fn unfenced<R: Runtime, H: 'static>(begun: fn() -> H) {
    R::warm_up();
    let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_mode(RxMode::Adaptive).spin(LONG));
    let (mut link, mut peer) = rig.link_as(&SlavePlan::default());
    let (received, polls) = Default::default();
    let end = Arc::new(AtomicU64::new(u64::MAX));
    let thread = receiver::<R, H>(link.rx.remove(0), &end, [&received, &polls], begun);
    let tx = &mut peer.tx[0];
    let (mut sequence, mut late) = (0, 0);
    while late < RACES && sequence < PACKETS {
        // At once, while it looks again and again, so that it finds that worth its while.
        tx.send(&packet(1, sequence, 64));
        wait_for(&received, sequence + 1);
        assert!(tx.push(&packet(1, sequence + 1, 64)), "the ring is empty");
        let (begin, mut seen) = (Instant::now(), None);
        while tx.ring.flags() & MASK_INT != 0 {
            seen = Some(Instant::now());
            let waited = begin.elapsed();
            assert!(waited < STEP, "the receiver neither sleeps nor has anything to do");
            if waited > LATE {
                // It is kept from its processor, maybe by this thread.
                std::thread::yield_now();
            }
        }
        tx.ring.set_head(tx.head());
        sequence += 2;
        match seen {
            Some(seen) if seen.elapsed() < LATE => late += 1,
            _ => signal(tx.interrupt.as_fd()),
        }
        wait_for(&received, sequence);
    }
    end.store(sequence + 1, Ordering::Release);
    tx.send(&packet(1, sequence, 64));
    let rx = thread.join().expect("the receiver");
    link.rx.push(rx);
    println!("{late} of {sequence} packets came unsignalled when the mask was just cleared");
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn signals_are_taken_tokio() {
    signals_are_taken::<OneThread>();
    signals_are_taken::<Threads>();
}

pub(crate) fn signals_are_taken_async_io() {
    signals_are_taken::<AsyncIo>();
}

/// A receiver that never reads its eventfd looks halted to senders that repeat their signals. One that waits has read,
/// and sleeps: it is asked a few times for each packet, and not at all where none comes.
fn signals_are_taken<R: Runtime>() {
    for mode in [RxMode::Interrupt, RxMode::Adaptive] {
        R::warm_up();
        let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_mode(mode));
        let (mut link, mut peer) = rig.link_as(&SlavePlan::default());
        let (received, polls) = Default::default();
        let thread = receiver::<R, _>(link.rx.remove(0), &Arc::new(201.into()), [&received, &polls], || ());
        let tx = &mut peer.tx[0];
        for sequence in 0..200 {
            // Also where it looks again and again, and hears nothing.
            assert!(tx.push(&packet(1, sequence, 64)), "the ring is empty");
            tx.ring.set_head(tx.head());
            signal(tx.interrupt.as_fd());
            wait_for(&received, sequence + 1);
            wait_taken(tx);
        }
        let polled = polls.load(Ordering::Relaxed);
        // With tokio, readiness that was told and looked at is forgotten.
        stands_still(&polls);
        tx.send(&packet(1, 200, 64));
        let rx = thread.join().expect("the receiver");
        assert!(rx.counters().wake_ups >= 200, "{:?}", rx.counters());
        println!("{polled} polls for 200 packets ({mode})");
        assert!(mode != RxMode::Interrupt || polled < 20 * 200, "{polled} polls");
        link.rx.push(rx);
        drop(peer);
        rig.disconnected(link);
        rig.finish();
    }
}

fn wait_taken(tx: &SlaveTx) {
    let mut patience = Patience::default();
    while readable(tx.interrupt.as_fd(), Duration::ZERO) {
        assert!(patience.more(), "the receiver waits and has not read its signal");
    }
}

pub(crate) fn storms_tokio() {
    storm::<OneThread, _>(|| ());
    storm::<Threads, _>(|| ());
}

pub(crate) fn storms_async_io() {
    storm::<AsyncIo, _>(|| ());
}

/// A peer that signals all the time and sends nothing is listened to now and then; after that the receiver sleeps, and
/// the packet that comes then wakes it.
pub(crate) fn storm<R: Runtime, H: 'static>(begun: fn() -> H) {
    for mode in [RxMode::Interrupt, RxMode::Adaptive] {
        R::warm_up();
        let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_mode(mode).spin(Duration::ZERO));
        let (mut link, mut peer) = rig.link_as(&SlavePlan::default());
        let (received, polls) = Default::default();
        let thread = receiver::<R, H>(link.rx.remove(0), &Arc::new(2.into()), [&received, &polls], begun);
        let tx = &mut peer.tx[0];
        tx.send(&packet(1, 0, 64));
        wait_for(&received, 1);
        let (begin, mut signals) = (Instant::now(), 0u64);
        while begin.elapsed() < Duration::from_millis(200) || signals < 10_000 {
            signal(tx.interrupt.as_fd());
            signals += 1;
            std::thread::sleep(Duration::from_micros(1));
        }
        let time = begin.elapsed();
        let polled = polls.load(Ordering::Relaxed);
        // It is listened to again, and no more is looked for.
        stands_still(&polls);
        tx.send(&packet(1, 1, 64));
        let rx = thread.join().expect("the receiver");
        // 64 of them are believed, then one a millisecond is looked for.
        let most = 200 + 3 * u64::try_from(time.as_millis()).expect("a time");
        assert!(polled < most.min(signals), "{polled} polls for {signals} signals in {time:?} ({mode})");
        link.rx.push(rx);
        drop(peer);
        rig.disconnected(link);
        rig.finish();
    }
}

pub(crate) fn fair_tokio() {
    fair::<OneThread>();
}

pub(crate) fn fair_async_io() {
    fair::<AsyncIo>();
}

/// Neither a ring that is never empty nor one that always has room keeps other futures of a thread from their turns.
fn fair<R: Runtime>() {
    const BATCHES: usize = 50_000;
    for mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
        let name = crate::runtimes::address();
        let mut socket = crate::runtimes::socket(&name).open().expect("a socket");
        let master = socket.add_interface(InterfaceConfig::master(0).rx_mode(mode)).expect("a master");
        let slave = socket.add_interface(InterfaceConfig::slave(0)).expect("a slave");
        let there = socket.wait_connected(master, STEP).expect("a link");
        let mut here = socket.wait_connected(slave, STEP).expect("a link");
        let (mut sender, mut receiver) = (here.tx.remove(0), here.rx.remove(0));
        let end = Arc::new(());
        let going = Arc::downgrade(&end);
        // Fills one ring and empties the other.
        let other = std::thread::spawn(move || {
            while going.strong_count() > 0 {
                let _ = sender.send(&[1; 64]);
                drop(receiver.recv(256).map(|mut batch| batch.packets().count()));
            }
        });
        let turns = R::run(async {
            let mut there = Link::<R::Reactor>::new(there).expect("a descriptor");
            let (mut rx, mut tx) = (there.rx.remove(0), there.tx.remove(0));
            let mut traffic = pin!(async {
                for _ in 0..BATCHES {
                    drop(rx.recv(1).await.expect("receiving"));
                    tx.send(&[1; 64]).await.expect("sending");
                }
            });
            let mut turns = 0;
            std::future::poll_fn(|cx| {
                turns += 1;
                traffic.as_mut().poll(cx)
            })
            .await;
            turns
        });
        drop(end);
        other.join().expect("the other end");
        assert!(turns >= 2 * BATCHES / 256, "{turns} turns for {BATCHES} batches ({mode})");
    }
}
