//! What a scripted slave is going to say: its parameters, its memory, and the messages as steps that a test can edit.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};

use crate::dialect::Dialect;
use crate::ring::{Descriptor, LINE, Ring, ring_bytes_for};
use crate::shared::{FileKind, SharedFile};
use crate::wiremsg::{AddRegion, AddRing, Init, Message, SIZE, VERSION};

/// Where rings and buffers lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// One region, rings first, buffers fixed to slots (DPDK, VPP without zero-copy).
    #[default]
    OneRegion,
    /// Rings in region 0, buffers fixed to slots in region 1 (libmemif).
    RingsApart,
    /// Rings in region 0, a pool of this many bytes in region 1, and descriptors zero until they are used (VPP).
    Pool(u64),
}

/// Parameters of a scripted slave.
#[derive(Clone, Debug)]
pub struct SlavePlan {
    /// In INIT.
    pub version: u16,
    /// In INIT.
    pub id: u32,
    /// In INIT.
    pub mode: u8,
    /// In INIT, without padding.
    pub secret: Vec<u8>,
    /// In INIT.
    pub name: Vec<u8>,
    /// In CONNECT.
    pub if_name: Vec<u8>,
    /// Rings towards the master.
    pub s2m: u16,
    /// Rings towards the slave.
    pub m2s: u16,
    /// Size of the rings as laid out.
    pub log2: u8,
    /// Bytes of the cache line that they are laid out for.
    pub line: u64,
    /// Size that ADD_RING announces, when it differs (V1).
    pub announced_log2: Option<u8>,
    /// Bytes of a buffer.
    pub buffer_size: u32,
    /// Bytes left free in front of the data of posted buffers.
    pub headroom: u32,
    /// Where things lie.
    pub layout: Layout,
    /// File of region 0.
    pub rings_file: FileKind,
    /// File of region 1.
    pub buffers_file: FileKind,
    /// Habits.
    pub dialect: Dialect,
}

impl Default for SlavePlan {
    fn default() -> Self {
        Self {
            version: VERSION,
            id: 0,
            mode: 0,
            secret: Vec::new(),
            name: b"scripted slave".to_vec(),
            if_name: b"scripted0".to_vec(),
            s2m: 1,
            m2s: 1,
            log2: 8,
            line: LINE,
            announced_log2: None,
            buffer_size: 2048,
            headroom: 0,
            layout: Layout::OneRegion,
            rings_file: FileKind::Sealed,
            buffers_file: FileKind::Sealed,
            dialect: Dialect::PLAIN,
        }
    }
}

impl SlavePlan {
    /// The defaults for an id.
    #[must_use]
    pub fn id(id: u32) -> Self {
        Self { id, ..Self::default() }
    }
}

/// A buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Region.
    pub region: u16,
    /// First byte of data.
    pub offset: u32,
    /// Bytes from there on.
    pub room: u32,
}

/// One ring of a slave with its eventfd and buffers.
#[derive(Clone, Debug)]
pub struct SlaveRing {
    /// The ring.
    pub ring: Ring,
    /// Its eventfd.
    pub interrupt: Arc<OwnedFd>,
    /// Its buffers: one per slot, or twice as many when they are not fixed to slots.
    pub places: Vec<Place>,
    /// Whether slot n always holds buffer n.
    pub fixed: bool,
}

/// All memory of a slave.
#[derive(Clone, Debug)]
pub struct SlaveMemory {
    /// Regions in order.
    pub regions: Arc<Vec<SharedFile>>,
    /// Rings towards the master.
    pub s2m: Vec<SlaveRing>,
    /// Rings towards the slave.
    pub m2s: Vec<SlaveRing>,
}

