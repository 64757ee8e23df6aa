//! Every check of the control channel, broken on purpose, one at a time.

use super::*;
use crate::config::Mode;

/// A master that has admitted an interface.
struct Admitted {
    master: Master<FakeFd>,
    open: Arc<AtomicUsize>,
}

impl Admitted {
    fn new(config: &InterfaceConfig) -> Self {
        let mut master = master(Instant::now());
        master.handle_message(&Message::Init(init(config)).emit(), Vec::new());
        master.admit(&MasterParams::from(config)).unwrap();
        assert_eq!(sent(&mut master), [Message::Ack]);
        assert!(matches!(master.poll_event(), Some(MasterEvent::Init(_))));
        Self { master, open: Arc::default() }
    }

    fn fd(&self) -> Vec<FakeFd> {
        vec![FakeFd::new(&self.open)]
    }

    fn send(&mut self, message: Message, fds: Vec<FakeFd>) {
        self.master.handle_message(&message.emit(), fds);
    }

    fn region(&mut self, index: u16, size: u64) {
        let fd = self.fd();
        self.send(Message::AddRegion(AddRegion { index, size }), fd);
    }

    fn ring(&mut self, ring: AddRing) {
        let fd = self.fd();
        self.send(Message::AddRing(ring), fd);
    }

    /// The last message was refused with this, and nothing is left open.
    fn assert_refused(&mut self, expected: &(impl Clone + Into<Refusal>)) {
        assert_refused(&mut self.master, expected);
        assert_eq!(self.open.load(Ordering::Relaxed), 0, "{}", expected.clone().into());
    }

    fn assert_acknowledged(&mut self) {
        assert_eq!(sent(&mut self.master).last(), Some(&Message::Ack));
    }
}

fn assert_refused(master: &mut Master<FakeFd>, expected: &(impl Clone + Into<Refusal>)) {
    let expected: Refusal = expected.clone().into();
    assert_eq!(closed(master), Some(Closed::Refused(expected.clone())));
    let messages = sent(master);
    let ends: Vec<_> = messages.iter().filter(|m| m.name() == "DISCONNECT").collect();
    let [end] = ends[..] else { panic!("{} times DISCONNECT", ends.len()) };
    let mut reason = expected.to_string();
    reason.truncate(95);
    assert_eq!(text(end), reason);
    // What comes afterwards is not answered.
    master.handle_message(&Message::Ack.emit(), Vec::new());
    master.handle_message(&[0; 3], Vec::new());
    assert_eq!(sent(master), []);
    assert_eq!(master.poll_timeout(), None);
}

const S2M: RingDirection = RingDirection::S2m;
const M2S: RingDirection = RingDirection::M2s;

fn ring(direction: RingDirection, index: u16) -> AddRing {
    add_ring(direction, index, 0, 0, 4)
}

#[test]
fn init_of_another_version_is_refused() {
    for version in [0, 0x0100, 0x0201, 0xffff] {
        let mut master = master(Instant::now());
        let init = Init { version, ..init(&InterfaceConfig::master(0)) };
        master.handle_message(&Message::Init(init).emit(), Vec::new());
        assert_refused(&mut master, &Refusal::Version { min: version, max: version });
    }
}

#[test]
fn mode_and_secret_are_checked_before_the_interface_is_reserved() {
    let secret = |text: &str| Some(Secret::new(text).unwrap());
    let plain = InterfaceConfig::master(0);
    let locked = plain.clone().secret(secret("hunter2"));
    let cases = [
        (&plain, plain.clone().mode(Mode::Ip), Some(Refusal::Mode { theirs: 1, ours: Mode::Ethernet })),
        (&plain, plain.clone().secret(secret("anything")), None),
        (&locked, plain.clone(), Some(Refusal::SecretRequired)),
        (&locked, plain.clone().secret(secret("hunter")), Some(Refusal::SecretWrong)),
        (&locked, plain.clone().secret(secret("hunter22")), Some(Refusal::SecretWrong)),
        (&locked, plain.clone().secret(secret("Hunter2")), Some(Refusal::SecretWrong)),
        (&locked, locked.clone(), None),
    ];
    for (ours, theirs, expected) in cases {
        let mut master = master(Instant::now());
        master.handle_message(&Message::Init(init(&theirs)).emit(), Vec::new());
        let params = MasterParams::from(ours);
        assert_eq!(master.verify(&params).err(), expected);
        assert_eq!(sent(&mut master), [], "verify alone answers nothing");
        assert_eq!(master.admit(&params).err(), expected);
        match expected {
            Some(breach) => assert_refused(&mut master, &breach),
            None => assert_eq!(sent(&mut master), [Message::Ack]),
        }
    }
}

