//! Queues of both roles joined in one process, without a socket.

mod copying;
mod descriptors;
mod flush;
mod forwarding;
mod hostile;
mod keeping;
mod leftovers;
mod memory;
#[cfg(any(feature = "async-io", feature = "tokio"))]
mod naps;
mod pair;
mod regressions;
mod room;
mod scans;
mod spinning;
mod traffic;
mod views;
mod waiting;
mod watched;
mod written;

pub(super) use watched::Watched;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use super::DriverSignals;
use crate::config::{InterfaceConfig, Role};
use crate::link::{Connected, MasterMemory, SlaveMemory};
use crate::proto::{RegionSetup, RingSetup, Sealing, Setup};
use crate::shm::{MappedRing, Mapping};
use crate::wire::RingDirection;

/// Both ends of a link.
pub(super) struct Pair {
    pub(super) master: Connected,
    pub(super) slave: Connected,
    /// Another view of every ring, S2M before M2S, to lie through.
    pub(super) rings: Vec<MappedRing>,
}

fn signals() -> DriverSignals {
    let event = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    // Miri has no timers of this kind.
    let timer = if cfg!(miri) {
        eventfd(0, EventfdFlags::NONBLOCK).unwrap()
    } else {
        timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap()
    };
    DriverSignals::new(Arc::new(event), Arc::new(timer))
}

fn setup(memory: &SlaveMemory) -> Setup<OwnedFd> {
    let ring = |direction| {
        memory
            .rings()
            .iter()
            .filter(move |(message, _)| message.direction == direction)
            .map(|(message, interrupt)| RingSetup {
                index: message.index,
                region: message.region,
                offset: message.offset,
                log2_size: message.log2_ring_size,
                interrupt: interrupt.try_clone().unwrap(),
            })
            .collect()
    };
    Setup {
        regions: memory
            .regions()
            .iter()
            .map(|(fd, size)| RegionSetup {
                size: *size,
                sealing: if cfg!(miri) { Sealing::Sealed } else { Sealing::Guarded },
                fd: fd.try_clone().unwrap(),
            })
            .collect(),
        s2m: ring(RingDirection::S2m),
        m2s: ring(RingDirection::M2s),
        cache_line: Default::default(),
        peer: Default::default(),
    }
}

impl Pair {
    /// A link between two configurations with the slave's queues and sizes.
    pub(super) fn new(slave: InterfaceConfig, master: InterfaceConfig) -> Self {
        slave.validate().unwrap();
        master.validate().unwrap();
        assert_eq!((slave.role, master.role), (Role::Slave, Role::Master));
        let memory = SlaveMemory::allocate(&slave, slave.tx_queues, slave.rx_queues, slave.log2_ring_size()).unwrap();
        memory.write_rings(&slave).unwrap();
        let mapping = Arc::new(Mapping::map(&*memory.regions()[0].0, memory.regions()[0].1, false).unwrap());
        let line = slave.cache_line.unwrap_or_default();
        let rings = memory
            .rings()
            .iter()
            .map(|(message, _)| MappedRing::new(&mapping, message.offset, message.log2_ring_size, line).unwrap())
            .collect();
        let other = MasterMemory::map(&master, Setup { cache_line: line, ..setup(&memory) }).unwrap();
        let slave = memory.connect(&slave, &signals());
        let master = other.connect(&master, &signals());
        Self { master, slave, rings }
    }

    /// A link with these ring and buffer sizes on both ends.
    pub(super) fn sized(ring_size: u32, buffer_size: u32) -> Self {
        let sized = |config: InterfaceConfig| config.ring_size(ring_size).buffer_size(buffer_size);
        Self::new(sized(InterfaceConfig::slave(0)), sized(InterfaceConfig::master(0)))
    }
}

/// A packet that differs from every other one.
pub(super) fn packet(number: u64, len: usize) -> Vec<u8> {
    let mut x = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ len as u64;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend(x.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
