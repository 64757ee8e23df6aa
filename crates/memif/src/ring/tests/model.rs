//! Both sides of a ring in one thread, against a queue of the standard library.

use std::cell::Cell;
use std::collections::VecDeque;

use proptest::prelude::*;

use crate::config::Role;
use crate::ring::{OutOfRange, RingMemory, RxCursor, TxCursor};

/// Memory that behaves.
#[derive(Debug)]
pub(crate) struct Honest {
    head: Cell<u16>,
    tail: Cell<u16>,
    flags: Cell<u16>,
    words: Vec<[Cell<u64>; 2]>,
}

impl Honest {
    pub(crate) fn new(log2: u8) -> Self {
        Self {
            head: Cell::new(0),
            tail: Cell::new(0),
            flags: Cell::new(0),
            words: (0..1u32 << log2).map(|_| [Cell::new(0), Cell::new(0)]).collect(),
        }
    }

    fn word(&self, slot: u16, part: usize) -> &Cell<u64> {
        &self.words[usize::from(slot) & (self.words.len() - 1)][part]
    }
}

impl RingMemory for Honest {
    fn load_head(&self) -> u16 {
        self.head.get()
    }
    fn load_tail(&self) -> u16 {
        self.tail.get()
    }
    fn store_head(&self, head: u16) {
        self.head.set(head);
    }
    fn store_tail(&self, tail: u16) {
        self.tail.set(tail);
    }
    fn load_flags(&self) -> u16 {
        self.flags.get()
    }
    fn store_flags(&self, flags: u16) {
        self.flags.set(flags);
    }
    fn load_word(&self, slot: u16, part: usize) -> u64 {
        self.word(slot, part).get()
    }
    fn store_word(&self, slot: u16, part: usize, word: u64) {
        self.word(slot, part).set(word);
    }
    fn full_fence(&self) {}

    fn mask(&self) -> u16 {
        u16::try_from(self.words.len() - 1).unwrap()
    }
    type Descriptors<'a> = &'a Self;
    fn descriptors(&self) -> &Self {
        self
    }
}

/// A sender and a receiver on one ring, and what is between them.
struct Pair {
    memory: Honest,
    tx: TxCursor,
    /// Next slot to fill.
    next: u16,
    rx: RxCursor,
    sent: u64,
    filled: Vec<u64>,
    on_ring: VecDeque<u64>,
    read: u16,
}

impl Pair {
    fn new(sender: Role, log2: u8) -> Self {
        let memory = Honest::new(log2);
        let receiver = if sender == Role::Slave { Role::Master } else { Role::Slave };
        let mut rx = RxCursor::new(receiver, log2);
        rx.give_back(rx.held(), &memory);
        let tx = TxCursor::new(sender, log2);
        let (filled, on_ring) = (Vec::new(), VecDeque::new());
        Self { memory, tx, next: 0, rx, sent: 0, filled, on_ring, read: 0 }
    }

    fn fill(&mut self, count: u16) {
        self.tx.refresh(&self.memory).expect("an honest ring");
        let free = self.tx.free(self.next);
        let size = self.tx.size();
        let held = u16::try_from(self.on_ring.len() + self.filled.len()).unwrap() + self.read;
        assert_eq!(free, size - held, "every slot is somewhere");
        for _ in 0..count.min(free) {
            self.memory.store_word(self.next, 0, self.sent);
            self.next = self.next.wrapping_add(1);
            self.filled.push(self.sent);
            self.sent += 1;
        }
    }

    fn publish(&mut self) {
        assert_eq!(usize::from(self.next.wrapping_sub(self.tx.published())), self.filled.len());
        self.tx.publish(self.next, &self.memory);
        self.on_ring.extend(self.filled.drain(..));
    }

    fn roll_back(&mut self) {
        self.next = self.tx.published();
        self.sent -= self.filled.len() as u64;
        self.filled.clear();
    }

    fn read(&mut self, count: u16) {
        let available = self.rx.available(&self.memory).expect("an honest ring");
        assert_eq!(usize::from(available), self.on_ring.len());
        for _ in 0..count.min(available) {
            let word = self.memory.load_word(self.rx.next(), 0);
            assert_eq!(Some(word), self.on_ring.pop_front());
            self.rx.advance(1);
            self.read += 1;
        }
    }

