//! Rows C18 to C23 against a master: time, numbers and users.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use memif::{Breach, InterfaceConfig, Limits, Refusal, Secret};
use testkit::patience::Patience;
use testkit::plan::new_eventfd;
use testkit::wiremsg::{AddRing, Message};
use testkit::{Address, Census, FileKind, Received, ScriptedSlave, SeqSocket, SharedFile, SlaveLink, SlavePlan};

use crate::common::{Driver, MasterRig, Rig, cross};
use crate::messages_master::{init, usual_hello};

/// A short handshake time: what stalls is closed, what goes on is not.
fn impatient(socket: memif::SocketBuilder) -> memif::SocketBuilder {
    socket.handshake_timeout(Duration::from_millis(1000)).max_half_open(8)
}

pub(crate) fn c18_master_handshake_time() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2);
    let mut rig = MasterRig::with_socket(config, impatient);
    // Nothing is ever said.
    let silent = ScriptedSlave::connect(&rig.address);
    let refusal = silent.refusal("silence");
    assert!(matches!(rig.agreed(&refusal).0, Refusal::HandshakeTimeout(1000)), "{refusal:?}");
    drop(silent);
    rig.settle();
    // INIT and silence: the id is free again afterwards.
    for label in ["INIT", "ADD_REGION 0", "ADD_RING M2S 0"] {
        let slave = ScriptedSlave::connect(&rig.address);
        let memory = testkit::SlaveMemory::new(&rig.plan);
        let mut script = testkit::Script::new(&rig.plan, &memory);
        script.end_after(label);
        slave.run(&rig.plan, &script).unwrap();
        let refusal = slave.refusal(label);
        assert!(matches!(rig.agreed(&refusal).0, Refusal::HandshakeTimeout(1000)), "{refusal:?}");
        drop((slave, memory, script));
        rig.settle();
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

/// A slave that stops listening just before its link would be up does not stay.
pub(crate) fn c18_master_deaf_slave() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2);
    let mut rig = MasterRig::with_socket(config, impatient);
    let slave = ScriptedSlave::connect(&rig.address);
    let memory = testkit::SlaveMemory::new(&rig.plan);
    let mut script = testkit::Script::new(&rig.plan, &memory);
    let connect = script.remove("CONNECT");
    slave.run(&rig.plan, &script).unwrap();
    slave.socket.stop_reading();
    assert!(!slave.socket.is_closed());
    slave.socket.try_send(&connect.bytes(false), &[]).unwrap();
    let mut patience = Patience::default();
    while !slave.socket.is_closed() {
        assert!(patience.more(), "it stays");
    }
    drop((slave, memory, script));
    rig.driver.forget_events();
    rig.settle();
    rig.finish();
}

pub(crate) fn c18_master_half_open_limit() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2);
    let mut rig = MasterRig::with_socket(config, |socket| socket.max_half_open(8));
    // The oldest has to go, and a good peer always gets in.
    let crowd: Vec<ScriptedSlave> = (0..8).map(|_| ScriptedSlave::connect(&rig.address)).collect();
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    assert_eq!(rig.agreed(&crowd[0].refusal("waiting")).0, Refusal::Evicted);
    let more: Vec<ScriptedSlave> = (0..40).map(|_| ScriptedSlave::connect(&rig.address)).collect();
    for old in &crowd[1..] {
        assert_eq!(rig.agreed(&old.refusal("waiting")).0, Refusal::Evicted);
    }
    cross(&mut link, &mut peer);
    assert!(peer.is_up(), "the link counts as unfinished");
    drop((crowd, more, peer));
    rig.disconnected(link);
    rig.driver.forget_events();
    rig.settle();
    rig.driver.forget_events();
    rig.finish();
}

pub(crate) fn c18_master_a_thousand_connections() {
    let mut rig = MasterRig::new();
    for round in 0..1000 {
        let socket = SeqSocket::connect(&rig.address);
        match round % 4 {
            0 => {}
            1 => drop(socket.receive()),
            2 => drop(socket.try_send(&[3], &[])),
            _ => drop(socket.try_send(&init(0).encode(), &[])),
        }
    }
    // All of them are over once the library has come to their ends.
    Census::wait_back_to(&rig.quiet().clone());
    rig.driver.forget_events();
    rig.settle();
    rig.driver.forget_events();
    rig.finish();
}

