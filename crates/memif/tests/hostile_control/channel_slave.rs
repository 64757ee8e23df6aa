//! Rows C1 to C23 against a slave.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memif::{Breach, ConnectError, DisconnectReason, InterfaceConfig, Refusal, Secret};
use rustix::net::SendFlags;
use testkit::dialect::UnknownId;
use testkit::master::Point;
use testkit::plan::new_eventfd;
use testkit::wiremsg::{AddRing, Hello, Init, Message, SIZE, VERSION};
use testkit::{Dialect, MasterPlan, Received, Reply, ScriptedMaster};

use crate::common::{Rig, SlaveRig, cross, cross_lengths};

/// Points of a handshake at which a master speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Hello,
    AckInit,
    AckRegion,
    AckRing,
    Connected,
}

impl At {
    const ALL: [At; 5] = [At::Hello, At::AckInit, At::AckRegion, At::AckRing, At::Connected];

    fn is(self, point: &Point<'_>) -> bool {
        match self {
            At::Hello => *point == Point::Accepted,
            At::AckInit => point.is_after(3),
            At::AckRegion => point.is_after(4),
            At::AckRing => point.is_after(5),
            At::Connected => point.is_after(6),
        }
    }

    /// The honest message.
    fn message(self) -> Message {
        match self {
            At::Hello => Message::Hello(MasterPlan::default().hello),
            At::AckInit | At::AckRegion | At::AckRing => Message::Ack,
            At::Connected => Message::Connected(b"scripted-master0".to_vec()),
        }
    }
}

/// Says `bytes` at one point, once.
fn say_at(at: At, bytes: Vec<u8>, fds: Vec<Arc<OwnedFd>>) -> impl FnMut(&Point<'_>) -> Reply {
    let mut once = Some((bytes, fds));
    move |point| match once.take_if(|_| at.is(point)) {
        Some((bytes, fds)) => Reply::Raw(bytes, fds),
        None => Reply::Usual,
    }
}

fn all_types() -> Vec<Message> {
    let init = Init { version: VERSION, id: 0, mode: 0, secret: Vec::new(), name: Vec::new() };
    let ring = AddRing { flags: 1, index: 0, region: 0, offset: 0, log2: 4, private_header: 0 };
    vec![
        Message::Other(0),
        Message::Ack,
        Message::Hello(Hello::usual("again")),
        Message::Init(init),
        Message::AddRegion(testkit::wiremsg::AddRegion { index: 0, size: 4096 }),
        Message::AddRing(ring),
        Message::Connect(b"x".to_vec()),
        Message::Connected(b"x".to_vec()),
        Message::Other(9),
        Message::Other(99),
        Message::Other(0xffff),
    ]
}

pub(crate) fn c01_slave_message_length() {
    let mut rig = SlaveRig::new();
    for len in [1, 2, 127, 129, 4096] {
        for at in At::ALL {
            let mut bytes = at.message().encode();
            bytes.resize(len, 0);
            match rig.breach(say_at(at, bytes, Vec::new())) {
                Refusal::Breach(Breach::MessageLength(found)) if len < SIZE => assert_eq!(found, len, "{at:?}"),
                Refusal::Breach(Breach::MessageLength(found)) => assert!(found > SIZE, "{at:?} {found}"),
                other => panic!("{len} bytes at {at:?}: {other:?}"),
            }
        }
        let (link, peer) = rig.link();
        peer.socket.try_send(&vec![8; len], &[]).unwrap();
        assert!(matches!(rig.breached(link, peer), Breach::MessageLength(_)));
    }
    rig.finish();
}

pub(crate) fn c02_slave_types() {
    let mut rig = SlaveRig::new();
    for at in At::ALL {
        for message in all_types() {
            if message.kind() == at.message().kind() {
                continue;
            }
            let known = (1..9).contains(&message.kind());
            match rig.breach(say_at(at, message.encode(), Vec::new())) {
                Refusal::Breach(Breach::UnexpectedMessage { .. }) | Refusal::Breach(Breach::DescriptorCount { .. })
                    if known => {}
                Refusal::Breach(Breach::UnknownType(kind)) if !known => assert_eq!(kind, message.kind()),
                other => panic!("{message:?} at {at:?}: {other:?}"),
            }
        }
    }
    rig.finish();
}

pub(crate) fn c03_slave_number_of_fds() {
    let mut rig = SlaveRig::new();
    let fd = Arc::new(new_eventfd());
    rig.recount();
    for at in At::ALL {
        for count in [1, 2, 3, 253] {
            match rig.breach(say_at(at, at.message().encode(), vec![fd.clone(); count])) {
                Refusal::Breach(Breach::DescriptorCount { expected: 0, found, .. }) => {
                    assert!(found == count || count > 2 && found > 0, "{found} of {count}");
                }
                Refusal::Breach(Breach::ControlTruncated) => assert!(count > 2 || at == At::Hello),
                other => panic!("{count} descriptors at {at:?}: {other:?}"),
            }
        }
    }
    rig.finish();
}

