//! Messages in states where they do not belong, floods, and bytes at random.

use proptest::prelude::*;

use super::*;

fn all_messages() -> Vec<Message> {
    vec![
        Message::Ack,
        Message::Hello(hello()),
        Message::Init(init(&InterfaceConfig::master(0))),
        Message::AddRegion(AddRegion { index: 0, size: 1 << 20 }),
        Message::AddRing(add_ring(RingDirection::S2m, 0, 0, 0, 4)),
        Message::Connect(Name::EMPTY),
        Message::Connected(Name::EMPTY),
    ]
}

fn fds(message: &Message, open: &Arc<AtomicUsize>) -> Vec<FakeFd> {
    (0..message.descriptors()).map(|_| FakeFd::new(open)).collect()
}

/// A master in that stage.
fn master_in(stage: Stage, open: &Arc<AtomicUsize>) -> Master<FakeFd> {
    let config = InterfaceConfig::master(0).one_way(true);
    let mut master = master(Instant::now());
    let steps = [
        Message::Init(init(&config)),
        Message::AddRegion(AddRegion { index: 0, size: 1 << 20 }),
        Message::AddRing(add_ring(RingDirection::S2m, 0, 0, 0, 4)),
        Message::Connect(Name::EMPTY),
    ];
    for message in steps {
        if master.stage() == stage && !(stage == Stage::Setup && message.name() != "CONNECT") {
            break;
        }
        master.handle_message(&message.emit(), fds(&message, open));
        if stage == Stage::Admission {
            break;
        }
        master.admit(&MasterParams::from(&config)).unwrap();
    }
    if stage == Stage::Connected {
        master.connected();
    }
    assert_eq!(master.stage(), stage);
    while master.poll_event().is_some() || master.poll_transmit().is_some() {}
    master
}

#[test]
fn a_master_accepts_in_each_stage_only_what_belongs_there() {
    let stages = [Stage::WaitInit, Stage::Admission, Stage::Setup, Stage::Mapping, Stage::Connected];
    for stage in stages {
        for message in all_messages() {
            let legal: &[&str] = match stage {
                Stage::WaitInit => &["INIT"],
                Stage::Setup => &["ADD_REGION", "ADD_RING", "CONNECT", "ACK"],
                _ => &[],
            };
            if legal.contains(&message.name()) {
                continue;
            }
            let open = Arc::default();
            let mut master = master_in(stage, &open);
            master.handle_message(&message.emit(), fds(&message, &open));
            let breach = Breach::UnexpectedMessage { message: message.name(), state: stage.as_str() };
            assert_eq!(closed(&mut master), Some(Closed::Refused(breach.clone().into())), "{stage}");
            assert_eq!(text(&sent(&mut master)[0]), breach.to_string());
            assert_eq!(open.load(Ordering::Relaxed), 0);
        }
    }
}

/// A slave in that stage.
fn slave_in(stage: Stage, open: &Arc<AtomicUsize>) -> Slave<FakeFd> {
    let params = SlaveParams::new(&InterfaceConfig::slave(0), Name::EMPTY);
    let mut slave = Slave::new(Instant::now(), params, TIMEOUT);
    let (regions, rings) = memory(open, &[1 << 20], 1, 1, 4);
    let (mut regions, mut rings) = (Some(regions), Some(rings));
    for _ in 0..8 {
        if slave.stage() == stage {
            break;
        }
        let next = match slave.stage() {
            Stage::WaitHello => Message::Hello(hello()),
            Stage::WaitConnected => Message::Connected(Name::EMPTY),
            _ => Message::Ack,
        };
        slave.handle_message(&next.emit(), Vec::new());
        if let (Some(regions), Some(rings)) = (regions.take(), rings.take()) {
            slave.provide(regions, rings);
        }
    }
    assert_eq!(slave.stage(), stage);
    while slave.poll_event().is_some() || slave.poll_transmit().is_some() {}
    slave
}

#[test]
fn a_slave_accepts_in_each_stage_only_what_is_due() {
    let stages = [
        (Stage::WaitHello, "HELLO"),
        (Stage::WaitInitAck, "ACK"),
        (Stage::WaitAck, "ACK"),
        (Stage::WaitConnected, "CONNECTED"),
        (Stage::Connected, ""),
    ];
    for (stage, legal) in stages {
        for message in all_messages() {
            if message.name() == legal {
                continue;
            }
            let open = Arc::default();
            let mut slave = slave_in(stage, &open);
            slave.handle_message(&message.emit(), fds(&message, &open));
            let reason = slave_closed(&mut slave);
            assert!(matches!(reason, Some(Closed::Refused(_))), "{} {stage}", message.name());
            let farewell = sent_by_slave(&mut slave);
            let expected = if stage == Stage::WaitHello { "ACK" } else { "DISCONNECT" };
            assert_eq!(farewell.iter().map(Message::name).collect::<Vec<_>>(), [expected]);
            assert_eq!(open.load(Ordering::Relaxed), 0);
        }
    }
}

