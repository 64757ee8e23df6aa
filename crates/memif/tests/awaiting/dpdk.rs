//! Futures opposite `dpdk-testpmd`, which sends back what it gets: all of it, in order, while futures are dropped.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Instant;

use memif::SendError;
use memif::awaiting::{Reactor, RxQueue, TxQueue};
use testkit::traffic::Dice;

use crate::bed::{Dpdk, Plan};
use crate::cancelled::{MODES, packets};
use crate::frames::swapped;
use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, cancelled, give_way, some};

/// Under way at most.
const WINDOW: usize = 512;
/// In one batch at most.
const MANY: usize = 64;

/// Each receive mode in each runtime, one after the other on one link.
pub(crate) fn macswap(dpdk: Dpdk) {
    let packets = packets();
    let mut bed = Plan::new(dpdk, "macswap").link();
    bed.testpmd.start();
    let mut stream = 1;
    for mode in MODES {
        for exchange in [exchange::<OneThread>, exchange::<Threads>, exchange::<AsyncIo>] {
            let begin = Instant::now();
            let (mut rx, tx) = (bed.link.rx.remove(0), bed.link.tx.remove(0));
            rx.set_mode(mode);
            let (rx, tx) = exchange(rx, tx, stream, packets);
            println!("{mode}, stream {stream}: {packets} packets there and back in {:?}", begin.elapsed());
            bed.link.rx.push(rx);
            bed.link.tx.push(tx);
            stream += 1;
        }
    }
    let stats = bed.agreed();
    assert_eq!(stats.get("TX-packets"), 9 * packets);
    bed.assert_clean();
}

fn exchange<R: Runtime>(
    rx: memif::RxQueue,
    tx: memif::TxQueue,
    stream: u32,
    packets: u64,
) -> (memif::RxQueue, memif::TxQueue) {
    R::run(async {
        let mut rx = RxQueue::<R::Reactor>::new(rx).expect("a descriptor");
        let mut tx = TxQueue::<R::Reactor>::new(tx);
        let awaited = RefCell::new(VecDeque::new());
        let mut sends = Box::pin(send(&mut tx, stream, &awaited, packets));
        let mut receives = Box::pin(receive(&mut rx, stream, &awaited, packets));
        let mut sent = false;
        std::future::poll_fn(|cx| {
            sent = sent || sends.as_mut().poll(cx).is_ready();
            receives.as_mut().poll(cx)
        })
        .await;
        drop((sends, receives));
        (rx.into_inner(), tx.into_inner())
    })
}

async fn send<R: Reactor>(tx: &mut TxQueue<R>, stream: u32, awaited: &RefCell<VecDeque<Vec<u8>>>, packets: u64) {
    let (mut dice, mut sequence) = (Dice::new(stream.into()), 0);
    let frames = |sequence| swapped(stream, sequence, 64 + sequence as usize % 1400);
    while sequence < packets {
        give_way().await;
        let room = WINDOW - awaited.borrow().len();
        if room == 0 {
            continue;
        }
        if dice.within(0, 1) == 0 {
            let (out, back) = frames(sequence);
            if let Some(sent) = cancelled(tx.send(&out), some(&mut dice)).await {
                sent.expect("sending");
                awaited.borrow_mut().push_back(back);
                sequence += 1;
            }
            continue;
        }
        let slots = dice.within(1, MANY.min(room));
        if let Some(batch) = cancelled(tx.reserve(slots), some(&mut dice)).await {
            let mut batch = batch.expect("a batch");
            let mut backs = Vec::new();
            for sequence in (sequence..packets).take(slots) {
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
                awaited.borrow_mut().extend(backs);
            }
        }
    }
}

async fn receive<R: Reactor>(rx: &mut RxQueue<R>, stream: u32, awaited: &RefCell<VecDeque<Vec<u8>>>, packets: u64) {
    let (mut dice, mut received) = (Dice::new(1_000 + u64::from(stream)), 0);
    while received < packets {
        let max = dice.within(1, 64);
        if let Some(batch) = cancelled(rx.recv(max), some(&mut dice)).await {
            let mut batch = batch.expect("receiving");
            let take = dice.within(0, batch.len());
            for packet in batch.packets().take(take) {
                assert_eq!(Some(packet.to_vec()), awaited.borrow_mut().pop_front(), "packet {received}");
                received += 1;
            }
        }
        give_way().await;
    }
}
