//! The data path of a scripted slave. It also checks the master: what may not be written was not written.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use crate::dialect::Dialect;
use crate::patience::{Patience, STEP};
use crate::plan::{Place, SlaveRing};
use crate::ring::{Descriptor, MASK_INT, NEXT, Ring};
use crate::seqsock::readable;
use crate::shared::SharedFile;

/// Packets and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Signals written (sender) or eventfd reads that had one (receiver).
    pub signals: u64,
}

/// Writes 1 to an eventfd.
pub fn signal(fd: BorrowedFd<'_>) {
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// Reads an eventfd within `time`: its counter, or `None`.
#[must_use]
pub fn take_signal(fd: BorrowedFd<'_>, time: Duration) -> Option<u64> {
    if !readable(fd, time) {
        return None;
    }
    let mut bytes = [0; 8];
    match rustix::io::read(fd, &mut bytes) {
        Ok(8) => Some(u64::from_ne_bytes(bytes)),
        _ => None,
    }
}

/// A ring towards the master.
#[derive(Debug)]
pub struct SlaveTx {
    /// The ring.
    pub ring: Ring,
    /// Its eventfd.
    pub interrupt: Arc<OwnedFd>,
    /// What was sent.
    pub tally: Tally,
    regions: Arc<Vec<SharedFile>>,
    places: Vec<Place>,
    fixed: bool,
    next_place: usize,
    written: Vec<Descriptor>,
    head: u16,
    freed: u16,
    dialect: Dialect,
}

impl SlaveTx {
    /// The sending side of a ring.
    #[must_use]
    pub fn new(ring: &SlaveRing, regions: &Arc<Vec<SharedFile>>, dialect: Dialect) -> Self {
        let SlaveRing { ring, interrupt, places, fixed } = ring.clone();
        let written = vec![Descriptor::default(); usize::from(ring.size())];
        let regions = regions.clone();
        let tally = Tally::default();
        Self { ring, interrupt, tally, regions, places, fixed, next_place: 0, written, head: 0, freed: 0, dialect }
    }

    /// Slots that may be written, after taking back what the master returned.
    pub fn free(&mut self) -> u16 {
        let tail = self.ring.tail();
        let returned = tail.wrapping_sub(self.freed);
        assert!(returned <= self.head.wrapping_sub(self.freed), "S2M tail {tail} beyond head {}", self.head);
        let take = returned - returned % self.dialect.free_step;
        for cursor in (0..take).map(|n| self.freed.wrapping_add(n)) {
            let found = self.ring.descriptor(cursor);
            let wrote = self.written[usize::from(cursor % self.ring.size())];
            assert!(
                found == wrote || found == Descriptor { flags: 0, ..wrote },
                "the master changed an S2M descriptor from {wrote:?} to {found:?}"
            );
        }
        self.freed = self.freed.wrapping_add(take);
        self.ring.size() - self.head.wrapping_sub(self.freed)
    }

    /// Fills slots with a packet, chained when it is longer than a buffer (and what may lie in front). Nothing is
    /// published. False when full.
    pub fn push(&mut self, packet: &[u8]) -> bool {
        let room = usize::try_from(self.places[0].room).expect("a buffer");
        let (first, rest) = packet.split_at(packet.len().min(room + self.dialect.in_front));
        let pieces: Vec<&[u8]> = std::iter::once(first).chain(rest.chunks(room)).collect();
        if pieces.len() > usize::from(self.free()) {
            return false;
        }
        for (index, piece) in pieces.iter().enumerate() {
            let slot = self.head % self.ring.size();
            let place = if self.fixed {
                self.places[usize::from(slot)]
            } else {
                self.next_place = (self.next_place + 1) % self.places.len();
                self.places[self.next_place]
            };
            self.regions[usize::from(place.region)].write(u64::from(place.offset), piece);
            let mut flags = if index + 1 < pieces.len() { NEXT } else { 0 };
            if self.dialect.stale_next && index == 0 {
                flags |= self.ring.descriptor(self.head).flags & NEXT;
            }
            let length = u32::try_from(piece.len()).expect("a length");
            self.put(Descriptor { flags, region: place.region, length, offset: place.offset, metadata: 0 });
        }
        self.tally.packets += 1;
        self.tally.bytes += packet.len() as u64;
        true
    }

    /// Writes any descriptor into the next slot. Nothing is published.
    pub fn put(&mut self, descriptor: Descriptor) {
        self.written[usize::from(self.head % self.ring.size())] = descriptor;
        self.ring.set_descriptor(self.head, descriptor);
        self.head = self.head.wrapping_add(1);
    }

    /// Moves head to all that was pushed, and signals once when the master asks for it.
    pub fn publish(&mut self) {
        self.ring.set_head(self.head);
        fence(Ordering::SeqCst);
        if self.ring.flags() & MASK_INT == 0 {
            signal(self.interrupt.as_fd());
            self.tally.signals += 1;
        }
    }

    /// Pushes and publishes one packet. False when the ring is full.
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
            let state = (self.ring.head(), self.ring.tail(), self.freed);
            assert!(patience.more(), "no room in the S2M ring: head, tail, freed {state:?}");
        }
    }

    /// The private head.
    #[must_use]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Goes on from there, as if everything before it was sent and returned.
    pub fn resume_at(&mut self, cursor: u16) {
        (self.head, self.freed) = (cursor, cursor);
    }

    /// Where the buffer of a slot lies.
    #[must_use]
    pub fn place(&self, cursor: u16) -> Place {
        self.places[usize::from(cursor % self.ring.size())]
    }

    /// The regions.
    #[must_use]
    pub fn regions(&self) -> &[SharedFile] {
        &self.regions
    }

    /// Waits until the master has returned everything.
    #[track_caller]
    pub fn wait_drained(&self) {
        crate::eventually("the master to return all S2M slots", || (self.ring.tail() == self.head).then_some(()));
    }
}

