//! Handshakes that succeed, and handshakes that lose their connection at every step.

use super::*;
use crate::proto::transmit::disconnect_message;

fn names(messages: &[Message]) -> Vec<&'static str> {
    messages.iter().map(Message::name).collect()
}

#[test]
fn both_roles_connect_in_lock_step() {
    let config = InterfaceConfig::master(3).name(Name::lossy(b"eth-master"));
    let mut pair = Pair::new(&config, &InterfaceConfig::slave(3).name(Name::lossy(b"eth-slave")));
    pair.drive();
    assert_eq!(
        names(&pair.delivered),
        ["HELLO", "INIT", "ACK", "ADD_REGION", "ACK", "ADD_RING", "ACK", "ADD_RING", "ACK", "CONNECT", "CONNECTED"]
    );
    let setup = pair.setup.as_ref().unwrap();
    assert_eq!((setup.regions.len(), setup.s2m.len(), setup.m2s.len()), (1, 1, 1));
    assert_eq!(setup.peer.app_name.as_bytes(), b"slave app");
    assert_eq!(setup.peer.interface_name.as_bytes(), b"eth-slave");
    let names = pair.slave_connected.unwrap();
    assert_eq!(names.app_name.as_bytes(), b"master app");
    assert_eq!(names.interface_name.as_bytes(), b"eth-master");
    assert_eq!(pair.master.stage(), Stage::Connected);
    assert_eq!(pair.slave.stage(), Stage::Connected);

    pair.pass(TIMEOUT * 10);
    assert_eq!(pair.master_closed, None);
    pair.slave.disconnect("enough");
    pair.drive();
    assert_eq!(pair.slave_closed, Some(Closed::Local("enough".into())));
    let Some(Closed::Peer(end)) = pair.master_closed.take() else { panic!("no reason") };
    assert_eq!(end.reason.as_bytes(), b"enough");
    assert_eq!(names_behind(&pair, "CONNECTED"), ["DISCONNECT"]);
    drop(pair.setup.take());
    assert_eq!(pair.open_fds(), 0);
}

fn names_behind(pair: &Pair, name: &str) -> Vec<&'static str> {
    let names = names(&pair.delivered);
    let at = names.iter().position(|other| *other == name).unwrap();
    names[at + 1..].to_vec()
}

#[test]
fn as_many_rings_and_regions_as_there_can_be() {
    let slave = InterfaceConfig::slave(0).rx_queues(255).tx_queues(255).ring_size(1);
    let master = InterfaceConfig::master(0).rx_queues(255).tx_queues(255);
    let master = master.limits(Limits::for_queues(255, 255));
    let mut pair = Pair::new(&master, &slave);
    pair.regions = vec![1 << 20; 256];
    pair.drive();
    let setup = pair.setup.as_ref().unwrap();
    assert_eq!((setup.regions.len(), setup.s2m.len(), setup.m2s.len()), (256, 255, 255));
    let requests = names(&pair.delivered).iter().filter(|name| **name != "ACK").count();
    assert_eq!(requests, MAX_MESSAGES as usize + 2);
}

#[test]
fn one_direction_is_enough_where_that_is_allowed() {
    for (rx, tx) in [(0, 1), (2, 0)] {
        let slave = InterfaceConfig::slave(0).rx_queues(rx).tx_queues(tx);
        let master = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).one_way(true);
        let mut pair = Pair::new(&master, &slave);
        pair.drive();
        let setup = pair.setup.as_ref().unwrap();
        assert_eq!((setup.s2m.len(), setup.m2s.len()), (usize::from(tx), usize::from(rx)));
    }
}

