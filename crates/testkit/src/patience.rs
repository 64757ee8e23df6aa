//! Waiting with an end: for what has no event to wait for, as another process moving a cursor.

use std::time::{Duration, Instant};

/// How long a step may take before the test fails. Generous: it is a bound, never a measurement.
pub const STEP: Duration = Duration::from_secs(120);

/// A bounded wait that is asked again and again.
#[derive(Debug)]
pub struct Patience {
    end: Instant,
    rounds: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self::of(STEP)
    }
}

impl Patience {
    /// A wait of at most `time`.
    #[must_use]
    pub fn of(time: Duration) -> Self {
        Self { end: Instant::now() + time, rounds: 0 }
    }

    /// Whether there is time left; gives the processor away a little longer each time, at most a millisecond.
    pub fn more(&mut self) -> bool {
        if Instant::now() >= self.end {
            return false;
        }
        self.rounds += 1;
        match self.rounds {
            0..=64 => std::hint::spin_loop(),
            65..=512 => std::thread::yield_now(),
            513..=1024 => std::thread::sleep(Duration::from_micros(50)),
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
        true
    }

    /// Something happened: start from short waits again, with the end unchanged.
    pub fn progress(&mut self) {
        self.rounds = 0;
    }
}

/// Asks until the answer is `Some`, or panics with `what` after [`STEP`].
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let mut patience = Patience::default();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(patience.more(), "waited {STEP:?} in vain: {what}");
    }
}
