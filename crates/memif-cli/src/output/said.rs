//! What was said already. A peer chooses its reasons and how often it gives them: each is said once a minute, with how
//! often it came since, and not too many of them.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::json::EventReport;
use super::lines::{report, say, warn};
use crate::error::Error;

/// How long a reason is not said again.
const MINUTE: Duration = Duration::from_secs(60);
/// Reasons that are told apart; what else comes within the minute is counted together.
const REASONS: usize = 16;

/// A line for people, and the same for programs.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) line: String,
    pub(crate) report: Option<EventReport>,
    /// Whether it is no more than that nobody is there yet.
    pub(crate) nobody: bool,
}

impl Told {
    /// Says it on standard output.
    pub(crate) fn say(&self) -> Result<(), Error> {
        say(format_args!("{}", self.line))?;
        report(self.report.as_ref())
    }

    /// Says it on standard error, but for programs.
    pub(crate) fn warn(&self) -> Result<(), Error> {
        warn(format_args!("{}", self.line));
        report(self.report.as_ref())
    }

    /// The same of so many events, of which those that came after the last one that was said are counted in the line.
    fn times(self, count: u64, more: u64) -> Self {
        let line = match more {
            0 => self.line,
            1 => self.line + " (once more)",
            _ => format!("{} ({more} more times)", self.line),
        };
        Self { line, report: self.report.map(|report| report.with_count(count)), ..self }
    }
}

/// The reasons of one kind.
#[derive(Debug, Default)]
pub(crate) struct Said {
    reasons: HashMap<String, Reason>,
    /// All others together.
    others: Option<Reason>,
}

#[derive(Debug)]
struct Reason {
    /// When it was said last; `None` while it is held back.
    said: Option<Instant>,
    /// Events that were not said.
    unsaid: u64,
    /// The last one of them.
    last: Told,
}

impl Reason {
    fn may_be_said(&self, now: Instant) -> bool {
        self.said.is_none_or(|said| now.saturating_duration_since(said) >= MINUTE)
    }

    fn say(&mut self, now: Instant) -> Told {
        let (count, before) = (self.unsaid, self.said.replace(now));
        self.unsaid = 0;
        // People are told "more" of what they were told of before; programs get the count in any case.
        let more = if before.is_some() { count } else { 0 };
        self.last.clone().times(count, more)
    }
}

impl Said {
    /// Counts an event; gives what is to be said now. What one of too many reasons is called, `other` makes of it.
    pub(crate) fn tell(
        &mut self,
        now: Instant,
        reason: &str,
        told: Told,
        other: impl FnOnce(Told) -> Told,
    ) -> Option<Told> {
        let reason = self.count(now, reason, told, other);
        reason.may_be_said(now).then(|| reason.say(now))
    }

    /// Counts an event that is not to be said yet: with the next one of the same reason, or at the end.
    pub(crate) fn hold(&mut self, now: Instant, reason: &str, told: Told, other: impl FnOnce(Told) -> Told) {
        self.count(now, reason, told, other);
    }

    fn count(&mut self, now: Instant, reason: &str, told: Told, other: impl FnOnce(Told) -> Told) -> &mut Reason {
        if !self.reasons.contains_key(reason) && self.reasons.len() >= REASONS {
            self.reasons.retain(|_, reason| reason.unsaid > 0 || !reason.may_be_said(now));
        }
        let new = |told| Reason { said: None, unsaid: 0, last: told };
        let found = if self.reasons.contains_key(reason) || self.reasons.len() < REASONS {
            let entry = self.reasons.entry(reason.to_owned());
            let found = entry.or_insert_with(|| new(told.clone()));
            found.last = told;
            found
        } else {
            let told = other(told);
            let found = self.others.get_or_insert_with(|| new(told.clone()));
            found.last = told;
            found
        };
        found.unsaid = found.unsaid.saturating_add(1);
        found
    }

