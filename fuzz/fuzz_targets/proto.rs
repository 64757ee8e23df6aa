//! Both handshake machines against any sequence of messages, descriptors, timeouts and ends.
#![no_main]

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use memif::proto::{
    Closed, MAX_MESSAGES, Master, MasterEvent, MasterParams, PeerFd, Sealing, Setup, Slave, SlaveEvent, SlaveParams,
    Stage, Transmit,
};
use memif::wire::ring::ring_bytes;
use memif::wire::{AddRegion, AddRing, Disconnect, Hello, Init, Message, RingDirection, Text};
use memif::{Breach, InterfaceConfig, Name, Refusal};

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Arbitrary, Debug)]
struct Input {
    slave: bool,
    secret: bool,
    queues: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Say {
        what: What,
        fds: u8,
        good_fd: bool,
    },
    Bytes {
        bytes: Vec<u8>,
        fds: u8,
    },
    Time {
        millis: u16,
    },
    Hangup,
    Refuse,
    Disconnect(String),
    /// What the owner does about an event that waits.
    Answer {
        yes: bool,
        rings: u8,
    },
    /// The owner answers what was not asked.
    AnswerAnyway,
}

/// A message that is likely to be a good one.
#[derive(Arbitrary, Debug)]
enum What {
    Ack,
    Hello { high: u16, log2: u8, version: Option<u16> },
    Init { mode: u8, version: Option<u16>, secret: Option<[u8; 24]> },
    Region { skip: u8, size: u32, huge: bool },
    Ring { m2s: bool, skip: u8, region: u8, log2: u8, place: u16, offset: Option<u32>, header: u8 },
    Connect,
    Connected,
    Disconnect,
}

/// A descriptor that is counted.
#[derive(Debug)]
struct Fd {
    open: Rc<Cell<usize>>,
    good: bool,
}

impl Fd {
    fn new(open: &Rc<Cell<usize>>, good: bool) -> Self {
        open.set(open.get() + 1);
        Self { open: Rc::clone(open), good }
    }
}

impl Drop for Fd {
    fn drop(&mut self) {
        self.open.set(self.open.get() - 1);
    }
}

impl PeerFd for Fd {
    fn check_region(&mut self, index: u16, _: u64, _: bool) -> Result<Sealing, Breach> {
        if self.good { Ok(Sealing::Guarded) } else { Err(Breach::RegionType(index)) }
    }

    fn check_interrupt(&mut self, direction: RingDirection, index: u16) -> Result<(), Breach> {
        let breach = Breach::InterruptType { direction: direction.as_str(), index };
        if self.good { Ok(()) } else { Err(breach) }
    }
}

/// What was said so far, so that the next index is mostly right.
#[derive(Default)]
struct Said {
    regions: u16,
    s2m: u16,
    m2s: u16,
}

impl Said {
    fn message(&mut self, what: &What) -> Message {
        match *what {
            What::Ack => Message::Ack,
            What::Hello { high, log2, version } => Message::Hello(Hello {
                name: Name::lossy(b"fuzz"),
                min_version: version.unwrap_or(0x0200),
                max_version: version.map_or(0x0200, |v| v.rotate_left(3)),
                max_region: high,
                max_m2s_ring: high,
                max_s2m_ring: high,
                max_log2_ring_size: log2,
            }),
            What::Init { mode, version, secret } => {
                let mut right = [0; 24];
                right[..6].copy_from_slice(b"secret");
                Message::Init(Init {
                    version: version.unwrap_or(0x0200),
                    id: 0,
                    mode: mode % 3 / 2,
                    secret: secret.unwrap_or(right),
                    name: Name::lossy(b"fuzz"),
                })
            }
            What::Region { skip, size, huge } => {
                let index = self.regions + u16::from(skip) / 128;
                self.regions += 1;
                let size = if huge { u64::from(size) << 32 } else { u64::from(size) };
                Message::AddRegion(AddRegion { index, size })
            }
            What::Ring { m2s, skip, region, log2, place, offset, header } => {
                let direction = if m2s { RingDirection::M2s } else { RingDirection::S2m };
                let count = if m2s { &mut self.m2s } else { &mut self.s2m };
                let index = *count + u16::from(skip) / 128;
                *count += 1;
                Message::AddRing(AddRing {
                    direction,
                    index,
                    region: u16::from(region) / 64,
                    offset: offset.unwrap_or(u32::from(place) * 128),
                    log2_ring_size: log2 % 16,
                    private_hdr_size: u16::from(header) / 255,
                })
            }
            What::Connect => Message::Connect(Text::lossy(b"fuzz0")),
            What::Connected => Message::Connected(Text::lossy(b"fuzz0")),
            What::Disconnect => Message::Disconnect(Disconnect { code: 0, reason: Text::lossy(b"enough") }),
        }
    }
}

