//! Both machines joined in memory, with time that only the test moves.

mod handshake;
mod hostile;
mod refusals;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::config::{InterfaceConfig, Name, Secret};
use crate::error::{Breach, Refusal};
use crate::limits::Limits;
use crate::terms::CacheLine;
use crate::wire::{AddRegion, AddRing, Disconnect, Hello, Init, MESSAGE_SIZE, Message, RingDirection, Text, VERSION};

/// A descriptor that counts how many of its kind are open and answers checks as told.
#[derive(Debug)]
pub(super) struct FakeFd {
    open: Arc<AtomicUsize>,
    refusal: Option<Breach>,
}

impl FakeFd {
    pub(super) fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self { open: open.clone(), refusal: None }
    }

    pub(super) fn bad(open: &Arc<AtomicUsize>, refusal: Breach) -> Self {
        let mut fd = Self::new(open);
        fd.refusal = Some(refusal);
        fd
    }
}

impl Drop for FakeFd {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PeerFd for FakeFd {
    fn check_region(&mut self, _: u16, _: u64, _: bool) -> Result<Sealing, Breach> {
        self.refusal.clone().map_or(Ok(Sealing::Guarded), Err)
    }

    fn check_interrupt(&mut self, _: RingDirection, _: u16) -> Result<(), Breach> {
        self.refusal.clone().map_or(Ok(()), Err)
    }
}

pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// More steps than any handshake needs: what passes it is a livelock.
const MAX_STEPS: usize = 5000;

pub(super) fn master_app() -> Name {
    Name::lossy(b"master app")
}

/// A master machine on its own, past accept, with HELLO taken.
pub(super) fn master(now: Instant) -> Master<FakeFd> {
    let mut master = Master::new(now, master_app(), TIMEOUT);
    assert!(master.poll_transmit().is_some());
    master
}

pub(super) fn init(config: &InterfaceConfig) -> Init {
    Init {
        version: VERSION,
        id: config.id,
        mode: config.mode.to_wire(),
        secret: config.secret.map(|secret| *secret.field().field()).unwrap_or_default(),
        name: Name::lossy(b"slave app"),
    }
}

pub(super) fn hello() -> Hello {
    Hello {
        name: master_app(),
        min_version: VERSION,
        max_version: VERSION,
        max_region: 255,
        max_m2s_ring: 255,
        max_s2m_ring: 255,
        max_log2_ring_size: 14,
    }
}

/// Everything that the machine wants sent.
pub(super) fn sent<F: PeerFd>(master: &mut Master<F>) -> Vec<Message> {
    std::iter::from_fn(|| master.poll_transmit()).map(|transmit| Message::parse(&transmit.bytes).unwrap()).collect()
}

pub(super) fn sent_by_slave<F>(slave: &mut Slave<F>) -> Vec<Message> {
    std::iter::from_fn(|| slave.poll_transmit()).map(|transmit| Message::parse(&transmit.bytes).unwrap()).collect()
}

pub(super) fn closed<F: PeerFd>(master: &mut Master<F>) -> Option<Closed> {
    std::iter::from_fn(|| master.poll_event()).find_map(|event| match event {
        MasterEvent::Closed(reason) => Some(reason),
        _ => None,
    })
}

pub(super) fn slave_closed<F>(slave: &mut Slave<F>) -> Option<Closed> {
    std::iter::from_fn(|| slave.poll_event()).find_map(|event| match event {
        SlaveEvent::Closed(reason) => Some(reason),
        _ => None,
    })
}

pub(super) fn text(message: &Message) -> String {
    match message {
        Message::Disconnect(end) => end.reason.to_string(),
        other => panic!("{} is no DISCONNECT", other.name()),
    }
}

/// A master and a slave with a wire between them.
pub(super) struct Pair {
    pub(super) now: Instant,
    pub(super) open: Arc<AtomicUsize>,
    pub(super) master: Master<FakeFd>,
    pub(super) slave: Slave<FakeFd>,
    /// What the master's side does on INIT.
    pub(super) params: MasterParams,
    /// The regions' sizes that the slave announces.
    pub(super) regions: Vec<u64>,
    /// Ends the connection (both see it closed) before the message of this number is delivered.
    pub(super) cut_at: Option<usize>,
    pub(super) delivered: Vec<Message>,
    pub(super) setup: Option<Setup<FakeFd>>,
    pub(super) slave_connected: Option<PeerNames>,
    pub(super) master_closed: Option<Closed>,
    pub(super) slave_closed: Option<Closed>,
    to_master: VecDeque<Transmit<FakeFd>>,
    to_slave: VecDeque<Transmit<FakeFd>>,
}

impl Pair {
    pub(super) fn new(master: &InterfaceConfig, slave: &InterfaceConfig) -> Self {
        let now = Instant::now();
        let params = SlaveParams::new(slave, Name::lossy(b"slave app"));
        Self {
            now,
            open: Arc::default(),
            master: Master::new(now, master_app(), TIMEOUT),
            slave: Slave::new(now, params, TIMEOUT),
            params: MasterParams::from(master),
            regions: vec![64 << 20],
            cut_at: None,
            delivered: Vec::new(),
            setup: None,
            slave_connected: None,
            master_closed: None,
            slave_closed: None,
            to_master: VecDeque::new(),
            to_slave: VecDeque::new(),
        }
    }

