//! The library as master, opposite a slave like VPP's.

use std::time::Duration;

use memif::{Breach, DisconnectReason, InterfaceConfig, Mode, Refusal, RxMode, SendError};
use testkit::vpp::answer_disconnect;
use testkit::wiremsg::Message;
use testkit::{Received, Script, ScriptedSlave, SlaveLink, SlavePlan, VppLikeSlave};

use crate::common::{MasterRig, Rig, cross, cross_lengths};
use crate::flow::both_ways;
use crate::load::Style;

/// What it announces after our HELLO.
fn plan(slave: &VppLikeSlave) -> SlavePlan {
    slave.plan(14, 255, 255)
}

fn rig(slave: &VppLikeSlave, config: InterfaceConfig) -> MasterRig {
    let mut rig = MasterRig::with(config);
    rig.plan = plan(slave);
    rig
}

fn small(zero_copy: bool) -> VppLikeSlave {
    VppLikeSlave { zero_copy, log2: 6, ..VppLikeSlave::default() }
}

/// Rings alone in region 0, a pool of buffers in region 1, descriptors zero until they are posted; or all in one
/// region.
pub(crate) fn layouts() {
    for (zero_copy, regions) in [(true, 2), (false, 1)] {
        for rx_mode in [RxMode::Polling, RxMode::Interrupt, RxMode::Adaptive] {
            let mut rig = rig(&small(zero_copy), InterfaceConfig::master(0).rx_mode(rx_mode));
            let (mut link, mut peer) = rig.link();
            assert_eq!(link.peer.app_name.to_string(), "VPP 26.10-rc0~374-gb575ec2c56d");
            assert_eq!(link.peer.interface_name.to_string(), "memif2/0");
            let details = rig.driver.details(rig.key);
            assert_eq!((details.regions.len(), details.rx[0].ring_size), (regions, 64));
            cross(&mut link, &mut peer);
            both_ways(&mut link, &mut peer, 3000, &[64, 1500, 3000], Style::Wait);
            peer.tx[0].wait_drained();
            drop(peer);
            assert_eq!(rig.driver.disconnected(rig.key), DisconnectReason::Hangup);
            drop(link);
            rig.finish();
        }
    }
}

