//! Rows C1 to C9 against a master: messages and INIT.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use memif::{Breach, InterfaceConfig, Refusal, Secret};
use testkit::plan::{Step, new_eventfd};
use testkit::wiremsg::{AddRing, Hello, Init, Message, SIZE};
use testkit::{FileKind, ScriptedSlave, SharedFile, SlaveLink, SlavePlan};

use crate::common::{MasterRig, Rig, cross};

pub(crate) fn init(id: u32) -> Message {
    let plan = SlavePlan::id(id);
    Message::Init(Init { version: plan.version, id, mode: 0, secret: Vec::new(), name: plan.name })
}

pub(crate) fn usual_hello() -> Message {
    Message::Hello(Hello::usual("a slave says HELLO"))
}

pub(crate) fn c01_master_message_length() {
    let mut rig = MasterRig::new();
    for len in [1, 2, 127, 129, 256, 4096] {
        let mut bytes = init(0).encode();
        bytes.resize(len, 0);
        let found = |refusal: Refusal| match refusal {
            Refusal::Breach(Breach::MessageLength(found)) if len < SIZE => assert_eq!(found, len),
            Refusal::Breach(Breach::MessageLength(found)) => assert!(found > SIZE, "{found}"),
            other => panic!("{len} bytes: {other:?}"),
        };
        // Before INIT, in the middle of the set-up, and on a link.
        found(rig.refused_by_hand(|slave| slave.socket.try_send(&bytes, &[]).unwrap()));
        for label in ["ADD_REGION 0", "ADD_RING S2M 0", "CONNECT"] {
            found(rig.refused(|script| script.step(label).raw = Some(bytes.clone())));
        }
        let (link, peer) = rig.link();
        peer.socket.try_send(&bytes, &[]).unwrap();
        found(rig.breached(link, peer).into());
    }
    rig.finish();
}