/// What a machine has sent, and whether that was right.
#[derive(Default)]
struct Sent {
    count: usize,
    farewell: bool,
}

impl Sent {
    fn see(&mut self, transmit: &Transmit<Fd>, stage: Stage) {
        assert!(!self.farewell, "something was sent behind the last word");
        let message = Message::parse(&transmit.bytes).expect("what is sent is a message");
        assert_eq!(usize::from(transmit.fd.is_some()), message.descriptors(), "{message:?}");
        if let Message::Disconnect(end) = message {
            assert!(!end.reason.is_empty(), "a DISCONNECT without a reason");
            assert_eq!(stage, Stage::Closed, "a DISCONNECT and it goes on");
            self.farewell = true;
        }
        self.count += 1;
        assert!(self.count <= MAX_MESSAGES as usize + 1, "more answers than messages");
    }
}

fuzz_target!(|input: Input| {
    let open = Rc::new(Cell::new(0));
    if input.slave {
        slave(&input, &open);
    } else {
        master(&input, &open);
    }
    assert_eq!(open.get(), 0, "descriptors are left");
});

fn config(input: &Input) -> InterfaceConfig {
    let queues = input.queues.max(1);
    let config = InterfaceConfig::new(if input.slave { memif::Role::Slave } else { memif::Role::Master }, 0);
    let secret = input.secret.then(|| "secret".parse().expect("a secret"));
    config.rx_queues(queues).tx_queues(queues).ring_size(64).secret(secret)
}

fn master(input: &Input, open: &Rc<Cell<usize>>) {
    let config = config(input);
    let params = MasterParams::from(&config);
    let mut now = Instant::now();
    let app_name = Name::lossy(b"under test");
    let mut machine: Master<Fd> = Master::new(now, app_name, TIMEOUT);
    let (mut said, mut sent, mut events) = (Said::default(), Sent::default(), Vec::new());
    let mut end: Option<Closed> = None;
    for step in &input.steps {
        let waits = matches!(machine.stage(), Stage::Admission | Stage::Mapping);
        match step {
            Step::Say { what, fds, good_fd } if !waits => {
                let message = said.message(what);
                let count = message.descriptors() + usize::from(*fds / 200);
                let fds = (0..count).map(|_| Fd::new(open, *good_fd)).collect();
                machine.handle_message(&message.emit(), fds);
            }
            Step::Bytes { bytes, fds } if !waits => {
                machine.handle_message(bytes, (0..*fds % 4).map(|_| Fd::new(open, true)).collect());
            }
            Step::Say { .. } | Step::Bytes { .. } => {}
            Step::Time { millis } => {
                now += Duration::from_millis(u64::from(*millis));
                machine.handle_timeout(now);
                let due = machine.poll_timeout();
                assert!(due.is_none_or(|due| due > now), "a time that is over is still due");
            }
            Step::Hangup => machine.handle_closed(),
            Step::Refuse => machine.refuse(Refusal::SecretWrong),
            Step::Disconnect(reason) => machine.disconnect(format!("told: {reason}").as_str()),
            Step::Answer { yes, .. } => match machine.stage() {
                Stage::Admission if *yes => {
                    let right = machine.verify(&params);
                    assert_eq!(machine.admit(&params), right);
                }
                Stage::Mapping if *yes => machine.connected(),
                _ if waits => machine.refuse(Refusal::SecretWrong),
                _ => {}
            },
            Step::AnswerAnyway => {
                if machine.stage() != Stage::Admission {
                    let _ = machine.admit(&params);
                }
                if machine.stage() != Stage::Mapping {
                    machine.connected();
                }
            }
        }
        while let Some(transmit) = machine.poll_transmit() {
            sent.see(&transmit, machine.stage());
        }
        while let Some(event) = machine.poll_event() {
            assert!(end.is_none(), "an event after the end");
            match event {
                MasterEvent::Closed(closed) => end = Some(closed),
                MasterEvent::Connect(setup) => check(&setup, &params),
                event => events.push(event),
            }
        }
        if let Some(closed) = &end {
            assert_eq!(machine.stage(), Stage::Closed);
            let told = matches!(closed, Closed::Local(_) | Closed::Refused(_));
            assert_eq!(sent.farewell, told, "{closed:?}");
            assert_eq!(machine.descriptors(), 0);
            assert!(machine.poll_timeout().is_none());
        }
        assert!(machine.descriptors() <= 256 + 2 * 255);
        assert!(open.get() <= machine.descriptors(), "a refused descriptor is open");
    }
    assert!(events.len() <= 1, "INIT was taken twice");
}

