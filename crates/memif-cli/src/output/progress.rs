//! One line on a terminal that says what is measured now.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// The line; it goes away when this is dropped.
pub(crate) struct Progress {
    shown: bool,
    start: Instant,
}

impl Progress {
    /// No line yet. Where standard error is no terminal there never is one.
    pub(crate) fn new() -> Self {
        Self { shown: stderr().is_terminal(), start: Instant::now() }
    }

    /// Shows what begins now, and how long it takes.
    pub(crate) fn show(&self, what: &str, time: Duration) {
        if self.shown {
            let (passed, time) = (self.start.elapsed().as_secs_f64(), time.as_secs_f64());
            // A terminal that is gone needs no progress.
            let _ = write!(stderr(), "\r\x1b[K[{passed:.0} s] {what}, {time} s ...");
        }
    }

    /// Whether there is a terminal.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Shows how far it has come. A line that comes next takes its place.
    pub(crate) fn tell(&self, what: &str) {
        if self.shown {
            let passed = self.start.elapsed().as_secs_f64();
            // A terminal that is gone needs no progress.
            let _ = write!(stderr(), "\r\x1b[K[{passed:.0} s] {what}\r");
        }
    }

    /// Takes the line away, before others come.
    pub(crate) fn clear(&self) {
        if self.shown {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
