//! Our master against slaves that do what they should not.

use super::*;
use crate::config::Secret;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};

fn master(config: InterfaceConfig) -> (Socket, InterfaceKey, SocketAddress) {
    let address = fresh_address();
    let mut socket = open(&address);
    let key = socket.add_interface(config).unwrap();
    (socket, key, address)
}

/// A good slave connects and everything is as it should be.
#[track_caller]
fn assert_serves(socket: &mut Socket, key: InterfaceKey, address: &SocketAddress, id: u32) {
    let mut slave = open(address);
    let other = slave.add_interface(InterfaceConfig::slave(id)).unwrap();
    let deadline = Instant::now() + WATCHDOG;
    let (mut a, mut b) = (None, None);
    while (a.is_none() || b.is_none()) && Instant::now() < deadline {
        let wait = Some(Duration::from_millis(1));
        a = a.or(socket.poll(wait).unwrap().and_then(link));
        b = b.or(slave.poll(wait).unwrap().and_then(link));
    }
    assert!(a.is_some() && b.is_some(), "a good slave was not served");
    slave.remove_interface(other).unwrap();
    expect_down(socket, key);
    assert!(socket.driver.connections.is_empty() && socket.driver.half_open.is_empty());
    assert_eq!(socket.driver.waits.next_time(), None);
}

fn region() -> OwnedFd {
    let fd = memfd_create("test", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&fd, 1 << 16).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    fd
}

fn ring() -> Message {
    Message::AddRing(AddRing {
        direction: RingDirection::S2m,
        index: 0,
        region: 0,
        offset: 0,
        log2_ring_size: 4,
        private_hdr_size: 0,
    })
}

#[test]
fn every_refusal_is_told_and_the_next_slave_is_served() {
    let secret = Some(Secret::new("right").unwrap());
    let (mut socket, key, address) = master(InterfaceConfig::master(1));
    let locked = socket.add_interface(InterfaceConfig::master(2).secret(secret)).unwrap();
    let down = socket.add_interface(InterfaceConfig::master(3).admin_up(false)).unwrap();
    let with = |id, change: &dyn Fn(&mut Init)| match init(id) {
        Message::Init(mut init) => {
            change(&mut init);
            Message::Init(init)
        }
        other => other,
    };
    let word = |text: &[u8]| {
        let mut field = [0; 24];
        field[..text.len()].copy_from_slice(text);
        field
    };
    let cases: Vec<(Message, Refusal)> = vec![
        (init(99), Refusal::UnknownId(99)),
        (init(2), Refusal::SecretRequired),
        (with(2, &|init| init.secret = word(b"wrong")), Refusal::SecretWrong),
        (init(3), Refusal::AdminDown(3)),
        (with(1, &|init| init.version = 0x0201), Refusal::Version { min: 0x0201, max: 0x0201 }),
        (with(1, &|init| init.mode = 1), Refusal::Mode { theirs: 1, ours: crate::Mode::Ethernet }),
        (Message::Ack, Breach::UnexpectedMessage { message: "ACK", state: "waiting for INIT" }.into()),
        (hello(), Breach::UnexpectedMessage { message: "HELLO", state: "waiting for INIT" }.into()),
    ];
    for (message, breach) in cases {
        let raw = Raw::connect(&address);
        raw.expect(&mut socket, "HELLO");
        raw.send(message);
        raw.expect_refusal(&mut socket, &breach);
        let (told, peer) = expect(&mut socket, |event| match event {
            Event::Refused { reason, peer } => Some((reason, peer)),
            _ => None,
        });
        assert_eq!(told, breach);
        assert_eq!(peer.credentials.unwrap().uid, rustix::process::getuid().as_raw());
        assert_serves(&mut socket, key, &address, 1);
    }
    assert!(!socket.details(locked).unwrap().link_up);
    assert!(!socket.details(down).unwrap().link_up);
}

#[test]
fn the_id_is_not_taken_by_those_who_do_not_know_the_secret() {
    let secret = Secret::new("right").unwrap();
    let (mut socket, _, address) = master(InterfaceConfig::master(0).secret(Some(secret)));
    let squatter = Raw::connect(&address);
    squatter.expect(&mut socket, "HELLO");
    squatter.send(init(0));
    squatter.expect_refusal(&mut socket, &Refusal::SecretRequired);

    let mut field = [0; 24];
    field[..5].copy_from_slice(b"right");
    let Message::Init(good) = init(0) else { panic!("not INIT") };
    let good = Message::Init(Init { secret: field, ..good });
    let first = Raw::connect(&address);
    first.expect(&mut socket, "HELLO");
    first.send(good);
    first.expect(&mut socket, "ACK");
    let second = Raw::connect(&address);
    second.expect(&mut socket, "HELLO");
    second.send(good);
    second.expect_refusal(&mut socket, &Refusal::AlreadyConnected(0));
    // The first one dies. The third says INIT before that was noticed, and gets the id.
    let third = Raw::connect(&address);
    third.expect(&mut socket, "HELLO");
    drop(first);
    third.send(good);
    third.expect(&mut socket, "ACK");
}

