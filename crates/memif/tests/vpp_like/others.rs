//! Peers like libmemif and like DPDK, where they differ from VPP.

use memif::{ConnectError, InterfaceConfig, Memory, RxMode, SendError};
use testkit::ring::{Descriptor, MASK_INT, NEXT};
use testkit::traffic::{check, packet};
use testkit::{Dialect, Layout, MasterPlan, Reply, SlavePlan};

use crate::common::{MasterRig, Rig, SlaveRig, cross, cross_lengths, receive, receive_all, send};
use crate::flow::both_ways;
use crate::load::Style;

fn libmemif_slave(log2: u8) -> SlavePlan {
    SlavePlan { log2, layout: Layout::RingsApart, dialect: Dialect::LIBMEMIF, ..SlavePlan::default() }
}

fn dpdk_slave(log2: u8) -> SlavePlan {
    SlavePlan { log2, dialect: Dialect::DPDK, ..SlavePlan::default() }
}

fn slave_rig(dialect: Dialect, config: InterfaceConfig) -> SlaveRig {
    SlaveRig::with_socket(config, MasterPlan::of(dialect), |builder| builder)
}

/// A slave with two regions and garbage behind every field, in all ring sizes that it takes.
pub(crate) fn libmemif_slave_with_two_regions() {
    let mut rig = MasterRig::with(InterfaceConfig::master(0));
    rig.plan = libmemif_slave(10);
    for log2 in [1, 3, 10, 14] {
        let (mut link, mut peer) = rig.link_as(&libmemif_slave(log2));
        let details = rig.driver.details(rig.key);
        assert_eq!((details.regions.len(), details.regions[0].size), (2, 2 * (128 + (16 << log2))));
        let longest = if log2 == 1 { 4096 } else { 9000 };
        cross_lengths(&mut link, &mut peer, 20, &[16, 64, 2048, 2049, longest]);
        both_ways(&mut link, &mut peer, 5000, &[64, 2049, longest], Style::Look(1));
        drop(peer);
        rig.driver.disconnected(rig.key);
    }
    rig.finish();
}

/// A master that returns slots long after it has read them: the sender runs full, says so, and goes on.
pub(crate) fn libmemif_master_returns_slots_late() {
    let mut rig = slave_rig(Dialect::LIBMEMIF, InterfaceConfig::slave(0).ring_size(64));
    let (mut link, mut peer) = rig.link();
    let mut sequence = 0;
    for round in 1..=200u64 {
        for n in 0..64 {
            link.tx[0].send(&packet(1, sequence + n, 64)).expect("a free slot");
        }
        assert_eq!(link.tx[0].send(&[1; 64]), Err(SendError::Full));
        assert_eq!(link.tx[0].counters().ring_full, round);
        for n in 0..64 {
            let came = peer.rx[0].take().expect("a packet");
            assert_eq!(check(&came), Ok((1, sequence + n)));
            assert_eq!(link.tx[0].reserve().map(drop), Ok(()));
        }
        sequence += 64;
        peer.rx[0].give_back();
    }
    assert_eq!(link.tx[0].counters().packets, peer.rx[0].tally.packets);
    cross(&mut link, &mut peer);
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}

/// An ACK and the end: libmemif's way to say that it has no such id.
pub(crate) fn libmemif_master_without_the_id() {
    let mut plan = MasterPlan::of(Dialect::LIBMEMIF);
    plan.ids = Some(vec![7, 4711]);
    let mut rig = SlaveRig::with_socket(InterfaceConfig::slave(0).ring_size(64), plan, |builder| builder);
    rig.driver.set_admin_up(rig.key, true);
    for _ in 0..3 {
        let ending = rig.master.serve_with(|_| Reply::Usual).unwrap_err();
        assert!(ending.closed_here && ending.reason().is_none(), "{ending:?}");
        assert_eq!(rig.driver.connect_failed(rig.key), ConnectError::UnknownId);
    }
    assert!(ConnectError::UnknownId.to_string().contains("no interface with this id"));
    rig.down();
    rig.master.plan.ids = None;
    rig.finish();
}

/// A client that posts only when it receives, and signals nobody and wants no signals.
pub(crate) fn dpdk_client_posts_late() {
    for (rx_mode, packets) in [(RxMode::Polling, 3000), (RxMode::Interrupt, 3000), (RxMode::Adaptive, 30_000)] {
        let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_mode(rx_mode));
        let (mut link, mut peer) = rig.link_as(&dpdk_slave(8));
        assert_eq!(peer.rx[0].ring.head(), 0);
        assert_eq!(link.tx[0].send(&[1; 64]), Err(SendError::Full));
        assert_eq!(peer.rx[0].receive(), None);
        assert_eq!(peer.rx[0].ring.head(), 256);
        both_ways(&mut link, &mut peer, packets, &[64, 1500, 3000, 9000], Style::Wait);
        assert_eq!(peer.rx[0].ring.flags(), MASK_INT, "its mask is its own");
        assert_eq!(link.tx[0].counters().signals, 0);
        drop(peer);
        rig.disconnected(link);
        rig.finish();
    }
}

