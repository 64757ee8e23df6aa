//! DPDK servers with more queues than the rings that the slave brings, and with fewer (D5).

use memif::{ConnectError, Event, InterfaceConfig, Memory, RxMode};
use testkit::wiremsg::Message;
use testkit::{Dialect, MasterLink, MasterPlan, Reply, SurplusQueue};

use crate::common::{SlaveRig, cross, receive, send};
use crate::flow::both_ways;
use crate::load::Style;

/// What a surplus queue sends.
const FOREIGN: [u8; 3000] = [0xee; 3000];

fn rig(config: InterfaceConfig, plan: MasterPlan) -> SlaveRig {
    SlaveRig::with_socket(config, plan, |builder| builder)
}

/// The library says that the master uses more queues than the link's.
#[track_caller]
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

/// Surplus receive queues find nothing of ours, surplus transmit queues overwrite nothing, and nothing of theirs is received.
pub(crate) fn d05_surplus_queues_disturb_nothing() {
    for (memory, log2) in [
        (Memory::OneRegion, 8),
        (Memory::RingsApart, 8),
        (Memory::RingsApart, 0),
        (Memory::OneRegion, 3),
    ] {
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

/// One packet on a queue that the link does not have is enough, of any length, also where only the start of a chain was written.
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
