//! Looking for the answer of a handshake before going to sleep.
//!
//! A link takes ten messages to and fro, and a peer that is awake answers within a few microseconds. Going to sleep and
//! being woken costs each side more than that, every time. So a driver that has just sent something of a handshake asks
//! the kernel again and again for a moment. It asks for everything that it waits for, so nobody else waits for that.
//! How much of this a peer that does not answer can bring about is bounded for the driver as a whole.

use std::time::{Duration, Instant};

/// How long an answer is looked for.
const LOOK: Duration = Duration::from_micros(50);
/// How often to ask before another thread is let run, which costs more than asking.
pub(super) const LOOKS_PER_YIELD: u32 = 8;
/// What a look that brought nothing costs: the driver spends no more than a twentieth of its time so.
const PRICE: Duration = LOOK.saturating_mul(20);
/// As many as may come to nothing before that counts: a peer may be slow once or twice in a handshake.
const CREDIT: Duration = PRICE.saturating_mul(4);

/// Whether to look, and what may still be spent.
#[derive(Debug, Default)]
pub(super) struct Looks {
    expected: bool,
    /// Looks that came to nothing are paid for until then.
    paid: Option<Instant>,
}

impl Looks {
    /// An answer may come at once.
    pub(super) fn answer_may_come(&mut self) {
        self.expected = true;
    }

    /// Until when to look now, if at all.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Instant> {
        if !std::mem::take(&mut self.expected) {
            return None;
        }
        let spent = self.paid.is_some_and(|paid| paid.saturating_duration_since(now) > CREDIT);
        now.checked_add(LOOK).filter(|_| !spent)
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
    fn fruitless_looks_are_few() {
        let mut looks = Looks::default();
        let mut now = Instant::now();
        assert_eq!(looks.begin(now), None);
        let (end, mut spent) = (now + Duration::from_secs(1), Duration::ZERO);
        while now < end {
            looks.answer_may_come();
            let from = now;
            if let Some(until) = looks.begin(now) {
                now = until;
                looks.failed(now);
                spent += now - from;
            }
            now += Duration::from_micros(1);
        }
        assert!(spent >= 5 * LOOK, "{spent:?}");
        assert!(spent <= Duration::from_millis(51), "{spent:?}");
    }

    #[test]
    fn looks_that_bring_something_cost_nothing() {
        let mut looks = Looks::default();
        let now = Instant::now();
        for _ in 0..1000 {
            looks.answer_may_come();
            assert!(looks.begin(now).is_some());
            assert!(looks.begin(now).is_none());
        }
    }
}
