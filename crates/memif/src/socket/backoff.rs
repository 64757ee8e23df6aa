//! The pauses between a slave's attempts.
//!
//! Nobody tells a slave that its master is back. So it asks again and again, and the longer in vain the less often. Two
//! things make it ask more often for a while: its link was lost, or somebody listens where nobody did.

use std::time::{Duration, Instant};

/// The first pause between two attempts; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// How long a master that is on its way is expected: after the loss of a link, and after somebody began to listen,
/// since VPP listens before it has the interface.
const EXPECTED: Duration = Duration::from_secs(10);
/// The longest pause meanwhile.
const LONGEST_EXPECTED: Duration = Duration::from_millis(200);
/// A link that lived this long makes its slave start from the shortest pause again.
const STABLE: Duration = Duration::from_secs(1);

/// The pauses of a slave.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    /// Until when a master is expected to come.
    expected: Option<Instant>,
    /// Whether somebody listened at the last attempt.
    met: bool,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST_PAUSE, expected: None, met: false }
    }

    /// Back to short pauses.
    pub(super) fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }

    /// A master is on its way.
    pub(super) fn expect_master(&mut self, now: Instant) {
        self.expected = now.checked_add(EXPECTED);
    }

    /// A link that was up for so long is down.
    pub(super) fn link_lost(&mut self, lived: Duration, now: Instant) {
        self.expect_master(now);
        if lived >= STABLE {
            self.reset();
        }
    }

    /// A link that was up for so long was dropped by its program. The master is there; a program that drops every link
    /// gets them more and more rarely.
    pub(super) fn link_dropped(&mut self, lived: Duration) {
        if lived >= STABLE {
            self.reset();
        }
    }

    /// Somebody listens. Where nobody did before, the rest is on its way.
    pub(super) fn somebody_listens(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.met, true) {
            self.reset();
            self.expect_master(now);
        }
    }

    /// Nobody listens.
    pub(super) fn nobody_listens(&mut self) {
        self.met = false;
    }

    /// The pause to make now.
    pub(super) fn pause(&mut self, now: Instant, longest: Duration) -> Duration {
        let expected = self.expected.is_some_and(|until| now < until);
        let longest = if expected { longest.min(LONGEST_EXPECTED) } else { longest };
        let pause = self.next.min(longest.max(FIRST_PAUSE));
        self.next = pause.saturating_mul(2);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(backoff: &mut Backoff, now: Instant, count: usize) -> Vec<u128> {
        let period = Duration::from_secs(2);
        (0..count).map(|_| backoff.pause(now, period).as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_period() {
        let mut backoff = Backoff::new();
        let (now, period) = (Instant::now(), Duration::from_millis(20));
        let pauses: Vec<_> = (0..6).map(|_| backoff.pause(now, period).as_millis()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 20, 20]);
        backoff.reset();
        assert_eq!(backoff.pause(now, Duration::ZERO), FIRST_PAUSE);
    }

    #[test]
    fn pauses_are_short_while_a_master_is_expected() {
        let mut backoff = Backoff::new();
        let now = Instant::now();
        let (during, after) = (now + EXPECTED - FIRST_PAUSE, now + EXPECTED);
        backoff.expect_master(now);
        assert_eq!(pauses(&mut backoff, now, 9), [2, 4, 8, 16, 32, 64, 128, 200, 200]);
        assert_eq!(pauses(&mut backoff, during, 1), [200]);
        assert_eq!(pauses(&mut backoff, after, 4), [400, 800, 1600, 2000]);
        // A period that is shorter stays.
        assert_eq!(backoff.pause(during, Duration::from_millis(30)).as_millis(), 30);
    }

    #[test]
    fn a_listener_is_news_once() {
        let mut backoff = Backoff::new();
        let now = Instant::now();
        assert_eq!(pauses(&mut backoff, now, 12).last(), Some(&2000));
        backoff.somebody_listens(now);
        assert_eq!(pauses(&mut backoff, now, 8).last(), Some(&200));
        backoff.somebody_listens(now);
        assert_eq!(pauses(&mut backoff, now, 1), [200]);
        // The same one goes on refusing.
        backoff.somebody_listens(now + EXPECTED);
        assert_eq!(pauses(&mut backoff, now + EXPECTED, 4), [400, 800, 1600, 2000]);
        backoff.nobody_listens();
        backoff.somebody_listens(now + EXPECTED);
        assert_eq!(pauses(&mut backoff, now + EXPECTED, 1), [2]);
    }

    #[test]
    fn a_program_that_drops_every_link_gets_them_more_and_more_rarely() {
        let mut backoff = Backoff::new();
        let now = Instant::now();
        let pauses: Vec<_> = (0..12)
            .map(|_| {
                backoff.link_dropped(STABLE / 2);
                backoff.pause(now, Duration::from_secs(2)).as_millis()
            })
            .collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2000, 2000]);
        backoff.link_dropped(STABLE);
        assert_eq!(backoff.pause(now, Duration::from_secs(2)), FIRST_PAUSE);
    }

    #[test]
    fn after_a_link_that_lasted_the_first_pause_is_the_shortest() {
        let mut backoff = Backoff::new();
        let now = Instant::now();
        assert_eq!(pauses(&mut backoff, now, 12).last(), Some(&2000));
        backoff.link_lost(STABLE / 2, now);
        assert_eq!(pauses(&mut backoff, now, 1), [200]);
        backoff.link_lost(STABLE, now);
        assert_eq!(pauses(&mut backoff, now, 2), [2, 4]);
    }
}
