//! Honest DPDK 22.11, which runs over its ring now and then (D11): the link survives (Y).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memif::{InterfaceConfig, Link};
use testkit::patience::Patience;
use testkit::ring::NEXT;
use testkit::traffic::{check, packet};
use testkit::{Descriptor, MasterLink, SlaveLink};

use crate::common::{MasterRig, Rig, SlaveRig, cross};

/// Slots of the rings: small, so that they are full most of the time.
const LOG2: u8 = 5;
/// Bytes of packets: one, two and three slots, so that an odd number of slots is free at times.
const LENGTHS: [usize; 3] = [3000, 1000, 5000];
/// Packets of a burst.
const BURST: u64 = 32;

/// What came out of a link while it was overrun.
#[derive(Debug, Default)]
struct Seen {
    good: u64,
    odd: u64,
    resyncs: u64,
}

/// Receives until told to stop; the link must stay up.
fn receive_under_fire(mut link: Link, stop: &AtomicBool) -> (Link, Seen) {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        // Slowly, so that the ring fills.
        std::thread::yield_now();
        let mut batch = link.rx[0].recv(4).expect("the link survives");
        for packet in &mut batch {
            match check(&packet.to_vec()) {
                Ok(_) => seen.good += 1,
                Err(_) => seen.odd += 1,
            }
        }
    }
    while let Ok(mut batch) = link.rx[0].recv(64) {
        if batch.is_empty() {
            break;
        }
        let left = batch.len();
        assert_eq!((&mut batch).into_iter().count(), left);
    }
    seen.resyncs = link.rx[0].counters().resyncs;
    (link, seen)
}

/// One transmit burst as it was seen with DPDK 22.11.
fn burst_like_dpdk(mut free: u16, sequence: &mut u64, mut slot: impl FnMut(&[u8], u16)) {
    for _ in 0..BURST {
        if free == 0 {
            return;
        }
        let len = LENGTHS[usize::try_from(*sequence % 3).unwrap()];
        let bytes = packet(1, *sequence, len);
        *sequence += 1;
        let pieces = len.div_ceil(2048);
        for (index, piece) in bytes.chunks(2048).enumerate() {
            slot(piece, if index + 1 < pieces { NEXT } else { 0 });
            free = free.wrapping_sub(1);
        }
    }
}

fn client_burst(peer: &mut SlaveLink, sequence: &mut u64) {
    let tx = &mut peer.tx[0];
    let outstanding = tx.ring.head().wrapping_sub(tx.ring.tail());
    let free = tx.ring.size().wrapping_sub(outstanding);
    tx.resume_at(tx.ring.head());
    burst_like_dpdk(free, sequence, |piece, flags| {
        let place = tx.place(tx.head());
        tx.regions()[usize::from(place.region)].write(u64::from(place.offset), piece);
        let length = u32::try_from(piece.len()).unwrap();
        tx.put(Descriptor { flags, region: place.region, length, offset: place.offset, metadata: 0 });
    });
    tx.publish();
}

fn server_burst(peer: &mut MasterLink, sequence: &mut u64) {
    let tx = &mut peer.tx[0];
    let free = tx.ring.head().wrapping_sub(tx.ring.tail());
    tx.resume_at(tx.ring.tail());
    burst_like_dpdk(free, sequence, |piece, flags| {
        let found = tx.ring.descriptor(tx.tail());
        // Region and offset are read from the ring: they must be valid at all times.
        assert!(usize::from(found.region) < tx.regions().len(), "{found:?}");
        let end = u64::from(found.offset) + piece.len() as u64;
        assert!(end <= tx.regions()[usize::from(found.region)].size(), "{found:?}");
        tx.regions()[usize::from(found.region)].write(u64::from(found.offset), piece);
        let length = u32::try_from(piece.len()).unwrap();
        tx.put(Descriptor { flags, length, ..found });
    });
    tx.publish();
}

/// Sends bursts until enough went wrong, then says so.
fn fire(stop: &AtomicBool, mut burst: impl FnMut(&mut u64) -> u64) -> u64 {
    let (mut sequence, mut overruns) = (0, 0);
    let mut patience = Patience::default();
    while overruns < 200 && patience.more() {
        for _ in 0..50 {
            overruns += burst(&mut sequence);
            std::hint::spin_loop();
        }
    }
    stop.store(true, Ordering::Relaxed);
    overruns
}

fn judge(overruns: u64, seen: &Seen) {
    assert!(overruns >= 200, "only {overruns} overruns were brought about");
    assert!(seen.resyncs > 0, "{overruns} overruns and {seen:?}");
    assert!(seen.good > seen.odd, "{overruns} overruns and {seen:?}");
}

pub(crate) fn m01_master_overrun_by_an_honest_peer() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).resync_limit(100_000);
    let mut rig = MasterRig::with(config);
    rig.plan.log2 = LOG2;
    let (link, mut peer) = rig.link();
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let receiver = std::thread::spawn(move || receive_under_fire(link, &flag));
    let overruns = fire(&stop, |sequence| {
        client_burst(&mut peer, sequence);
        let ring = &peer.tx[0].ring;
        u64::from(ring.head().wrapping_sub(ring.tail()) > ring.size())
    });
    let (mut link, seen) = receiver.join().unwrap();
    judge(overruns, &seen);
    assert!(peer.is_up(), "the link went down");
    // Back to normal: the same link carries whole packets in order.
    let head = peer.tx[0].ring.head();
    assert_eq!(peer.tx[0].ring.tail(), head, "everything was taken or given up");
    peer.tx[0].resume_at(head);
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn m02_slave_overrun_by_an_honest_peer() {
    let config = InterfaceConfig::slave(0).ring_size(1 << LOG2).resync_limit(100_000);
    let mut rig = SlaveRig::with(config);
    let (link, mut peer) = rig.link();
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let receiver = std::thread::spawn(move || receive_under_fire(link, &flag));
    let overruns = fire(&stop, |sequence| {
        server_burst(&mut peer, sequence);
        let ring = &peer.tx[0].ring;
        u64::from(ring.head().wrapping_sub(ring.tail()) > ring.size())
    });
    let (mut link, seen) = receiver.join().unwrap();
    judge(overruns, &seen);
    assert!(peer.is_up(), "the link went down");
    let tail = peer.tx[0].ring.tail();
    peer.tx[0].resume_at(tail);
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}