#[test]
fn odd_messages_cost_one_connection() {
    let (mut socket, key, address) = master(InterfaceConfig::master(0));
    for len in [0, 1, 127, 129, 5000] {
        let raw = Raw::connect(&address);
        raw.expect(&mut socket, "HELLO");
        rustix::net::send(&raw.0, &vec![3; len], rustix::net::SendFlags::empty()).unwrap();
        raw.expect_refusal(&mut socket, &Breach::MessageLength(len));
    }
    let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    raw.send_fd(init(0), &event);
    let breach = Breach::DescriptorCount { message: "INIT", found: 1, expected: 0 };
    raw.expect_refusal(&mut socket, &breach);
    for _ in 0..20 {
        drop(Raw::connect(&address));
    }
    assert_serves(&mut socket, key, &address, 0);
}

#[test]
fn a_handshake_that_stalls_ends_and_frees_the_id() {
    let address = fresh_address();
    let timeout = Duration::from_millis(50);
    let mut socket = Socket::builder(address.clone()).handshake_timeout(timeout).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let silent = Raw::connect(&address);
    silent.expect(&mut socket, "HELLO");
    let stalled = Raw::connect(&address);
    stalled.expect(&mut socket, "HELLO");
    stalled.send(init(0));
    stalled.expect(&mut socket, "ACK");
    silent.expect_refusal(&mut socket, &Refusal::HandshakeTimeout(50));
    stalled.expect_refusal(&mut socket, &Refusal::HandshakeTimeout(50));
    assert_serves(&mut socket, key, &address, 0);
}

#[test]
fn a_pipelining_slave_is_answered_once_per_request_and_its_memory_is_checked() {
    let (mut socket, key, address) = master(InterfaceConfig::master(0).one_way(true));
    let raw = Raw::connect(&address);
    raw.send(init(0));
    raw.send_fd(Message::AddRegion(AddRegion { index: 0, size: 1 << 16 }), &region());
    raw.send_fd(ring(), &eventfd(0, EventfdFlags::NONBLOCK).unwrap());
    raw.send(Message::Connect(Name::lossy(b"raw0")));
    for name in ["HELLO", "ACK", "ACK", "ACK"] {
        raw.expect(&mut socket, name);
    }
    // The memory holds no cookie.
    raw.expect_refusal(&mut socket, &Breach::Cookie { direction: "S2M", index: 0, found: 0 });
    assert_serves(&mut socket, key, &address, 0);
}

#[test]
fn after_connected_only_disconnect_is_legal() {
    for message in [init(0), Message::Ack, Message::Connect(Name::EMPTY), hello()] {
        let (mut socket, key, address) = master(InterfaceConfig::master(0).one_way(true));
        let raw = Raw::connect(&address);
        connect_raw(&raw, &mut socket);
        let link = expect_link(&mut socket, key);
        assert_eq!(link.peer.interface_name, Name::lossy(b"raw0"));
        assert_eq!(link.peer.app_name, Name::lossy(b"raw slave"));
        raw.send(message);
        let breach = Breach::UnexpectedMessage { message: message.name(), state: "connected" };
        raw.expect_refusal(&mut socket, &breach);
        assert_eq!(expect_down(&mut socket, key), DisconnectReason::Breach(breach));
        assert_serves(&mut socket, key, &address, 0);
    }
}

/// A whole handshake by hand.
fn connect_raw(raw: &Raw, socket: &mut Socket) {
    let memory = region();
    let cookie = crate::wire::ring::COOKIE.to_ne_bytes();
    assert_eq!(rustix::io::pwrite(&memory, &cookie, 0).unwrap(), cookie.len());
    raw.expect(socket, "HELLO");
    raw.send(init(0));
    raw.expect(socket, "ACK");
    raw.send_fd(Message::AddRegion(AddRegion { index: 0, size: 1 << 16 }), &memory);
    raw.expect(socket, "ACK");
    raw.send_fd(ring(), &eventfd(0, EventfdFlags::NONBLOCK).unwrap());
    raw.expect(socket, "ACK");
    raw.send(Message::Connect(Name::lossy(b"raw0")));
    raw.expect(socket, "CONNECTED");
}

#[test]
fn a_goodbye_or_a_plain_end_takes_the_link_down_without_an_answer() {
    let (mut socket, key, address) = master(InterfaceConfig::master(0).one_way(true));
    let raw = Raw::connect(&address);
    connect_raw(&raw, &mut socket);
    raw.send(farewell("had enough"));
    expect_link(&mut socket, key).keep_up();
    let expected = DisconnectReason::Peer { code: 0, reason: "had enough".to_owned() };
    assert_eq!(expect_down(&mut socket, key), expected);
    assert!(raw.next(&mut socket).is_none());

    let raw = Raw::connect(&address);
    connect_raw(&raw, &mut socket);
    expect_link(&mut socket, key).keep_up();
    drop(raw);
    assert_eq!(expect_down(&mut socket, key), DisconnectReason::Hangup);
    assert_serves(&mut socket, key, &address, 0);
}