impl SlaveMemory {
    /// Allocates and initialises as the plan says.
    #[must_use]
    pub fn new(plan: &SlavePlan) -> Self {
        let rings = u64::from(plan.s2m) + u64::from(plan.m2s);
        let slots = 1u64 << plan.log2;
        let ring_bytes = ring_bytes_for(plan.line, plan.log2);
        let rings_size = rings * ring_bytes;
        let buffers_size = rings * slots * u64::from(plan.buffer_size);
        let mut regions = Vec::new();
        match plan.layout {
            Layout::OneRegion => {
                regions.push(SharedFile::create(plan.rings_file, rings_size + buffers_size));
            }
            Layout::RingsApart => {
                regions.push(SharedFile::create(plan.rings_file, rings_size));
                regions.push(SharedFile::create(plan.buffers_file, buffers_size));
            }
            Layout::Pool(bytes) => {
                regions.push(SharedFile::create(plan.rings_file, rings_size));
                regions.push(SharedFile::create(plan.buffers_file, bytes));
            }
        }
        let regions = Arc::new(regions);
        let mut next_ring = 0;
        let mut next_buffer = if plan.layout == Layout::OneRegion { rings_size } else { 0 };
        let mut ring = |_| {
            let ring = Ring::with_line(plan.line, &regions[0], next_ring * ring_bytes, plan.log2);
            next_ring += 1;
            ring.initialise();
            let places = places(plan, &mut next_buffer);
            let fixed = !matches!(plan.layout, Layout::Pool(_));
            if fixed {
                for (slot, place) in (0u16..).zip(&places) {
                    let (region, offset, length) = (place.region, place.offset, place.room);
                    ring.set_descriptor(slot, Descriptor { region, offset, length, ..Descriptor::default() });
                }
            }
            SlaveRing { ring, interrupt: Arc::new(new_eventfd()), places, fixed }
        };
        let s2m = (0..plan.s2m).map(&mut ring).collect();
        let m2s = (0..plan.m2s).map(&mut ring).collect();
        Self { regions, s2m, m2s }
    }
}

/// An eventfd as all peers make them.
#[must_use]
pub fn new_eventfd() -> OwnedFd {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd")
}

fn places(plan: &SlavePlan, next: &mut u64) -> Vec<Place> {
    let place = |region, offset: u64| Place {
        region,
        offset: u32::try_from(offset).expect("a buffer below 4 GiB") + plan.headroom,
        room: plan.buffer_size - plan.headroom,
    };
    let slots = 1u64 << plan.log2;
    match plan.layout {
        Layout::OneRegion | Layout::RingsApart => {
            let region = u16::from(plan.layout == Layout::RingsApart);
            let first = *next;
            *next += slots * u64::from(plan.buffer_size);
            (0..slots).map(|slot| place(region, first + slot * u64::from(plan.buffer_size))).collect()
        }
        Layout::Pool(bytes) => {
            // A buffer of VPP: 256 bytes of its own in front of the data.
            let stride = u64::from(plan.buffer_size) + 256;
            let first = *next;
            *next += 2 * slots * stride;
            assert!(*next <= bytes, "the pool of {bytes} bytes is too small, {next} are needed");
            (0..2 * slots).map(|n| place(1, first + n * stride + 256)).collect()
        }
    }
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An ACK.
    Ack,
    /// CONNECTED.
    Connected,
    /// Nothing: the next step follows at once.
    None,
}

/// One message of a handshake.
#[derive(Clone, Debug)]
pub struct Step {
    /// `INIT`, `ADD_REGION 1`, `ADD_RING S2M 0`, `CONNECT`, or what a test calls it.
    pub label: String,
    /// The message.
    pub message: Message,
    /// Other bytes to send instead of the message.
    pub raw: Option<Vec<u8>>,
    /// Descriptors that go with it.
    pub fds: Vec<Arc<OwnedFd>>,
    /// What it waits for.
    pub answer: Answer,
}

impl Step {
    /// A step without descriptors that waits for nothing.
    #[must_use]
    pub fn bare(label: &str, message: Message) -> Self {
        Self { label: label.to_owned(), message, raw: None, fds: Vec::new(), answer: Answer::None }
    }

    /// The bytes that go out.
    #[must_use]
    pub fn bytes(&self, garbage: bool) -> Vec<u8> {
        match &self.raw {
            Some(raw) => raw.clone(),
            None if garbage => self.message.encode_over([0xb5; SIZE]),
            None => self.message.encode(),
        }
    }
}

