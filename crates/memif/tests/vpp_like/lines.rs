//! Peers that were built for a cache line of 128 bytes, as those of aarch64 are, and of 64: where the two ends agree,
//! and where not (C24, M18).

use memif::{Breach, CacheLine, InterfaceConfig, Link, Memory, SendError};
use testkit::{Layout, MasterPlan, SlavePlan};

use crate::common::{MasterRig, Rig, SlaveRig, cross};
use crate::flow::both_ways;
use crate::load::Style;

const LINES: [CacheLine; 2] = [CacheLine::Of64, CacheLine::Of128];

fn bytes(line: CacheLine) -> u64 {
    line.bytes() as u64
}

fn other(line: CacheLine) -> CacheLine {
    LINES.into_iter().find(|other| *other != line).expect("there are two")
}

/// A slave of that line, in one of the layouts of VPP, libmemif and DPDK.
fn slave(line: CacheLine, layout: Layout, queues: u16) -> SlavePlan {
    SlavePlan { line: bytes(line), layout, s2m: queues, m2s: queues, log2: 6, ..SlavePlan::default() }
}

fn master(line: CacheLine) -> MasterPlan {
    MasterPlan { line: bytes(line), ..MasterPlan::default() }
}

fn all_have(line: CacheLine, details: &memif::Details) -> bool {
    details.rx.iter().chain(&details.tx).all(|queue| queue.cache_line == line)
}

/// A master without a setting goes by the places of the rings, one link after the other.
pub(crate) fn master_takes_the_line_of_its_slave() {
    let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_queues(3).tx_queues(3));
    for layout in [Layout::OneRegion, Layout::RingsApart, Layout::Pool(4 << 20)] {
        for line in LINES {
            for queues in [1, 3] {
                let (mut link, mut peer) = rig.link_as(&slave(line, layout, queues));
                assert!(all_have(line, &rig.driver.details(rig.key)), "{layout:?} {line}");
                cross(&mut link, &mut peer);
                both_ways(&mut link, &mut peer, 500, &[64, 1500, 3000], Style::Wait);
                drop(peer);
                rig.driver.disconnected(rig.key);
                drop(link);
            }
        }
    }
    rig.finish();
}

/// One with a setting takes such slaves alone, and tells the others so.
pub(crate) fn master_that_is_set_refuses_the_other_line() {
    for line in LINES {
        let mut rig = MasterRig::with(InterfaceConfig::master(0).cache_line(Some(line)));
        rig.plan.line = bytes(line);
        for layout in [Layout::OneRegion, Layout::RingsApart] {
            let wrong = slave(other(line), layout, 1);
            let (refusal, at, _) = rig.refused_as(&wrong, |_| ());
            assert_eq!(
                (refusal, at.as_str()),
                (Breach::CacheLine { slave: other(line), master: line }.into(), "CONNECT")
            );
            let (mut link, mut peer) = rig.link_as(&slave(line, layout, 1));
            cross(&mut link, &mut peer);
            drop(peer);
            rig.driver.disconnected(rig.key);
            drop(link);
        }
        rig.finish();
    }
}

/// A slave lays its rings out as it is told, and a master of that line finds everything.
pub(crate) fn slave_has_the_line_that_it_is_told() {
    for line in LINES {
        for memory in [Memory::OneRegion, Memory::RingsApart] {
            let config = InterfaceConfig::slave(0).cache_line(Some(line)).memory(memory).ring_size(64);
            let config = config.rx_queues(2).tx_queues(3);
            let mut rig = SlaveRig::with_socket(config, master(line), |builder| builder);
            let (mut link, mut peer) = rig.link();
            assert!(all_have(line, &rig.driver.details(rig.key)), "{line}");
            cross(&mut link, &mut peer);
            both_ways(&mut link, &mut peer, 500, &[64, 1500, 3000], Style::Wait);
            for ring in peer.rx.iter().map(|queue| &queue.ring).chain(peer.tx.iter().map(|queue| &queue.ring)) {
                assert!(ring.padding().iter().all(|byte| *byte == 0), "the header's padding is nobody's");
            }
            drop(peer);
            rig.driver.disconnected(rig.key);
            rig.down();
            drop(link);
            rig.finish();
        }
    }
}

/// A master of the other line takes the rings for its own kind. Its tails tell, on whatever ring it moves first.
pub(crate) fn slave_names_the_line_of_its_master() {
    for line in LINES {
        for direction in ["rx", "tx"] {
            let config = InterfaceConfig::slave(0).cache_line(Some(line)).ring_size(64);
            let mut rig = SlaveRig::with_socket(config, master(other(line)), |builder| builder);
            let (link, peer) = rig.link();
            let ring = if direction == "rx" { &peer.rx[0].ring } else { &peer.tx[0].ring };
            // As after two packets.
            ring.set_tail(2);
            let breach = Breach::CacheLine { slave: line, master: other(line) };
            assert_eq!(rig.driver.breached(rig.key), breach, "{direction}");
            assert_eq!(peer.end(), Some(breach.to_string()), "the words of DISCONNECT and of the event");
            gone(&mut rig, link);
        }
    }
}

/// What else follows from it is no news: here a cursor that cannot be, which is found before anybody looks for the
/// line.
pub(crate) fn the_other_line_comes_before_what_follows_from_it() {
    let config = InterfaceConfig::slave(0).cache_line(Some(CacheLine::Of128)).ring_size(64);
    let mut rig = SlaveRig::with_socket(config, master(CacheLine::Of64), |builder| builder);
    let (mut link, peer) = rig.link();
    let ring = &peer.rx[0].ring;
    ring.set_tail(3);
    // Where the slave has the tail is the master's first descriptor.
    ring.set_descriptor(0, testkit::Descriptor { flags: 0x7777, ..Default::default() });
    let expected = Breach::CacheLine { slave: CacheLine::Of128, master: CacheLine::Of64 };
    let error = loop {
        if let Err(error) = link.tx[0].send(&[0; 60]) {
            break error;
        }
    };
    match error {
        SendError::Breach(breach) => assert_eq!(breach, expected),
        // Who looks for the line was first.
        SendError::Disconnected => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.driver.breached(rig.key), expected);
    drop(peer);
    gone(&mut rig, link);
}

/// Such a master may be gone before anybody looks: not every one survives it.
pub(crate) fn the_end_of_a_master_of_the_other_line_is_named() {
    let config = InterfaceConfig::slave(0).ring_size(64);
    let mut rig = SlaveRig::with_socket(config, master(CacheLine::Of128), |builder| builder);
    let (mut link, peer) = rig.link();
    peer.rx[0].ring.set_tail(2);
    // What it left is no packet.
    peer.tx[0].ring.set_tail(1);
    drop(peer);
    let expected = Breach::CacheLine { slave: CacheLine::Of64, master: CacheLine::Of128 };
    assert_eq!(rig.driver.breached(rig.key), expected);
    assert!(link.rx[0].recv(64).is_err());
    gone(&mut rig, link);
}

fn gone(rig: &mut SlaveRig, link: Link) {
    rig.down();
    drop(link);
}