#[test]
fn an_unterminated_secret_of_24_bytes_never_fits() {
    let config = InterfaceConfig::master(0).secret(Some(Secret::new([b'x'; 23]).unwrap()));
    let mut bytes = Message::Init(init(&config)).emit();
    bytes[9 + 23] = b'x';
    let mut master = master(Instant::now());
    master.handle_message(&bytes, Vec::new());
    assert_eq!(master.admit(&MasterParams::from(&config)), Err(Refusal::SecretWrong));
}

#[test]
fn the_owner_can_refuse_an_init() {
    for breach in [Refusal::UnknownId(7), Refusal::AlreadyConnected(7), Refusal::AdminDown(7)] {
        let mut master = master(Instant::now());
        master.handle_message(&Message::Init(init(&InterfaceConfig::master(7))).emit(), Vec::new());
        master.refuse(breach.clone());
        assert_refused(&mut master, &breach);
    }
}

#[test]
fn regions_out_of_order_too_many_or_too_large_are_refused() {
    let config = InterfaceConfig::master(0).limits(Limits {
        regions: 2,
        region_size: 1000,
        total_size: 1500,
        ..Limits::default()
    });
    let cases: [(&[(u16, u64)], Breach); 8] = [
        (&[(1, 10)], Breach::RegionIndex { found: 1, expected: 0 }),
        (&[(0, 10), (0, 10)], Breach::RegionIndex { found: 0, expected: 1 }),
        (&[(0, 10), (2, 10)], Breach::RegionIndex { found: 2, expected: 1 }),
        (&[(0, 10), (1, 10), (2, 10)], Breach::TooManyRegions(2)),
        (&[(0, 0)], Breach::RegionSize { index: 0, size: 0, limit: 1000 }),
        (&[(0, 1001)], Breach::RegionSize { index: 0, size: 1001, limit: 1000 }),
        (&[(0, u64::MAX)], Breach::RegionSize { index: 0, size: u64::MAX, limit: 1000 }),
        (&[(0, 1000), (1, 501)], Breach::RegionSize { index: 1, size: 501, limit: 500 }),
    ];
    for (regions, breach) in cases {
        let mut peer = Admitted::new(&config);
        for (index, size) in regions {
            peer.region(*index, *size);
        }
        peer.assert_refused(&breach);
    }
}

#[test]
fn rings_with_wrong_numbers_are_refused() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(0);
    let good = ring(S2M, 0);
    let cases: [(&[AddRing], Breach); 6] = [
        (&[AddRing { private_hdr_size: 8, ..good }], Breach::PrivateHeader(8)),
        (&[ring(S2M, 1)], Breach::RingIndex { direction: "S2M", found: 1, expected: 0 }),
        (&[good, good], Breach::RingIndex { direction: "S2M", found: 0, expected: 1 }),
        (&[ring(M2S, 0)], Breach::TooManyRings { direction: "M2S", limit: 0 }),
        (&[good, ring(S2M, 1), ring(S2M, 2)], Breach::TooManyRings { direction: "S2M", limit: 2 }),
        (&[AddRing { log2_ring_size: 15, ..good }], Breach::RingSize { direction: "S2M", index: 0, log2: 15 }),
    ];
    for (rings, breach) in cases {
        let mut peer = Admitted::new(&config);
        for ring in rings {
            peer.ring(*ring);
        }
        peer.assert_refused(&breach);
    }
    let mut peer = Admitted::new(&config);
    peer.ring(AddRing { log2_ring_size: 255, ..good });
    peer.assert_refused(&Breach::RingSize { direction: "S2M", index: 0, log2: 255 });

    let mut peer = Admitted::new(&config);
    let mut bytes = Message::AddRing(good).emit();
    bytes[2..4].copy_from_slice(&3u16.to_ne_bytes());
    let fd = peer.fd();
    peer.master.handle_message(&bytes, fd);
    peer.assert_refused(&Breach::RingFlags(3));
}