    /// Runs until nothing is left to do.
    pub(super) fn drive(&mut self) {
        for _ in 0..MAX_STEPS {
            if !self.step() {
                return;
            }
        }
        panic!("no end after {MAX_STEPS} steps");
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.master.handle_timeout(self.now);
        self.slave.handle_timeout(self.now);
        self.drive();
    }

    fn step(&mut self) -> bool {
        let mut worked = self.owners();
        while let Some(transmit) = self.master.poll_transmit() {
            self.to_slave.push_back(transmit);
        }
        while let Some(transmit) = self.slave.poll_transmit() {
            self.to_master.push_back(transmit);
        }
        // The wire of a closed side is gone, as its socket would be, but what was sent before still arrives.
        if let Some(transmit) = self.to_master.pop_front() {
            worked = true;
            if !self.cut() {
                self.delivered.push(Message::parse(&transmit.bytes).unwrap());
                self.master.handle_message(&transmit.bytes, transmit.fd.into_iter().collect());
            }
        } else if self.slave_closed.is_some() && self.master_closed.is_none() {
            worked = true;
            self.master.handle_closed();
        }
        if let Some(transmit) = self.to_slave.pop_front() {
            worked = true;
            if !self.cut() {
                self.delivered.push(Message::parse(&transmit.bytes).unwrap());
                self.slave.handle_message(&transmit.bytes, transmit.fd.into_iter().collect());
            }
        } else if self.master_closed.is_some() && self.slave_closed.is_none() {
            worked = true;
            self.slave.handle_closed();
        }
        worked
    }

    fn cut(&mut self) -> bool {
        if self.cut_at != Some(self.delivered.len()) {
            return false;
        }
        self.to_master.clear();
        self.to_slave.clear();
        self.master.handle_closed();
        self.slave.handle_closed();
        true
    }

    fn owners(&mut self) -> bool {
        let mut worked = false;
        while let Some(event) = self.master.poll_event() {
            worked = true;
            match event {
                MasterEvent::Init(_) => {
                    let _ = self.master.admit(&self.params.clone());
                }
                MasterEvent::Connect(setup) => {
                    self.setup = Some(setup);
                    self.master.connected();
                }
                MasterEvent::Closed(reason) => {
                    assert!(self.master_closed.replace(reason).is_none());
                    self.setup = None;
                }
            }
        }
        while let Some(event) = self.slave.poll_event() {
            worked = true;
            match event {
                SlaveEvent::Allocate { s2m, m2s, log2_ring_size } => {
                    let (regions, rings) = memory(&self.open, &self.regions, s2m, m2s, log2_ring_size);
                    self.slave.provide(regions, rings);
                }
                SlaveEvent::Connected(names) => self.slave_connected = Some(names),
                SlaveEvent::Closed(reason) => {
                    assert!(self.slave_closed.replace(reason).is_none());
                }
            }
        }
        worked
    }

    pub(super) fn open_fds(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }
}

type Memory = (Vec<(FakeFd, u64)>, Vec<(AddRing, FakeFd)>);

/// Rings one behind the other in region 0.
pub(super) fn memory(open: &Arc<AtomicUsize>, sizes: &[u64], s2m: u8, m2s: u8, log2: u8) -> Memory {
    let regions = sizes.iter().map(|size| (FakeFd::new(open), *size)).collect();
    let step = u32::try_from(crate::wire::ring::ring_bytes(Default::default(), log2)).unwrap();
    let s2m = (0..u16::from(s2m)).map(|index| (RingDirection::S2m, index));
    let m2s = (0..u16::from(m2s)).map(|index| (RingDirection::M2s, index));
    let rings = s2m
        .chain(m2s)
        .zip(0u32..)
        .map(|((direction, index), place)| (add_ring(direction, index, 0, place * step, log2), FakeFd::new(open)))
        .collect();
    (regions, rings)
}

pub(super) fn add_ring(direction: RingDirection, index: u16, region: u16, offset: u32, log2_ring_size: u8) -> AddRing {
    AddRing { direction, index, region, offset, log2_ring_size, private_hdr_size: 0 }
}
