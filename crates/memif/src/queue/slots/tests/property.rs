//! Any calls, between any writes of the peer.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{Bed, End, M2S, S2M, Slot, head};
use crate::config::Role;
use crate::error::SendError;
use crate::queue::slots::{Enqueue, RefillError, swap};
use crate::ring::RingMemory;
use crate::shm::MappedRing;
use crate::wire::ring::{FLAG_NEXT, offset_to_word};

const SIZE: u16 = 8;
const BUFFER: u32 = 100;
/// Where the buffers of the slave start, how far they lie apart, and where their region ends.
const FIRST: u32 = 77_824;
const STRIDE: u32 = 2176;
const REGION: u32 = FIRST + 2 * SIZE as u32 * STRIDE;

#[derive(Clone, Debug)]
enum Op {
    Receive(u16),
    Refill(u16, u32),
    /// Refill with a place that the user chose.
    RefillAt(u16, u32),
    Allocate(u16, u32),
    /// Send that many of the allocated buffers, with this length less and perhaps with NEXT.
    Send(u8, u32, bool),
    Forged(u16, u32, bool),
    SetNext(u16),
    Enqueue(u8),
    Swap(u8, u8, u8),
    /// The peer: its cursor of a ring moves on by a few slots as far as it may, or to anywhere.
    Move(bool, u16),
    Cursor(bool, u16),
    /// The peer: its cursor goes back by a few slots.
    Back(bool, u16),
    /// The peer: a good descriptor, with NEXT perhaps.
    Good(bool, u16, u32, bool),
    Word(bool, u16, usize, u64),
    Flags(bool, u16),
}

fn op() -> impl Strategy<Value = Op> {
    let slot = || 0..SIZE;
    let lengths = || prop_oneof![8 => 0..=BUFFER, 1 => Just(BUFFER + 1), 1 => any::<u32>()];
    let words = prop_oneof![
        any::<u64>(),
        (any::<u16>(), 0u16..3, lengths()).prop_map(|(flags, region, len)| head(flags, region, len)),
        (0..REGION + 20_000).prop_map(offset_to_word),
        (REGION - BUFFER - 10..REGION + 10).prop_map(offset_to_word),
    ];
    prop_oneof![
        12 => (0..12u16).prop_map(Op::Receive),
        12 => (0..12u16, prop_oneof![8 => Just(0), 4 => 0..BUFFER, 1 => any::<u32>()])
            .prop_map(|(count, headroom)| Op::Refill(count, headroom)),
        1 => (0..12u16, 0..REGION + 20_000)
            .prop_map(|(count, place)| Op::RefillAt(count, place)),
        12 => (0..5u16, prop_oneof![4 => 0..350u32, 1 => 0..66_000u32])
            .prop_map(|(packets, size)| Op::Allocate(packets, size)),
        12 => (0..8u8, 0..30u32, any::<bool>()).prop_map(|(n, less, next)| Op::Send(n, less, next)),
        4 => (any::<u16>(), lengths(), any::<bool>())
            .prop_map(|(index, len, next)| Op::Forged(index, len, next)),
        3 => (0..10u16).prop_map(Op::SetNext),
        6 => any::<u8>().prop_map(Op::Enqueue),
        3 => any::<(u8, u8, u8)>().prop_map(|(kind, a, b)| Op::Swap(kind, a, b)),
        24 => (any::<bool>(), 0..4u16).prop_map(|(rx, by)| Op::Move(rx, by)),
        2 => (prop_oneof![9 => Just(true), 1 => Just(false)], any::<u16>())
            .prop_map(|(rx, to)| Op::Cursor(rx, to)),
        2 => (prop_oneof![9 => Just(true), 1 => Just(false)], 1..4u16)
            .prop_map(|(rx, by)| Op::Back(rx, by)),
        12 => (any::<bool>(), slot(), 0..=BUFFER, any::<bool>())
            .prop_map(|(rx, slot, len, next)| Op::Good(rx, slot, len, next)),
        3 => (any::<bool>(), slot(), 0..2usize, words)
            .prop_map(|(rx, slot, part, word)| Op::Word(rx, slot, part, word)),
        1 => (any::<bool>(), any::<u16>()).prop_map(|(rx, flags)| Op::Flags(rx, flags)),
    ]
}

/// What a user holds.
#[derive(Default)]
struct User {
    received: VecDeque<Slot>,
    allocated: VecDeque<Slot>,
    resyncs: u64,
    chosen: bool,
    slave: bool,
}

impl User {
    /// In the region; and as slave, unless its user chose places, in one buffer.
    fn lies_well(&self, end: &End, data: *const u8, len: u32) {
        let (_, offset) = end.place(data, len);
        if self.slave && !self.chosen {
            assert!((offset - FIRST) % STRIDE + len <= BUFFER, "{offset} and {len} bytes");
        }
    }