/// A ring towards the slave.
#[derive(Debug)]
pub struct SlaveRx {
    /// The ring.
    pub ring: Ring,
    /// Its eventfd.
    pub interrupt: Arc<OwnedFd>,
    /// What was received.
    pub tally: Tally,
    /// Packets that this peer would have dropped for a bad descriptor.
    pub bad: u64,
    regions: Arc<Vec<SharedFile>>,
    places: Vec<Place>,
    fixed: bool,
    next_place: usize,
    posted: Vec<Place>,
    head: u16,
    tail: u16,
    dialect: Dialect,
}

impl SlaveRx {
    /// The receiving side of a ring. Sets the ring flags as the dialect does.
    #[must_use]
    pub fn new(ring: &SlaveRing, regions: &Arc<Vec<SharedFile>>, dialect: Dialect) -> Self {
        let SlaveRing { ring, interrupt, places, fixed } = ring.clone();
        if let Some(flags) = dialect.rx_flags {
            ring.set_flags(flags);
        }
        let regions = regions.clone();
        let posted = places[..usize::from(ring.size())].to_vec();
        let (tally, next_place) = (Tally::default(), 0);
        Self { ring, interrupt, tally, bad: 0, regions, places, fixed, next_place, posted, head: 0, tail: 0, dialect }
    }

    /// Posts buffers into free slots as the dialect does.
    pub fn post(&mut self) {
        let free = self.ring.size() - self.head.wrapping_sub(self.tail);
        if free < self.dialect.refill_from {
            return;
        }
        for _ in 0..free - free % self.dialect.refill_step {
            let slot = usize::from(self.head % self.ring.size());
            if !self.fixed {
                self.next_place = (self.next_place + 1) % self.places.len();
                self.posted[slot] = self.places[self.next_place];
            }
            let Place { region, offset, room } = self.posted[slot];
            self.ring.set_descriptor(self.head, Descriptor { flags: 0, region, length: room, offset, metadata: 0 });
            self.head = self.head.wrapping_add(1);
        }
        self.ring.set_head(self.head);
    }

    /// The next packet, if there is one. Checks that the master wrote only what it may, and whole packets.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let packet = self.take();
        self.post();
        packet
    }

    #[track_caller]
    fn take(&mut self) -> Option<Vec<u8>> {
        let tail = self.ring.tail();
        let available = tail.wrapping_sub(self.tail);
        let posted = self.head.wrapping_sub(self.tail);
        assert!(available <= posted, "M2S tail {tail} is {available} slots on, {posted} were posted");
        if available == 0 {
            return None;
        }
        let (mut packet, mut good) = (Vec::new(), true);
        for index in 0.. {
            assert!(index < available, "the master published half a packet: {index} slots and NEXT");
            let found = self.ring.descriptor(self.tail);
            let Place { region, offset, room } = self.posted[usize::from(self.tail % self.ring.size())];
            assert_eq!((found.region, found.offset), (region, offset), "the master moved an M2S buffer");
            assert!(found.length <= room, "{} bytes in a buffer of {room}", found.length);
            assert!(found.length > 0, "an M2S descriptor of no bytes");
            assert!(found.flags <= NEXT, "descriptor flags {:#x}", found.flags);
            good &= found.length <= self.dialect.longest_descriptor;
            let length = usize::try_from(found.length).expect("a length");
            packet.extend(self.regions[usize::from(region)].read(u64::from(offset), length));
            self.tail = self.tail.wrapping_add(1);
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

    /// Waits for the next packet, looking at the ring.
    #[track_caller]
    pub fn wait(&mut self) -> Vec<u8> {
        let mut patience = Patience::default();
        loop {
            if let Some(packet) = self.receive() {
                return packet;
            }
            let state = (self.ring.head(), self.ring.tail(), self.tail);
            assert!(patience.more(), "no packet on the M2S ring: head, tail, taken {state:?}");
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
        self.post();
        packets
    }

    /// The private cursors: posted to, taken to.
    #[must_use]
    pub fn cursors(&self) -> (u16, u16) {
        (self.head, self.tail)
    }

    /// Where the buffer of a slot lies.
    #[must_use]
    pub fn place(&self, cursor: u16) -> Place {
        self.posted[usize::from(cursor % self.ring.size())]
    }

    /// The regions.
    #[must_use]
    pub fn regions(&self) -> &[SharedFile] {
        &self.regions
    }
}
