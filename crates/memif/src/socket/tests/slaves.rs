//! Our slave against masters that do what they should not, and as VPP, DPDK and libmemif do.

use super::*;
use crate::socket::connection::Machine;
use crate::wire::ring::{COOKIE, CacheLine, header_size, ring_bytes};
use crate::wire::{AddRing, RingDirection};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// A slave and its master on a pair of connected sockets. The slave does not come back.
fn pair() -> (Socket, InterfaceKey, Raw) {
    pair_with(InterfaceConfig::slave(5))
}

fn pair_with(config: InterfaceConfig) -> (Socket, InterfaceKey, Raw) {
    let flags = SocketFlags::CLOEXEC;
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap();
    let mut socket = open(&fresh_address());
    let key = socket.add_connected(config, a).unwrap();
    (socket, key, Raw(b))
}

#[track_caller]
fn failed(socket: &mut Socket, key: InterfaceKey) -> ConnectError {
    let (error, retry_in) = expect(socket, |event| match event {
        Event::ConnectFailed { interface, error, retry_in } if interface == key => Some((error, retry_in)),
        _ => None,
    });
    assert_eq!(retry_in, None);
    assert!(socket.driver.connections.is_empty());
    assert_eq!(socket.driver.waits.next_time(), None);
    error
}

#[test]
fn a_whole_handshake_in_lock_step() {
    let (mut socket, key, raw) = pair();
    raw.send(hello());
    let Message::Init(init) = raw.expect(&mut socket, "INIT") else { panic!() };
    assert_eq!((init.version, init.id, init.mode, init.secret), (VERSION, 5, 0, [0; 24]));
    for (name, fds) in [("ADD_REGION", 1), ("ADD_RING", 1), ("ADD_RING", 1), ("CONNECT", 0)] {
        // Nothing comes before the answer.
        socket.poll(Some(Duration::ZERO)).unwrap();
        assert!(matches!(sys::receive(&raw.0, &mut [0; MESSAGE_SIZE]), Received::Empty));
        raw.send(Message::Ack);
        let (message, attached) = raw.next(&mut socket).unwrap();
        assert_eq!((message.name(), attached.len()), (name, fds));
    }
    raw.send(Message::Connected(Name::lossy(b"raw-master0")));
    let link = expect_link(&mut socket, key);
    assert_eq!(link.peer.app_name, Name::lossy(b"raw master"));
    assert_eq!(link.peer.interface_name, Name::lossy(b"raw-master0"));
    drop(raw);
    assert_eq!(expect_down(&mut socket, key), DisconnectReason::Hangup);
    assert_eq!(socket.driver.waits.next_time(), None);
}

/// Whether the ring lies there with its cookie and, to receive on, a buffer for every descriptor, each at a place of
/// its own.
fn is_written(memory: &OwnedFd, ring: &AddRing) -> bool {
    let line = CacheLine::default();
    let mut bytes = vec![0; usize::try_from(ring_bytes(line, ring.log2_ring_size)).unwrap()];
    let read = rustix::io::pread(memory, &mut bytes, u64::from(ring.offset)).unwrap();
    assert_eq!(read, bytes.len());
    let words: Vec<_> = bytes[header_size(line)..].chunks(16).collect();
    let places: std::collections::HashSet<_> = words.iter().map(|word| &word[8..]).collect();
    let named = words.iter().all(|word| word[4..8] != [0; 4]) && places.len() == 1 << ring.log2_ring_size;
    bytes[..4] == COOKIE.to_ne_bytes() && (named || ring.direction == RingDirection::S2m)
}

#[test]
fn rings_are_written_before_anybody_else_has_their_file() {
    let (mut socket, _, raw) = pair_with(InterfaceConfig::slave(5).tx_queues(3).rx_queues(4).ring_size(64));
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    // Until the answer nothing is announced, and whoever has the file can hold up every later write to it without end.
    let Machine::Slave { memory: Some(own), .. } = &socket.driver.connections.values().next().unwrap().machine else {
        panic!()
    };
    assert!(own.rings().iter().all(|(ring, _)| is_written(&own.regions()[0].0, ring)));
    // All at once, as no master does.
    (0..8).for_each(|_| raw.send(Message::Ack));
    let memory = raw.next(&mut socket).unwrap().1.pop().unwrap();
    for _ in 0..7 {
        let Message::AddRing(ring) = raw.expect(&mut socket, "ADD_RING") else { panic!() };
        assert!(is_written(&memory, &ring), "{ring:?}");
    }
}