    fn take_received(&mut self, end: &End, slot: Slot) {
        self.lies_well(end, slot.data, slot.len);
        assert!(self.received.iter().all(|held| (held.index ^ slot.index) & (SIZE - 1) != 0));
        if let Some(last) = self.received.back() {
            assert!(slot.index.wrapping_sub(last.index) <= SIZE);
        }
        self.received.push_back(slot);
    }

    fn take_allocated(&mut self, end: &End, slot: Slot) {
        self.lies_well(end, slot.data, slot.len);
        assert!(slot.len > 0);
        if let Some(last) = self.allocated.back() {
            let ahead = slot.index.wrapping_sub(last.index);
            assert!((1..SIZE).contains(&ahead), "{ahead}");
        }
        self.allocated.push_back(slot);
    }

    /// No byte of a slave is handed out twice, unless its user chose places that overlap.
    fn nothing_overlaps(&self) {
        let mut ranges: Vec<(usize, usize)> = self
            .received
            .iter()
            .chain(&self.allocated)
            .map(|slot| (slot.data.addr(), slot.data.addr() + slot.len as usize))
            .filter(|(start, end)| start != end)
            .collect();
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            assert!(pair[0].1 <= pair[1].0, "{pair:x?}");
        }
    }
}

/// The peer's cursor of a ring.
fn cursor(ring: &MappedRing, role: Role) -> u16 {
    match role {
        Role::Master => ring.load_head(),
        Role::Slave => ring.load_tail(),
    }
}

fn move_to(ring: &MappedRing, role: Role, to: u16) {
    match role {
        Role::Master => ring.store_head(to),
        Role::Slave => ring.store_tail(to),
    }
}