#[test]
fn rings_beyond_the_limits_of_a_link_are_refused() {
    let limited = |limits: Limits| InterfaceConfig::master(0).rx_queues(9).tx_queues(9).limits(limits);
    let good = Limits::default();
    // Two rings are acknowledged, one of 2^4 and one of 2^5 slots; the third one is too much.
    let cases = [
        (Limits { rings: 2, ..good }, Breach::LinkRings(2)),
        (Limits { slots: 63, ..good }, Breach::LinkSlots(63)),
        (Limits { descriptors: 3, ..good }, Breach::LinkDescriptors(3)),
    ];
    let rings = |last| [add_ring(S2M, 0, 0, 0, 4), add_ring(M2S, 0, 0, 384, 5), last];
    for (limits, breach) in cases {
        for last in [add_ring(S2M, 1, 0, 1024, 4), add_ring(M2S, 1, 0, 1024, 4)] {
            let mut peer = Admitted::new(&limited(limits));
            peer.region(0, 4096);
            peer.assert_acknowledged();
            for ring in rings(last) {
                peer.ring(ring);
                if ring != last {
                    peer.assert_acknowledged();
                }
            }
            peer.assert_refused(&breach);
        }
    }
    let mut peer = Admitted::new(&limited(Limits { descriptors: 2, ..good }));
    for index in 0..2 {
        peer.region(index, 4096);
        peer.assert_acknowledged();
    }
    peer.region(2, 4096);
    peer.assert_refused(&Breach::LinkDescriptors(2));
    // As much as is allowed.
    let mut peer = Admitted::new(&limited(Limits { rings: 3, slots: 64, descriptors: 4, ..good }));
    peer.region(0, 4096);
    for ring in rings(add_ring(S2M, 1, 0, 1024, 4)) {
        peer.ring(ring);
    }
    peer.send(Message::Connect(Name::lossy(b"x")), Vec::new());
    assert!(matches!(peer.master.poll_event(), Some(MasterEvent::Connect(_))));
}

#[test]
fn the_default_limits_allow_32_rings_of_the_largest_size_each_way() {
    let config = InterfaceConfig::master(0).rx_queues(32).tx_queues(33);
    let mut peer = Admitted::new(&config);
    for direction in [S2M, M2S] {
        for index in 0..32 {
            peer.ring(AddRing { log2_ring_size: 14, ..ring(direction, index) });
            peer.assert_acknowledged();
        }
    }
    peer.ring(AddRing { log2_ring_size: 0, ..ring(M2S, 32) });
    peer.assert_refused(&Breach::LinkSlots(1 << 20));
}

#[test]
fn what_a_refused_slave_is_told_of_queues_fits_and_names_its_own_setting() {
    for (breach, named) in [
        (Breach::TooManyRings { direction: "S2M", limit: 254 }, "bring at most 254 (tx-queues)"),
        (Breach::TooManyRings { direction: "M2S", limit: 254 }, "bring at most 254 (rx-queues)"),
        (Breach::NoRingOneWay("S2M"), "bring at least 1 (tx-queues)"),
        (Breach::NoRingOneWay("M2S"), "bring at least 1 (rx-queues)"),
        (Breach::LinkRings(510), "bring fewer queues"),
        (Breach::LinkSlots(u32::MAX), "smaller rings"),
        (Breach::LinkDescriptors(u16::MAX), "fewer regions"),
    ] {
        let text = breach.to_string();
        assert!(text.len() <= 95 && text.contains(named), "{text}");
    }
}

#[test]
fn a_link_of_one_direction_is_for_programs_that_allow_it() {
    let both = InterfaceConfig::master(0);
    let open = |config: &InterfaceConfig, direction| {
        let mut peer = Admitted::new(config);
        peer.region(0, 4096);
        peer.ring(ring(direction, 0));
        peer.send(Message::Connect(Name::lossy(b"x")), Vec::new());
        peer
    };
    open(&both, M2S).assert_refused(&Breach::NoRingOneWay("S2M"));
    open(&both, S2M).assert_refused(&Breach::NoRingOneWay("M2S"));
    let allowed = [
        (both.clone().one_way(true), S2M),
        (both.clone().one_way(true), M2S),
        // Who serves none of a direction wants none.
        (both.clone().tx_queues(0), S2M),
        (both.clone().rx_queues(0), M2S),
    ];
    for (config, direction) in allowed {
        let mut peer = open(&config, direction);
        assert!(matches!(peer.master.poll_event(), Some(MasterEvent::Connect(_))), "{config:?}");
    }
}