#[test]
fn hello_stays_in_the_socket_until_init_is_out() {
    let (mut socket, _, raw) = pair();
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    // Consumed by now, or an ACK could not be read.
    raw.send(Message::Ack);
    raw.expect(&mut socket, "ADD_REGION");
}

#[test]
fn what_a_master_does_wrong_is_told_and_named() {
    let wrong_version = match hello() {
        Message::Hello(hello) => Message::Hello(Hello { min_version: 0x0300, max_version: 0x0300, ..hello }),
        other => other,
    };
    // Before INIT the farewell is an ACK, which every master survives.
    let cases: [(&[Message], Refusal, &str); 5] = [
        (&[wrong_version], Refusal::Version { min: 0x0300, max: 0x0300 }, "ACK"),
        (&[Message::Ack], Breach::UnexpectedMessage { message: "ACK", state: "waiting for HELLO" }.into(), "ACK"),
        (
            &[hello(), hello()],
            Breach::UnexpectedMessage { message: "HELLO", state: "waiting for the ACK of INIT" }.into(),
            "DISCONNECT",
        ),
        (
            &[hello(), Message::Connected(Name::EMPTY)],
            Breach::UnexpectedMessage { message: "CONNECTED", state: "waiting for the ACK of INIT" }.into(),
            "DISCONNECT",
        ),
        (
            &[hello(), init(0)],
            Breach::UnexpectedMessage { message: "INIT", state: "waiting for the ACK of INIT" }.into(),
            "DISCONNECT",
        ),
    ];
    for (messages, breach, last) in cases {
        let (mut socket, key, raw) = pair();
        for message in messages {
            raw.send(*message);
        }
        if messages.len() > 1 {
            raw.expect(&mut socket, "INIT");
        }
        let farewell = raw.expect(&mut socket, last);
        if let Message::Disconnect(end) = farewell {
            assert_eq!(end.reason.to_string(), breach.to_string());
        }
        // A clean end, not a reset: nothing of ours was left unread.
        assert!(matches!(sys::receive(&raw.0, &mut [0; MESSAGE_SIZE]), Received::Closed));
        assert_eq!(failed(&mut socket, key), ConnectError::GaveUp(breach));
    }
}

#[test]
fn descriptors_from_a_master_are_refused_even_with_hello() {
    let event = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let (mut socket, key, raw) = pair();
    raw.send_fd(hello(), &event);
    raw.expect(&mut socket, "ACK");
    assert_eq!(failed(&mut socket, key), ConnectError::GaveUp(Refusal::Breach(Breach::ControlTruncated)));

    let (mut socket, key, raw) = pair();
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    raw.send_fd(Message::Ack, &event);
    raw.expect(&mut socket, "DISCONNECT");
    let breach = Breach::DescriptorCount { message: "ACK", found: 1, expected: 0 };
    assert_eq!(failed(&mut socket, key), ConnectError::GaveUp(breach.into()));
}

#[test]
fn a_refusal_is_reported_in_the_masters_words() {
    for early in [true, false] {
        let (mut socket, key, raw) = pair();
        if !early {
            raw.send(hello());
            raw.expect(&mut socket, "INIT");
        }
        raw.send(farewell("unmatched interface id"));
        drop(raw);
        let words = "unmatched interface id".to_owned();
        assert_eq!(failed(&mut socket, key), ConnectError::Refused(words));
    }
}

#[test]
fn an_acknowledged_init_and_an_end_mean_an_unknown_id() {
    let (mut socket, key, raw) = pair();
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    raw.send(Message::Ack);
    // As libmemif does it: the region that comes is never read.
    drop(raw);
    assert_eq!(failed(&mut socket, key), ConnectError::UnknownId);

    let (mut socket, key, raw) = pair();
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    raw.send(Message::Ack);
    raw.expect(&mut socket, "ADD_REGION");
    drop(raw);
    assert_eq!(failed(&mut socket, key), ConnectError::UnknownId);
}

#[test]
fn a_silent_close_names_the_step() {
    let (mut socket, key, raw) = pair();
    drop(raw);
    assert_eq!(failed(&mut socket, key), ConnectError::Closed("waiting for HELLO"));

    let (mut socket, key, raw) = pair();
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    drop(raw);
    assert_eq!(failed(&mut socket, key), ConnectError::Closed("waiting for the ACK of INIT"));
}

