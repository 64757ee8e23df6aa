//! Futures opposite `dpdk-testpmd`, which sends back what it gets: all of it, in order, while futures are dropped.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use memif::awaiting::{Reactor, RxQueue, TxQueue};
use memif::{RxMode, SendError};
use testkit::traffic::Dice;

use crate::bed::{Dpdk, Plan};
use crate::cancelled::{MODES, packets, seed};
use crate::frames::swapped;
use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, cancelled, give_way, some};

/// Slots of a ring, as a power of two. testpmd looks for packets without a pause, and on a processor that it shares it
/// does so for milliseconds, whether or not there are any: what lies on a ring then is all that goes in that time.
const LOG2: u8 = 12;
/// Under way at most: testpmd drops what finds no room on its way back.
const WINDOW: usize = (1 << LOG2) - MANY;
/// In one batch at most.
const MANY: usize = 64;
/// How far apart the moments are at which something else wakes the task, as a time-out does: microseconds at most, of
/// most of them and of the others.
const ELSE: [usize; 2] = [100, 2_000];
/// So many packets come without that, and as many with it: a wake-up that is lost is made up for by any other.
const UNDISTURBED: u64 = 4_096;

/// Each receive mode in each runtime, one after the other on one link.
pub(crate) fn macswap(dpdk: Dpdk) {
    let packets = packets();
    let mut bed = Plan::new(dpdk, "macswap").ring(LOG2).link();
    bed.testpmd.start();
    let mut stream = 1;
    for mode in MODES {
        for exchange in [exchange::<OneThread>, exchange::<Threads>, exchange::<AsyncIo>] {
            let begin = Instant::now();
            let (mut rx, tx) = (bed.link.rx.remove(0), bed.link.tx.remove(0));
            rx.set_mode(mode);
            let (rx, tx, dropped) = exchange(rx, tx, stream, packets);
            println!("{mode}, stream {stream}: {packets} packets there and back in {:?}, {dropped:?}", begin.elapsed());
            let some = if mode == RxMode::Polling { dropped.awake } else { dropped.asleep };
            assert!(some > 0 && dropped.sends > 0, "{dropped:?}");
            bed.link.rx.push(rx);
            bed.link.tx.push(tx);
            stream += 1;
        }
    }
    let stats = bed.agreed();
    assert_eq!(stats.get("TX-packets"), 9 * packets);
    bed.assert_clean();
}

/// Futures that were dropped: of those that receive, how many that were about to look again, and how many that slept.
#[derive(Clone, Copy, Debug, Default)]
struct Dropped {
    sends: u64,
    awake: u64,
    asleep: u64,
}

/// What both directions of an exchange know.
struct Exchange {
    stream: u32,
    packets: u64,
    /// What is to come back.
    awaited: RefCell<VecDeque<Vec<u8>>>,
    dropped: Cell<Dropped>,
    /// The task was woken since it was polled last.
    told: Arc<Told>,
}

/// The waker of the task, for whoever wakes it.
#[derive(Default)]
struct Told {
    woken: AtomicBool,
    /// Nothing else is to wake it now.
    undisturbed: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        if let Some(task) = &*self.task.lock().unwrap() {
            task.wake_by_ref();
        }
    }
}

fn exchange<R: Runtime>(
    rx: memif::RxQueue,
    tx: memif::TxQueue,
    stream: u32,
    packets: u64,
) -> (memif::RxQueue, memif::TxQueue, Dropped) {
    R::run(async {
        let mut rx = RxQueue::<R::Reactor>::new(rx).expect("a descriptor");
        let mut tx = TxQueue::<R::Reactor>::new(tx);
        let told = Arc::new(Told::default());
        let (awaited, dropped) = Default::default();
        let exchange = Exchange { stream, packets, awaited, dropped, told: Arc::clone(&told) };
        let ends = Arc::downgrade(&told);
        let waker = Waker::from(told);
        let other = std::thread::spawn(move || {
            let mut dice = Dice::new(seed(stream.into()));
            while let Some(told) = ends.upgrade() {
                if !told.undisturbed.load(Ordering::Relaxed) {
                    told.wake_by_ref();
                }
                drop(told);
                let most = ELSE[usize::from(dice.within(0, 3) == 0)];
                std::thread::sleep(Duration::from_micros(dice.within(0, most) as u64));
            }
        });
        {
            let mut sends = pin!(exchange.send(&mut tx));
            let mut receives = pin!(exchange.receive(&mut rx));
            let mut sent = false;
            poll_fn(|cx| {
                *exchange.told.task.lock().unwrap() = Some(cx.waker().clone());
                let cx = &mut Context::from_waker(&waker);
                sent = sent || sends.as_mut().poll(cx).is_ready();
                receives.as_mut().poll(cx)
            })
            .await;
        }
        let dropped = exchange.dropped.get();
        drop((exchange, waker));
        other.join().expect("the other thread");
        (rx.into_inner(), tx.into_inner(), dropped)
    })
}