#[test]
fn loss_at_every_step_ends_both_sides_and_leaves_no_descriptor() {
    let total = {
        let mut pair = Pair::new(&InterfaceConfig::master(0), &InterfaceConfig::slave(0));
        pair.drive();
        pair.delivered.len()
    };
    for step in 0..total {
        let mut pair = Pair::new(&InterfaceConfig::master(0), &InterfaceConfig::slave(0));
        pair.cut_at = Some(step);
        pair.drive();
        assert!(matches!(pair.master_closed, Some(Closed::Hangup(_))), "step {step}");
        // INIT was acknowledged and nothing after it.
        let expected = matches!(step, 3 | 4).then_some(Closed::UnknownId);
        match (pair.slave_closed.take(), expected) {
            (Some(Closed::Hangup(_)), None) => {}
            (found, expected) => assert_eq!(found, expected, "step {step}"),
        }
        assert_eq!(pair.open_fds(), 0, "step {step}");
        assert_eq!(pair.delivered.len(), step);
    }
}

#[test]
fn a_side_that_disconnects_at_every_step_is_told_of_and_gets_no_answer() {
    for by_master in [false, true] {
        for steps in 0..12 {
            let mut pair = Pair::new(&InterfaceConfig::master(0), &InterfaceConfig::slave(0));
            for _ in 0..steps {
                pair.step();
            }
            let before_init = pair.slave.stage() == Stage::WaitHello;
            if by_master {
                pair.master.disconnect("going");
            } else {
                pair.slave.disconnect("going");
            }
            pair.drive();
            let (own, peer) = (pair.master_closed.take(), pair.slave_closed.take());
            let (own, peer) = if by_master { (own, peer) } else { (peer, own) };
            assert_eq!(own, Some(Closed::Local("going".into())), "step {steps}");
            if by_master || !before_init {
                assert!(matches!(peer, Some(Closed::Peer(end)) if end.reason.as_bytes() == b"going"));
                let ends = pair.delivered.iter().filter(|m| m.name() == "DISCONNECT").count();
                assert_eq!(ends, 1, "step {steps}");
            } else {
                // Before INIT a slave says farewell with an ACK, which every master survives.
                assert!(names(&pair.delivered).contains(&"ACK"), "step {steps}");
            }
            drop(pair.setup.take());
            assert_eq!(pair.open_fds(), 0, "step {steps}");
        }
    }
}

#[test]
fn every_master_announces_what_all_peers_do() {
    let mut master = Master::<FakeFd>::new(Instant::now(), master_app(), TIMEOUT);
    assert_eq!(sent(&mut master), [Message::Hello(hello())]);
}

#[test]
fn a_slave_takes_the_smaller_of_both_limits() {
    // What the master announces, what is wanted, what must come out. 65535 + 1 must not wrap.
    for (highest, wanted, expected) in
        [(0, 4, 1), (2, 4, 3), (255, 4, 4), (256, 255, 255), (u16::MAX, 255, 255), (u16::MAX, 0, 0)]
    {
        for (announced, log2) in [(14, 10), (4, 4), (0, 0), (255, 10)] {
            let config = InterfaceConfig::slave(0).tx_queues(wanted).rx_queues(1).ring_size(1024);
            let params = SlaveParams::new(&config, Name::EMPTY);
            let mut slave = Slave::<FakeFd>::new(Instant::now(), params, TIMEOUT);
            let hello =
                Hello { max_s2m_ring: highest, max_m2s_ring: highest, max_log2_ring_size: announced, ..hello() };
            slave.handle_message(&Message::Hello(hello).emit(), Vec::new());
            let Some(SlaveEvent::Allocate { s2m, m2s, log2_ring_size }) = slave.poll_event() else {
                panic!("nothing to allocate");
            };
            assert_eq!((s2m, m2s, log2_ring_size), (expected, 1, log2));
        }
    }
}

