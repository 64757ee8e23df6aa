//! Which numbers of a stream of packets came: the first time, late, twice, or never.

use std::ops::Range;

/// So many numbers back it is known which of them came. What is further behind counts as late: nothing tells whether it
/// came before. More packets than this do not fit 32 of the longest rings.
const WINDOW: u64 = 1 << 20;
/// Bits of a word.
const BITS: u64 = 64;

/// How a number came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// No later one had come.
    Ahead,
    /// For the first time, and after a later one.
    Late,
    /// Again.
    Twice,
}

/// The numbers of one stream, which counts from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    /// The one after the highest that came.
    next: u64,
    /// How many came.
    came: u64,
    /// Those of the window: a bit for each.
    seen: Vec<u64>,
}

impl Numbers {
    /// A number came.
    pub(crate) fn take(&mut self, number: u64) -> Came {
        if number >= self.next {
            self.take_ahead(number..number.saturating_add(1));
            return Came::Ahead;
        }
        if self.next - number <= WINDOW {
            if self.is_seen(number) {
                return Came::Twice;
            }
            self.mark(number..number + 1, true);
        }
        self.came += 1;
        Came::Late
    }

    /// Numbers came one after the other, none of which is below one that came before. Says whether it is so; if not,
    /// nothing was done.
    #[inline]
    pub(crate) fn take_run(&mut self, run: Range<u64>) -> bool {
        let ahead = run.start >= self.next;
        if ahead && !run.is_empty() {
            self.take_ahead(run);
        }
        ahead
    }

    /// The one after the highest that came.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// How many came, each counted once.
    pub(crate) fn came(&self) -> u64 {
        self.came
    }

    fn take_ahead(&mut self, run: Range<u64>) {
        self.mark(self.next..run.start, false);
        self.next = run.end;
        self.came += (run.end - run.start).max(1);
        self.mark(run, true);
    }

    fn is_seen(&self, number: u64) -> bool {
        let word = self.seen.get(word(number)).copied().unwrap_or(0);
        word >> (number % BITS) & 1 == 1
    }

    fn mark(&mut self, range: Range<u64>, came: bool) {
        if self.seen.is_empty() {
            self.seen = vec![0; word(WINDOW - 1) + 1];
        }
        let mut at = range.start.max(range.end.saturating_sub(WINDOW));
        while at < range.end {
            let bit = at % BITS;
            let count = (BITS - bit).min(range.end - at);
            let mask = (u64::MAX >> (BITS - count)) << bit;
            if let Some(word) = self.seen.get_mut(word(at)) {
                *word = if came { *word | mask } else { *word & !mask };
            }
            at += count;
        }
    }
}

/// Where the bit of a number is.
fn word(number: u64) -> usize {
    usize::try_from(number % WINDOW / BITS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn loss_lateness_and_copies_are_told_apart() {
        let mut numbers = Numbers::default();
        let found: Vec<_> = [0, 1, 4, 2, 4, 2, 5].map(|number| numbers.take(number)).into();
        use Came::{Ahead, Late, Twice};
        assert_eq!(found, [Ahead, Ahead, Ahead, Late, Twice, Twice, Ahead]);
        assert_eq!((numbers.next() - numbers.came(), numbers.came()), (1, 5));
    }

    #[test]
    fn what_is_too_far_behind_is_late() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.take(0), Came::Ahead);
        assert_eq!(numbers.take(WINDOW), Came::Ahead);
        assert_eq!(numbers.take(1), Came::Late, "the last of the window");
        assert_eq!(numbers.take(1), Came::Twice);
        assert_eq!(numbers.take(0), Came::Late, "not known any more");
    }

    #[test]
    fn numbers_without_sense_do_no_harm() {
        let mut numbers = Numbers::default();
        for number in [u64::MAX, u64::MAX, 7, u64::MAX - 1, 0] {
            numbers.take(number);
        }
        assert!(!numbers.take_run(0..5) && numbers.take_run(u64::MAX..u64::MAX));
        assert!(numbers.next() - numbers.came() > u64::MAX / 2);
    }

    proptest! {
        #[test]
        fn it_is_as_with_a_set(steps in prop::collection::vec((0_u64..3000, 1_u64..200), 1..80)) {
            let (mut numbers, mut set, mut next) = (Numbers::default(), HashSet::new(), 0);
            for (start, length) in steps {
                // Far enough apart that the window comes round.
                let run = start * 997..start * 997 + length;
                if numbers.take_run(run.clone()) {
                    prop_assert!(run.start >= next);
                    set.extend(run.clone());
                } else {
                    for number in run.clone() {
                        let is_known = number + WINDOW >= next;
                        let came = numbers.take(number);
                        let first = set.insert(number);
                        let expected = match (number >= next, first) {
                            (true, _) => Came::Ahead,
                            (false, true) => Came::Late,
                            (false, false) => Came::Twice,
                        };
                        next = next.max(number + 1);
                        prop_assert!(came == expected || !is_known, "{number}: {came:?} {expected:?}");
                        prop_assume!(is_known || first);
                    }
                }
                next = next.max(run.end);
                prop_assert_eq!(numbers.came(), set.len() as u64);
                prop_assert_eq!(numbers.next() - numbers.came(), next - set.len() as u64);
            }
        }
    }
}