/// Everything fits together.
fn check(setup: &Setup<Fd>, params: &MasterParams) {
    let limits = params.limits;
    assert!(setup.regions.len() <= usize::from(limits.regions));
    assert!(setup.regions.iter().all(|r| r.size > 0 && r.size <= limits.region_size));
    assert!(setup.regions.iter().map(|r| u128::from(r.size)).sum::<u128>() <= limits.total_size.into());
    assert!(setup.s2m.len() <= params.max_s2m.into() && setup.m2s.len() <= params.max_m2s.into());
    let rings: Vec<_> = setup.s2m.iter().chain(&setup.m2s).collect();
    assert!(!rings.is_empty());
    for (at, ring) in rings.iter().enumerate() {
        let place = |ring: &memif::proto::RingSetup<Fd>| {
            let start = u64::from(ring.offset);
            (ring.region, start, start + ring_bytes(setup.cache_line, ring.log2_size))
        };
        let (region, start, end) = place(ring);
        assert!(ring.log2_size <= 14 && start % 8 == 0);
        assert!(end <= setup.regions[usize::from(region)].size, "a ring leaves its region");
        for other in &rings[..at] {
            let (other_region, other_start, other_end) = place(other);
            assert!(region != other_region || end <= other_start || other_end <= start, "rings overlap");
        }
    }
}

fn slave(input: &Input, open: &Rc<Cell<usize>>) {
    let config = config(input);
    let mut now = Instant::now();
    let params = SlaveParams::new(&config, Name::lossy(b"under test"));
    let mut machine: Slave<Fd> = Slave::new(now, params, TIMEOUT);
    let (mut said, mut sent) = (Said::default(), Sent::default());
    let mut asked = None;
    let mut end: Option<Closed> = None;
    for step in &input.steps {
        let fresh = machine.stage() == Stage::WaitHello;
        match step {
            Step::Say { what, fds, .. } => {
                let message = said.message(what);
                let fds = (0..usize::from(*fds / 200)).map(|_| Fd::new(open, true)).collect();
                machine.handle_message(&message.emit(), fds);
            }
            Step::Bytes { bytes, fds } => {
                machine.handle_message(bytes, (0..*fds % 4).map(|_| Fd::new(open, true)).collect());
            }
            Step::Time { millis } => {
                now += Duration::from_millis(u64::from(*millis));
                machine.handle_timeout(now);
                let due = machine.poll_timeout();
                assert!(due.is_none_or(|due| due > now), "a time that is over is still due");
            }
            Step::Hangup => machine.handle_closed(),
            Step::Refuse => machine.refuse(Refusal::SecretWrong),
            Step::Disconnect(reason) => machine.disconnect(format!("told: {reason}").as_str()),
            Step::Answer { rings, .. } if asked.is_some() => {
                asked = None;
                provide(&mut machine, *rings, open);
            }
            Step::Answer { .. } => {}
            Step::AnswerAnyway => provide(&mut machine, 1, open),
        }
        while let Some(transmit) = machine.poll_transmit() {
            if fresh && machine.stage() == Stage::Closed {
                // Before INIT the last word is an ACK.
                assert!(matches!(Message::parse(&transmit.bytes), Ok(Message::Ack)));
                sent.count += 1;
                continue;
            }
            sent.see(&transmit, machine.stage());
        }
        while let Some(event) = machine.poll_event() {
            assert!(end.is_none(), "an event after the end");
            match event {
                SlaveEvent::Allocate { s2m, m2s, log2_ring_size } => {
                    assert!(s2m <= input.queues.max(1) && m2s <= input.queues.max(1));
                    assert!(s2m > 0 && m2s > 0 && log2_ring_size <= 6);
                    asked = Some(());
                }
                SlaveEvent::Closed(closed) => end = Some(closed),
                _ => {}
            }
        }
        if end.is_some() {
            assert_eq!(machine.stage(), Stage::Closed);
            assert_eq!(open.get(), 0, "descriptors of a closed connection");
            assert!(machine.poll_timeout().is_none());
        }
    }
}

fn provide(machine: &mut Slave<Fd>, rings: u8, open: &Rc<Cell<usize>>) {
    let ring = |index: u8| AddRing {
        direction: RingDirection::S2m,
        index: u16::from(index),
        region: 0,
        offset: 0,
        log2_ring_size: 6,
        private_hdr_size: 0,
    };
    machine.provide([(Fd::new(open, true), 1 << 20)], (0..rings % 8).map(|index| (ring(index), Fd::new(open, true))));
}
