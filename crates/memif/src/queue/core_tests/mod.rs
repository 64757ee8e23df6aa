//! The cores of both directions, on memory that behaves, on memory that lies, and under every interleaving: what queues
//! and slots stand on, without either.

#[cfg(not(loom))]
mod adversary;
#[cfg(loom)]
mod interleavings;
#[cfg(not(loom))]
mod model;

use std::ops::Deref;
use std::sync::Arc;

use super::rx_core::{RxCore, RxSettings, Segment, Walked};
use super::tx_core::TxCore;
use super::{BufferRef, BufferRow};
use crate::config::Role;
use crate::error::{Breach, Direction, QueueName};
use crate::ring::{RingMemory, RxCursor, TxCursor};
use crate::shm::Regions;
use crate::shm::tests::private_mapping;
use crate::wire::ring::FLAG_NEXT;

/// Bytes of the one region, and of each buffer in it. Longest packet that is taken.
const REGION: u32 = 4096;
const BUFFER: u32 = 100;
const MAX_PACKET: u32 = 250;

/// A ring that both ends have.
struct Shared<P>(P);

impl<R: RingMemory, P: Deref<Target = R>> RingMemory for Shared<P> {
    fn load_head(&self) -> u16 {
        self.0.load_head()
    }
    fn load_tail(&self) -> u16 {
        self.0.load_tail()
    }
    fn store_head(&self, head: u16) {
        self.0.store_head(head);
    }
    fn store_tail(&self, tail: u16) {
        self.0.store_tail(tail);
    }
    fn load_flags(&self) -> u16 {
        self.0.load_flags()
    }
    fn store_flags(&self, flags: u16) {
        self.0.store_flags(flags);
    }
    fn load_word(&self, slot: u16, part: usize) -> u64 {
        self.0.load_word(slot, part)
    }
    fn store_word(&self, slot: u16, part: usize, word: u64) {
        self.0.store_word(slot, part, word);
    }
    fn full_fence(&self) {
        self.0.full_fence();
    }
    fn mask(&self) -> u16 {
        self.0.mask()
    }
    type Descriptors<'a>
        = &'a Self
    where
        P: 'a;
    fn descriptors(&self) -> &Self {
        self
    }
}

fn other(role: Role) -> Role {
    if role == Role::Slave { Role::Master } else { Role::Slave }
}

fn regions() -> Regions {
    Regions::new(vec![Arc::new(private_mapping(REGION.into()))])
}

/// A slave's buffers.
fn row(role: Role) -> Option<BufferRow> {
    let first = BufferRef { region: 0, offset: 0, capacity: BUFFER };
    (role == Role::Slave).then_some(BufferRow { first, stride: BUFFER })
}

/// A receiver, which as slave has posted all of its buffers.
fn receiver<R: RingMemory>(role: Role, log2: u8, ring: R, empty_segments: bool) -> RxCore<R> {
    let name = QueueName { direction: Direction::Rx, index: 0 };
    let settings = RxSettings { name, max_packet: MAX_PACKET, empty_segments, resyncs: 3 };
    let cursor = RxCursor::new(role, log2);
    let mut core = RxCore::new(&regions(), ring, cursor, settings, row(role));
    core.make();
    let held = core.cursor.held();
    core.post_held(held);
    core.give_back(held);
    core
}

fn sender<R: RingMemory>(role: Role, log2: u8, ring: R) -> TxCore<R> {
    let mut core = TxCore::new(&regions(), ring, TxCursor::new(role, log2), row(role), BUFFER);
    core.make();
    core
}

/// Writes the descriptors of a packet with segments of these lengths, from `first` on. Returns the slot after it.
fn write<R: RingMemory>(core: &TxCore<R>, first: u16, lengths: &[u32]) -> u16 {
    let mut slot = first;
    for (left, length) in (0..lengths.len()).rev().zip(lengths) {
        core.write_descriptor(slot, if left > 0 { FLAG_NEXT } else { 0 }, *length);
        slot = slot.wrapping_add(1);
    }
    slot
}

/// What a walk comes upon.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    /// Lengths of the segments of a packet.
    Packet(Vec<u32>),
    /// Bad descriptors of a packet that is to be dropped, and all of its slots.
    Bad(u16, u16),
}

/// Walks over `available` slots and moves the cursor past whole packets, as queues and slots do. Panics where a
/// segment leaves its region, or its slot is not the next one.
fn walk<R: RingMemory>(core: &mut RxCore<R>, available: u16) -> Result<Vec<Seen>, Breach> {
    match core.role {
        Role::Master => walk_as::<true, R>(core, available),
        Role::Slave => walk_as::<false, R>(core, available),
    }
}

fn walk_as<const MASTER: bool, R: RingMemory>(core: &mut RxCore<R>, available: u16) -> Result<Vec<Seen>, Breach> {
    let start = core.cursor.next();
    core.segments.clear();
    core.unfinished = 0;
    let mut seen = vec![];
    let mut done = 0;
    loop {
        let mut finder = core.buffers.finder();
        let limit = available - done;
        let mut expected = start.wrapping_add(done);
        let (singles, read) = core.singles::<MASTER>(expected, limit, |slot, named| {
            assert_eq!(slot, expected);
            let Some(found) = finder.find::<MASTER>(named) else { return false };
            let within = |(start, size): (*mut u8, u64)| {
                let from = (found.as_ptr().addr() - start.addr()) as u64;
                from + found.len() as u64 <= size
            };
            assert!(core.regions.iter().all(within) && found.len() == named.len as usize);
            assert!((1..=MAX_PACKET).contains(&named.len));
            expected = expected.wrapping_add(1);
            seen.push(Seen::Packet(vec![named.len]));
            true
        });
        done += singles;
        let Some(read) = read else { break };
        let rest = core.segments.len();
        let first = start.wrapping_add(done);
        match core.chain::<MASTER>(first, available - done, read)? {
            Walked::Unfinished => break,
            Walked::Packet { first: segment, bytes, slots } => {
                let segments: Vec<Segment> = std::iter::once(segment).chain(core.segments[rest..].to_vec()).collect();
                assert_eq!(segments.len(), usize::from(slots));
                for (at, segment) in (0..).zip(&segments) {
                    assert_eq!(segment.slot, first.wrapping_add(at));
                    assert!(core.regions.contains(segment.region, segment.offset, segment.length.max(1)));
                }
                let lengths: Vec<u32> = segments.iter().map(|segment| segment.length).collect();
                assert_eq!(lengths.iter().sum::<u32>(), bytes);
                assert!((1..=MAX_PACKET).contains(&bytes), "{bytes} bytes");
                seen.push(Seen::Packet(lengths));
                done += slots;
            }
            Walked::Bad { descriptors, slots } => {
                assert!((1..=slots).contains(&descriptors), "{descriptors} of {slots}");
                assert_eq!(core.segments.len(), rest);
                seen.push(Seen::Bad(descriptors, slots));
                done += slots;
            }
        }
        assert!(done <= available);
    }
    core.cursor.advance(done);
    Ok(seen)
}
