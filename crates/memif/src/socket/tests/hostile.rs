//! Peers that try to hold the driver's thread, its descriptors or its places.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use super::*;

/// A TCP socket whose last close waits for seconds, and its other end.
fn lingering() -> (OwnedFd, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (other, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.write(&[0; 1 << 16]).is_ok() {}
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::from_secs(5))).unwrap();
    (stream.into(), other)
}

/// Polls until the connection is gone, and gives the time of the longest turn.
fn longest_turn(socket: &mut Socket) -> Duration {
    let (start, mut longest) = (Instant::now(), Duration::ZERO);
    while start.elapsed() < Duration::from_millis(300) {
        let turn = Instant::now();
        socket.poll(Some(Duration::from_millis(10))).unwrap();
        longest = longest.max(turn.elapsed());
    }
    longest
}

const TOO_LONG: Duration = Duration::from_secs(2);

#[test]
fn closing_a_descriptor_of_a_slave_does_not_hold_the_driver() {
    let address = fresh_address();
    let mut socket = open(&address);
    socket.add_interface(InterfaceConfig::master(1)).unwrap();
    let mut others = Vec::new();
    for unread in [0, 1, 20] {
        let raw = Raw::connect(&address);
        for _ in 0..=unread {
            let (fd, other) = lingering();
            raw.send_fd(init(1), &fd);
            others.push(other);
        }
        let longest = longest_turn(&mut socket);
        assert!(longest < TOO_LONG, "{longest:?} with {unread} unread");
        let breach = Breach::DescriptorCount { message: "INIT", found: 1, expected: 0 };
        raw.expect(&mut socket, "HELLO");
        raw.expect_refusal(&mut socket, &breach);
    }
    let (memory, other) = lingering();
    let raw = Raw::connect(&address);
    raw.send(init(1));
    raw.send_fd(Message::AddRegion(AddRegion { index: 0, size: 1 << 16 }), &memory);
    drop(memory);
    assert!(longest_turn(&mut socket) < TOO_LONG);
    drop((others, other));
}

#[test]
fn a_connection_that_was_never_accepted_does_not_hold_the_driver() {
    let address = fresh_address();
    let mut socket = open(&address);
    let key = socket.add_interface(InterfaceConfig::master(1)).unwrap();
    let (fd, _other) = lingering();
    let raw = Raw::connect(&address);
    raw.send_fd(init(1), &fd);
    drop(fd);
    let start = Instant::now();
    socket.remove_interface(key).unwrap();
    assert!(start.elapsed() < TOO_LONG, "{:?}", start.elapsed());
    // The address is free at once.
    socket.add_interface(InterfaceConfig::master(1)).unwrap();
}

#[test]
fn closing_a_descriptor_of_a_master_does_not_hold_the_driver() {
    let address = fresh_address();
    let listener = sys::bind(&address, sys::FileAccess::default()).unwrap().0;
    sys::listen(&listener, 4).unwrap();
    let mut socket = open(&address);
    socket.add_interface(InterfaceConfig::slave(1)).unwrap();
    for before in [None, Some(hello())] {
        let peer = loop {
            socket.poll(Some(Duration::from_millis(10))).unwrap();
            if let Ok(fd) = sys::accept(&listener) {
                break Raw(fd);
            }
        };
        if let Some(before) = before {
            peer.send(before);
            peer.expect(&mut socket, "INIT");
        }
        let (fd, _other) = lingering();
        peer.send_fd(Message::Ack, &fd);
        drop(fd);
        assert!(longest_turn(&mut socket) < TOO_LONG);
    }
}

#[test]
fn a_crowd_of_idlers_does_not_keep_a_good_slave_waiting() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let address = fresh_address();
    let mut socket = open(&address);
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let idle: Vec<_> = (0..3000).map(|_| Raw::connect(&address)).collect();
    let mut slave = open(&address);
    slave.add_interface(InterfaceConfig::slave(0)).unwrap();
    let start = Instant::now();
    loop {
        slave.poll(Some(Duration::ZERO)).unwrap();
        if let Some(Event::Connected { interface, .. }) = socket.poll(Some(Duration::from_millis(1))).unwrap() {
            assert_eq!(interface, key);
            break;
        }
        // 3000 in groups of 64 every quarter of a second would be twelve seconds.
        assert!(start.elapsed() < Duration::from_secs(10), "{} left", idle.len());
    }
}

#[test]
fn a_crowd_of_good_slaves_is_served_whole() {
    let address = fresh_address();
    let mut socket = open(&address);
    for id in 0..300 {
        socket.add_interface(InterfaceConfig::master(id)).unwrap();
    }
    // All are there before the first one is accepted, and each says INIT some time after HELLO.
    let mut crowd: Vec<_> = (0..300).map(|id| (id, Raw::connect(&address), None)).collect();
    let deadline = Instant::now() + WATCHDOG;
    let mut admitted = 0;
    while admitted < 300 && Instant::now() < deadline {
        for (id, raw, since) in &mut crowd {
            let mut bytes = [0; MESSAGE_SIZE];
            match sys::receive(&raw.0, &mut bytes) {
                Received::Message { .. } => match Message::parse(&bytes).unwrap() {
                    Message::Hello(_) => *since = Some(Instant::now()),
                    Message::Ack => admitted += 1,
                    other => panic!("{id}: {other:?}"),
                },
                Received::Empty => {}
                other => panic!("{id}: {other:?}"),
            }
            if since.is_some_and(|since| since.elapsed() > Duration::from_millis(20)) {
                raw.send(init(*id));
                *since = None;
            }
        }
        assert!(socket.poll(Some(Duration::from_millis(1))).unwrap().is_none());
    }
    assert_eq!(admitted, 300);
}

