//! From core to core in one thread, against a queue of the standard library.

use std::collections::VecDeque;
use std::rc::Rc;

use proptest::prelude::*;

use super::{BUFFER, MAX_PACKET, Seen, Shared, other, receiver, row, sender, walk, write};
use crate::config::Role;
use crate::error::Breach;
use crate::queue::rx_core::RxCore;
use crate::queue::tx_core::{Room, TxCore};
use crate::ring::RingMemory;
use crate::ring::tests::model::Honest;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_to_word};

type Ring = Shared<Rc<Honest>>;

/// A sender and a receiver on one ring, and what is between them.
struct Pair {
    memory: Rc<Honest>,
    tx: TxCore<Ring>,
    rx: RxCore<Ring>,
    /// Next slot to fill.
    next: u16,
    /// What is to be seen of packets that were filled, and of those that were published.
    filled: VecDeque<Seen>,
    published: VecDeque<Seen>,
}

impl Pair {
    fn new(role: Role, log2: u8, empty_segments: bool) -> Self {
        let memory = Rc::new(Honest::new(log2));
        for slot in 0..1 << log2 {
            let buffer = row(Role::Slave).unwrap().buffer(slot);
            memory.store_word(slot, 1, offset_to_word(buffer.offset));
        }
        let ring = || Shared(Rc::clone(&memory));
        let rx = receiver(other(role), log2, ring(), empty_segments);
        let tx = sender(role, log2, ring());
        Self { memory, tx, rx, next: 0, filled: VecDeque::new(), published: VecDeque::new() }
    }

    /// Fills as many slots as the packet takes, where there is room.
    fn fill(&mut self, lengths: &[u32], seen: Seen) -> bool {
        // All parts of a chain but the last fill their buffers, so that the core finds as many slots.
        let len = (lengths.len() as u32 - 1) * BUFFER + 1;
        match self.tx.find_room(self.next, len as usize, 1, u16::MAX).unwrap() {
            Room::Slots(slots) => assert_eq!(usize::from(slots), lengths.len()),
            Room::Short => {
                assert!(usize::from(self.tx.cursor.free(self.next)) < lengths.len());
                return false;
            }
            room => panic!("{room:?}"),
        }
        self.next = write(&self.tx, self.next, lengths);
        self.filled.push_back(seen);
        true
    }

    fn publish(&mut self) {
        self.tx.cursor.publish(self.next, &self.tx.ring);
        self.published.append(&mut self.filled);
    }

    fn receive(&mut self) {
        let available = self.rx.available().unwrap();
        assert_eq!(walk(&mut self.rx, available).unwrap(), self.published.drain(..).collect::<Vec<_>>());
        assert_eq!(self.rx.unfinished, 0);
    }

    fn give_back(&mut self, most: u16) {
        let slots = most.min(self.rx.cursor.held());
        let back = self.rx.cursor.back();
        self.rx.post_held(slots);
        self.rx.give_back(slots);
        for slot in (0..slots).map(|i| back.wrapping_add(i)) {
            let head = DescriptorHead::from_word(self.memory.load_word(slot, 0));
            assert!(!head.has_next(), "NEXT is left in a slot that went back");
            assert!(self.rx.role == Role::Master || head.length == BUFFER, "posted whole");
        }
    }