pub(crate) fn c04_slave_fd_leaks() {
    let mut rig = SlaveRig::new();
    let fd = Arc::new(new_eventfd());
    rig.recount();
    // With messages that are refused for other reasons, and in several blocks.
    for at in At::ALL {
        rig.fails(say_at(at, Message::Other(99).encode(), vec![fd.clone(); 2]));
    }
    let (link, peer) = rig.link();
    let blocks: [&[BorrowedFd<'_>]; 3] = [&[fd.as_fd()], &[fd.as_fd(); 2], &[fd.as_fd()]];
    peer.socket.try_send_blocks(&Message::Ack.encode(), &blocks, SendFlags::empty()).unwrap();
    rig.breached(link, peer);
    // Queued behind a message that ends the link.
    let (link, peer) = rig.link();
    peer.socket.send(&Message::Other(99));
    for _ in 0..20 {
        let _ = peer.socket.try_send(&Message::Ack.encode(), &[fd.as_fd()]);
    }
    rig.breached(link, peer);
    // A master that closes at every point.
    for at in At::ALL {
        let (_, error) = rig.fails(|point| if at.is(point) { Reply::Close } else { Reply::Usual });
        match error {
            ConnectError::Closed(_) => {
                assert_ne!(at, At::AckRegion, "that is the ACK then the end")
            }
            ConnectError::UnknownId => {}
            other => panic!("closed at {at:?}: {other:?}"),
        }
    }
    rig.finish();
}

pub(crate) fn c06_slave_strings() {
    let nasty = b"\x1b[2J\x1b]0;owned\x07%n%s\xff\xfe\n\r../../etc/pa".to_vec();
    let mut plan = MasterPlan::default();
    plan.hello.name = nasty[..32].to_vec();
    plan.if_name = nasty[..32].to_vec();
    let mut rig = SlaveRig::with_socket(InterfaceConfig::slave(0), plan, |socket| socket);
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    for shown in [link.peer.app_name, link.peer.interface_name] {
        assert_eq!(shown.as_bytes(), &nasty[..31], "31 bytes at most");
        let text = shown.to_string();
        assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
    }
    let reason: Vec<u8> = nasty.iter().cycle().take(96).copied().collect();
    peer.socket.send(&Message::Disconnect(7, reason.clone()));
    let told = rig.driver.disconnected(rig.key);
    assert!(matches!(told, DisconnectReason::Peer { code: 7, .. }), "{told:?}");
    assert!(told.to_string().chars().all(|c| !c.is_control()), "{told}");
    assert_eq!(peer.end(), None, "a DISCONNECT was answered");
    rig.down();
    drop((link, peer));
    rig.settle();
    // As the answer to each request.
    for at in At::ALL {
        let bytes = Message::Disconnect(0, reason.clone()).encode();
        let (ending, error) = rig.fails(say_at(at, bytes, Vec::new()));
        assert_eq!(ending.reason(), None, "a DISCONNECT was answered at {at:?}");
        let ConnectError::Refused(text) = &error else { panic!("{error:?} at {at:?}") };
        assert!(text.contains("owned"), "{text:?}");
        assert!(error.to_string().chars().all(|c| !c.is_control()), "{error}");
    }
    rig.finish();
}

pub(crate) fn c07_slave_refused_id() {
    let mut rig = SlaveRig::new();
    rig.master.plan.ids = Some(vec![9]);
    for (unknown, expected) in [
        (UnknownId::Disconnect("unmatched interface id"), None),
        (UnknownId::AckThenClose, Some(ConnectError::UnknownId)),
    ] {
        rig.master.plan.dialect.unknown_id = unknown;
        rig.driver.set_admin_up(rig.key, true);
        rig.master.serve_with(|_| Reply::Usual).map(|_| ()).unwrap_err();
        let error = rig.driver.connect_failed(rig.key);
        let refused = ConnectError::Refused("unmatched interface id".to_owned());
        assert_eq!(error, expected.unwrap_or(refused));
        rig.down();
    }
    rig.master.plan.ids = None;
    rig.finish();
}

pub(crate) fn c08_slave_secret() {
    for secret in ["s", "hunter2", "exactly-23-bytes-long-x"] {
        let config = InterfaceConfig::slave(0).secret(Some(Secret::new(secret).unwrap()));
        let plan = MasterPlan { secret: secret.as_bytes().to_vec(), ..MasterPlan::default() };
        let mut rig = SlaveRig::with_socket(config, plan, |socket| socket);
        let (link, peer) = rig.link();
        assert_eq!(peer.init.secret, secret.as_bytes());
        drop(peer);
        rig.disconnected(link);
        // A master that wants another one.
        rig.master.plan.secret = b"other".to_vec();
        rig.driver.set_admin_up(rig.key, true);
        rig.master.serve_with(|_| Reply::Usual).map(|_| ()).unwrap_err();
        let error = rig.driver.connect_failed(rig.key);
        assert_eq!(error, ConnectError::Refused("incorrect secret".to_owned()));
        rig.down();
        rig.master.plan.secret = secret.as_bytes().to_vec();
        rig.finish();
    }
}

pub(crate) fn c09_slave_version() {
    let mut rig = SlaveRig::new();
    for (min, max) in [(0x0201, 0x0300), (0x0100, 0x01ff), (0, 0), (0xffff, 0xffff), (0x0300, 0x0100)] {
        let hello = Hello { min_version: min, max_version: max, ..Hello::usual("other") };
        let bytes = Message::Hello(hello).encode();
        let breach = rig.breach(say_at(At::Hello, bytes, Vec::new()));
        assert_eq!(breach, Refusal::Version { min, max });
    }
    // Windows with 2.0 in them are good.
    for (min, max) in [(0x0100, 0x0200), (0x0200, 0x0300), (0, 0xffff)] {
        rig.master.plan.hello.min_version = min;
        rig.master.plan.hello.max_version = max;
        rig.settle();
    }
    rig.finish();
}

pub(crate) fn c10_to_c17_what_a_slave_sends() {
    // The scripted master checks index order, sizes, alignment, bounds, headers, flags and cookies of every handshake;
    // here with more of everything, and with an overlap check.
    let config = InterfaceConfig::slave(0).rx_queues(5).tx_queues(3).ring_size(64);
    let mut rig = SlaveRig::with(config);
    let (mut link, mut peer) = rig.link();
    cross_lengths(&mut link, &mut peer, 2, &[64, 9000]);
    let kinds: Vec<u16> = peer.said.iter().map(Message::kind).collect();
    let first_ring = kinds.iter().position(|k| *k == 5).unwrap();
    assert_eq!(kinds[0], 3, "INIT first");
    assert!(kinds[1..first_ring].iter().all(|k| *k == 4), "then regions: {kinds:?}");
    assert!(kinds[first_ring..first_ring + 8].iter().all(|k| *k == 5), "then rings: {kinds:?}");
    assert_eq!(kinds[first_ring + 8..], [6], "then CONNECT");
    let mut places: Vec<(u16, u64, u64)> = Vec::new();
    let mut directions = Vec::new();
    for message in &peer.said {
        if let Message::AddRing(ring) = message {
            let start = u64::from(ring.offset);
            places.push((ring.region, start, start + testkit::ring::ring_bytes(ring.log2)));
            directions.push(ring.flags);
        }
    }
    assert_eq!(directions, [1, 1, 1, 0, 0, 0, 0, 0], "S2M rings before M2S rings");
    places.sort_unstable();
    assert!(places.windows(2).all(|w| w[0].0 != w[1].0 || w[0].2 <= w[1].1), "overlap: {places:?}");
    assert!(places.iter().all(|p| p.1 % 64 == 0), "cache lines: {places:?}");
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn c18_slave_handshake_time() {
    let config = InterfaceConfig::slave(0).ring_size(256);
    let mut rig = SlaveRig::with_socket(config, MasterPlan::default(), |socket| {
        socket.handshake_timeout(Duration::from_millis(1000))
    });
    for at in At::ALL {
        let breach = rig.breach(|point| if at.is(point) { Reply::Nothing } else { Reply::Usual });
        assert_eq!(breach, Refusal::HandshakeTimeout(1000), "{at:?}");
    }
    // A link is not ended by the timer of its handshake.
    let (mut link, mut peer) = rig.link();
    let end = Instant::now() + Duration::from_millis(1200);
    while Instant::now() < end {
        cross(&mut link, &mut peer);
    }
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn c19_slave_floods() {
    let mut rig = SlaveRig::new();
    for message in all_types() {
        let (link, peer) = rig.link();
        peer.socket.send(&message);
        let breach = rig.breached(link, peer);
        assert!(
            matches!(
                breach,
                Breach::UnexpectedMessage { .. } | Breach::UnknownType(_) | Breach::DescriptorCount { .. }
            ),
            "{message:?} on a link: {breach:?}"
        );
    }
    // HELLO and more ACKs than there are requests: each is taken for the answer to the next, and CONNECT has another.
    rig.driver.set_admin_up(rig.key, true);
    let socket = rig.master.listener.accept();
    socket.send(&Message::Hello(Hello::usual("a flood")));
    let mut sent = 0;
    while sent < 2000 && socket.send_now(&Message::Ack) {
        sent += 1;
    }
    let error = rig.driver.connect_failed(rig.key);
    assert!(matches!(error, ConnectError::GaveUp(Refusal::Breach(Breach::UnexpectedMessage { .. }))), "{error:?}");
    let said = socket.drain();
    assert!(matches!(said.last(), Some(Message::Disconnect(..))), "{said:?}");
    rig.down();
    drop(socket);
    rig.settle();
    // The same on a link, while the neighbour works.
    let (link, peer) = rig.link();
    while peer.socket.send_now(&Message::Ack) {}
    rig.check_neighbour();
    rig.breached(link, peer);
    rig.finish();
}

pub(crate) fn c22_slave_hello_values() {
    let config = InterfaceConfig::slave(0).rx_queues(3).tx_queues(4).ring_size(16);
    let mut rig = SlaveRig::with(config);
    // (m2s, s2m, log2) in HELLO and what must follow: rings to us, rings from us, their size.
    let cases = [
        ((0, 0, 14), (1, 1, 4)),
        ((1, 2, 14), (2, 3, 4)),
        ((255, 255, 14), (3, 4, 4)),
        ((256, 256, 14), (3, 4, 4)),
        ((0xffff, 0xffff, 255), (3, 4, 4)),
        ((0, 0xffff, 2), (1, 4, 2)),
        ((255, 255, 0), (3, 4, 0)),
    ];
    for ((m2s, s2m, log2), (to_us, from_us, ring)) in cases {
        for region in [0, 255, 0xffff] {
            rig.master.plan.hello =
                Hello { max_m2s_ring: m2s, max_s2m_ring: s2m, max_log2: log2, max_region: region, ..Hello::usual("x") };
            let (mut link, mut peer) = rig.link();
            assert_eq!((peer.tx.len(), peer.rx.len()), (to_us, from_us), "HELLO {m2s} {s2m}");
            assert!(peer.rx.iter().all(|q| q.ring.log2() == ring), "HELLO log2 {log2}");
            assert!(peer.tx.iter().all(|q| q.ring.log2() == ring), "HELLO log2 {log2}");
            let lengths: &[usize] = if ring == 0 { &[64, 2048] } else { &[64, 3000] };
            cross_lengths(&mut link, &mut peer, 20, lengths);
            drop(peer);
            rig.driver.disconnected(rig.key);
            rig.down();
        }
    }
    rig.master.plan.hello = Hello::usual("x");
    rig.finish();
    // 255 rings each way, the most there are.
    let config = InterfaceConfig::slave(0).rx_queues(255).tx_queues(255).ring_size(4);
    let mut rig = SlaveRig::with_socket(config, MasterPlan::of(Dialect::VPP), |socket| socket);
    rig.lengths = &[64];
    let (mut link, mut peer) = rig.link();
    assert_eq!((peer.tx.len(), peer.rx.len()), (255, 255));
    cross_lengths(&mut link, &mut peer, 1, &[64]);
    drop(peer);
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn c23_slave_credentials() {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    let config = InterfaceConfig::slave(0).ring_size(256);
    let address = testkit::Address::fresh_abstract();
    let master = ScriptedMaster::bind(&address, MasterPlan::default());
    let mut driver = crate::common::Driver::open_with(&address, |socket| socket.allow_uid(uid + 1).allow_gid(gid + 1));
    let key = driver.add(config.clone());
    let error = driver.connect_failed(key);
    assert_eq!(error, ConnectError::GaveUp(Refusal::NotAllowed { uid, gid }));
    // It left in a way that every master survives, and told nothing of itself.
    let socket = master.listener.accept();
    let mut said = Vec::new();
    let _ = socket.send_now(&Message::Hello(Hello::usual("x")));
    while let Received::Message { bytes, .. } = socket.receive() {
        said.push(Message::decode(&bytes));
    }
    assert!(said.is_empty() || said == [Message::Ack], "{said:?}");
    drop((driver, socket, master));
    let mut rig =
        SlaveRig::with_socket(config, MasterPlan::default(), |socket| socket.allow_uid(uid + 1).allow_uid(uid));
    let (link, peer) = rig.link();
    let credentials = link.peer.credentials.expect("credentials");
    assert_eq!((credentials.uid, credentials.gid, credentials.pid), (uid, gid, std::process::id()));
    drop((link, peer));
    rig.driver.disconnected(rig.key);
    rig.down();
    rig.finish();
}
