//! How far apart the looks for something are that nothing signals.

use std::time::Duration;

/// Looks before the first pause: a peer that is at work frees something soon.
pub(super) const LOOKS: u32 = 64;
const SHORTEST: Duration = Duration::from_micros(10);
const LONGEST: Duration = Duration::from_millis(1);

/// Pauses that double from 10 microseconds to 1 millisecond.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(SHORTEST)
    }
}

impl Pauses {
    /// The one that is to come.
    pub(super) fn get(self) -> Duration {
        self.0
    }

    /// It is over, and the next is longer.
    pub(super) fn grow(&mut self) {
        self.0 = self.0.saturating_mul(2).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_millisecond() {
        let mut pauses = Pauses::default();
        let all: Vec<u128> = std::iter::repeat_with(|| {
            let pause = pauses.get().as_micros();
            pauses.grow();
            pause
        })
        .take(9)
        .collect();
        assert_eq!(all, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }
}