    /// Moves both ends on by `slots` slots.
    fn warm_up(&mut self, slots: u32) {
        for _ in 0..slots {
            assert!(self.fill(&[1], Seen::Packet(vec![1])));
            self.publish();
            self.receive();
            self.give_back(u16::MAX);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Fill(Vec<u32>),
    Publish,
    Receive,
    GiveBack(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let lengths = prop_oneof![
        3 => (1..=BUFFER).prop_map(|length| vec![length]),
        2 => proptest::collection::vec(0..=BUFFER, 1..5),
    ];
    let step = prop_oneof![
        4 => lengths.prop_map(Step::Fill),
        2 => Just(Step::Publish),
        2 => Just(Step::Receive),
        2 => (0u16..6).prop_map(Step::GiveBack),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What is to be seen of a packet with segments of these lengths.
fn expected(lengths: &[u32], empty_segments: bool) -> Seen {
    let slots = lengths.len() as u16;
    let mut bytes = 0;
    let mut bad = 0;
    for length in lengths {
        bytes += length;
        bad += u16::from((*length == 0 && !empty_segments) || bytes > MAX_PACKET);
    }
    bad += u16::from(bytes == 0 && bad == 0);
    if bad > 0 { Seen::Bad(bad, slots) } else { Seen::Packet(lengths.to_vec()) }
}

proptest! {
    #[test]
    fn every_packet_arrives_once_and_in_order_and_every_slot_goes_back(
        log2 in 2u8..=5,
        master_sends: bool,
        empty_segments: bool,
        warm_up in 0u32..200,
        steps in steps(),
    ) {
        let role = if master_sends { Role::Master } else { Role::Slave };
        let mut pair = Pair::new(role, log2, empty_segments);
        pair.warm_up(warm_up);
        for step in steps {
            match step {
                Step::Fill(lengths) => _ = pair.fill(&lengths, expected(&lengths, empty_segments)),
                Step::Publish => pair.publish(),
                Step::Receive => pair.receive(),
                Step::GiveBack(most) => pair.give_back(most),
            }
        }
        pair.publish();
        pair.receive();
        pair.give_back(u16::MAX);
        prop_assert_eq!(pair.rx.cursor.held(), 0);
        pair.tx.refresh().unwrap();
        prop_assert_eq!(pair.tx.cursor.free(pair.next), pair.tx.cursor.size());
    }
}

const ROLES: [Role; 2] = [Role::Slave, Role::Master];

#[test]
fn the_longest_packet_is_taken_and_one_byte_more_is_not() {
    for role in ROLES {
        for lengths in [&[100, 100, 50][..], &[100, 100, 51], &[100, 100, 100]] {
            let mut pair = Pair::new(role, 3, false);
            assert!(pair.fill(lengths, expected(lengths, false)));
            assert!(pair.fill(&[5], Seen::Packet(vec![5])));
            pair.publish();
            pair.receive();
        }
    }
    // In one descriptor, from a slave whose buffers are larger than ours.
    for (length, good) in [(MAX_PACKET, true), (MAX_PACKET + 1, false)] {
        let mut pair = Pair::new(Role::Slave, 3, false);
        let seen = if good { Seen::Packet(vec![length]) } else { Seen::Bad(1, 1) };
        assert!(pair.fill(&[length], seen));
        pair.publish();
        pair.receive();
    }
}

#[test]
fn a_chain_waits_for_its_end_and_one_that_fills_the_ring_is_a_breach() {
    for role in ROLES {
        let mut pair = Pair::new(role, 2, false);
        pair.warm_up(3);
        for count in 1..=4 {
            (0..count).for_each(|i| pair.tx.write_descriptor(3 + i, FLAG_NEXT, 1));
            pair.tx.cursor.publish(3 + count, &pair.tx.ring);
            let available = pair.rx.available().unwrap();
            assert_eq!(available, count);
            let walked = walk(&mut pair.rx, available);
            if count < 4 {
                assert_eq!(walked, Ok(vec![]));
                assert_eq!((pair.rx.unfinished, pair.rx.cursor.held()), (count, 0));
            } else {
                assert!(matches!(walked, Err(Breach::EndlessChain { slot: 3, .. })), "{walked:?}");
            }
        }
        // With a slot before it that is held, the ring has no room for so long a chain, and it may yet end.
        let mut pair = Pair::new(role, 2, false);
        pair.fill(&[1], Seen::Packet(vec![1]));
        pair.publish();
        pair.receive();
        write(&pair.tx, 1, &[1; 4]);
        pair.tx.cursor.publish(4, &pair.tx.ring);
        assert_eq!(walk(&mut pair.rx, 3), Ok(vec![]));
        assert_eq!(pair.rx.unfinished, 3);
    }
}

#[test]
fn more_than_was_posted_is_a_breach_wherever_it_stands() {
    for lengths in [&[BUFFER + 1][..], &[BUFFER + 1, 1], &[1, BUFFER + 1], &[u32::MAX], &[1, 1, u32::MAX]] {
        let mut pair = Pair::new(Role::Master, 3, false);
        let end = write(&pair.tx, 0, lengths);
        pair.tx.refresh().unwrap();
        pair.tx.cursor.publish(end, &pair.tx.ring);
        let available = pair.rx.available().unwrap();
        let walked = walk(&mut pair.rx, available);
        let slot = lengths.iter().position(|length| *length > BUFFER).unwrap() as u16;
        assert!(matches!(walked, Err(Breach::OverCapacity { slot: at, capacity: BUFFER, .. }) if at == slot));
    }
}

#[test]
fn a_segment_outside_of_its_region_drops_its_packet() {
    let place = |region, offset: u32, length| (region, offset, length);
    for (region, offset, length, good) in [
        (0, 4095, 1, true),
        (0, 4096, 1, false),
        (1, 0, 1, false),
        (u16::MAX, 0, 1, false),
        (0, 4000, 96, true),
        (0, 4000, 97, false),
        (0, u32::MAX, 96, false),
        (0, u32::MAX, u32::MAX, false),
        (0, 0, u32::MAX, false),
    ] {
        // Alone, first, and last of a chain.
        for (at, parts) in [(0, 1), (0, 2), (1, 2)] {
            let mut pair = Pair::new(Role::Slave, 3, false);
            write(&pair.tx, 0, &vec![1; parts]);
            let flags = if at + 1 < parts { FLAG_NEXT } else { 0 };
            let (region, offset, length) = place(region, offset, length);
            pair.memory.store_word(at as u16, 0, DescriptorHead { flags, region, length }.to_word());
            pair.memory.store_word(at as u16, 1, offset_to_word(offset));
            pair.tx.cursor.publish(parts as u16, &pair.tx.ring);
            let available = pair.rx.available().unwrap();
            let seen = walk(&mut pair.rx, available).unwrap();
            // As one too long, where it is: all behind it are, too.
            let late = length > MAX_PACKET && at == 0;
            let bad = if late { parts as u16 } else { 1 };
            let lengths: Vec<u32> = (0..parts).map(|part| if part == at { length } else { 1 }).collect();
            let expected = if good { Seen::Packet(lengths) } else { Seen::Bad(bad, parts as u16) };
            assert_eq!(seen, [expected], "{region} {offset} {length}");
        }
    }
}

#[test]
fn an_empty_segment_lies_inside_its_region_too() {
    for (offset, good) in [(4095, true), (4096, false), (u32::MAX, false)] {
        let mut pair = Pair::new(Role::Slave, 3, true);
        write(&pair.tx, 0, &[1, 0]);
        pair.memory.store_word(1, 1, offset_to_word(offset));
        pair.tx.cursor.publish(2, &pair.tx.ring);
        let seen = walk(&mut pair.rx, 2).unwrap();
        assert_eq!(seen, [if good { Seen::Packet(vec![1, 0]) } else { Seen::Bad(1, 2) }], "{offset}");
    }
}

#[test]
fn overruns_are_counted_until_a_valid_packet_and_everything_is_posted_again() {
    for role in ROLES {
        let mut pair = Pair::new(role, 2, false);
        let publish = |pair: &Pair, cursor| match role {
            Role::Slave => pair.memory.store_head(cursor),
            Role::Master => pair.memory.store_tail(cursor),
        };
        for round in 0..3 {
            for count in 0..3 {
                let at = pair.rx.cursor.next();
                (0..4).for_each(|slot| _ = write(&pair.tx, slot, &[7, 7]));
                publish(&pair, at.wrapping_add(5));
                let overrun = pair.rx.available().unwrap_err();
                assert_eq!(pair.rx.resynchronise(overrun), Ok(()), "round {round}, {count}");
                assert_eq!((pair.rx.cursor.next(), pair.rx.cursor.held()), (at.wrapping_add(5), 0));
                assert_eq!(pair.rx.available(), Ok(0));
                if role == Role::Master {
                    let whole = DescriptorHead { flags: 0, region: 0, length: BUFFER }.to_word();
                    assert!((0..4).all(|slot| pair.memory.load_word(slot, 0) == whole));
                }
            }
            if round < 2 {
                pair.rx.note_valid();
            }
        }
        publish(&pair, pair.rx.cursor.next().wrapping_add(5));
        let overrun = pair.rx.available().unwrap_err();
        assert!(matches!(pair.rx.resynchronise(overrun), Err(Breach::Overrun { count: 3, .. })));
    }
}

#[test]
fn what_a_peer_left_is_looked_at_once_and_only_as_far_as_it_can_be() {
    for role in ROLES {
        for (by, left) in [(0, 0), (3, 3), (4, 4), (5, 0), (40_000, 0)] {
            let mut pair = Pair::new(role, 2, false);
            let publish = |pair: &Pair, cursor| match role {
                Role::Slave => pair.memory.store_head(cursor),
                Role::Master => pair.memory.store_tail(cursor),
            };
            publish(&pair, by);
            assert_eq!(pair.rx.left_over(), left);
            publish(&pair, 1);
            assert_eq!(pair.rx.left_over(), left);
            pair.rx.cursor.advance(left.min(1));
            assert_eq!(pair.rx.left_over(), left.saturating_sub(1));
            pair.rx.nothing_left_over();
            assert_eq!(pair.rx.left_over(), 0);
        }
    }
}

#[test]
fn what_a_slave_posts_is_read_once_checked_and_remembered() {
    let mut pair = Pair::new(Role::Master, 2, false);
    let post = |pair: &Pair, slot, region, offset, length| {
        pair.memory.store_word(slot, 0, DescriptorHead { flags: 0, region, length }.to_word());
        pair.memory.store_word(slot, 1, offset_to_word(offset));
    };
    for (slot, region, offset, length) in [(0, 0, 4000, 96), (1, 0, 4001, 96), (2, 1, 0, 96), (3, 0, 0, 5000)] {
        post(&pair, slot, region, offset, length);
    }
    pair.tx.refresh().unwrap();
    let capacities = |pair: &Pair| -> Vec<u32> { (0..4).map(|slot| pair.tx.capacity(slot)).collect() };
    // The last one leaves the region.
    assert_eq!(capacities(&pair), [96, 0, 0, 0]);
    assert_eq!(pair.tx.find_room(0, 97, 1, u16::MAX), Ok(Room::Useless(2)));
    assert_eq!(pair.tx.find_room(0, 96, 1, u16::MAX), Ok(Room::Slots(1)));
    assert_eq!(pair.tx.find_room(0, 97, 1, 1), Ok(Room::TooSmall));
    assert_eq!(pair.tx.find_room(0, 97, 97, u16::MAX), Ok(Room::Useless(1)));
    // What was read stays as it was, whatever stands there now.
    (0..4).for_each(|slot| post(&pair, slot, 0, 0, 5));
    pair.tx.refresh().unwrap();
    assert_eq!(capacities(&pair), [96, 0, 0, 0]);
    // Used, and posted again: by other words in the first two, longer than a descriptor is sent in the third.
    pair.tx.cursor.publish(4, &pair.tx.ring);
    for (slot, offset, length) in [(0, 4096 - 7, 7), (1, 4001, 95), (2, 0, 2000), (3, 4096, 1)] {
        post(&pair, slot, 0, offset, length);
    }
    pair.memory.store_head(8);
    pair.tx.refresh().unwrap();
    assert_eq!(capacities(&pair), [7, 95, BUFFER, 0]);
    // The same offset with another length, and the same length elsewhere.
    pair.tx.cursor.publish(8, &pair.tx.ring);
    for (slot, offset, length) in [(0, 4096 - 7, 8), (1, 4002, 95), (2, 0, 2000), (3, 4095, 1)] {
        post(&pair, slot, 0, offset, length);
    }
    pair.memory.store_head(12);
    pair.tx.refresh().unwrap();
    assert_eq!(capacities(&pair), [0, 0, BUFFER, 1]);
}