#[test]
fn unfinished_handshakes_share_a_number_of_descriptors() {
    let address = fresh_address();
    // No handshake may time out before the last has begun, however slow the machine.
    let mut socket = Socket::builder(address.clone()).handshake_timeout(WATCHDOG).open().unwrap();
    // However many this process may have.
    assert!(socket.driver.held.limit() >= 512);
    socket.driver.held = HeldDescriptors::with_limit(512);
    for id in 0..3 {
        socket.add_interface(InterfaceConfig::master(id)).unwrap();
    }
    let region = || {
        let fd = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        rustix::fs::ftruncate(&fd, 4096).unwrap();
        fd
    };
    let hold = |socket: &mut Socket, id, count| {
        let raw = Raw::connect(&address);
        raw.expect(socket, "HELLO");
        raw.send(init(id));
        raw.expect(socket, "ACK");
        for index in 0..count {
            raw.send_fd(Message::AddRegion(AddRegion { index, size: 4096 }), &region());
            raw.expect(socket, "ACK");
        }
        raw
    };
    let first = hold(&mut socket, 0, 250);
    let second = hold(&mut socket, 1, 255);
    assert_eq!(socket.driver.held.total(), 505);
    let third = hold(&mut socket, 2, 8);
    second.expect_refusal(&mut socket, &Refusal::TooManyDescriptors(512));
    assert_eq!(socket.driver.held.total(), 258);
    drop((first, third));
    while !socket.driver.connections.is_empty() {
        socket.poll(Some(Duration::from_millis(1))).unwrap();
    }
    assert_eq!(socket.driver.held.total(), 0);
}

/// However many queues are served, one handshake holds no more than its limits, and several no more than all may.
#[test]
fn handshakes_of_many_rings_stay_within_the_bounds() {
    let address = fresh_address();
    let mut socket = Socket::builder(address.clone()).handshake_timeout(WATCHDOG).open().unwrap();
    socket.driver.held = HeldDescriptors::with_limit(512);
    for id in 0..2 {
        let config = InterfaceConfig::master(id).rx_queues(255).tx_queues(255);
        socket.add_interface(config).unwrap();
    }
    let memory = rustix::fs::memfd_create("x", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&memory, 4096).unwrap();
    let interrupt = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let add_region = |index| Message::AddRegion(AddRegion { index, size: 4096 });
    let add_ring = |direction, index| {
        let (region, offset) = (0, 0);
        Message::AddRing(AddRing { direction, index, region, offset, log2_ring_size: 0, private_hdr_size: 0 })
    };
    // So many regions, and so many rings each way.
    let hold = |socket: &mut Socket, id, regions, rings| {
        let raw = Raw::connect(&address);
        raw.expect(socket, "HELLO");
        raw.send(init(id));
        raw.expect(socket, "ACK");
        let rings = (0..rings).flat_map(|n| [add_ring(RingDirection::S2m, n), add_ring(RingDirection::M2s, n)]);
        let regions = (0..regions).map(|n| (add_region(n), &memory));
        for (message, fd) in regions.chain(rings.map(|ring| (ring, &interrupt))) {
            raw.send_fd(message, fd);
            raw.expect(socket, "ACK");
        }
        raw
    };
    let first = hold(&mut socket, 0, 2, 255);
    assert_eq!(socket.driver.held.total(), 512);
    let second = hold(&mut socket, 1, 0, 0);
    second.send_fd(add_region(0), &memory);
    first.expect_refusal(&mut socket, &Refusal::TooManyDescriptors(512));
    assert_eq!(socket.driver.held.total(), 1);
    drop(second);
    while !socket.driver.connections.is_empty() {
        socket.poll(Some(Duration::from_millis(1))).unwrap();
    }
    // Alone it may hold what its interface allows, and not one more.
    let alone = hold(&mut socket, 0, 256, 128);
    assert_eq!(socket.driver.held.total(), 512);
    alone.send_fd(add_ring(RingDirection::M2s, 128), &interrupt);
    alone.expect_refusal(&mut socket, &Breach::LinkDescriptors(512));
    assert_eq!(socket.driver.held.total(), 0);
}

#[test]
fn a_slave_tells_nothing_to_a_master_that_is_not_allowed() {
    let me = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let address = fresh_address();
    let listener = sys::bind(&address, sys::FileAccess::default()).unwrap().0;
    sys::listen(&listener, 4).unwrap();
    let mut socket = Socket::builder(address).allow_uid(me.0 + 1).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    let expected = ConnectError::GaveUp(Refusal::NotAllowed { uid: me.0, gid: me.1 });
    assert_eq!(expect_failure(&mut socket, key), expected);
    let raw = Raw(sys::accept(&listener).unwrap());
    raw.expect(&mut socket, "ACK");
    assert!(raw.next(&mut socket).is_none());
}
