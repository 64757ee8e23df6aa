//! Polling for the answer of a handshake before going to sleep.
//!
//! A link takes ten messages to and fro, and a peer that is awake answers within a few microseconds. Going to sleep and
//! being woken costs each side more than that, every time. So a driver that has just sent something of a handshake asks
//! the kernel again and again for a moment. It asks for everything that it waits for, so nobody else waits for that.
//! How much of this a peer that does not answer can bring about is bounded for the driver as a whole.

use std::time::{Duration, Instant};

/// How long it is polled for an answer.
const LENGTH: Duration = Duration::from_micros(50);
/// How often to ask before another thread is let run, which costs more than asking.
pub(super) const POLLS_PER_YIELD: u32 = 8;
/// What polling in vain costs: the driver spends no more than a twentieth of its time so.
const PRICE: Duration = LENGTH.saturating_mul(20);
/// As much as may be in vain before that counts: a peer may be slow once or twice in a handshake.
const CREDIT: Duration = PRICE.saturating_mul(4);

/// Whether to poll, and what may still be spent.
#[derive(Debug, Default)]
pub(super) struct BusyPoll {
    expected: bool,
    /// What was in vain is paid for until then.
    paid: Option<Instant>,
}

impl BusyPoll {
    /// An answer may come at once.
    pub(super) fn expect_answer(&mut self) {
        self.expected = true;
    }

    /// Until when to poll now, if at all.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Instant> {
        if !std::mem::take(&mut self.expected) {
            return None;
        }
        let spent = self.paid.is_some_and(|paid| paid.saturating_duration_since(now) > CREDIT);
        now.checked_add(LENGTH).filter(|_| !spent)
    }

    /// Nothing came.
    pub(super) fn failed(&mut self, now: Instant) {
        self.paid = self.paid.map_or(now, |paid| paid.max(now)).checked_add(PRICE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_in_vain_are_few() {
        let mut polls = BusyPoll::default();
        let mut now = Instant::now();
        assert_eq!(polls.begin(now), None);
        let (end, mut spent) = (now + Duration::from_secs(1), Duration::ZERO);
        while now < end {
            polls.expect_answer();
            let from = now;
            if let Some(until) = polls.begin(now) {
                now = until;
                polls.failed(now);
                spent += now - from;
            }
            now += Duration::from_micros(1);
        }
        assert!(spent >= 5 * LENGTH, "{spent:?}");
        assert!(spent <= Duration::from_millis(51), "{spent:?}");
    }

    #[test]
    fn polls_that_bring_something_cost_nothing() {
        let mut polls = BusyPoll::default();
        let now = Instant::now();
        for _ in 0..1000 {
            polls.expect_answer();
            assert!(polls.begin(now).is_some());
            assert!(polls.begin(now).is_none());
        }
    }
}