/// Does one step. Returns whether the link is still up.
fn step(role: Role, end: &mut End, rings: &[MappedRing], user: &mut User, op: Op) -> bool {
    // Rings by the direction as the user sees it.
    let ring = |rx: bool| match (role, rx) {
        (Role::Master, true) | (Role::Slave, false) => &rings[S2M],
        _ => &rings[M2S],
    };
    let mut given: Vec<Slot> = vec![];
    match op {
        Op::Receive(max) => {
            let result = end.rx.receive(max, |slot| given.push(slot));
            let resyncs = end.rx_counters().resyncs;
            if resyncs != user.resyncs {
                // All that was held is the peer's again.
                (user.resyncs, user.received) = (resyncs, VecDeque::new());
                given.retain(|slot| end.rx.held(slot.index).is_some() || role == Role::Master);
            }
            assert!(given.len() <= usize::from(max));
            given.into_iter().for_each(|slot| user.take_received(end, slot));
            match result {
                Ok(_) => {}
                Err(_) => return false,
            }
        }
        Op::Refill(count, headroom) => {
            let before = user.received.len();
            match end.rx.refill(count, headroom, None) {
                Ok(()) => _ = user.received.drain(..before.min(usize::from(count))),
                Err(RefillError::Headroom) => assert!(role == Role::Slave && headroom >= BUFFER),
                Err(error) => panic!("{error}"),
            }
        }
        Op::RefillAt(count, place) => {
            let before = user.received.len();
            match end.rx.refill(count, 0, Some(&mut || place)) {
                Ok(()) => _ = user.received.drain(..before.min(usize::from(count))),
                Err(error) => {
                    assert_eq!(error, RefillError::Offset);
                    // The first was refused, so all others were.
                }
            }
            user.chosen |= role == Role::Slave && count > 0;
        }
        Op::Allocate(packets, size) => {
            let result = end.tx.allocate(packets, size, None, |slot| given.push(slot));
            given.into_iter().for_each(|slot| user.take_allocated(end, slot));
            match result {
                Ok(done) => assert!(done.packets <= packets),
                Err(SendError::Breach(_)) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        Op::Send(count, less, next) => {
            for _ in 0..count {
                let Some(slot) = user.allocated.pop_front() else { break };
                let len = slot.len.saturating_sub(less);
                let result = end.tx.send(slot.index, slot.data, len, next);
                assert!(result.is_ok(), "{slot:?}");
            }
            end.tx.publish();
        }
        Op::Forged(index, len, next) => {
            // It sends what is next, with data within the buffer, or nothing.
            let front = user.allocated.front().copied();
            let shift = index >> 8;
            let index = if next { index } else { front.map_or(index, |slot| slot.index) };
            let data =
                front.map_or(std::ptr::null_mut(), |slot| slot.data.wrapping_add(usize::from(shift)).wrapping_sub(100));
            if end.tx.send(index, data, len, next).is_ok() {
                let front = user.allocated.pop_front().unwrap();
                assert_eq!((front.index ^ index) & (SIZE - 1), 0);
                if role == Role::Slave {
                    user.lies_well(end, data, len);
                }
            }
            end.tx.publish();
        }
        Op::SetNext(index) => {
            let index = match user.allocated.get(usize::from(index)) {
                Some(slot) => slot.index,
                None => index,
            };
            if end.tx.set_next(index) {
                let first = user.allocated.iter().position(|slot| slot.index == index);
                let behind =
                    user.allocated.back().is_none_or(|last| (1..=SIZE).contains(&index.wrapping_sub(last.index)));
                if let Some(first) = first {
                    user.allocated.truncate(first);
                } else {
                    assert!(behind, "{index}");
                }
            }
        }
        Op::Enqueue(at) => {
            let Some(slot) = user.received.get(usize::from(at) % SIZE as usize).copied() else {
                return true;
            };
            let Some(held) = end.rx.held(slot.index) else {
                assert_eq!(role, Role::Master);
                return true;
            };
            match end.tx.enqueue(held) {
                Ok(index) => {
                    user.received.retain(|held| held.index != slot.index);
                    if slot.len > 0 {
                        user.take_allocated(end, Slot { index, ..slot });
                    } else {
                        user.allocated.push_back(Slot { index, ..slot });
                    }
                }
                Err(Enqueue::Full) => {}
                Err(Enqueue::Send(SendError::Breach(_))) => return false,
                Err(error) => panic!("{error}"),
            }
        }
        Op::Swap(kind, a, b) => {
            let (a, b) = (usize::from(a) % 8, usize::from(b) % 8);
            let pick = |slots: &VecDeque<Slot>, at: usize| slots.get(at).map(|slot| slot.index);
            let done = match kind % 3 {
                0 => match (pick(&user.received, a), pick(&user.received, b)) {
                    (Some(x), Some(y)) => end.rx.swap(x, y),
                    _ => return true,
                },
                1 => match (pick(&user.allocated, a), pick(&user.allocated, b)) {
                    (Some(x), Some(y)) => end.tx.swap(x, y),
                    _ => return true,
                },
                _ => match (pick(&user.received, a), pick(&user.allocated, b)) {
                    (Some(x), Some(y)) => match (end.rx.held(x), end.tx.held(y)) {
                        (Some(x), Some(y)) => swap(x, y),
                        _ => false,
                    },
                    _ => return true,
                },
            };
            assert_eq!(done, role == Role::Slave);
            if done {
                // The user's view follows: numbers and chain marks stay, memory moves.
                let (mut x, mut y) = match kind % 3 {
                    0 => (user.received[a], user.received[b]),
                    1 => (user.allocated[a], user.allocated[b]),
                    _ => (user.received[a], user.allocated[b]),
                };
                std::mem::swap(&mut x.data, &mut y.data);
                std::mem::swap(&mut x.len, &mut y.len);
                match kind % 3 {
                    0 => (user.received[a], user.received[b]) = (x, y),
                    1 => (user.allocated[a], user.allocated[b]) = (x, y),
                    _ => (user.received[a], user.allocated[b]) = (x, y),
                }
            }
        }
        Op::Move(rx, by) => {
            let ring = ring(rx);
            let at = cursor(ring, role);
            let (head, tail) = (ring.load_head(), ring.load_tail());
            let room = match role {
                Role::Master => tail.wrapping_add(SIZE).wrapping_sub(head),
                Role::Slave => head.wrapping_sub(tail),
            };
            move_to(ring, role, at.wrapping_add(if room <= SIZE { by.min(room) } else { 0 }));
        }
        Op::Cursor(rx, to) => move_to(ring(rx), role, to),
        Op::Back(rx, by) => {
            let ring = ring(rx);
            move_to(ring, role, cursor(ring, role).wrapping_sub(by));
        }
        Op::Good(rx, slot, len, next) => {
            ring(rx).store_word(slot, 0, head(if next { FLAG_NEXT } else { 0 }, 0, len));
            if role == Role::Master {
                ring(rx).store_word(slot, 1, offset_to_word(8192 + u32::from(slot) * BUFFER));
            }
        }
        Op::Word(rx, slot, part, word) => ring(rx).store_word(slot, part, word),
        Op::Flags(rx, flags) => ring(rx).store_flags(flags),
    }
    if role == Role::Slave && !user.chosen {
        user.nothing_overlaps();
    }
    end.rx.check();
    end.tx.check();
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1000), ..ProptestConfig::default() })]
    #[test]
    fn whatever_the_peer_writes_slots_are_handed_out_once_and_lie_inside(
        slave: bool,
        lie: Option<u64>,
        ops in proptest::collection::vec(op(), 1..200),
    ) {
        let mut bed = Bed::sized(u32::from(SIZE), BUFFER);
        let role = if slave { Role::Slave } else { Role::Master };
        let Bed { slave, master, rings } = &mut bed;
        let end = if role == Role::Slave { slave } else { master };
        if let Some(seed) = lie {
            for ring in [&end.rx.core.ring, &end.tx.core.ring] {
                let mut state = seed;
                ring.after_each_load(move |ring, slot, part| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    ring.store_word(slot, part, state.rotate_left(29));
                });
            }
        }
        let mut user = User { slave: role == Role::Slave, ..User::default() };
        for op in ops {
            if !step(role, end, rings, &mut user, op) {
                break;
            }
        }
    }
}