pub(crate) fn c02_master_types() {
    let mut rig = MasterRig::new();
    let region = SharedFile::create(FileKind::Sealed, 1 << 20);
    let event = new_eventfd();
    let ring = AddRing { flags: 1, index: 0, region: 0, offset: 0, log2: 8, private_header: 0 };
    let add_region = Message::AddRegion(testkit::wiremsg::AddRegion { index: 0, size: 1 << 20 });
    let before_init: [(Message, Option<BorrowedFd<'_>>); 8] = [
        (usual_hello(), None),
        (add_region, Some(region.as_fd())),
        (Message::AddRing(ring), Some(event.as_fd())),
        (Message::Connect(b"x".to_vec()), None),
        (Message::Connected(b"x".to_vec()), None),
        (Message::Other(0), None),
        (Message::Other(9), None),
        (Message::Other(0xffff), None),
    ];
    rig.recount();
    for (message, fd) in before_init {
        let known = message.kind() != 0 && message.kind() < 9;
        let fds: Vec<_> = fd.into_iter().collect();
        let breach = rig.refused_by_hand(|slave| slave.socket.try_send(&message.encode(), &fds).unwrap());
        match breach {
            Refusal::Breach(Breach::UnexpectedMessage { .. }) if known => {}
            Refusal::Breach(Breach::UnknownType(kind)) if !known => assert_eq!(kind, message.kind()),
            other => panic!("{message:?} before INIT: {other:?}"),
        }
    }
    let in_setup = [init(0), usual_hello(), Message::Connected(b"x".to_vec()), Message::Other(0), Message::Other(99)];
    for message in in_setup {
        for label in ["ADD_REGION 0", "ADD_RING S2M 0", "ADD_RING M2S 0", "CONNECT"] {
            let breach = rig.refused(|script| {
                let step = script.step(label);
                step.message = message.clone();
                step.fds.clear();
            });
            assert!(
                matches!(
                    breach,
                    Refusal::Breach(Breach::UnexpectedMessage { .. }) | Refusal::Breach(Breach::UnknownType(_))
                ),
                "{message:?} instead of {label}: {breach:?}"
            );
        }
    }
    // A surplus ACK to a master is harmless.
    let (mut link, mut peer) = {
        let peer = SlaveLink::try_connect(&rig.address, &rig.plan, |script| {
            for label in ["ADD_REGION 0", "CONNECT"] {
                script.insert_before(label, Step::bare("ACK", Message::Ack));
            }
        });
        (rig.driver.connected(rig.key), peer.expect("a surplus ACK is ignored"))
    };
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    // DISCONNECT ends it at any time and is not answered.
    for label in ["INIT", "ADD_REGION 0", "ADD_RING S2M 0", "CONNECT"] {
        let result = SlaveLink::try_connect(&rig.address, &rig.plan, |script| {
            let step = script.step(label);
            step.message = Message::disconnect("changed my mind");
            step.fds.clear();
        });
        let refusal = result.map(|_| ()).unwrap_err();
        assert_eq!((refusal.at.as_str(), refusal.reason), (label, None), "a DISCONNECT was answered");
        rig.settle();
    }
    rig.finish();
}

/// Steps and the number of descriptors that do not belong to them.
const WRONG_COUNTS: [(&str, &[usize]); 5] = [
    ("INIT", &[1, 2, 253]),
    ("ADD_REGION 0", &[0, 2, 3, 253]),
    ("ADD_RING S2M 0", &[0, 2, 253]),
    ("ADD_RING M2S 0", &[0, 2, 253]),
    ("CONNECT", &[1, 253]),
];

pub(crate) fn c03_master_number_of_fds() {
    let mut rig = MasterRig::new();
    for (label, counts) in WRONG_COUNTS {
        for count in counts {
            let breach = rig.refused(|script| {
                let step = script.step(label);
                let fd = step.fds.first().cloned().unwrap_or_else(|| Arc::new(new_eventfd()));
                step.fds = vec![fd; *count];
            });
            match breach {
                Refusal::Breach(Breach::DescriptorCount { found, .. }) => {
                    assert!(found == *count || *count > 2, "{found}")
                }
                Refusal::Breach(Breach::ControlTruncated) => assert!(*count > 2, "{label} with {count}"),
                other => panic!("{label} with {count} descriptors: {other:?}"),
            }
        }
    }
    let fd = new_eventfd();
    rig.recount();
    let (link, peer) = rig.link();
    peer.socket.try_send(&Message::Ack.encode(), &[fd.as_fd()]).unwrap();
    let breach = rig.breached(link, peer);
    assert!(matches!(breach, Breach::DescriptorCount { .. } | Breach::UnexpectedMessage { .. }), "{breach:?}");
    rig.finish();
}

pub(crate) fn c04_master_fd_leaks() {
    let mut rig = MasterRig::new();
    let fd: Arc<OwnedFd> = Arc::new(new_eventfd());
    let region = SharedFile::create(FileKind::Sealed, 4096);
    rig.recount();
    // Messages that are refused for other reasons.
    for (label, message) in [("INIT", Message::Other(99)), ("ADD_REGION 0", usual_hello()), ("CONNECT", init(1))] {
        rig.refused(|script| {
            let step = script.step(label);
            step.message = message.clone();
            step.fds = vec![fd.clone()];
        });
    }
    rig.refused(|script| script.region("ADD_REGION 0").index = 7);
    rig.refused(|script| script.ring("ADD_RING S2M 0").log2 = 99);
    // Several blocks of descriptors in one message.
    let breach = rig.refused_by_hand(|slave| {
        let blocks: [&[BorrowedFd<'_>]; 3] = [&[fd.as_fd()], &[fd.as_fd(), fd.as_fd()], &[fd.as_fd()]];
        slave.socket.try_send_blocks(&init(0).encode(), &blocks, rustix::net::SendFlags::empty()).unwrap();
    });
    assert!(
        matches!(breach, Refusal::Breach(Breach::DescriptorCount { .. }) | Refusal::Breach(Breach::ControlTruncated)),
        "{breach:?}"
    );
    // Messages with descriptors that nobody reads any more, behind one that is refused.
    rig.refused_by_hand(|slave| {
        slave.socket.send(&Message::Other(99));
        for index in 0..20 {
            let message = Message::AddRegion(testkit::wiremsg::AddRegion { index, size: 4096 });
            if slave.socket.try_send(&message.encode(), &[region.as_fd()]).is_err() {
                break;
            }
        }
    });
    // Handshakes that are left at every step.
    let labels: Vec<String> = {
        let memory = testkit::SlaveMemory::new(&rig.plan);
        testkit::Script::new(&rig.plan, &memory).labels().iter().map(|l| (*l).to_owned()).collect()
    };
    for label in labels {
        let slave = ScriptedSlave::connect(&rig.address);
        let memory = testkit::SlaveMemory::new(&rig.plan);
        let mut script = testkit::Script::new(&rig.plan, &memory);
        script.end_after(&label);
        slave.run(&rig.plan, &script).unwrap();
        drop((slave, memory, script));
        rig.driver.forget_events();
        rig.settle();
    }
    rig.finish();
}

pub(crate) fn c06_master_strings() {
    let mut rig = MasterRig::new();
    let nasty = b"\x1b[2J\x1b]0;owned\x07%n%s\xff\xfe\n\r../../etc/pa".to_vec();
    assert!(nasty.len() >= 32);
    let name = nasty[..32].to_vec();
    rig.plan.name = name.clone();
    rig.plan.if_name = name;
    let (mut link, mut peer) = rig.link();
    cross(&mut link, &mut peer);
    for shown in [link.peer.app_name, link.peer.interface_name] {
        assert_eq!(shown.as_bytes(), &nasty[..31], "31 bytes at most");
        let text = shown.to_string();
        assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
    }
    // A reason without an end, of bytes that a terminal would obey.
    let reason: Vec<u8> = nasty.iter().cycle().take(96).copied().collect();
    peer.socket.send(&Message::Disconnect(0xdead_beef, reason));
    let text = rig.driver.disconnected(rig.key).to_string();
    assert!(text.chars().all(|c| !c.is_control()), "{text:?}");
    assert!(text.contains("etc/pa"), "{text:?}");
    assert!(peer.end().is_none(), "a DISCONNECT was answered");
    drop((link, peer));
    // The same in an INIT that is refused.
    let plan = SlavePlan { id: 99, ..rig.plan.clone() };
    let (_, _, peer) = rig.refused_as(&plan, |_| ());
    assert!(peer.app_name.to_string().chars().all(|c| !c.is_control()));
    rig.finish();
}

pub(crate) fn c07_master_id() {
    let mut rig = MasterRig::new();
    for id in [1, 99, u32::MAX] {
        let (breach, at, _) = rig.refused_as(&SlavePlan::id(id), |_| ());
        assert_eq!((breach, at.as_str()), (Refusal::UnknownId(id), "INIT"));
    }
    // An interface of the other role on the same socket does not count.
    let slave = rig.driver.add(InterfaceConfig::slave(77).admin_up(false));
    assert_eq!(rig.refused_as(&SlavePlan::id(77), |_| ()).0, Refusal::UnknownId(77));
    rig.driver.call(move |socket| socket.remove_interface(slave)).unwrap();
    // In use: the first keeps its link.
    let (mut link, mut peer) = rig.link();
    let second = SlaveLink::try_connect(&rig.address, &rig.plan, |_| ()).map(|_| ()).unwrap_err();
    assert_eq!(second.at, "INIT");
    assert_eq!(rig.agreed(&second).0, Refusal::AlreadyConnected(0));
    cross(&mut link, &mut peer);
    drop(peer);
    rig.disconnected(link);
    // In use by a handshake that is not done.
    let first = ScriptedSlave::connect(&rig.address);
    first.socket.send(&init(0));
    assert_eq!(first.socket.receive().message(), Message::Ack);
    let second = SlaveLink::try_connect(&rig.address, &rig.plan, |_| ()).map(|_| ()).unwrap_err();
    assert_eq!(rig.agreed(&second).0, Refusal::AlreadyConnected(0));
    drop(first);
    rig.driver.forget_events();
    // Administratively down.
    rig.driver.set_admin_up(rig.key, false);
    let refusal = SlaveLink::try_connect(&rig.address, &rig.plan, |_| ()).map(|_| ()).unwrap_err();
    assert_eq!(rig.agreed(&refusal).0, Refusal::AdminDown(0));
    rig.driver.set_admin_up(rig.key, true);
    rig.finish();
}

pub(crate) fn c08_master_secret() {
    let secret = Secret::new("hunter2").unwrap();
    let mut rig = MasterRig::with(InterfaceConfig::master(0).secret(Some(secret)));
    rig.plan.secret = b"hunter2".to_vec();
    rig.settle();
    let wrong: [&[u8]; 6] = [b"hunter", b"hunter22", b"Hunter2", b"x", b"hunter2 ", b"hunter2aaaaaaaaaaaaaaaaa"];
    for secret in wrong {
        let plan = SlavePlan { secret: secret.to_vec(), ..rig.plan.clone() };
        let (breach, at, _) = rig.refused_as(&plan, |_| ());
        assert_eq!((breach, at.as_str()), (Refusal::SecretWrong, "INIT"), "{secret:?}");
    }
    let plan = SlavePlan { secret: Vec::new(), ..rig.plan.clone() };
    assert_eq!(rig.refused_as(&plan, |_| ()).0, Refusal::SecretRequired);
    // What follows the end of the secret means nothing.
    let mut field = b"hunter2\0".to_vec();
    field.resize(24, 0xee);
    rig.plan.secret = field;
    rig.finish();
    // A master without a secret takes any, garbage without an end included.
    for secret in [b"whatever".to_vec(), vec![0xff; 24]] {
        let mut rig = MasterRig::new();
        rig.plan.secret = secret;
        rig.finish();
    }
}

pub(crate) fn c09_master_mode_and_version() {
    let mut rig = MasterRig::new();
    for mode in [1, 2, 3, 255] {
        let plan = SlavePlan { mode, ..rig.plan.clone() };
        let (breach, at, _) = rig.refused_as(&plan, |_| ());
        assert!(matches!(breach, Refusal::Mode { theirs, .. } if theirs == mode), "{breach:?}");
        assert_eq!(at, "INIT");
    }
    for version in [0, 0x0100, 0x01ff, 0x0201, 0x0300, 0xffff] {
        let plan = SlavePlan { version, ..rig.plan.clone() };
        let (breach, at, _) = rig.refused_as(&plan, |_| ());
        assert!(matches!(breach, Refusal::Version { min, .. } if min == version), "{breach:?}");
        assert_eq!(at, "INIT");
    }
    rig.finish();
}