#[test]
fn ring_places_are_checked_at_connect() {
    let config = InterfaceConfig::master(0).rx_queues(2).tx_queues(2).one_way(true);
    let config = config.cache_line(Some(CacheLine::Of64));
    let at = |direction, index, region, offset| add_ring(direction, index, region, offset, 4);
    let size = 1000; // one ring of 16 slots has 384 bytes
    let place = |offset: u64, end: u64| Breach::RingPlace { direction: "S2M", index: 0, offset, end, size };
    let cases: [(&[AddRing], Option<Breach>); 11] = [
        (&[], Some(Breach::NoRings)),
        (&[at(S2M, 0, 0, 616)], None),
        (&[at(S2M, 0, 0, 624)], Some(place(624, 1008))),
        (&[at(S2M, 0, 0, 4)], Some(place(4, 388))),
        (&[at(S2M, 0, 0, u32::MAX - 7)], Some(place(4_294_967_288, 4_294_967_672))),
        (&[at(S2M, 0, 1, 0)], Some(Breach::RingRegion { direction: "S2M", index: 0, region: 1 })),
        (&[at(S2M, 0, 0xffff, 0)], Some(Breach::RingRegion { direction: "S2M", index: 0, region: 0xffff })),
        (&[at(S2M, 0, 0, 0), at(M2S, 0, 0, 384)], None),
        (
            &[at(S2M, 0, 0, 0), at(M2S, 0, 0, 376)],
            Some(Breach::RingOverlap { direction: "M2S", index: 0, offset: 376 }),
        ),
        (
            &[at(S2M, 0, 0, 384), at(S2M, 1, 0, 8)],
            Some(Breach::RingOverlap { direction: "S2M", index: 0, offset: 384 }),
        ),
        (
            &[at(S2M, 0, 0, 0), at(M2S, 0, 0, 384), at(M2S, 1, 0, 400)],
            Some(Breach::RingOverlap { direction: "M2S", index: 1, offset: 400 }),
        ),
    ];
    for (rings, expected) in cases {
        let mut peer = Admitted::new(&config);
        peer.region(0, size);
        for ring in rings {
            peer.ring(*ring);
            peer.assert_acknowledged();
        }
        peer.send(Message::Connect(Name::lossy(b"x")), Vec::new());
        match expected {
            Some(breach) => peer.assert_refused(&breach),
            None => assert!(matches!(peer.master.poll_event(), Some(MasterEvent::Connect(_)))),
        }
    }
}

#[test]
fn the_cache_line_is_the_one_that_the_rings_show() {
    use CacheLine::{Of64, Of128};
    for (set, second, expected) in [
        (None, 384, Ok(Of64)),
        (None, 512, Ok(Of128)),
        // What shows nothing is taken for what was set, or for what is usual here.
        (None, 1000, Ok(CacheLine::default())),
        (Some(Of64), 1000, Ok(Of64)),
        (Some(Of128), 1000, Ok(Of128)),
        (Some(Of64), 384, Ok(Of64)),
        (Some(Of128), 512, Ok(Of128)),
        (Some(Of128), 384, Err(Breach::CacheLine { slave: Of64, master: Of128 })),
        (Some(Of64), 512, Err(Breach::CacheLine { slave: Of128, master: Of64 })),
    ] {
        let mut peer = Admitted::new(&InterfaceConfig::master(0).cache_line(set));
        peer.region(0, 4096);
        peer.ring(add_ring(S2M, 0, 0, 0, 4));
        peer.ring(add_ring(M2S, 0, 0, second, 4));
        peer.send(Message::Connect(Name::EMPTY), Vec::new());
        match expected {
            Err(breach) => peer.assert_refused(&breach),
            Ok(line) => {
                let Some(MasterEvent::Connect(setup)) = peer.master.poll_event() else { panic!("{set:?} {second}") };
                assert_eq!(setup.cache_line, line, "{set:?} {second}");
            }
        }
    }
}