#[test]
fn a_reason_behind_a_reset_is_still_read() {
    let (mut socket, key, raw) = pair();
    raw.send(hello());
    raw.expect(&mut socket, "INIT");
    raw.send(Message::Ack);
    // The region is sent and never read, so the end comes as a reset with the reason behind it.
    socket.poll(Some(Duration::from_millis(1))).unwrap();
    raw.send(farewell("no memory"));
    drop(raw);
    assert_eq!(failed(&mut socket, key), ConnectError::Refused("no memory".to_owned()));
}

#[test]
fn a_master_that_says_nothing_is_given_up() {
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let timeout = Duration::from_millis(30);
    let mut socket = Socket::builder(fresh_address()).handshake_timeout(timeout).open().unwrap();
    let key = socket.add_connected(InterfaceConfig::slave(0), a).unwrap();
    let raw = Raw(b);
    raw.expect(&mut socket, "ACK");
    let breach = Refusal::HandshakeTimeout(30);
    assert_eq!(failed(&mut socket, key), ConnectError::GaveUp(breach));
}

#[cfg(feature = "raw")]
#[test]
fn a_slave_that_waited_in_line_still_connects_by_itself() {
    let address = fresh_address();
    let raw = || {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).unwrap()
    };
    let to = sys::connect_address(&address).unwrap();
    let listener = raw();
    rustix::net::bind(&listener, &to).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut socket = open(&address);
    let key = socket.add_interface(InterfaceConfig::slave(0).admin_up(false)).unwrap();
    let crowd: Vec<_> =
        std::iter::repeat_with(raw).take_while(|waiting| rustix::net::connect(waiting, &to).is_ok()).collect();
    socket.set_admin_up(key, true).unwrap();
    assert_eq!(socket.connect_now(key).unwrap(), Ok(()));
    assert!(socket.has_connection(key).unwrap());
    drop((listener, crowd));
    // Nobody listens now, which is the end of waiting in line, but not of trying.
    while socket.has_connection(key).unwrap() {
        socket.poll(Some(Duration::from_millis(1))).unwrap();
    }
    let mut other = open(&address);
    other.add_interface(InterfaceConfig::master(0)).unwrap();
    let served = std::thread::spawn(move || other.poll(Some(WATCHDOG)));
    expect_link(&mut socket, key).keep_up();
    served.join().unwrap().unwrap();
}

#[test]
fn other_descriptors_and_roles_are_refused() {
    let mut socket = open(&fresh_address());
    let event = || eventfd(0, EventfdFlags::CLOEXEC).unwrap();
    let wrong = socket.add_connected(InterfaceConfig::slave(0), event());
    assert!(matches!(wrong, Err(SocketError::WrongDescriptor(_))));
    assert!(matches!(socket.adopt(event()), Err(SocketError::WrongDescriptor(_))));
    let (a, _b) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
    assert!(matches!(socket.adopt(a), Err(SocketError::WrongDescriptor(_))));
    let (a, _b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let wrong = socket.add_connected(InterfaceConfig::master(0), a);
    assert!(matches!(wrong, Err(SocketError::WrongDescriptor(_))));
    assert!(socket.interfaces().is_empty());
    let open = Socket::builder(fresh_address()).listener(event()).open();
    assert!(matches!(open, Err(SocketError::WrongDescriptor(_))));
}

#[test]
fn adopted_sockets_make_a_link() {
    let (a, b) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let mut both = Both {
        master: open(&fresh_address()),
        slave: open(&fresh_address()),
        master_key: InterfaceKey { socket: 0, number: 0 },
        slave_key: InterfaceKey { socket: 0, number: 0 },
    };
    both.master_key = both.master.add_interface(InterfaceConfig::master(3)).unwrap();
    both.slave_key = both.slave.add_connected(InterfaceConfig::slave(3), a).unwrap();
    both.master.adopt(b).unwrap();
    both.up();
    both.slave.disconnect(both.slave_key, "done").unwrap();
    both.run(reason, reason);
    assert!(both.slave.poll(Some(Duration::ZERO)).unwrap().is_none());
    assert_eq!(both.slave.driver.waits.next_time(), None);
}
