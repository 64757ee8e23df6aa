//! How soon a device is to be polled again, where nothing tells.

use std::time::Duration;

const SHORTEST: Duration = Duration::from_micros(10);
const LONGEST: Duration = Duration::from_millis(1);

/// What was moved lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// The last turn ended at its bound.
    more: bool,
    /// It was taken at once, and moved nothing.
    in_vain: bool,
    /// This turn is to be taken at once.
    at_once: bool,
    pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { more: false, in_vain: false, at_once: false, pause: SHORTEST }
    }
}

/// When a device is to be polled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once.
    Now,
    /// After this pause, whatever comes meanwhile: frames wait for room in a ring, and nothing signals that. From 10 µs
    /// up to 1 ms, longer and longer while nothing moves.
    Pause(Duration),
    /// When packets come or a socket is written to, and after this time at the latest; with `None` there is no such
    /// time.
    Packets(Option<Duration>),
}

impl Pace {
    /// A turn is over: whether it moved a frame, and whether it left some for want of time.
    pub(super) fn turned(&mut self, moved: bool, more: bool) {
        self.more = more;
        self.in_vain = self.at_once && !moved;
        if moved {
            self.pause = SHORTEST;
        }
    }

    /// When to take the next turn, where the stack wants one after `delay` and frames wait for room or not.
    pub(super) fn next(&mut self, blocked: bool, delay: Option<Duration>) -> Next {
        let due = delay.is_some_and(|delay| delay.is_zero());
        self.at_once = self.more || blocked || due;
        if self.more {
            Next::Now
        } else if blocked || (due && self.in_vain) {
            let pause = self.pause;
            self.pause = pause.saturating_mul(2).min(LONGEST);
            Next::Pause(pause)
        } else if due {
            Next::Now
        } else {
            Next::Packets(delay)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: Option<Duration> = Some(Duration::ZERO);

    #[test]
    fn pauses_grow_while_nothing_moves() {
        let mut pace = Pace::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            match pace.next(true, DUE) {
                Next::Pause(pause) => pauses.push(pause.as_micros()),
                other => panic!("{other:?}"),
            }
            pace.turned(false, false);
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        pace.turned(true, false);
        assert_eq!(pace.next(true, DUE), Next::Pause(SHORTEST));
    }

    #[test]
    fn a_stack_that_wants_turns_and_moves_nothing_is_paced() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(false, DUE), Next::Now);
        pace.turned(true, false);
        assert_eq!(pace.next(false, DUE), Next::Now);
        pace.turned(false, false);
        assert_eq!(pace.next(false, DUE), Next::Pause(SHORTEST));
        pace.turned(true, false);
        assert_eq!(pace.next(false, DUE), Next::Now);
    }

    #[test]
    fn what_a_program_writes_after_an_idle_turn_is_sent_at_once() {
        let mut pace = Pace::default();
        let wait = Some(Duration::from_secs(1));
        for _ in 0..5 {
            pace.turned(false, false);
            assert_eq!(pace.next(false, wait), Next::Packets(wait));
        }
        pace.turned(false, false);
        assert_eq!(pace.next(false, DUE), Next::Now);
    }

    #[test]
    fn a_turn_that_ended_at_its_bound_goes_on() {
        let mut pace = Pace::default();
        pace.turned(true, true);
        assert_eq!(pace.next(false, None), Next::Now);
        assert_eq!(pace.next(true, None), Next::Now);
    }
}
