//! Packets while futures are dropped at random: none lost, none twice, none changed.
//!
//! Every combination of a runtime, a receive mode of each end and a direction has as many packets as fit into ten
//! million for all of them, those opposite testpmd included. `MEMIF_CANCELLED_PACKETS=10000000` is so many for each of
//! them: `ci/cancelled.sh`. `MEMIF_CANCELLED_SEED=1` drops other futures than 0 does, which is the default.

use std::time::{Duration, Instant};

use memif::awaiting::{Reactor, RxQueue, TxQueue};
use memif::{InterfaceConfig, RxMode, SendError};
use testkit::traffic::{Dice, InOrder, packet};

use crate::runtimes::{AsyncIo, OneExecutor, OneThread, Runtime, Threads, both_ends, cancelled, give_way, some};

pub(crate) const MODES: [RxMode; 3] = [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive];
/// How many packets each combination has instead of [`SHORT`].
const PACKETS: &str = "MEMIF_CANCELLED_PACKETS";
/// Which futures are dropped.
const SEED: &str = "MEMIF_CANCELLED_SEED";
/// Four runtimes, nine pairs of modes and two directions here; three runtimes, three modes and both roles opposite
/// testpmd.
const SHORT: u64 = 10_000_000 / (4 * 9 * 2 + 3 * 3 * 2) + 1;

/// Packets of a combination.
pub(crate) fn packets() -> u64 {
    number(PACKETS).unwrap_or(SHORT)
}

/// A seed that no other one of a run has, by its number in the run.
pub(crate) fn seed(of: u64) -> u64 {
    of + 1_000_000 * number(SEED).unwrap_or(0)
}

fn number(of: &str) -> Option<u64> {
    let text = std::env::var(of).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{of}={text}: no number")))
}

/// How long a test of so many combinations, one after the other, may take.
pub(crate) fn limit(combinations: u32) -> Duration {
    let long = u32::try_from(packets().div_ceil(SHORT)).expect("a number of packets");
    Duration::from_secs(60) * combinations * long
}

pub(crate) fn tokio_one_thread() {
    exchange::<OneThread>();
}

pub(crate) fn tokio_threads() {
    exchange::<Threads>();
}

pub(crate) fn async_io() {
    exchange::<AsyncIo>();
}

pub(crate) fn async_io_one_thread() {
    exchange::<OneExecutor>();
}

/// Both directions of a link at once, in every mode of either end.
fn exchange<R: Runtime>() {
    let (mut seed, packets) = (1, packets());
    for (master, slave) in MODES.iter().flat_map(|master| MODES.iter().map(move |slave| (*master, *slave))) {
        let begin = Instant::now();
        let small = |config: InterfaceConfig| config.ring_size(64);
        let of_master = small(InterfaceConfig::master(0).rx_mode(master));
        let of_slave = small(InterfaceConfig::slave(0).rx_mode(slave));
        R::run(async {
            let (_control, mut there, mut here) = both_ends::<R>(of_master, of_slave).await;
            let mut tasks = Vec::new();
            let ways = [(there.tx.remove(0), here.rx.remove(0)), (here.tx.remove(0), there.rx.remove(0))];
            for (stream, (mut tx, mut rx)) in (1..).zip(ways) {
                tasks.push(R::spawn(Box::pin(async move { send(&mut tx, stream, seed, packets).await })));
                tasks.push(R::spawn(Box::pin(async move { receive(&mut rx, stream, seed + 1, packets).await })));
                seed += 2;
            }
            for task in tasks {
                task.await;
            }
        });
        println!("master {master}, slave {slave}: {packets} packets each way in {:?}", begin.elapsed());
    }
}

/// Bytes of a packet: mostly few, so that waking up and falling asleep is what takes the time, and some in chains.
fn length(dice: &mut Dice) -> usize {
    let longest = if dice.within(0, 31) == 0 { 3000 } else { 100 };
    dice.within(16, longest)
}

/// Sends by every call, and drops most futures.
pub(crate) async fn send<R: Reactor>(tx: &mut TxQueue<R>, stream: u32, seed: u64, packets: u64) {
    let mut dice = Dice::new(crate::cancelled::seed(seed));
    let mut sequence = 0;
    while sequence < packets {
        let len = length(&mut dice);
        match dice.within(0, 4) {
            0 | 1 => {
                let next = packet(stream, sequence, len);
                if let Some(sent) = cancelled(tx.send(&next), some(&mut dice)).await {
                    sent.expect("sending");
                    sequence += 1;
                }
            }
            2 | 3 => {
                let slots = dice.within(1, 100);
                let Some(batch) = cancelled(tx.reserve(slots), some(&mut dice)).await else { continue };
                let mut batch = batch.expect("a batch");
                let mut pushed = 0;
                while pushed < slots as u64 && sequence + pushed < packets {
                    match batch.push(&packet(stream, sequence + pushed, len)) {
                        Ok(()) => pushed += 1,
                        Err(SendError::Full) => break,
                        Err(error) => panic!("{error}"),
                    }
                }
                // One in four is dropped, and nothing of it was sent.
                if dice.within(0, 3) > 0 {
                    assert_eq!(batch.commit() as u64, pushed);
                    sequence += pushed;
                }
            }
            _ => {
                if let Some(flushed) = cancelled(tx.flush(), some(&mut dice)).await {
                    flushed.expect("flushing");
                    assert!(tx.get_ref().is_drained());
                }
            }
        }
        give_way().await;
    }
    tx.flush().await.expect("flushing");
}

/// Receives by every call, and drops most futures.
pub(crate) async fn receive<R: Reactor>(rx: &mut RxQueue<R>, stream: u32, seed: u64, packets: u64) {
    let mut dice = Dice::new(crate::cancelled::seed(seed));
    let mut order = InOrder::of(stream);
    let mut buffer = vec![0; 4000];
    while order.count() < packets {
        match dice.within(0, 4) {
            0 => {
                if let Some(readable) = cancelled(rx.readable(), some(&mut dice)).await {
                    readable.expect("waiting");
                }
            }
            1 => {
                if let Some(len) = cancelled(rx.recv_into(&mut buffer), some(&mut dice)).await {
                    order.take(&buffer[..len.expect("receiving")]);
                }
            }
            2 => take(rx.recv(dice.within(1, 128)).await.expect("receiving"), &mut dice, &mut order),
            _ => {
                let max = dice.within(1, 128);
                let Some(batch) = cancelled(rx.recv(max), some(&mut dice)).await else { continue };
                take(batch.expect("receiving"), &mut dice, &mut order);
            }
        }
        give_way().await;
    }
}

/// Some packets of a batch. Those that are not taken come again.
fn take(mut batch: memif::RxBatch<'_>, dice: &mut Dice, order: &mut InOrder) {
    assert!(!batch.is_empty());
    let some = dice.within(0, batch.len());
    for packet in batch.packets().take(some) {
        order.take(&packet.to_vec());
    }
}
