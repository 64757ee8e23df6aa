//! When to look whether a peer that gives no sign of life on its rings is still there.

use std::time::{Duration, Instant};

/// How long nothing comes before the first look, which is a system call: longer than a peer is mostly kept from its
/// processor by others. Later ones come when that has lasted twice as long as at the one before,
const FIRST: Duration = Duration::from_millis(10);
/// and at last so far apart: a thread that polls many idle links must not spend its time so.
const LAST: Duration = Duration::from_millis(64);

/// How long a peer has been silent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    /// What changes when the peer does something.
    progress: u64,
    /// When it was found silent first, and when to look next.
    since: Option<(Instant, Instant)>,
}

impl Silence {
    /// To be asked again and again while nothing comes: whether a look is due now. Asks no clock when the peer did
    /// something since it was asked last.
    #[cold]
    pub(super) fn is_due(&mut self, progress: u64) -> bool {
        if self.progress != progress {
            *self = Self { progress, since: None };
            return false;
        }
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&mut self, now: Instant) -> bool {
        let (since, due) = self.since.map_or((now, false), |(since, next)| (since, now >= next));
        if due || self.since.is_none() {
            let pause = now.saturating_duration_since(since).clamp(FIRST, LAST);
            self.since = now.checked_add(pause).map(|next| (since, next));
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_far_apart_and_more_and_more() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        let at: Vec<u64> = (0..1_000).filter(|ms| silence.is_due_at(start + Duration::from_millis(*ms))).collect();
        assert_eq!(at[..6], [10, 20, 40, 80, 144, 208]);
        assert!(at[5..].windows(2).all(|two| two[1] - two[0] == 64), "{at:?}");
    }

    #[test]
    fn a_peer_that_does_something_is_not_looked_at() {
        let mut silence = Silence::default();
        for progress in 1..1_000 {
            assert!(!silence.is_due(progress) && silence.since.is_none());
        }
        assert!(!silence.is_due(999) && silence.since.is_some());
        assert!(!silence.is_due(1_000) && silence.since.is_none());
    }
}
