//! Memory that answers differently on every load.

use std::cell::RefCell;

use proptest::prelude::*;

use crate::config::Role;
use crate::ring::{RingMemory, RxCursor, TxCursor};

/// Answers in turn; forgets what is stored.
#[derive(Debug)]
pub(crate) struct Liar(RefCell<std::vec::IntoIter<u16>>);

impl Liar {
    pub(crate) fn new(answers: Vec<u16>) -> Self {
        Self(RefCell::new(answers.into_iter()))
    }

    fn answer(&self) -> u16 {
        self.0.borrow_mut().next().unwrap_or(0xffff)
    }
}

impl RingMemory for Liar {
    fn load_head(&self) -> u16 {
        self.answer()
    }
    fn load_tail(&self) -> u16 {
        self.answer()
    }
    fn store_head(&self, _: u16) {}
    fn store_tail(&self, _: u16) {}
    fn load_flags(&self) -> u16 {
        self.answer()
    }
    fn store_flags(&self, _: u16) {}
    fn load_word(&self, _: u16, _: usize) -> u64 {
        u64::from(self.answer()).wrapping_mul(0x0001_0001_0001_0001)
    }
    fn store_word(&self, _: u16, _: usize, _: u64) {}
    fn full_fence(&self) {}

    fn mask(&self) -> u16 {
        u16::MAX
    }
    type Descriptors<'a> = &'a Self;
    fn descriptors(&self) -> &Self {
        self
    }
}

proptest! {
    #[test]
    fn no_answer_moves_a_cursor_out_of_the_ring(
        log2 in 0u8..=14,
        slave: bool,
        answers in proptest::collection::vec(any::<u16>(), 0..400),
        near in any::<bool>(),
    ) {
        let role = if slave { Role::Slave } else { Role::Master };
        let mut rx = RxCursor::new(role, log2);
        let mut tx = TxCursor::new(role, log2);
        let size = rx.size();
        // Small steps pass the checks more often and go deeper.
        let mut sum = 0u16;
        let answers: Vec<u16> = answers
            .into_iter()
            .map(|answer| {
                sum = sum.wrapping_add(answer % (size + 1));
                if near { sum } else { answer }
            })
            .collect();
        let rounds = answers.len();
        let memory = Liar::new(answers);
        rx.give_back(rx.held(), &memory);
        for round in 0..rounds {
            match rx.available(&memory) {
                Ok(available) => {
                    prop_assert!(available <= size - rx.held());
                    rx.advance(available / (1 + (round % 3) as u16));
                    prop_assert!(rx.held() <= size);
                    if round % 2 == 0 {
                        rx.give_back(rx.held() / (1 + (round % 5) as u16), &memory);
                    }
                }
                Err(range) => {
                    prop_assert!(range.high.wrapping_sub(range.low) <= size);
                    rx.resynchronise(range.found, &memory);
                    prop_assert_eq!((rx.next(), rx.held()), (range.found, 0));
                }
            }
            let before = tx.limit();
            match tx.refresh(&memory) {
                Ok(()) => {
                    let free = tx.free(tx.published());
                    prop_assert!(free <= size);
                    tx.publish(tx.published().wrapping_add(free / 2), &memory);
                }
                Err(range) => {
                    prop_assert!(range.high.wrapping_sub(range.low) <= size);
                    prop_assert_eq!(tx.limit(), before);
                }
            }
        }
    }
}
