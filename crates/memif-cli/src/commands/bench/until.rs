//! When a measurement ends before its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::endpoint::signals::Stop;

/// The longest time that anything sleeps without looking whether it should end.
pub(crate) const LOOK: Duration = Duration::from_millis(100);

/// Whether a measurement should end before its time.
#[derive(Clone, Debug)]
pub(crate) struct Until {
    stop: Stop,
    over: Arc<AtomicBool>,
    /// Whether this end tells figures: of two ends of ours one does.
    tells: bool,
}

impl Until {
    /// Until a signal comes.
    pub(crate) fn signalled(stop: Stop) -> Self {
        Self { stop, over: Arc::default(), tells: true }
    }

    /// Until a signal comes, or [`end`](Self::end) is called on the result; for an end that leaves figures to the other
    /// one.
    pub(crate) fn part(&self) -> Self {
        Self { stop: self.stop.clone(), over: Arc::default(), tells: false }
    }

    /// Asks for the end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the figures so far are asked for: true once for each time.
    pub(crate) fn takes_figures(&self) -> bool {
        self.tells && self.stop.takes_figures()
    }

    /// Whether it should end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_requested() || self.over.load(Ordering::Relaxed)
    }
}
