//! Whether the sender is asked to signal an adaptive queue all the time.
//!
//! A queue in adaptive mode asks for signals while a wait of its own sleeps. Whoever waits for its descriptor in
//! another way, a loop of the caller or the driver, would never hear of a packet. So from then on the queue asks for
//! them as in interrupt mode, whatever mode it comes back to later; only polling mode is what it says.

use std::sync::atomic::{AtomicBool, Ordering};

/// What a queue and those who wait for its descriptor, on any thread, know of each other. Each side writes its word and
/// then reads the other's, so one of the two sees that the sender is to be asked.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Somebody waits for the descriptor, or did.
    waited_for: AtomicBool,
    /// The queue is in adaptive mode.
    adaptive: AtomicBool,
}

impl Asked {
    /// The queue changes its mode. Returns whether it is adaptive and asks for signals all the time.
    pub(super) fn set_adaptive(&self, adaptive: bool) -> bool {
        self.adaptive.store(adaptive, Ordering::SeqCst);
        adaptive && self.is_waited_for()
    }

    /// Whether the queue asks for signals all the time while it is adaptive.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waited_for.load(Ordering::SeqCst)
    }

    /// Somebody waits for the descriptor from now on. Returns whether the sender is to be asked now.
    pub(super) fn wait_for(&self) -> bool {
        !self.waited_for.swap(true, Ordering::SeqCst) && self.adaptive.load(Ordering::SeqCst)
    }
}