#[test]
fn a_slave_brings_other_queues_to_a_dpdk_where_it_is_told_to() {
    for (name, probe, expected) in [
        ("DPDK 22.11.11", Some(32), 32),
        ("DPDK 22.11.11", None, 2),
        ("DPDK 22.11.11", Some(0), 2),
        ("VPP 26.10", Some(32), 2),
        ("no DPDK", Some(32), 2),
        ("", Some(32), 2),
    ] {
        let config = InterfaceConfig::slave(0).rx_queues(2).probe_rx_queues(probe);
        let params = SlaveParams::new(&config, Name::EMPTY);
        let mut slave = Slave::<FakeFd>::new(Instant::now(), params, TIMEOUT);
        let hello = Hello { name: Name::lossy(name.as_bytes()), ..hello() };
        slave.handle_message(&Message::Hello(hello).emit(), Vec::new());
        let Some(SlaveEvent::Allocate { s2m: 1, m2s, .. }) = slave.poll_event() else {
            panic!("nothing to allocate");
        };
        assert_eq!(m2s, expected, "{name:?} {probe:?}");
    }
}

#[test]
fn the_ring_that_was_refused_is_known() {
    let open = Arc::default();
    let params = SlaveParams::new(&InterfaceConfig::slave(0).rx_queues(2), Name::EMPTY);
    let mut slave = Slave::new(Instant::now(), params, TIMEOUT);
    slave.handle_message(&Message::Hello(hello()).emit(), Vec::new());
    let (regions, rings) = memory(&open, &[1 << 20], 1, 2, 10);
    slave.provide(regions, rings);
    let ring = |slave: &Slave<FakeFd>| slave.unanswered_ring().map(|ring| (ring.direction, ring.index));
    // INIT, the region, S2M 0 and M2S 0.
    for expected in [None, Some((RingDirection::S2m, 0)), Some((RingDirection::M2s, 0))] {
        slave.handle_message(&Message::Ack.emit(), Vec::new());
        assert_eq!(ring(&slave), expected);
    }
    slave.handle_message(&Message::Ack.emit(), Vec::new());
    slave.handle_message(&disconnect_message("Invalid ring index").emit(), Vec::new());
    assert_eq!(slave.stage(), Stage::Closed);
    assert_eq!(ring(&slave), Some((RingDirection::M2s, 1)));
}

#[test]
fn an_ack_that_comes_before_the_memory_is_not_lost() {
    let open = Arc::default();
    let params = SlaveParams::new(&InterfaceConfig::slave(0), Name::EMPTY);
    let mut slave = Slave::new(Instant::now(), params, TIMEOUT);
    slave.handle_message(&Message::Hello(hello()).emit(), Vec::new());
    assert_eq!(names(&sent_by_slave(&mut slave)), ["INIT"]);
    slave.handle_message(&Message::Ack.emit(), Vec::new());
    assert_eq!(sent_by_slave(&mut slave), []);
    let (regions, rings) = memory(&open, &[1 << 20], 1, 1, 10);
    slave.provide(regions, rings);
    assert_eq!(names(&sent_by_slave(&mut slave)), ["ADD_REGION"]);
}

#[test]
fn regions_that_no_index_can_name_are_left_out() {
    let open = Arc::default();
    let params = SlaveParams::new(&InterfaceConfig::slave(0), Name::EMPTY);
    let mut slave = Slave::new(Instant::now(), params, TIMEOUT);
    slave.handle_message(&Message::Hello(hello()).emit(), Vec::new());
    let (regions, rings) = memory(&open, &[1 << 20; 70_000], 1, 1, 10);
    slave.provide(regions, rings);
    let mut announced = 0;
    while sent_by_slave(&mut slave).iter().all(|message| !matches!(message, Message::AddRing(_))) {
        announced += 1;
        slave.handle_message(&Message::Ack.emit(), Vec::new());
    }
    // INIT was sent first.
    assert_eq!(announced, 65_536 + 1);
}

#[test]
fn a_surplus_ack_during_set_up_does_not_disturb_a_master() {
    let config = InterfaceConfig::master(0);
    let mut master = master(Instant::now());
    master.handle_message(&Message::Init(init(&config)).emit(), Vec::new());
    master.admit(&MasterParams::from(&config)).unwrap();
    assert_eq!(names(&sent(&mut master)), ["ACK"]);
    master.handle_message(&Message::Ack.emit(), Vec::new());
    assert_eq!(sent(&mut master), []);
    assert_eq!(master.stage(), Stage::Setup);
}