/// The messages of a slave after HELLO, in order.
#[derive(Clone, Debug)]
pub struct Script(pub Vec<Step>);

impl Script {
    /// What an honest slave with this plan and memory says.
    #[must_use]
    pub fn new(plan: &SlavePlan, memory: &SlaveMemory) -> Self {
        let mut steps = Vec::new();
        let mut add = |label: String, message, fd: Option<Arc<OwnedFd>>, answer| {
            steps.push(Step { label, message, raw: None, fds: fd.into_iter().collect(), answer });
        };
        let init = Init {
            version: plan.version,
            id: plan.id,
            mode: plan.mode,
            secret: plan.secret.clone(),
            name: plan.name.clone(),
        };
        add("INIT".to_owned(), Message::Init(init), None, Answer::Ack);
        for (index, region) in (0u16..).zip(memory.regions.iter()) {
            let message = Message::AddRegion(AddRegion { index, size: region.size() });
            let fd = Arc::new(region.as_fd().try_clone_to_owned().expect("dup"));
            add(format!("ADD_REGION {index}"), message, Some(fd), Answer::Ack);
        }
        for (flags, name, rings) in [(1, "S2M", &memory.s2m), (0, "M2S", &memory.m2s)] {
            for (index, ring) in (0u16..).zip(rings) {
                let message = Message::AddRing(AddRing {
                    flags,
                    index,
                    region: 0,
                    offset: u32::try_from(ring.ring.offset()).expect("a ring below 4 GiB"),
                    log2: plan.announced_log2.unwrap_or(plan.log2),
                    private_header: 0,
                });
                let fd = Some(ring.interrupt.clone());
                add(format!("ADD_RING {name} {index}"), message, fd, Answer::Ack);
            }
        }
        add("CONNECT".to_owned(), Message::Connect(plan.if_name.clone()), None, Answer::Connected);
        Self(steps)
    }

    fn position(&self, label: &str) -> usize {
        self.0
            .iter()
            .position(|step| step.label == label)
            .unwrap_or_else(|| panic!("no step {label:?} in {:?}", self.labels()))
    }

    /// All labels in order.
    #[must_use]
    pub fn labels(&self) -> Vec<&str> {
        self.0.iter().map(|step| step.label.as_str()).collect()
    }

    /// The step with that label.
    pub fn step(&mut self, label: &str) -> &mut Step {
        let at = self.position(label);
        &mut self.0[at]
    }

    /// The ADD_RING with that label.
    pub fn ring(&mut self, label: &str) -> &mut AddRing {
        match &mut self.step(label).message {
            Message::AddRing(ring) => ring,
            other => panic!("{label} is {other:?}"),
        }
    }

    /// The ADD_REGION with that label.
    pub fn region(&mut self, label: &str) -> &mut AddRegion {
        match &mut self.step(label).message {
            Message::AddRegion(region) => region,
            other => panic!("{label} is {other:?}"),
        }
    }

    /// The INIT.
    pub fn init(&mut self) -> &mut Init {
        match &mut self.step("INIT").message {
            Message::Init(init) => init,
            other => panic!("INIT is {other:?}"),
        }
    }

    /// Takes a step out.
    pub fn remove(&mut self, label: &str) -> Step {
        let at = self.position(label);
        self.0.remove(at)
    }

    /// Puts a step in front of another.
    pub fn insert_before(&mut self, label: &str, step: Step) {
        let at = self.position(label);
        self.0.insert(at, step);
    }

    /// Puts a step behind another.
    pub fn insert_after(&mut self, label: &str, step: Step) {
        let at = self.position(label);
        self.0.insert(at + 1, step);
    }

    /// Ends the script with that step.
    pub fn end_after(&mut self, label: &str) {
        let at = self.position(label);
        self.0.truncate(at + 1);
    }

    /// Ends the script in front of that step.
    pub fn end_before(&mut self, label: &str) {
        let at = self.position(label);
        self.0.truncate(at);
    }
}
