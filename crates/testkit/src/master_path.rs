//! The data path of a scripted master. It also checks the slave: what it publishes must be whole and in bounds.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::dialect::Dialect;
use crate::patience::{Patience, STEP};
use crate::ring::{Descriptor, MASK_INT, NEXT, Ring};
use crate::shared::SharedFile;
use crate::slave_path::{Tally, signal, take_signal};

/// A ring as ADD_RING described it.
#[derive(Clone, Debug)]
pub struct MasterRing {
    /// The ring.
    pub ring: Ring,
    /// Its eventfd.
    pub interrupt: Arc<OwnedFd>,
}

/// A ring from the slave (S2M).
#[derive(Debug)]
pub struct MasterRx {
    /// The ring.
    pub ring: Ring,
    /// Its eventfd.
    pub interrupt: Arc<OwnedFd>,
    /// What was received.
    pub tally: Tally,
    /// Packets that this peer would have dropped for a bad descriptor.
    pub bad: u64,
    regions: Arc<Vec<SharedFile>>,
    taken: u16,
    dialect: Dialect,
}

impl MasterRx {
    /// The receiving side of a ring. Sets the ring flags as the dialect does.
    #[must_use]
    pub fn new(ring: &MasterRing, regions: &Arc<Vec<SharedFile>>, dialect: Dialect) -> Self {
        let MasterRing { ring, interrupt } = ring.clone();
        if let Some(flags) = dialect.rx_flags {
            ring.set_flags(flags);
        }
        let regions = regions.clone();
        Self { ring, interrupt, tally: Tally::default(), bad: 0, regions, taken: 0, dialect }
    }

    /// The next packet, if there is one; its slots are returned. Checks that the slave published it whole and in
    /// bounds.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let packet = self.take();
        self.give_back();
        packet
    }

    /// The next packet, if there is one; its slots are kept.
    #[track_caller]
    pub fn take(&mut self) -> Option<Vec<u8>> {
        let head = self.ring.head();
        let available = head.wrapping_sub(self.taken);
        assert!(available <= self.ring.size(), "S2M head {head} is {available} slots on");
        if available == 0 {
            return None;
        }
        let (mut packet, mut good) = (Vec::new(), true);
        for index in 0.. {
            assert!(index < available, "the slave published half a packet: {index} slots and NEXT");
            let found = self.ring.descriptor(self.taken);
            assert!(found.length > 0, "an S2M descriptor of no bytes");
            assert!(found.flags <= NEXT, "descriptor flags {:#x}", found.flags);
            assert_eq!(found.metadata, 0, "metadata");
            good &= found.length <= self.dialect.longest_descriptor;
            let region = self.regions.get(usize::from(found.region)).expect("a region that exists");
            let length = usize::try_from(found.length).expect("a length");
            packet.extend(region.read(u64::from(found.offset), length));
            if self.dialect.clears_next && found.flags != 0 {
                self.ring.set_descriptor(self.taken, Descriptor { flags: 0, ..found });
            }
            self.taken = self.taken.wrapping_add(1);
            if found.flags & NEXT == 0 {
                break;
            }
        }
        if !good {
            self.bad += 1;
        }
        self.tally.packets += 1;
        self.tally.bytes += packet.len() as u64;
        Some(packet)
    }

    /// Returns all slots that were taken.
    pub fn give_back(&mut self) {
        self.ring.set_tail(self.taken);
    }

    /// Waits for the next packet, looking at the ring.
    #[track_caller]
    pub fn wait(&mut self) -> Vec<u8> {
        let mut patience = Patience::default();
        loop {
            if let Some(packet) = self.receive() {
                return packet;
            }
            let state = (self.ring.head(), self.ring.tail(), self.taken);
            assert!(patience.more(), "no packet on the S2M ring: head, tail, taken {state:?}");
        }
    }

    /// Waits for a signal and takes what the dialect takes for one: everything, or at most so many.
    #[track_caller]
    pub fn wait_signalled(&mut self) -> Vec<Vec<u8>> {
        take_signal(self.interrupt.as_fd(), STEP).expect("a signal in time");
        self.tally.signals += 1;
        let limit = self.dialect.packets_per_signal.map_or(usize::MAX, usize::from);
        let mut packets = Vec::new();
        while packets.len() < limit {
            let Some(packet) = self.take() else { break };
            packets.push(packet);
        }
        self.give_back();
        packets
    }

    /// The private cursor.
    #[must_use]
    pub fn taken(&self) -> u16 {
        self.taken
    }

    /// The regions.
    #[must_use]
    pub fn regions(&self) -> &[SharedFile] {
        &self.regions
    }
}