/// A server that overwrites the ring flags and zeroes the cursors when it connects.
pub(crate) fn dpdk_server_masks_and_zeroes() {
    for (memory, packets) in [(Memory::OneRegion, 30_000), (Memory::RingsApart, 3000)] {
        let mut rig = slave_rig(Dialect::DPDK, InterfaceConfig::slave(0).ring_size(256).memory(memory));
        let (mut link, mut peer) = rig.link();
        both_ways(&mut link, &mut peer, packets, &[64, 1500, 3000, 9000], Style::Wait);
        assert_eq!(peer.rx[0].ring.flags(), MASK_INT, "its mask is its own");
        assert_eq!(link.tx[0].counters().signals, 0);
        drop(peer);
        rig.driver.disconnected(rig.key);
        rig.down();
        drop(link);
        rig.finish();
    }
}

/// DPDK 22.11 leaves NEXT in the first slot of a packet where a chain began before. So we clear it, in both roles, and
/// no two packets are glued.
pub(crate) fn dpdk_stale_next() {
    let mut rig = MasterRig::with(InterfaceConfig::master(0));
    let (mut link, mut peer) = rig.link_as(&dpdk_slave(3));
    let tx = &mut peer.tx[0];
    let mut sequence = 0;
    for round in 0..50 {
        // A chain of two and six packets of one slot: with each round another slot has begun a chain.
        for slots in [2, 1, 1, 1, 1, 1].into_iter().chain(std::iter::repeat_n(1, round % 2)) {
            let bytes = packet(9, sequence, if slots == 2 { 3000 } else { 64 });
            assert!(tx.free() >= slots);
            for (index, piece) in bytes.chunks(2048).enumerate() {
                let stale = if index == 0 { tx.ring.descriptor(tx.head()).flags } else { 0 };
                let place = tx.place(tx.head());
                tx.regions()[usize::from(place.region)].write(u64::from(place.offset), piece);
                let more = if slots == 2 && index == 0 { NEXT } else { 0 };
                let length = u32::try_from(piece.len()).expect("a length");
                let (region, offset) = (place.region, place.offset);
                tx.put(Descriptor { flags: stale | more, region, length, offset, metadata: 0 });
            }
            tx.publish();
            assert_eq!(check(&receive(&mut link.rx[0])), Ok((9, sequence)));
            sequence += 1;
        }
    }
    assert_eq!(link.rx[0].counters().packets, sequence);
    drop(peer);
    rig.disconnected(link);
    rig.finish();

    // As slave: what is posted has no NEXT, whatever stood there; the scripted master checks that for every buffer.
    let mut rig = slave_rig(Dialect::DPDK, InterfaceConfig::slave(0).ring_size(8));
    let (mut link, mut peer) = rig.link();
    cross_lengths(&mut link, &mut peer, 60, &[3000, 64, 64, 5000, 64]);
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}

/// D11: an honest DPDK runs over the ring now and then. The link survives, counted, and what comes after that is good.
pub(crate) fn dpdk_overruns() {
    let mut rig = MasterRig::with(InterfaceConfig::master(0));
    let (mut link, mut peer) = rig.link_as(&dpdk_slave(4));
    for overrun in 1..=20u16 {
        for sequence in 0..16u16 {
            peer.tx[0].send(&packet(4, sequence.into(), 64));
        }
        // 31 slots beyond the ring, as seen with testpmd, and on from there.
        let beyond = peer.tx[0].head().wrapping_add(15 + overrun);
        peer.tx[0].ring.set_head(beyond);
        assert!(receive_all(&mut link.rx[0]).is_empty(), "packets out of an overrun ring");
        assert_eq!(link.rx[0].counters().resyncs, u64::from(overrun));
        peer.tx[0].resume_at(beyond);
        for sequence in 0..40 {
            peer.tx[0].send(&packet(4, sequence, 3000));
            assert_eq!(check(&receive(&mut link.rx[0])), Ok((4, sequence)));
        }
    }
    assert!(peer.is_up());
    drop(peer);
    rig.disconnected(link);
    rig.finish();

    let mut rig = slave_rig(Dialect::DPDK, InterfaceConfig::slave(0).ring_size(32));
    let (mut link, mut peer) = rig.link();
    for overrun in 1..=20u16 {
        let beyond = peer.tx[0].ring.head().wrapping_add(40_000 + overrun);
        peer.tx[0].ring.set_tail(beyond);
        assert!(receive_all(&mut link.rx[0]).is_empty(), "packets out of an overrun ring");
        assert_eq!(link.rx[0].counters().resyncs, u64::from(overrun));
        peer.tx[0].resume_at(beyond);
        for sequence in 0..40 {
            peer.tx[0].send(&packet(4, sequence, 3000));
            assert_eq!(check(&receive(&mut link.rx[0])), Ok((4, sequence)));
            send(&mut link.tx[0], &packet(5, sequence, 3000));
            assert_eq!(check(&peer.rx[0].wait()), Ok((5, sequence)));
        }
    }
    assert!(peer.is_up());
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}
