//! Whether somebody has a link, or one of its queues.

use std::sync::atomic::{AtomicU8, Ordering};

/// How it stands with those who use a link. It changes once at most.
#[derive(Debug, Default)]
pub(crate) struct Users(AtomicU8);

const SOME: u8 = 0;
/// Everything was dropped.
const GONE: u8 = 1;
/// The same, and the link stays up all the same.
const KEPT: u8 = 2;

impl Users {
    /// The last of them is gone. Returns whether the link is to go with it.
    pub(super) fn are_gone(&self) -> bool {
        self.0.compare_exchange(SOME, GONE, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// The link needs none from now on.
    pub(super) fn are_not_needed(&self) {
        self.0.store(KEPT, Ordering::Release);
    }

    /// Whether the link is to go because nobody has it.
    pub(super) fn left_it(&self) -> bool {
        self.0.load(Ordering::Acquire) == GONE
    }
}
