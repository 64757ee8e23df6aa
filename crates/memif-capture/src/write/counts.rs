//! What became of the packets of an interface.

use std::ops::AddAssign;

/// What became of the packets of an interface, or of several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that came.
    pub received: u64,
    /// Those of them that the filter chose; all where there is none.
    pub accepted: u64,
    /// Those of the chosen ones that found no room, because what is written to was too slow or takes nothing more.
    pub missed: u64,
    /// Packets that never came here: the link dropped them because the peer described them wrongly, or they passed
    /// unseen. They are not among those that came.
    pub dropped: u64,
}

impl Counts {
    /// Packets that are written, or about to be.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.accepted.saturating_sub(self.missed)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.missed += other.missed;
        self.dropped += other.dropped;
    }
}
