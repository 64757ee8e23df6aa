//! A ring that counts what is read of it, and a peer that writes between two loads.

use std::sync::{Mutex, MutexGuard};

use crate::ring::RingMemory;
use crate::shm::MappedRing;

type Hand = Box<dyn FnMut(&MappedRing, u16, usize) + Send>;

/// A mapped ring under watch.
pub(in crate::queue::slots) struct Watched {
    ring: MappedRing,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loads: Vec<(u16, usize)>,
    hand: Option<Hand>,
}

impl Watched {
    pub(in crate::queue::slots) fn prefetch(&self, _slot: u16) {}

    pub(in crate::queue::slots) fn new(ring: MappedRing) -> Self {
        Self { ring, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Slot and half of every word of a descriptor that was loaded since the last call, in order.
    pub(super) fn loads(&self) -> Vec<(u16, usize)> {
        std::mem::take(&mut self.state().loads)
    }

    /// What the peer does right after each load of a word.
    pub(super) fn after_each_load(&self, hand: impl FnMut(&MappedRing, u16, usize) + Send + 'static) {
        self.state().hand = Some(Box::new(hand));
    }
}

impl RingMemory for Watched {
    fn load_head(&self) -> u16 {
        self.ring.load_head()
    }
    fn load_tail(&self) -> u16 {
        self.ring.load_tail()
    }
    fn store_head(&self, head: u16) {
        self.ring.store_head(head);
    }
    fn store_tail(&self, tail: u16) {
        self.ring.store_tail(tail);
    }
    fn load_flags(&self) -> u16 {
        self.ring.load_flags()
    }
    fn store_flags(&self, flags: u16) {
        self.ring.store_flags(flags);
    }
    fn load_word(&self, slot: u16, part: usize) -> u64 {
        let word = self.ring.load_word(slot, part);
        let mut state = self.state();
        state.loads.push((slot, part));
        if let Some(hand) = &mut state.hand {
            hand(&self.ring, slot, part);
        }
        word
    }
    fn store_word(&self, slot: u16, part: usize, word: u64) {
        self.ring.store_word(slot, part, word);
    }
    fn full_fence(&self) {
        self.ring.full_fence();
    }
}
