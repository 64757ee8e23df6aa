//! DPDK servers with more queues than the rings that the slave brings, and with fewer (D5).

use memif::{ConnectError, Event, InterfaceConfig, Memory, RxMode};
use testkit::wiremsg::Message;
use testkit::{Dialect, MasterLink, MasterPlan, Reply, SurplusQueue};

use crate::common::{Rig, SlaveRig, cross, receive, send};
use crate::flow::both_ways;
use crate::load::Style;

/// What a surplus queue sends.
const FOREIGN: [u8; 3000] = [0xee; 3000];

fn rig(config: InterfaceConfig, plan: MasterPlan) -> SlaveRig {
    SlaveRig::with_socket(config, plan, |builder| builder)
}

/// The library says that the master uses more queues than the link's.
#[track_caller]
#[allow(clippy::result_large_err, reason = "an event that is not taken is kept")]
fn told(rig: &mut SlaveRig) -> u8 {
    let key = rig.key;
    rig.driver.event("SurplusQueues", |event| match event {
        Event::SurplusQueues { interface, rx_queues } if interface == key => Ok(rx_queues),
        other => Err(other),
    })
}

/// Ends the link as a master that dies.
#[track_caller]
fn drop_link(rig: &mut SlaveRig, link: memif::Link, peer: MasterLink) {
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
}

/// Surplus receive queues find nothing of ours, surplus transmit queues overwrite nothing, and nothing of theirs is
/// received.
pub(crate) fn d05_surplus_queues_disturb_nothing() {
    for (memory, log2) in
        [(Memory::OneRegion, 8), (Memory::RingsApart, 8), (Memory::RingsApart, 0), (Memory::OneRegion, 3)]
    {
        let config = InterfaceConfig::slave(0).memory(memory).ring_size(1 << log2);
        let mut rig = rig(config, MasterPlan::dpdk_server());
        rig.lengths = if log2 == 0 { &[64, 2000] } else { rig.lengths };
        let (mut link, mut peer) = rig.link();
        let mut surplus = [SurplusQueue::of(&peer), SurplusQueue::of(&peer)];
        // In turn with every packet of the link, on each side of its way.
        for n in 0..200u8 {
            for queue in &mut surplus {
                assert_eq!(queue.receive(), None, "a surplus queue received");
                queue.send(&FOREIGN);
                queue.send_start_of_chain(&FOREIGN[..100]);
            }
            send(&mut link.tx[0], &[n; 64]);
            assert_eq!(surplus[0].receive(), None, "a surplus queue received");
            surplus[1].send(&FOREIGN);
            assert_eq!(peer.rx[0].wait(), [n; 64]);
            peer.tx[0].send(&[!n; 70]);
            surplus[0].send(&FOREIGN);
            assert_eq!(receive(&mut link.rx[0]), [!n; 70]);
        }
        assert_eq!(link.rx[0].counters().packets, 200);
        if log2 >= 8 {
            cross(&mut link, &mut peer);
            both_ways(&mut link, &mut peer, 2000, &[64, 2049, 9000], Style::Look(1));
        }
        let counters = link.rx[0].counters();
        assert_eq!((counters.dropped, counters.bad_descriptors, counters.resyncs), (0, 0, 0));
        told(&mut rig);
        drop(surplus);
        drop_link(&mut rig, link, peer);
        rig.finish();
    }
}

/// One packet on a queue that the link does not have is enough, of any length, also where only the start of a chain was
/// written.
pub(crate) fn d05_surplus_is_told_of() {
    let config = InterfaceConfig::slave(0).ring_size(64).rx_queues(2).rx_mode(RxMode::Interrupt);
    let mut rig = rig(config, MasterPlan::dpdk_server());
    for length in [1, 60, 65_535] {
        let (link, peer) = rig.link();
        assert!(!rig.driver.details(rig.key).surplus_queues);
        let mut surplus = SurplusQueue::of(&peer);
        assert!(surplus.send(&vec![0xee; length]));
        assert!(!surplus.send(&FOREIGN), "room for a second packet");
        assert_eq!(told(&mut rig), 2);
        assert!(rig.driver.details(rig.key).surplus_queues);
        // Said once.
        surplus.send(&FOREIGN);
        assert!(rig.driver.pending().is_empty(), "{:?}", rig.driver.pending());
        drop_link(&mut rig, link, peer);
        assert!(!rig.driver.details(rig.key).surplus_queues);
    }
    let (link, peer) = rig.link();
    SurplusQueue::of(&peer).send_start_of_chain(&FOREIGN[..1500]);
    assert_eq!(told(&mut rig), 2);
    drop_link(&mut rig, link, peer);
    rig.finish();
}