#[test]
fn a_peer_that_reads_nothing_does_not_hold_the_driver() {
    let (mut socket, key, address) = master(InterfaceConfig::master(0));
    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    // As little room for answers as the kernel allows.
    for connection in socket.driver.connections.values() {
        rustix::net::sockopt::set_socket_send_buffer_size(connection, 0).unwrap();
    }
    raw.send(init(0));
    for index in 0..200 {
        socket.driver.turn(Some(Duration::ZERO)).unwrap();
        if socket.driver.connections.is_empty() {
            break;
        }
        raw.send_fd(Message::AddRegion(AddRegion { index, size: 1 << 16 }), &region());
    }
    expect(&mut socket, |event| match event {
        Event::Refused { reason, .. } => (reason == Breach::SlowReader).then_some(()),
        _ => None,
    });
    drop(raw);
    assert_serves(&mut socket, key, &address, 0);
}

#[test]
fn an_unknown_id_can_become_a_question() {
    let address = fresh_address();
    let mut socket = Socket::builder(address.clone()).accept_unknown(true).open().unwrap();
    let ask = |socket: &mut Socket| {
        expect(socket, |event| match event {
            Event::Requested(request) => Some(request),
            _ => None,
        })
    };
    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    raw.send(init(8));
    let request = ask(&mut socket);
    assert_eq!((request.id(), request.mode()), (8, crate::Mode::Ethernet));
    assert_eq!(request.peer().app_name, Name::lossy(b"raw slave"));
    assert!(!is_readable(&socket));
    socket.refuse(request, "no port for you").unwrap();
    let Message::Disconnect(end) = raw.expect(&mut socket, "DISCONNECT") else { panic!() };
    assert_eq!(end.reason.to_string(), "no port for you");

    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    raw.send(init(9));
    let gone = ask(&mut socket);
    drop(raw);
    while !socket.driver.connections.is_empty() {
        socket.poll(Some(Duration::from_millis(1))).unwrap();
    }
    // What nobody took is taken back.
    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    raw.send(init(9));
    while !socket.driver.events.iter().any(|event| matches!(event, Event::Requested(_))) {
        socket.driver.turn(Some(Duration::from_millis(1))).unwrap();
    }
    drop(raw);
    while !socket.driver.connections.is_empty() {
        socket.driver.turn(Some(Duration::from_millis(1))).unwrap();
    }
    // The question was taken back.
    assert!(matches!(socket.driver.events.iter().collect::<Vec<_>>()[..], [Event::Left { interface: None, .. }]));
    let answer = socket.accept(gone, InterfaceConfig::master(0));
    assert!(matches!(answer, Err(SocketError::RequestGone)));

    let mut slave = open(&address);
    let slave_key = slave.add_interface(InterfaceConfig::slave(7)).unwrap();
    let request = loop {
        slave.poll(Some(Duration::from_millis(1))).unwrap();
        if let Some(Event::Requested(request)) = socket.poll(Some(Duration::ZERO)).unwrap() {
            break request;
        }
    };
    assert_eq!(request.id(), 7);
    let master_key = socket.accept(request, InterfaceConfig::master(0)).unwrap();
    assert_eq!(socket.details(master_key).unwrap().id, 7);
    let mut both = Both { master: socket, slave, master_key, slave_key };
    both.up();
}

#[test]
fn slaves_that_leave_before_they_have_a_link_are_told_of() {
    let address = fresh_address();
    let mut socket = open(&address);
    let key = socket.add_interface(InterfaceConfig::master(5)).unwrap();
    let left = |socket: &mut Socket| {
        expect(socket, |event| match event {
            Event::Left { interface, reason, peer } => Some((interface, reason, peer)),
            _ => None,
        })
    };
    // As those do that do not like what HELLO says.
    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    drop(raw);
    let (interface, reason, peer) = left(&mut socket);
    assert_eq!((interface, reason), (None, DisconnectReason::Hangup));
    assert_eq!(peer.credentials.map(|who| who.pid), Some(std::process::id()));

    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    raw.send(init(5));
    raw.expect(&mut socket, "ACK");
    raw.send(farewell("no memory"));
    let (interface, reason, peer) = left(&mut socket);
    let words = "no memory".to_owned();
    assert_eq!(interface, Some(key));
    assert_eq!(reason, DisconnectReason::Peer { code: 0, reason: words });
    assert_eq!(peer.app_name, Name::lossy(b"raw slave"));

    // Whom this side sends away it knows.
    let raw = Raw::connect(&address);
    raw.expect(&mut socket, "HELLO");
    raw.send(init(5));
    raw.expect(&mut socket, "ACK");
    socket.disconnect(key, "not now").unwrap();
    raw.expect(&mut socket, "DISCONNECT");
    assert!(socket.poll(Some(Duration::ZERO)).unwrap().is_none());
}
