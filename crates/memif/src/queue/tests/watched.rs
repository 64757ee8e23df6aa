//! A ring that counts what is read of it, and a peer that writes between two loads.

use std::sync::{Mutex, MutexGuard};

use crate::ring::RingMemory;
use crate::shm::MappedRing;

type Hand = Box<dyn FnMut(&MappedRing, u16, usize) + Send>;
type Look = Box<dyn FnMut(&MappedRing) + Send>;

/// A mapped ring under watch.
pub(in crate::queue) struct Watched {
    ring: MappedRing,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loads: Option<Vec<(u16, usize)>>,
    hand: Option<Hand>,
    look: Option<Look>,
}

impl Watched {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Slot and half of every word of a descriptor that was loaded since the last call, in order. The first call says
    /// nothing and starts the count.
    pub(in crate::queue) fn loads(&self) -> Vec<(u16, usize)> {
        self.state().loads.replace(Vec::new()).unwrap_or_default()
    }

    /// What the peer does right after each load of a word.
    #[cfg(feature = "raw")]
    pub(in crate::queue) fn after_each_load(&self, hand: impl FnMut(&MappedRing, u16, usize) + Send + 'static) {
        self.state().hand = Some(Box::new(hand));
    }

    /// What the peer does right before each look at its head.
    pub(in crate::queue) fn before_each_look(&self, look: impl FnMut(&MappedRing) + Send + 'static) {
        self.state().look = Some(Box::new(look));
    }
}

impl From<MappedRing> for Watched {
    fn from(ring: MappedRing) -> Self {
        Self { ring, state: Mutex::default() }
    }
}

impl RingMemory for Watched {
    fn load_head(&self) -> u16 {
        if let Some(look) = &mut self.state().look {
            look(&self.ring);
        }
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
        if let Some(loads) = &mut state.loads {
            loads.push((slot, part));
        }
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
    fn clear_next(&self, slot: u16) {
        self.ring.clear_next(slot);
    }

    fn mask(&self) -> u16 {
        self.ring.mask()
    }
    type Descriptors<'a> = &'a Self;
    fn descriptors(&self) -> &Self {
        self
    }
}