#[test]
fn descriptors_for_a_slave_are_closed() {
    for stage in [Stage::WaitHello, Stage::WaitInitAck, Stage::WaitAck, Stage::WaitConnected] {
        let message = match stage {
            Stage::WaitHello => Message::Hello(hello()),
            Stage::WaitConnected => Message::Connected(Name::EMPTY),
            _ => Message::Ack,
        };
        let open = Arc::default();
        let mut slave = slave_in(stage, &open);
        slave.handle_message(&message.emit(), vec![FakeFd::new(&open), FakeFd::new(&open)]);
        let breach = Breach::DescriptorCount { message: message.name(), found: 2, expected: 0 };
        assert_eq!(slave_closed(&mut slave), Some(Closed::Refused(breach.into())));
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_disconnect_is_never_answered_in_any_stage() {
    let end = Message::Disconnect(Disconnect { code: 5, reason: Text::lossy(b"bye") }).emit();
    for stage in [Stage::WaitInit, Stage::Admission, Stage::Setup, Stage::Mapping, Stage::Connected] {
        let open = Arc::default();
        let mut master = master_in(stage, &open);
        master.handle_message(&end, vec![FakeFd::new(&open)]);
        assert!(matches!(closed(&mut master), Some(Closed::Peer(end)) if end.code == 5));
        assert_eq!(sent(&mut master), []);
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
    for stage in [Stage::WaitHello, Stage::WaitInitAck, Stage::WaitAck, Stage::Connected] {
        let open = Arc::default();
        let mut slave = slave_in(stage, &open);
        slave.handle_message(&end, Vec::new());
        assert!(matches!(slave_closed(&mut slave), Some(Closed::Peer(end)) if end.code == 5));
        assert_eq!(sent_by_slave(&mut slave), []);
        assert_eq!(open.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn a_flood_of_harmless_messages_ends() {
    let open = Arc::default();
    let mut master = master_in(Stage::Setup, &open);
    for _ in 0..MAX_MESSAGES {
        master.handle_message(&Message::Ack.emit(), Vec::new());
    }
    assert_eq!(closed(&mut master), Some(Closed::Refused(Refusal::Breach(Breach::MessageFlood(MAX_MESSAGES)))));
    assert_eq!(open.load(Ordering::Relaxed), 0);
}

/// A type, the fields behind it (mostly small numbers), and a number of descriptors.
fn operation() -> impl Strategy<Value = (Vec<u8>, usize)> {
    let byte = prop_oneof![3 => Just(0u8), 1 => 0u8..4, 1 => any::<u8>()];
    (0u16..10, proptest::collection::vec(byte, 14), 0usize..3).prop_map(|(kind, fields, fds)| {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend(fields);
        bytes.resize(MESSAGE_SIZE, 0);
        (bytes, fds)
    })
}

proptest! {
    #[test]
    fn no_sequence_of_messages_confuses_a_master(
        operations in proptest::collection::vec(operation(), 1..40),
        skip in 0usize..3,
    ) {
        let open: Arc<AtomicUsize> = Arc::default();
        let stage = [Stage::WaitInit, Stage::Setup, Stage::Connected][skip];
        let mut master = master_in(stage, &open);
        let params = MasterParams::from(&InterfaceConfig::master(0).one_way(true));
        let mut ended = 0;
        for (bytes, count) in operations {
            let fds = (0..count).map(|_| FakeFd::new(&open)).collect();
            master.handle_message(&bytes, fds);
            while let Some(event) = master.poll_event() {
                match event {
                    MasterEvent::Init(_) => drop(master.admit(&params)),
                    MasterEvent::Connect(_) => master.connected(),
                    MasterEvent::Closed(_) => ended += 1,
                }
            }
            // One answer per request at most, and one farewell.
            prop_assert!(sent(&mut master).len() <= 1);
        }
        prop_assert!(ended <= 1);
        prop_assert_eq!(ended == 1, master.stage() == Stage::Closed);
        drop(master);
        prop_assert_eq!(open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn no_sequence_of_messages_confuses_a_slave(
        operations in proptest::collection::vec(operation(), 1..20),
        skip in 0usize..4,
    ) {
        let open: Arc<AtomicUsize> = Arc::default();
        let stages = [Stage::WaitHello, Stage::WaitAck, Stage::WaitConnected, Stage::Connected];
        let mut slave = slave_in(stages[skip], &open);
        let mut ended = 0;
        for (bytes, count) in operations {
            let fds = (0..count).map(|_| FakeFd::new(&open)).collect();
            slave.handle_message(&bytes, fds);
            while let Some(event) = slave.poll_event() {
                match event {
                    SlaveEvent::Allocate { s2m, m2s, log2_ring_size } => {
                        let (regions, rings) = memory(&open, &[4096], s2m, m2s, log2_ring_size);
                        slave.provide(regions, rings);
                    }
                    SlaveEvent::Closed(_) => ended += 1,
                    SlaveEvent::Connected(_) => {}
                }
            }
            prop_assert!(sent_by_slave(&mut slave).len() <= 1);
        }
        prop_assert!(ended <= 1);
        drop(slave);
        prop_assert_eq!(open.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn bytes_at_random_end_a_connection(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let open: Arc<AtomicUsize> = Arc::default();
        let mut master = master_in(Stage::Connected, &open);
        master.handle_message(&bytes, vec![FakeFd::new(&open)]);
        prop_assert_eq!(master.stage(), Stage::Closed);
        let mut slave = slave_in(Stage::Connected, &open);
        slave.handle_message(&bytes, vec![FakeFd::new(&open)]);
        prop_assert_eq!(slave.stage(), Stage::Closed);
    }
}
