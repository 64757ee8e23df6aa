//! The memory of a ring as cursors see it, and what is wrong with a cursor of the peer.

use crate::error::{Breach, QueueName};
use crate::wire::ring::DescriptorHead;

/// One ring as this code sees it. Slots are free-running indices; the memory masks them.
pub(crate) trait RingMemory {
    /// Acquire: what the slave wrote before it moved head is seen after this.
    fn load_head(&self) -> u16;
    /// Acquire: what the master wrote before it moved tail is seen after this.
    fn load_tail(&self) -> u16;
    /// Release: publishes everything that the slave wrote before.
    fn store_head(&self, head: u16);
    /// Release: publishes everything that the master wrote before.
    fn store_tail(&self, tail: u16);
    /// Relaxed.
    fn load_flags(&self) -> u16;
    /// Relaxed.
    fn store_flags(&self, flags: u16);
    /// Relaxed load of the first (0) or second (1) half of a descriptor.
    fn load_word(&self, slot: u16, part: usize) -> u64;
    /// Relaxed store of one half of a descriptor.
    fn store_word(&self, slot: u16, part: usize, word: u64);
    /// Orders every store before it against every load after it.
    fn full_fence(&self);

    /// Slots of the ring less one.
    fn mask(&self) -> u16;

    /// The descriptors alone, as a value that loops keep in registers.
    type Descriptors<'a>: Descriptors
    where
        Self: 'a;
    /// See [`Self::Descriptors`].
    fn descriptors(&self) -> Self::Descriptors<'_>;

    /// Asks for the cache line of a descriptor, to be read soon.
    fn prefetch(&self, _slot: u16) {}

    /// Clears NEXT in a slot that is ours. Whatever else stands there is written back, and nothing is concluded from
    /// it.
    fn clear_next(&self, slot: u16) {
        let head = DescriptorHead::from_word(self.load_word(slot, 0));
        if head.has_next() {
            self.store_word(slot, 0, DescriptorHead { flags: 0, ..head }.to_word());
        }
    }
}

/// The descriptors of a ring, to be read.
pub(crate) trait Descriptors: Copy {
    /// Relaxed load of the first (0) or second (1) half of a descriptor.
    fn load(self, slot: u16, part: usize) -> u64;
}

impl<R: RingMemory> Descriptors for &R {
    fn load(self, slot: u16, part: usize) -> u64 {
        self.load_word(slot, part)
    }
}

/// The peer's cursor is where it cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfRange {
    /// `head` or `tail`.
    pub(crate) cursor: &'static str,
    /// What was read.
    pub(crate) found: u16,
    /// Lowest possible value.
    pub(crate) low: u16,
    /// Highest possible value.
    pub(crate) high: u16,
}

impl OutOfRange {
    /// What it is of that queue.
    pub(crate) fn of(self, queue: QueueName) -> Breach {
        let Self { cursor, found, low, high } = self;
        Breach::Cursor { queue, cursor, found, low, high }
    }
}