pub(crate) fn c19_master_floods() {
    let mut rig = MasterRig::new();
    // On a link only DISCONNECT is legal.
    let event = Arc::new(new_eventfd());
    let region = SharedFile::create(FileKind::Sealed, 4096);
    let add_region = Message::AddRegion(testkit::wiremsg::AddRegion { index: 1, size: 4096 });
    let ring = AddRing { flags: 1, index: 1, region: 0, offset: 0, log2: 4, private_header: 0 };
    let messages: [(Message, Option<BorrowedFd<'_>>); 8] = [
        (Message::Ack, None),
        (usual_hello(), None),
        (init(0), None),
        (add_region, Some(region.as_fd())),
        (Message::AddRing(ring), Some(event.as_fd())),
        (Message::Connect(b"again".to_vec()), None),
        (Message::Connected(b"x".to_vec()), None),
        (Message::Other(99), None),
    ];
    rig.recount();
    for (message, fd) in messages {
        let (link, peer) = rig.link();
        let fds: Vec<_> = fd.into_iter().collect();
        peer.socket.try_send(&message.encode(), &fds).unwrap();
        let breach = rig.breached(link, peer);
        assert!(
            matches!(breach, Breach::UnexpectedMessage { .. } | Breach::UnknownType(99)),
            "{message:?} on a link: {breach:?}"
        );
    }
    // More messages than a handshake can have, of the one kind that is not refused by itself.
    let breach = rig.refused_by_hand(|slave| {
        slave.socket.send(&init(0));
        assert_eq!(slave.socket.receive().message(), Message::Ack);
        for _ in 0..2000 {
            if slave.socket.try_send(&Message::Ack.encode(), &[]).is_err() {
                return;
            }
        }
    });
    assert!(matches!(breach, Refusal::Breach(Breach::MessageFlood(limit)) if limit <= 1000), "{breach:?}");
    // One that floods does not starve the others: the neighbour's and new links work meanwhile.
    let flood = ScriptedSlave::connect(&rig.address);
    flood.socket.send(&init(0));
    assert_eq!(flood.socket.receive().message(), Message::Ack);
    let other = rig.driver.add(InterfaceConfig::master(5));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = stop.clone();
    let flooding = std::thread::spawn(move || {
        while !flag.load(std::sync::atomic::Ordering::Relaxed) {
            if flood.socket.try_send(&Message::Ack.encode(), &[]).is_err() {
                break;
            }
        }
    });
    let mut peer = SlaveLink::connect(&rig.address, &SlavePlan::id(5));
    let mut link = rig.driver.connected(other);
    cross(&mut link, &mut peer);
    rig.check_neighbour();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    flooding.join().unwrap();
    drop((peer, link));
    rig.driver.disconnected(other);
    rig.driver.call(move |socket| socket.remove_interface(other)).unwrap();
    rig.driver.forget_events();
    rig.finish();
}

pub(crate) fn c20_master_slow_reader() {
    // A peer that sends requests and never reads the answers: 256 regions and 2 x 255 rings fill its socket.
    let limits = Limits::for_queues(255, 255);
    let config = InterfaceConfig::master(0).rx_queues(255).tx_queues(255).limits(limits);
    let mut rig = MasterRig::with(config);
    let slave = ScriptedSlave::connect(&rig.address);
    let region = SharedFile::create(FileKind::Sealed, 1 << 20);
    let event = new_eventfd();
    slave.socket.send(&init(0));
    let mut requests: Vec<(Message, BorrowedFd<'_>)> = Vec::new();
    for index in 0..256 {
        let message = Message::AddRegion(testkit::wiremsg::AddRegion { index, size: 1 << 20 });
        requests.push((message, region.as_fd()));
    }
    for flags in [1, 0] {
        for index in 0..255 {
            let offset = 256 * (u32::from(index) + if flags == 1 { 0 } else { 255 });
            let ring = AddRing { flags, index, region: 0, offset, log2: 0, private_header: 0 };
            requests.push((Message::AddRing(ring), event.as_fd()));
        }
    }
    let mut patience = Patience::default();
    let mut sent = 0;
    for (message, fd) in &requests {
        if slave.socket.try_send(&message.encode(), &[*fd]).is_err() {
            break;
        }
        sent += 1;
    }
    // Either the library ended it, or everything was answered because the kernel had room for all answers.
    while patience.more() {
        rig.check_neighbour();
        if !rig.driver.pending().is_empty() {
            break;
        }
        if sent == requests.len() {
            break;
        }
    }
    let (breach, _) = rig.driver.refused();
    assert_eq!(breach, Breach::SlowReader, "after {sent} requests");
    drop((slave, region, event));
    rig.finish();
}

pub(crate) fn c21_master_reservation() {
    let secret = Secret::new("hunter2").unwrap();
    let config = InterfaceConfig::master(0).secret(Some(secret));
    let mut rig = MasterRig::with_socket(config, |socket| socket.handshake_timeout(Duration::from_millis(1000)));
    rig.plan.secret = b"hunter2".to_vec();
    rig.settle();
    // Those without the secret hold nothing: they are refused, and a good peer gets in at the same time.
    let squatters: Vec<ScriptedSlave> = (0..4)
        .map(|_| {
            let slave = ScriptedSlave::connect(&rig.address);
            slave.socket.send(&init(0));
            slave
        })
        .collect();
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    for squatter in &squatters {
        assert_eq!(rig.agreed(&squatter.refusal("INIT")).0, Refusal::SecretRequired);
    }
    // While the link is up, a wrong secret is told that it is wrong, not that the id is in use.
    let wrong = SlavePlan { secret: b"wrong".to_vec(), ..rig.plan.clone() };
    let refusal = SlaveLink::try_connect(&rig.address, &wrong, |_| ()).map(|_| ()).unwrap_err();
    assert_eq!(rig.agreed(&refusal).0, Refusal::SecretWrong);
    drop((squatters, peer));
    rig.disconnected(link);
    // One with the secret that stops after INIT loses the id when its time is over.
    let slave = ScriptedSlave::connect(&rig.address);
    let mut hello = init(0);
    if let Message::Init(init) = &mut hello {
        init.secret = b"hunter2".to_vec();
    }
    slave.socket.send(&hello);
    assert_eq!(slave.socket.receive().message(), Message::Ack);
    let refusal = slave.refusal("INIT");
    assert!(matches!(rig.agreed(&refusal).0, Refusal::HandshakeTimeout(_)), "{refusal:?}");
    drop(slave);
    rig.finish();
}

pub(crate) fn c23_master_credentials() {
    let uid = rustix::process::geteuid().as_raw();
    let gid = rustix::process::getegid().as_raw();
    for (name, settings) in [
        ("another uid", (|s, uid, _| s.allow_uid(uid + 1)) as fn(memif::SocketBuilder, u32, u32) -> _),
        ("another gid", |s, _, gid| s.allow_gid(gid + 1)),
    ] {
        let address = Address::fresh_abstract();
        let mut driver = Driver::open_with(&address, |socket| settings(socket, uid, gid));
        let key = driver.add(InterfaceConfig::master(0));
        let before = Census::now();
        let socket = SeqSocket::connect(&address);
        let told = match socket.receive() {
            Received::Message { bytes, .. } => Some(Message::decode(&bytes)),
            _ => None,
        };
        let (breach, peer) = driver.refused();
        assert_eq!(breach, Refusal::NotAllowed { uid, gid }, "{name}");
        assert_eq!(told, Some(Message::disconnect(&breach.to_string())), "{name}");
        let credentials = peer.credentials.expect("credentials");
        assert_eq!((credentials.uid, credentials.gid), (uid, gid));
        assert_eq!(credentials.pid, std::process::id());
        drop(socket);
        Census::wait_back_to(&before);
        assert!(!driver.details(key).link_up);
    }
    // Ours among several, by user or by group.
    for settings in
        [(|s, uid, _| s.allow_uid(uid + 1).allow_uid(uid)) as fn(memif::SocketBuilder, u32, u32) -> _, |s, _, gid| {
            s.allow_gid(gid)
        }]
    {
        let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2);
        MasterRig::with_socket(config, |socket| settings(socket, uid, gid)).finish();
    }
}