#[test]
fn rings_may_come_before_their_region() {
    let mut peer = Admitted::new(&InterfaceConfig::master(0).one_way(true));
    peer.ring(ring(S2M, 0));
    peer.region(0, 4096);
    peer.send(Message::Connect(Name::EMPTY), Vec::new());
    assert!(matches!(peer.master.poll_event(), Some(MasterEvent::Connect(_))));
}

#[test]
fn descriptors_that_do_not_fit_the_message_are_closed() {
    let region = Message::AddRegion(AddRegion { index: 0, size: 4096 });
    let cases = [
        (region, 0, 1),
        (region, 2, 1),
        (region, 253, 1),
        (Message::AddRing(ring(S2M, 0)), 0, 1),
        (Message::AddRing(ring(S2M, 0)), 2, 1),
        (Message::Connect(Name::EMPTY), 1, 0),
        (Message::Ack, 1, 0),
    ];
    for (message, found, expected) in cases {
        let mut peer = Admitted::new(&InterfaceConfig::master(0));
        let fds = (0..found).map(|_| FakeFd::new(&peer.open)).collect();
        peer.send(message, fds);
        peer.assert_refused(&Breach::DescriptorCount { message: message.name(), found, expected });
    }
}

#[test]
fn descriptors_of_the_wrong_kind_are_refused_by_their_own_check() {
    let mut peer = Admitted::new(&InterfaceConfig::master(0));
    let fd = FakeFd::bad(&peer.open, Breach::RegionType(0));
    peer.send(Message::AddRegion(AddRegion { index: 0, size: 4096 }), vec![fd]);
    peer.assert_refused(&Breach::RegionType(0));

    let mut peer = Admitted::new(&InterfaceConfig::master(0));
    let breach = Breach::InterruptType { direction: "M2S", index: 0 };
    let fd = FakeFd::bad(&peer.open, breach.clone());
    peer.send(Message::AddRing(ring(M2S, 0)), vec![fd]);
    peer.assert_refused(&breach);
}

#[test]
fn memory_that_cannot_be_mapped_is_refused_after_connect() {
    let mut peer = Admitted::new(&InterfaceConfig::master(0).one_way(true));
    peer.region(0, 4096);
    peer.ring(ring(S2M, 0));
    peer.send(Message::Connect(Name::EMPTY), Vec::new());
    let Some(MasterEvent::Connect(setup)) = peer.master.poll_event() else { panic!("no setup") };
    drop(setup);
    let breach = Breach::Cookie { direction: "S2M", index: 0, found: 0 };
    peer.master.refuse(breach.clone());
    peer.assert_refused(&breach);
}

#[test]
fn a_handshake_has_a_time_limit_on_both_sides() {
    let breach = Refusal::HandshakeTimeout(5000);
    for steps in [0, 2, 4] {
        let mut pair = Pair::new(&InterfaceConfig::master(0), &InterfaceConfig::slave(0));
        for _ in 0..steps {
            pair.step();
        }
        pair.master.handle_timeout(pair.now + TIMEOUT - Duration::from_millis(1));
        assert_eq!(closed(&mut pair.master), None);
        pair.master.handle_timeout(pair.now + TIMEOUT);
        assert_eq!(closed(&mut pair.master), Some(Closed::Refused(breach.clone())));

        let before_init = pair.slave.stage() == Stage::WaitHello;
        pair.slave.handle_timeout(pair.now + TIMEOUT);
        assert_eq!(slave_closed(&mut pair.slave), Some(Closed::Refused(breach.clone())));
        let last = *sent_by_slave(&mut pair.slave).last().unwrap();
        assert_eq!(last.name(), if before_init { "ACK" } else { "DISCONNECT" });
    }
}

#[test]
fn a_slave_refuses_a_hello_of_other_versions_with_an_ack() {
    for (min, max) in [(0x0201, 0x0300), (0x0100, 0x01ff), (0x0300, 0x0100)] {
        let params = SlaveParams::new(&InterfaceConfig::slave(0), Name::EMPTY);
        let mut slave = Slave::<FakeFd>::new(Instant::now(), params, TIMEOUT);
        let hello = Hello { min_version: min, max_version: max, ..hello() };
        slave.handle_message(&Message::Hello(hello).emit(), Vec::new());
        assert_eq!(slave_closed(&mut slave), Some(Closed::Refused(Refusal::Version { min, max })));
        assert_eq!(sent_by_slave(&mut slave), [Message::Ack]);
    }
}
