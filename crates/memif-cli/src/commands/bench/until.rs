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
}

impl Until {
    /// Until a signal comes.
    pub(crate) fn signalled(stop: Stop) -> Self {
        Self { stop, over: Arc::default() }
    }

    /// Until a signal comes, or [`end`](Self::end) is called on the result.
    pub(crate) fn part(&self) -> Self {
        Self { stop: self.stop.clone(), over: Arc::default() }
    }

    /// Asks for the end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether it should end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_requested() || self.over.load(Ordering::Relaxed)
    }
}