    /// Gives so many of the slots that were read back, oldest first.
    fn give_back(&mut self, count: u16) {
        assert_eq!(self.rx.held(), self.read);
        let count = count.min(self.read);
        self.rx.give_back(count, &self.memory);
        self.read -= count;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Fill(u16),
    Publish,
    RollBack,
    Read(u16),
    GiveBack(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let counts = || prop_oneof![0u16..5, 0u16..1000, Just(u16::MAX)];
    let step = prop_oneof![
        3 => counts().prop_map(Step::Fill),
        3 => Just(Step::Publish),
        1 => Just(Step::RollBack),
        3 => counts().prop_map(Step::Read),
        3 => counts().prop_map(Step::GiveBack),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn every_slot_arrives_once_and_in_order(
        log2 in 0u8..=14,
        master_sends: bool,
        warm_up in 0u32..70_000,
        steps in steps(),
    ) {
        let mut pair = Pair::new(if master_sends { Role::Master } else { Role::Slave }, log2);
        // Anywhere in the range of the cursors, so that they wrap in the steps.
        let size = u32::from(pair.tx.size());
        for _ in 0..warm_up / size {
            pair.fill(u16::MAX);
            pair.publish();
            pair.read(u16::MAX);
            pair.give_back(u16::MAX);
        }
        for step in steps {
            match step {
                Step::Fill(count) => pair.fill(count),
                Step::Publish => pair.publish(),
                Step::RollBack => pair.roll_back(),
                Step::Read(count) => pair.read(count),
                Step::GiveBack(count) => pair.give_back(count),
            }
        }
    }
}

#[test]
fn cursors_wrap_in_every_size() {
    for log2 in 0..=14 {
        for sender in [Role::Slave, Role::Master] {
            let mut pair = Pair::new(sender, log2);
            while pair.sent < 3 * 65_536 {
                pair.fill(1 + (pair.sent % 7) as u16);
                pair.publish();
                pair.read(u16::MAX);
                pair.give_back(u16::MAX);
            }
        }
    }
}

#[test]
fn each_class_of_cursor_is_judged() {
    // The classes of the security checklist, item 6: equal, +1, +size, +size + 1, +32768, -1.
    for start in [0u16, 1, 7, 65_530] {
        for (offset, good) in [(0u16, true), (1, true), (16, true), (17, false), (32_768, false), (65_535, false)] {
            for sender in [Role::Slave, Role::Master] {
                let mut pair = Pair::new(sender, 4);
                for _ in 0..start {
                    pair.fill(1);
                    pair.publish();
                    pair.read(1);
                    pair.give_back(u16::MAX);
                }
                let found = start.wrapping_add(offset);
                match sender {
                    Role::Slave => pair.memory.head.set(found),
                    Role::Master => pair.memory.tail.set(found),
                }
                let result = pair.rx.available(&pair.memory);
                assert_eq!(result.is_ok(), good, "{sender} sends, {start} + {offset}: {result:?}");
                if let Err(OutOfRange { found: reported, low, high, .. }) = result {
                    assert_eq!((reported, low, high), (found, start, start.wrapping_add(16)));
                    pair.rx.resynchronise(found, &pair.memory);
                    assert!(pair.rx.available(&pair.memory).is_ok_and(|n| n == 0));
                }
            }
        }
    }
}

#[test]
fn a_returned_slot_that_was_never_given_is_refused() {
    for (offset, good) in [(0u16, true), (3, true), (4, false), (16, false), (65_535, false)] {
        // Slave with three slots out; the master returns more.
        let mut pair = Pair::new(Role::Slave, 4);
        pair.fill(3);
        pair.publish();
        pair.memory.tail.set(offset);
        assert_eq!(pair.tx.refresh(&pair.memory).is_ok(), good, "tail {offset}");
    }
    for (offset, good) in [(13u16, false), (16, true), (17, true), (18, true), (19, true), (20, false), (32_784, false)]
    {
        // Master that filled three of sixteen; the slave posts more than it has, or takes some back.
        let mut pair = Pair::new(Role::Master, 4);
        pair.fill(3);
        pair.publish();
        pair.memory.head.set(offset);
        assert_eq!(pair.tx.refresh(&pair.memory).is_ok(), good, "head {offset}");
    }
}