impl Exchange {
    /// Sends by every call, and drops futures.
    async fn send<R: Reactor>(&self, tx: &mut TxQueue<R>) {
        let (mut dice, mut sequence) = (Dice::new(seed(self.stream.into())), 0);
        let frames = |sequence| swapped(self.stream, sequence, 64 + sequence as usize % 1400);
        while sequence < self.packets {
            give_way().await;
            let room = self.room(&mut dice).await;
            match dice.within(0, 63) {
                0 => {
                    if let Some(flushed) = self.sending(tx.flush(), &mut dice).await {
                        flushed.expect("flushing");
                        assert!(tx.get_ref().is_drained());
                    }
                }
                1..32 => {
                    let (out, back) = frames(sequence);
                    if let Some(sent) = self.sending(tx.send(&out), &mut dice).await {
                        sent.expect("sending");
                        self.awaited.borrow_mut().push_back(back);
                        sequence += 1;
                    }
                }
                _ => {
                    // Of more slots than the window leaves, so that it waits where testpmd takes none.
                    let slots = dice.within(1, 2 * MANY);
                    let Some(batch) = self.sending(tx.reserve(slots), &mut dice).await else { continue };
                    let mut batch = batch.expect("a batch");
                    let mut backs = Vec::new();
                    for sequence in (sequence..self.packets).take(slots.min(MANY).min(room)) {
                        let (out, back) = frames(sequence);
                        match batch.push(&out) {
                            Ok(()) => backs.push(back),
                            Err(SendError::Full) => break,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    // One in four is dropped, and nothing of it was sent.
                    if dice.within(0, 3) > 0 {
                        batch.commit();
                        sequence += backs.len() as u64;
                        self.awaited.borrow_mut().extend(backs);
                    }
                }
            }
        }
    }

    /// Waits for room in the window, and now and then without need: for some turns of the task at once, and where that
    /// is not enough for those that others wake it for.
    async fn room(&self, dice: &mut Dice) -> usize {
        let room = || WINDOW - self.awaited.borrow().len();
        let mut turns = if room() == 0 || dice.within(0, 3) == 0 { some(dice) } else { 0 };
        poll_fn(|cx| {
            if turns > 0 {
                turns -= 1;
                cx.waker().wake_by_ref();
            } else if room() > 0 {
                return Poll::Ready(room());
            } else {
                // Where the task does not sleep.
                std::thread::yield_now();
            }
            Poll::Pending
        })
        .await
    }

    /// Receives by every call, and drops futures.
    async fn receive<R: Reactor>(&self, rx: &mut RxQueue<R>) {
        let (mut dice, mut received) = (Dice::new(seed(1_000 + u64::from(self.stream))), 0);
        let mut take = |packet: &[u8]| {
            let awaited = self.awaited.borrow_mut().pop_front();
            assert_eq!(Some(packet), awaited.as_deref(), "packet {received}");
            received += 1;
            received
        };
        let (mut count, mut buffer) = (0, vec![0; 2000]);
        while count < self.packets {
            match dice.within(0, 7) {
                0 => {
                    if let Some(readable) = self.receiving(rx.readable(), &mut dice).await {
                        readable.expect("waiting");
                    }
                }
                1 => {
                    if let Some(len) = self.receiving(rx.recv_into(&mut buffer), &mut dice).await {
                        count = take(&buffer[..len.expect("receiving")]);
                    }
                }
                _ => {
                    let max = dice.within(1, 64);
                    if let Some(batch) = self.receiving(rx.recv(max), &mut dice).await {
                        let mut batch = batch.expect("receiving");
                        let some = dice.within(0, batch.len());
                        for packet in batch.packets().take(some) {
                            count = take(&packet.to_vec());
                        }
                    }
                }
            }
            self.told.undisturbed.store(count / UNDISTURBED % 2 == 1, Ordering::Relaxed);
            give_way().await;
        }
    }

    async fn sending<T>(&self, future: impl Future<Output = T>, dice: &mut Dice) -> Option<T> {
        let output = cancelled(future, some(dice)).await;
        if output.is_none() {
            self.count(|dropped| dropped.sends += 1);
        }
        output
    }

    async fn receiving<T>(&self, future: impl Future<Output = T>, dice: &mut Dice) -> Option<T> {
        let mut future = pin!(future);
        let receives = poll_fn(|cx| {
            self.told.woken.store(false, Ordering::Relaxed);
            future.as_mut().poll(cx)
        });
        let output = cancelled(receives, some(dice)).await;
        if output.is_none() {
            let woken = self.told.woken.load(Ordering::Relaxed);
            self.count(|dropped| *(if woken { &mut dropped.awake } else { &mut dropped.asleep }) += 1);
        }
        output
    }

    fn count(&self, count: impl FnOnce(&mut Dropped)) {
        let mut dropped = self.dropped.get();
        count(&mut dropped);
        self.dropped.set(dropped);
    }
}