/// A pool on huge pages, which cannot be sealed: VPP's default where there are any.
pub(crate) fn pool_on_huge_pages() {
    let slave = VppLikeSlave { huge_pages: true, ..small(true) };
    let mut rig = rig(&slave, InterfaceConfig::master(0));
    let (mut link, mut peer) = rig.link();
    both_ways(&mut link, &mut peer, 3000, &[64, 1500, 3000], Style::Look(1));
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

/// A pool that cannot be sealed is taken under the guard, which keeps its promise; or refused where seals are demanded.
pub(crate) fn unsealable_pool() {
    let mut rig = rig(&small(true), InterfaceConfig::master(0));
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    // What is taken away is no longer there for the packet after it.
    peer.memory.regions[1].truncate(0).expect("nothing forbids it");
    let error = link.tx[0].send(&[7; 64]).and_then(|()| link.tx[0].send(&[8; 64])).unwrap_err();
    assert_eq!(error, SendError::Breach(Breach::MemoryGone));
    assert_eq!(rig.breached(link, peer), Breach::MemoryGone);
    rig.finish();

    let mut rig = MasterRig::with(InterfaceConfig::master(0).require_sealed(true));
    let (breach, at, _) = rig.refused_as(&plan(&small(true)), |_| ());
    assert_eq!((breach, at.as_str()), (Breach::RegionUnsealed(1).into(), "ADD_REGION 1"));
    rig.plan = plan(&small(false));
    rig.finish();
}

/// V1: HELLO says 2^14 whatever is configured, since VPP announces rings of its configured size. What is laid out for
/// less than it announces is refused.
pub(crate) fn v01_announced_ring_size() {
    let mut rig = rig(&small(false), InterfaceConfig::master(0).ring_size(16));
    assert_eq!(ScriptedSlave::connect(&rig.address).hello.max_log2, 14);
    for log2 in [5, 10, 14] {
        let slave = VppLikeSlave { log2, ..VppLikeSlave::default() };
        let (mut link, mut peer) = rig.link_as(&plan(&slave));
        assert_eq!(rig.driver.details(rig.key).tx[0].ring_size, 1 << log2);
        cross_lengths(&mut link, &mut peer, 40, &[64, 1500]);
        drop(peer);
        rig.driver.disconnected(rig.key);
    }
    // 2^15, as its command line allows.
    let large = VppLikeSlave { log2: 15, zero_copy: false, ..VppLikeSlave::default() };
    let (breach, at, _) = rig.refused_as(&plan(&large), |_| ());
    assert_eq!(breach, Breach::RingSize { direction: "S2M", index: 0, log2: 15 });
    assert_eq!(at, "ADD_RING S2M 0");
    // Laid out for 2^4 and announced as 2^8, as after a HELLO of 2^4.
    let copy = VppLikeSlave { log2: 8, zero_copy: false, ..VppLikeSlave::default() };
    let (breach, at, _) = rig.refused_as(&copy.plan(4, 255, 255), |_| ());
    assert_eq!(breach, Breach::RingOverlap { direction: "M2S", index: 0, offset: 384 });
    assert_eq!(at, "CONNECT");
    let zero_copy = VppLikeSlave { log2: 8, ..VppLikeSlave::default() };
    let (breach, ..) = rig.refused_as(&zero_copy.plan(4, 255, 255), |_| ());
    assert_eq!(breach, Breach::RingPlace { direction: "S2M", index: 0, offset: 0, end: 4224, size: 768 });
    rig.finish();
}

/// V3: VPP sends one message per writable event, so each request gets exactly one answer and nothing else is said.
pub(crate) fn v03_one_answer_per_request() {
    let mut rig = rig(&small(true), InterfaceConfig::master(0).rx_queues(3).tx_queues(2));
    let slave = VppLikeSlave { rx_queues: 2, tx_queues: 3, ..small(true) };
    let plan = plan(&slave);
    let by_hand = ScriptedSlave::connect(&rig.address);
    let memory = testkit::SlaveMemory::new(&plan);
    let script = Script::new(&plan, &memory);
    for step in &script.0 {
        let one = Script(vec![step.clone()]);
        by_hand.run(&plan, &one).expect("an answer");
        let more = by_hand.socket.peek_within(Duration::from_millis(2));
        assert!(matches!(more, Received::TimedOut), "after the answer to {} came {more:?}", step.label);
    }
    drop(script);
    let mut peer = SlaveLink::established(by_hand, &plan, memory, Vec::new());
    let mut link = rig.driver.connected(rig.key);
    cross(&mut link, &mut peer);
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

/// HELLO does not say how many queues there really are, so a VPP brings all of its own. More than there are is refused.
pub(crate) fn v05_queues_by_hello() {
    let mut rig = rig(&small(true), InterfaceConfig::master(0).rx_queues(3).tx_queues(2));
    for (rx_queues, tx_queues, breach) in [
        (2, 8, Breach::TooManyRings { direction: "S2M", limit: 3 }),
        (8, 3, Breach::TooManyRings { direction: "M2S", limit: 2 }),
    ] {
        let plan = plan(&VppLikeSlave { rx_queues, tx_queues, ..small(true) });
        assert_eq!(rig.refused_as(&plan, |_| ()).0, breach);
    }
    let slave = VppLikeSlave { rx_queues: 2, tx_queues: 3, ..small(true) };
    let mut peer = slave.connect(&rig.address);
    let mut link = rig.driver.connected(rig.key);
    assert_eq!((peer.hello.max_s2m_ring, peer.hello.max_m2s_ring), (255, 255));
    assert_eq!((link.rx.len(), link.tx.len()), (3, 2));
    cross(&mut link, &mut peer);
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

/// V7: buffers posted only when 32 slots are free, in multiples of 8, and sent slots taken back in batches of 16.
/// Traffic flows both ways at once past the wrap of the cursors, and nothing is lost.
pub(crate) fn v07_lazy_refill() {
    let mut rig = rig(&small(true), InterfaceConfig::master(0));
    for (log2, packets, sizes) in
        [(5, 10_000, &[64, 1500][..]), (6, 50_000, &[64, 1500, 3000]), (10, 30_000, &[64, 200, 3000, 9000])]
    {
        let slave = VppLikeSlave { log2, ..VppLikeSlave::default() };
        let (mut link, mut peer) = rig.link_as(&plan(&slave));
        both_ways(&mut link, &mut peer, packets, sizes, Style::Look(1));
        // Every slot came back, the last ones too.
        peer.tx[0].wait_drained();
        assert_eq!(peer.rx[0].bad, 0);
        drop(peer);
        rig.driver.disconnected(rig.key);
    }
    // Rings of 16 never receive; sending goes on.
    let slave = VppLikeSlave { log2: 4, ..VppLikeSlave::default() };
    let (mut link, mut peer) = rig.link_as(&plan(&slave));
    assert!(peer.rx[0].receive().is_none());
    assert_eq!(link.tx[0].send(&[1; 64]), Err(SendError::Full));
    assert_eq!(link.tx[0].counters().ring_full, 1);
    for round in 0..100u64 {
        for n in 0..16 {
            peer.tx[0].send(&testkit::traffic::packet(5, 16 * round + n, 100));
        }
        for n in 0..16 {
            let came = crate::common::receive(&mut link.rx[0]);
            assert_eq!(testkit::traffic::check(&came), Ok((5, 16 * round + n)));
        }
    }
    assert_eq!(link.rx[0].counters().packets, peer.tx[0].tally.packets);
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

/// V15: the first part of a packet is longer than any buffer on the way back. It goes back whole, as a copy over more
/// of them.
pub(crate) fn v15_parts_longer_than_posted() {
    let mut rig = rig(&small(true), InterfaceConfig::master(0));
    let (mut link, mut peer) = rig.link();
    peer.rx[0].post();
    assert_eq!(peer.rx[0].place(0).room, 2048);
    for (number, len) in [(0, 2048), (1, 2049), (2, 2062), (3, 2063), (4, 4110), (5, 9014)] {
        let head = peer.tx[0].head();
        peer.tx[0].send(&testkit::traffic::packet(3, number, len));
        assert_eq!(peer.tx[0].ring.descriptor(head).length as usize, len.min(2062));
        let (rx, tx) = (&mut link.rx[0], &mut link.tx[0]);
        assert!(rx.wait(Some(Duration::from_secs(60))).unwrap(), "no packet came");
        let mut batch = rx.recv(1).unwrap();
        let mut back = tx.reserve().unwrap();
        for packet in &mut batch {
            assert_eq!(packet.len(), len);
            back.push_packet(&packet).unwrap();
        }
        assert_eq!(back.commit(), 1);
        drop(batch);
        let came = testkit::eventually("the packet to come back", || peer.rx[0].receive());
        assert_eq!((came.len(), testkit::traffic::check(&came)), (len, Ok((3, number))));
    }
    drop(peer);
    rig.driver.disconnected(rig.key);
    drop(link);
    rig.finish();
}

/// IP mode: buffers posted 14 bytes in, and nothing is written in front of them.
pub(crate) fn ip_mode() {
    for zero_copy in [true, false] {
        let slave = VppLikeSlave { ip: true, ..small(zero_copy) };
        let mut rig = rig(&slave, InterfaceConfig::master(0).mode(Mode::Ip));
        let (mut link, mut peer) = rig.link();
        let place = peer.rx[0].place(0);
        let room = if zero_copy { 2048 - 14 } else { 2048 };
        assert_eq!(place.room, room);
        // Without headroom the buffer before it ends there.
        let (from, len) = if zero_copy { (u64::from(place.offset) - 14, 14) } else { (0, 4) };
        let in_front = |peer: &SlaveLink| peer.rx[0].regions()[usize::from(place.region)].read(from, len);
        let before = in_front(&peer);
        let full = usize::try_from(room).expect("a size");
        cross_lengths(&mut link, &mut peer, 8, &[20, full - 1, full, full + 1, 9000]);
        assert_eq!(before, in_front(&peer), "bytes in front of a buffer");
        drop(peer);
        rig.driver.disconnected(rig.key);
        drop(link);
        let ethernet = plan(&small(zero_copy));
        let (breach, ..) = rig.refused_as(&ethernet, |_| ());
        assert_eq!(breach, Refusal::Mode { theirs: 0, ours: Mode::Ip });
        rig.finish();
    }
}

/// V4, seen from the other side: a slave that dies at any step, and without a word, leaves nothing behind.
pub(crate) fn v04_silent_ends() {
    let slave = VppLikeSlave { tx_queues: 2, ..small(true) };
    let mut rig = rig(&slave, InterfaceConfig::master(0).rx_queues(2));
    let memory = testkit::SlaveMemory::new(&rig.plan);
    let labels: Vec<String> = Script::new(&rig.plan, &memory).labels().into_iter().map(str::to_owned).collect();
    drop(memory);
    for label in &labels {
        let cut = SlaveLink::try_connect(&rig.address, &rig.plan, |script| script.end_before(label));
        drop(cut.expect("nothing to refuse"));
        rig.settle();
    }
    let (link, peer) = rig.link();
    drop(peer);
    assert_eq!(rig.driver.disconnected(rig.key), DisconnectReason::Hangup);
    drop(link);
    rig.finish();
}

/// VPP answers DISCONNECT with DISCONNECT; nobody answers that, and nobody answers VPP's own.
pub(crate) fn disconnect_is_never_answered() {
    let mut rig = rig(&small(true), InterfaceConfig::master(0));
    for _ in 0..3 {
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        let key = rig.key;
        rig.driver.call(move |socket| socket.disconnect(key, "maintenance")).expect("disconnecting");
        assert_eq!(answer_disconnect(&peer.socket), "maintenance");
        assert_eq!(rig.driver.disconnected(key), DisconnectReason::Local("maintenance".to_owned()));
        drop((link, peer));

        let (link, peer) = rig.link();
        peer.socket.send(&Message::disconnect("interface deleted"));
        let next = peer.socket.receive();
        assert!(next.is_over(), "DISCONNECT was answered with {next:?}");
        let expected = DisconnectReason::Peer { code: 0, reason: "interface deleted".to_owned() };
        assert_eq!(rig.driver.disconnected(key), expected);
        drop(link);
    }
    rig.finish();
}