    /// When there is something to say although nothing new happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        let counted = self.all().filter(|reason| reason.unsaid > 0);
        counted.filter_map(|reason| reason.said?.checked_add(MINUTE)).min()
    }

    /// What is to be said by now.
    pub(crate) fn overdue(&mut self, now: Instant) -> Vec<Told> {
        let due = |reason: &&mut Reason| reason.unsaid > 0 && reason.said.is_some() && reason.may_be_said(now);
        self.all_mut().filter(due).map(|reason| reason.say(now)).collect()
    }

    /// What was counted and never said. Forgets everything.
    pub(crate) fn finish(&mut self, now: Instant) -> Vec<Told> {
        let mut said = std::mem::take(self);
        said.all_mut().filter(|reason| reason.unsaid > 0).map(|reason| reason.say(now)).collect()
    }

    /// Events that were counted and not said.
    pub(crate) fn unsaid(&self) -> u64 {
        self.all().map(|reason| reason.unsaid).sum()
    }

    fn all(&self) -> impl Iterator<Item = &Reason> {
        self.reasons.values().chain(&self.others)
    }

    fn all_mut(&mut self) -> impl Iterator<Item = &mut Reason> {
        self.reasons.values_mut().chain(&mut self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Told {
        Told { line: line.to_owned(), report: None, nobody: false }
    }

    fn other(_: Told) -> Told {
        told("others")
    }

    fn tell(said: &mut Said, now: Instant, reason: &str) -> Option<String> {
        said.tell(now, reason, told(reason), other).map(|told| told.line)
    }

    fn lines(told: Vec<Told>) -> Vec<String> {
        told.into_iter().map(|told| told.line).collect()
    }

    #[test]
    fn a_reason_is_said_once_a_minute_with_the_count() {
        let (mut said, start) = (Said::default(), Instant::now());
        assert_eq!(tell(&mut said, start, "a").as_deref(), Some("a"));
        assert_eq!(said.due(), None);
        for second in 1..5 {
            assert_eq!(tell(&mut said, start + Duration::from_secs(second), "a"), None);
        }
        assert_eq!(tell(&mut said, start, "b").as_deref(), Some("b"));
        assert_eq!(said.due(), Some(start + MINUTE));
        assert!(said.overdue(start).is_empty());
        assert_eq!(lines(said.overdue(start + MINUTE)), ["a (4 more times)"]);
        assert_eq!(said.due(), None);
        // A minute from then on, and a new one after that.
        let next = start + 2 * MINUTE;
        assert_eq!(tell(&mut said, next - Duration::from_secs(1), "a"), None);
        assert_eq!(tell(&mut said, next, "a").as_deref(), Some("a (2 more times)"));
        assert_eq!(tell(&mut said, next, "a"), None);
        assert_eq!(lines(said.finish(next)), ["a (once more)"]);
        assert!(said.finish(next).is_empty());
    }

    #[test]
    fn what_is_held_back_is_said_with_the_next_or_at_the_end() {
        let (mut said, now) = (Said::default(), Instant::now());
        said.hold(now, "a", told("a"), other);
        said.hold(now, "a", told("a"), other);
        assert_eq!((said.due(), said.unsaid()), (None, 2));
        assert!(said.overdue(now + MINUTE).is_empty());
        // A first line reads as a first line.
        assert_eq!(tell(&mut said, now, "a").as_deref(), Some("a"));
        assert_eq!(tell(&mut said, now + MINUTE, "a").as_deref(), Some("a (once more)"));
        said.hold(now, "b", told("b"), other);
        assert_eq!(lines(said.finish(now)), ["b"]);
    }

    #[test]
    fn reasons_without_end_take_no_memory_and_are_counted() {
        let (mut said, start) = (Said::default(), Instant::now());
        let mut lines =
            |now| -> Vec<_> { (0..1000).filter_map(|number| tell(&mut said, now, &number.to_string())).collect() };
        let first = lines(start);
        assert_eq!(first.len(), REASONS + 1);
        assert_eq!(first[REASONS], "others");
        // The first ones again, then others.
        let second = lines(start + MINUTE);
        assert_eq!(second.len(), REASONS + 1);
        assert_eq!(second[REASONS], format!("others ({} more times)", 1000 - REASONS));
        assert_eq!(said.reasons.len(), REASONS);
        assert_eq!(said.unsaid(), (1000 - REASONS - 1) as u64);
    }
}
