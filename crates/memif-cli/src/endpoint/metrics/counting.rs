//! What the threads of a command count themselves, as they hand it over.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// Which way packets go, as seen from this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Rx,
    Tx,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rx => "rx",
            Self::Tx => "tx",
        })
    }
}

/// Counts that a thread writes while others read them.
pub(crate) trait Dropping: Send + Sync + fmt::Debug {
    /// Packets that were dropped, and why: all reasons, in the same order each time.
    fn dropped(&self) -> Vec<(String, u64)>;
}

/// Counts of one thread, and the way that its packets went.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) direction: Direction,
    counts: Arc<dyn Dropping>,
}

impl Source {
    pub(super) fn new(direction: Direction, counts: Arc<dyn Dropping>) -> Self {
        Self { direction, counts }
    }

    pub(super) fn read(&self) -> Vec<(String, u64)> {
        self.counts.dropped()
    }

    /// Whether nobody else has them, so that those that are read from now on are the last.
    pub(super) fn is_over(&self) -> bool {
        let over = Arc::strong_count(&self.counts) == 1;
        // With all that was written before it was let go of.
        fence(Ordering::Acquire);
        over
    }
}