/// A ring towards the slave (M2S).
#[derive(Debug)]
pub struct MasterTx {
    /// The ring.
    pub ring: Ring,
    /// Its eventfd.
    pub interrupt: Arc<OwnedFd>,
    /// What was sent.
    pub tally: Tally,
    regions: Arc<Vec<SharedFile>>,
    tail: u16,
    dialect: Dialect,
}

impl MasterTx {
    /// The sending side of a ring.
    #[must_use]
    pub fn new(ring: &MasterRing, regions: &Arc<Vec<SharedFile>>, dialect: Dialect) -> Self {
        let MasterRing { ring, interrupt } = ring.clone();
        Self { ring, interrupt, tally: Tally::default(), regions: regions.clone(), tail: 0, dialect }
    }

    /// Buffers that the slave has posted and that are not used yet.
    #[must_use]
    #[track_caller]
    pub fn free(&self) -> u16 {
        let head = self.ring.head();
        let free = head.wrapping_sub(self.tail);
        assert!(free <= self.ring.size(), "M2S head {head} is {free} slots on");
        free
    }

    /// Fills posted buffers with a packet. Nothing is published. False when there are too few.
    #[track_caller]
    pub fn push(&mut self, packet: &[u8]) -> bool {
        let free = self.free();
        let (mut left, mut used) = (packet, Vec::new());
        while !left.is_empty() {
            let cursor = self.tail.wrapping_add(u16::try_from(used.len()).expect("a count"));
            if used.len() >= usize::from(free) {
                return false;
            }
            let found = self.ring.descriptor(cursor);
            // A sender that leaves NEXT where it stands (DPDK 22.11) glues packets unless slots are posted without it.
            assert_eq!((found.flags, found.metadata), (0, 0), "a posted M2S descriptor");
            assert!(found.length > 0, "a posted M2S buffer of no bytes");
            let (piece, rest) = left.split_at(left.len().min(usize::try_from(found.length).expect("room")));
            used.push((found, piece));
            left = rest;
        }
        let count = used.len();
        for (index, (found, piece)) in used.into_iter().enumerate() {
            let region = self.regions.get(usize::from(found.region)).expect("a region that exists");
            region.write(u64::from(found.offset), piece);
            let flags = if index + 1 < count { NEXT } else { 0 };
            self.put(Descriptor { flags, length: u32::try_from(piece.len()).expect("a length"), ..found });
        }
        self.tally.packets += 1;
        self.tally.bytes += packet.len() as u64;
        true
    }

    /// Writes any descriptor into the next slot. Nothing is published.
    pub fn put(&mut self, descriptor: Descriptor) {
        self.ring.set_descriptor(self.tail, descriptor);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Moves tail to all that was pushed, and signals once when the slave asks for it.
    pub fn publish(&mut self) {
        self.ring.set_tail(self.tail);
        fence(Ordering::SeqCst);
        if self.ring.flags() & MASK_INT == 0 {
            signal(self.interrupt.as_fd());
            self.tally.signals += 1;
        }
    }

    /// Pushes and publishes one packet. False when there is no room.
    #[track_caller]
    pub fn try_send(&mut self, packet: &[u8]) -> bool {
        let sent = self.push(packet);
        if sent || self.dialect.signals_nothing {
            self.publish();
        }
        sent
    }

    /// As [`try_send`](Self::try_send), waiting for room.
    #[track_caller]
    pub fn send(&mut self, packet: &[u8]) {
        let mut patience = Patience::default();
        while !self.try_send(packet) {
            let state = (self.ring.head(), self.ring.tail(), self.tail);
            assert!(patience.more(), "no room in the M2S ring: head, tail, used {state:?}");
        }
    }

    /// Goes on from there.
    pub fn resume_at(&mut self, cursor: u16) {
        self.tail = cursor;
    }

    /// The private cursor.
    #[must_use]
    pub fn tail(&self) -> u16 {
        self.tail
    }

    /// The regions.
    #[must_use]
    pub fn regions(&self) -> &[SharedFile] {
        &self.regions
    }
}