/// Surplus queues that only receive lose nothing, and are not told of; nor is anything where all queues have rings.
pub(crate) fn d05_no_surplus_no_word() {
    let mut rig = rig(InterfaceConfig::slave(0).ring_size(64), MasterPlan::dpdk_server());
    let (mut link, mut peer) = rig.link();
    let mut surplus = SurplusQueue::of(&peer);
    for n in 0..100u8 {
        send(&mut link.tx[0], &[n; 64]);
        assert_eq!(surplus.receive(), None);
        assert_eq!(peer.rx[0].wait(), [n; 64]);
        peer.tx[0].send(&[n; 70]);
        assert_eq!(receive(&mut link.rx[0]), [n; 70]);
    }
    assert!(!rig.driver.details(rig.key).surplus_queues);
    assert!(rig.driver.pending().is_empty(), "{:?}", rig.driver.pending());
    drop(surplus);
    drop_link(&mut rig, link, peer);
    rig.finish();
}

/// A server of `queues` queues each way.
fn server(queues: u16) -> MasterPlan {
    MasterPlan { most_rings: queues, ..MasterPlan::dpdk_server() }
}

fn finds(most: u8) -> InterfaceConfig {
    InterfaceConfig::slave(0).ring_size(64).probe_rx_queues(Some(most))
}

/// The first attempt is refused at the first ring too many, the second brings as many as there are, and nobody hears of
/// the first.
pub(crate) fn queues_of_a_dpdk_server_are_found() {
    for queues in [1, 2, 5] {
        let mut rig = rig(finds(32), server(queues));
        rig.lengths = &[64];
        rig.driver.set_admin_up(rig.key, true);
        let ending = rig.master.serve_with(|_| Reply::Usual).expect_err("refused");
        assert_eq!(ending.reason(), None, "{ending:?}");
        let rings = |message: &&Message| matches!(message, Message::AddRing(_));
        // One of S2M, those of M2S, and the one too many.
        assert_eq!(ending.said.iter().filter(rings).count(), 1 + usize::from(queues) + 1);
        let mut peer = rig.master.serve();
        let mut link = rig.driver.connected(rig.key);
        assert_eq!((link.rx.len(), link.tx.len()), (usize::from(queues), 1));
        assert!(rig.driver.pending().is_empty(), "{:?}", rig.driver.pending());
        for (rx, tx) in link.rx.iter_mut().zip(&mut peer.tx) {
            tx.send(&[7; 60]);
            assert_eq!(receive(rx), [7; 60]);
        }
        drop_link(&mut rig, link, peer);
    }
}

/// What was found holds for one attempt: the next connection finds it anew, and a second refusal is a failure.
pub(crate) fn queues_are_found_once_per_connection() {
    let mut rig = rig(finds(3), server(2));
    rig.driver.set_admin_up(rig.key, true);
    for _ in 0..2 {
        rig.master.serve_with(|_| Reply::Usual).expect_err("refused");
        let peer = rig.master.serve();
        let link = rig.driver.connected(rig.key);
        assert_eq!(link.rx.len(), 2);
        drop(peer);
        rig.driver.disconnected(rig.key);
    }
    // It has fewer by the second attempt.
    rig.master.serve_with(|_| Reply::Usual).expect_err("refused");
    rig.master.plan.most_rings = 1;
    rig.master.serve_with(|_| Reply::Usual).expect_err("refused");
    let refused = ConnectError::Refused("Invalid ring index".to_owned());
    assert_eq!(rig.driver.connect_failed(rig.key), refused);
    // That is the end of what was found: three are brought again.
    rig.master.plan.most_rings = 3;
    let peer = rig.master.serve();
    assert_eq!(rig.driver.connected(rig.key).rx.len(), 3);
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    // Another word than DPDK's is a failure at once.
    rig.driver.set_admin_up(rig.key, true);
    let other = |point: &testkit::master::Point<'_>| match point {
        testkit::master::Point::Got(Message::AddRing(ring)) if ring.index == 1 => {
            Reply::Say(Message::disconnect("no more rings"))
        }
        _ => Reply::Usual,
    };
    let _ = rig.master.serve_with(other);
    let refused = ConnectError::Refused("no more rings".to_owned());
    assert_eq!(rig.driver.connect_failed(rig.key), refused);
    rig.down();
}

/// Others get the rings that were configured: libmemif closes without a word on one too many, and VPP takes any number.
pub(crate) fn queues_of_other_masters_are_not_looked_for() {
    for dialect in [Dialect::VPP, Dialect::LIBMEMIF, Dialect::PLAIN] {
        let mut rig = rig(finds(32).rx_queues(2), MasterPlan::of(dialect));
        let (link, peer) = rig.link();
        assert_eq!((link.rx.len(), link.tx.len()), (2, 1));
        drop_link(&mut rig, link, peer);
    }
}
