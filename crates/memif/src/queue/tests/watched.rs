//! A ring that counts what is read of it, a peer that writes between two loads, and a processor that keeps stores to
//! itself for as long as it may.

use std::sync::{Mutex, MutexGuard};

#[cfg(any(feature = "async-io", feature = "tokio"))]
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;
use crate::shm::MappedRing;

type Hand = Box<dyn FnMut(&MappedRing, u16, usize) + Send>;
type Look = Box<dyn FnMut(&MappedRing) + Send>;
type Looked = Box<dyn FnMut() + Send>;

/// A mapped ring under watch.
pub(crate) struct Watched {
    ring: MappedRing,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    loads: Option<Vec<(u16, usize)>>,
    hand: Option<Hand>,
    look: Option<Look>,
    looked: Option<Looked>,
    /// Whether stores of flags wait for a fence, and the one that does.
    holds: bool,
    held: Option<u16>,
    /// Flags as they were loaded before.
    stale: Option<u16>,
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

    fn let_go(&self) {
        if let Some(flags) = self.state().held.take() {
            self.ring.store_flags(flags);
        }
    }

    fn looked(&self) {
        if let Some(looked) = &mut self.state().looked {
            looked();
        }
    }
}

/// For futures.
#[cfg(any(feature = "async-io", feature = "tokio"))]
impl Watched {
    /// What happens right after each look at the cursor that the peer moves, or the other one.
    pub(crate) fn after_each_look(&self, looked: impl FnMut() + Send + 'static) {
        self.state().looked = Some(Box::new(looked));
    }

    /// Whether a store of flags is seen by others after the next fence only, as with a store that is on its way while
    /// its processor loads something else.
    pub(crate) fn hold_stores(&self, hold: bool) {
        self.state().holds = hold;
        self.let_go();
    }

    /// What loads of flags give instead of what is there: what a peer loaded before its stores were seen by others.
    pub(crate) fn see_flags(&self, flags: Option<u16>) {
        self.state().stale = flags;
    }
}

#[cfg(any(feature = "async-io", feature = "tokio"))]
impl RxQueue {
    /// Its ring.
    pub(crate) fn watched(&self) -> &Watched {
        &self.scan.core.ring
    }
}

#[cfg(any(feature = "async-io", feature = "tokio"))]
impl TxQueue {
    /// Its ring.
    pub(crate) fn watched(&self) -> &Watched {
        &self.core.ring
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
        let head = self.ring.load_head();
        self.looked();
        head
    }
    fn load_tail(&self) -> u16 {
        let tail = self.ring.load_tail();
        self.looked();
        tail
    }
    fn store_head(&self, head: u16) {
        self.ring.store_head(head);
    }
    fn store_tail(&self, tail: u16) {
        self.ring.store_tail(tail);
    }
    fn load_flags(&self) -> u16 {
        let state = self.state();
        state.stale.or(state.held).unwrap_or_else(|| self.ring.load_flags())
    }
    fn store_flags(&self, flags: u16) {
        let mut state = self.state();
        if state.holds {
            state.held = Some(flags);
        } else {
            self.ring.store_flags(flags);
        }
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
        self.let_go();
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
