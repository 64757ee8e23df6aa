//! The library as slave, opposite a master like VPP's.

use memif::{ConnectError, DisconnectReason, InterfaceConfig, Memory, Mode, Refusal, RxMode};
use testkit::vpp::answer_disconnect;
use testkit::wiremsg::{Hello, Message};
use testkit::{Dialect, MasterPlan, Reply};

use crate::common::{Rig, SlaveRig, cross};
use crate::flow::both_ways;
use crate::load::Style;

/// What a VPP master says.
pub(crate) fn plan(interrupt: bool) -> MasterPlan {
    let dialect = if interrupt { Dialect::VPP_INTERRUPT } else { Dialect::VPP };
    let mut plan = MasterPlan::of(dialect);
    plan.hello.name = b"VPP 26.10-rc0~374-gb575ec2c56d".to_vec();
    plan.if_name = b"memif2/0".to_vec();
    plan.most_rings = 257;
    plan
}

fn rig(config: InterfaceConfig) -> SlaveRig {
    SlaveRig::with_socket(config, plan(false), |builder| builder)
}

/// All layouts of ours, all receive modes, traffic past the wrap of the cursors.
pub(crate) fn layouts_and_receive_modes() {
    for (memory, rx_mode, packets) in [
        (Memory::OneRegion, RxMode::Adaptive, 50_000),
        (Memory::RingsApart, RxMode::Interrupt, 5000),
        (Memory::OneRegion, RxMode::Polling, 5000),
    ] {
        let mut rig = rig(InterfaceConfig::slave(0).ring_size(64).memory(memory).rx_mode(rx_mode));
        let (mut link, mut peer) = rig.link();
        assert_eq!(link.peer.app_name.to_string(), "VPP 26.10-rc0~374-gb575ec2c56d");
        cross(&mut link, &mut peer);
        both_ways(&mut link, &mut peer, packets, &[64, 1500, 3000], Style::Wait);
        assert_eq!(peer.rx[0].bad, 0, "descriptors that VPP drops");
        // It polls, so it is never signalled.
        assert_eq!(link.tx[0].counters().signals, 0);
        drop(peer);
        assert_eq!(rig.driver.disconnected(rig.key), DisconnectReason::Hangup);
        rig.down();
        drop(link);
        rig.finish();
    }
}

/// V3: never a message before the answer to the last one, however many there are. V5: limits of 256 mean 257 rings, of
/// which we have 255.
pub(crate) fn v03_lock_step_and_v05_limits_of_256() {
    let config = InterfaceConfig::slave(0).rx_queues(255).tx_queues(255).ring_size(8);
    let mut rig = rig(config);
    let (mut link, mut peer) = rig.link();
    assert_eq!((link.rx.len(), link.tx.len(), peer.rx.len(), peer.tx.len()), (255, 255, 255, 255));
    let kinds: Vec<u16> = peer.said.iter().map(Message::kind).collect();
    let mut expected = vec![3, 4];
    expected.extend([5; 510]);
    expected.push(6);
    assert_eq!(kinds, expected);
    cross(&mut link, &mut peer);
    drop(peer);
    rig.driver.disconnected(rig.key);
    rig.down();
    drop(link);
    rig.finish();
}

