//! What a queue counts and what is told of it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::terms::CacheLine;

/// Counters of one queue since its link came up. Each is exact once the queue's thread is idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Receive: whole packets handed to the caller. Transmit: whole packets published to the peer.
    pub packets: u64,
    /// Bytes of those packets.
    pub bytes: u64,
    /// Transmit: packets that found too few free slots. A packet that a caller tries again counts again; a send
    /// that waits counts once.
    pub ring_full: u64,
    /// Receive: descriptors that name no memory of the link, have no length or one that is too long.
    /// Transmit: posted buffers of that kind, or too small with chains switched off, handed back empty.
    pub bad_descriptors: u64,
    /// Receive: packets dropped whole because of a bad descriptor or because they are longer than allowed.
    pub dropped: u64,
    /// Receive: times that the peer overran the ring and reading started afresh; what was in the ring is lost.
    pub resyncs: u64,
    /// Receive: times that a wait slept and the peer's signal ended it.
    pub wake_ups: u64,
    /// Transmit: signals written to the peer.
    pub signals: u64,
}

/// The counters as the queue's thread writes and any thread reads them.
#[derive(Debug, Default)]
pub(crate) struct CounterCells {
    pub(crate) packets: Cell,
    pub(crate) bytes: Cell,
    pub(crate) ring_full: Cell,
    pub(crate) bad_descriptors: Cell,
    pub(crate) dropped: Cell,
    pub(crate) resyncs: Cell,
    pub(crate) wake_ups: Cell,
    pub(crate) signals: Cell,
}

impl CounterCells {
    pub(crate) fn read(&self) -> Counters {
        Counters {
            packets: self.packets.get(),
            bytes: self.bytes.get(),
            ring_full: self.ring_full.get(),
            bad_descriptors: self.bad_descriptors.get(),
            dropped: self.dropped.get(),
            resyncs: self.resyncs.get(),
            wake_ups: self.wake_ups.get(),
            signals: self.signals.get(),
        }
    }
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Cell(AtomicU64);

impl Cell {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds, for counters that only the queue's own thread writes: no locked instruction.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// Adds, for counters that the driver's thread writes too.
    pub(crate) fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}

/// One queue as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueDetails {
    /// Number of the queue within its direction.
    pub index: u8,
    /// Slots of the ring.
    pub ring_size: u32,
    /// The cache line that the ring is laid out for.
    pub cache_line: CacheLine,
    /// Slots of the ring with what the sender has published and the receiver has not given back, as far as head and
    /// tail tell: all of them where a peer wrote what cannot be.
    pub used_slots: u32,
    /// Bytes per buffer: our setting, for a master whose slave decides the longest descriptor that we send.
    pub buffer_size: u32,
    /// Region that holds the ring.
    pub region: u16,
    /// Offset of the ring in that region, in bytes.
    pub offset: u32,
    /// Head as it stands in shared memory; written by the slave.
    pub head: u16,
    /// Tail as it stands in shared memory; written by the master.
    pub tail: u16,
    /// Ring flags as they stand in shared memory; bit 0 asks the sender not to signal.
    pub flags: u16,
    /// What the queue has counted.
    pub counters: Counters,
}

/// One region of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegionDetails {
    /// Number of the region.
    pub index: u16,
    /// Bytes mapped.
    pub size: u64,
}