/// Fewer rings than configured, and smaller ones, when HELLO says so.
pub(crate) fn limits_of_hello() {
    let config = InterfaceConfig::slave(0).rx_queues(4).tx_queues(3).ring_size(1024);
    let mut plan = plan(false);
    plan.hello.max_m2s_ring = 1;
    plan.hello.max_s2m_ring = 0;
    plan.hello.max_log2 = 5;
    let mut rig = SlaveRig::with_socket(config, plan, |builder| builder);
    let (mut link, mut peer) = rig.link();
    assert_eq!((link.rx.len(), link.tx.len(), link.rx[0].ring_size()), (2, 1, 32));
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

/// V4: silent closes at every point, reported as what they are.
pub(crate) fn v04_silent_closes() {
    let mut rig = rig(InterfaceConfig::slave(0).ring_size(64));
    let (ending, error) = rig.fails(|_| Reply::Close);
    assert_eq!((ending.said, ending.closed_here), (vec![], true));
    assert!(matches!(error, ConnectError::Closed(_)), "{error:?}");
    for kind in [3, 6] {
        let (_, error) = rig.fails(|point| if point.is_after(kind) { Reply::Close } else { Reply::Usual });
        assert!(matches!(error, ConnectError::Closed(_)), "{error:?}");
        assert!(error.to_string().starts_with("closed by the master during the handshake"), "{error}");
    }
    // After the first ACK nothing tells it from libmemif's way to say no.
    let (_, error) = rig.fails(|point| if point.is_after(4) { Reply::Close } else { Reply::Usual });
    assert_eq!(error, ConnectError::UnknownId);
    let (_, error) = rig.fails(|point| if point.is_after(5) { Reply::Close } else { Reply::Usual });
    assert!(matches!(error, ConnectError::Closed(_)), "{error:?}");
    rig.finish();
}

/// What VPP says when it refuses, with and without an errno.
pub(crate) fn refusals_in_its_words() {
    let mut rig = rig(InterfaceConfig::slave(0).ring_size(64));
    for (kind, code, words) in [
        (3, 0, "unmatched interface id"),
        (3, 0, "already connected"),
        (3, 0, "secret required"),
        (6, 22, "mmap: Invalid argument"),
    ] {
        let refusal = Message::Disconnect(code, words.as_bytes().to_vec());
        let (ending, error) = rig.fails(|point| match point {
            testkit::master::Point::Got(message) if message.kind() == kind => Reply::Say(refusal.clone()),
            _ => Reply::Usual,
        });
        assert_eq!(error, ConnectError::Refused(words.to_owned()));
        assert_eq!(ending.reason(), None, "a refusal was answered");
    }
    rig.finish();

    let mut plan = plan(false);
    plan.mode = 1;
    let config = InterfaceConfig::slave(0).ring_size(64).mode(Mode::Ip);
    let rig = SlaveRig::with_socket(config, plan, |builder| builder);
    rig.finish();
}

/// A version that is not ours: left in a way that every master survives.
pub(crate) fn other_versions() {
    let mut rig = rig(InterfaceConfig::slave(0).ring_size(64));
    for (min, max) in [(0x0201, 0x0300), (0x0100, 0x01ff), (0, 0)] {
        let hello = Hello { min_version: min, max_version: max, ..Hello::usual("VPP 99") };
        let breach = rig.breach(|_| Reply::Say(Message::Hello(hello.clone())));
        assert_eq!(breach, Refusal::Version { min, max });
    }
    rig.finish();
}

/// VPP answers DISCONNECT with DISCONNECT; nobody answers that, and nobody answers VPP's own.
pub(crate) fn disconnect_is_never_answered() {
    let mut rig = rig(InterfaceConfig::slave(0).ring_size(64));
    for _ in 0..3 {
        let (mut link, mut peer) = rig.link();
        cross(&mut link, &mut peer);
        let key = rig.key;
        rig.driver.set_admin_up(key, false);
        assert_eq!(answer_disconnect(&peer.socket), "interface is down");
        assert_eq!(rig.driver.disconnected(key), DisconnectReason::Local("interface is down".to_owned()));
        drop((link, peer));

        let (link, peer) = rig.link();
        peer.socket.send(&Message::disconnect("interface deleted"));
        let next = peer.socket.receive();
        assert!(next.is_over(), "DISCONNECT was answered with {next:?}");
        let expected = DisconnectReason::Peer { code: 0, reason: "interface deleted".to_owned() };
        assert_eq!(rig.driver.disconnected(key), expected);
        rig.down();
        drop(link);
    }
    rig.finish();
}
