//! A program in the making: parts that are joined, and the jumps between them.

use super::expression::Relation;
use super::program::{Arithmetic, NO, Program, Step, Test, YES};

/// The most tests of a program.
pub(super) const MOST_TESTS: usize = 60_000;
/// The most outcomes that are remembered on the way to a test.
const MOST_FACTS: usize = 12;
/// The most tests that jumps are led past, all together: time for a long filter to be made in.
const MOST_SHORTENED: usize = 1_000_000;

/// A program that is being made, test by test in the order in which they are asked.
#[derive(Debug, Default)]
pub(super) struct Draft {
    steps: Vec<Step>,
    arithmetic: Vec<Arithmetic>,
}

/// A part of a draft: where it begins, and the jumps out of it that lead nowhere yet.
#[derive(Debug)]
pub(super) struct Part {
    first: u16,
    yes: Vec<Exit>,
    no: Vec<Exit>,
}

/// One of the two jumps of a step.
#[derive(Debug, Clone, Copy)]
struct Exit {
    step: usize,
    outcome: bool,
}

/// The program has more tests than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

impl Draft {
    /// One test.
    pub(super) fn test(&mut self, test: Test) -> Result<Part, TooLong> {
        let step = self.steps.len();
        let first = u16::try_from(step).ok().filter(|_| step < MOST_TESTS).ok_or(TooLong)?;
        self.steps.push(Step { test, yes: NO, no: NO });
        Ok(Part { first, yes: vec![Exit { step, outcome: true }], no: vec![Exit { step, outcome: false }] })
    }

    /// The steps of a number; where they are, for [`Test::Compare`].
    pub(super) fn arithmetic(&mut self, steps: impl IntoIterator<Item = Arithmetic>) -> Result<(u32, u32), TooLong> {
        let first = u32::try_from(self.arithmetic.len()).map_err(|_| TooLong)?;
        self.arithmetic.extend(steps);
        Ok((first, u32::try_from(self.arithmetic.len()).map_err(|_| TooLong)?))
    }

    /// Both, the second asked if the first says yes. It was made after the first.
    pub(super) fn and(&mut self, mut first: Part, mut second: Part) -> Part {
        self.lead(&first.yes, second.first);
        first.no.append(&mut second.no);
        Part { first: first.first, yes: second.yes, no: first.no }
    }

    /// Either, the second asked if the first says no. It was made after the first.
    pub(super) fn or(&mut self, mut first: Part, mut second: Part) -> Part {
        self.lead(&first.no, second.first);
        first.yes.append(&mut second.yes);
        Part { first: first.first, yes: first.yes, no: second.no }
    }

    fn lead(&mut self, exits: &[Exit], to: u16) {
        for exit in exits {
            if let Some(step) = self.steps.get_mut(exit.step) {
                *(if exit.outcome { &mut step.yes } else { &mut step.no }) = to;
            }
        }
    }

    /// The program, of the part that is all of it.
    pub(super) fn finish(mut self, whole: &Part) -> Program {
        self.lead(&whole.yes, YES);
        self.lead(&whole.no, NO);
        shorten(&mut self.steps);
        Program { steps: self.steps, arithmetic: self.arithmetic }
    }
}

impl Part {
    /// The opposite.
    pub(super) fn not(self) -> Self {
        Self { first: self.first, yes: self.no, no: self.yes }
    }
}

/// Leads jumps past tests whose outcome is known on every way to them. The bytes of such a test are there, since they
/// were seen on that way, so this changes no verdict.
fn shorten(steps: &mut [Step]) {
    // What is known when a step is reached; nothing of one that no jump leads to.
    let mut known: Vec<Option<Facts>> = vec![None; steps.len()];
    if let Some(first) = known.first_mut() {
        *first = Some(Facts::default());
    }
    let mut left = MOST_SHORTENED;
    for at in 0..steps.len() {
        let (Some(step), Some(facts)) = (steps.get(at).copied(), known.get_mut(at).and_then(Option::take)) else {
            continue;
        };
        for outcome in [true, false] {
            let facts = facts.with(step.test, outcome);
            let mut to = step.exit(outcome);
            while left > 0
                && let Some(next) = steps.get(usize::from(to))
                && let Some(outcome) = facts.outcome(next.test)
            {
                to = next.exit(outcome);
                left -= 1;
            }
            if let Some(step) = steps.get_mut(at) {
                *(if outcome { &mut step.yes } else { &mut step.no }) = to;
            }
            match known.get_mut(usize::from(to)) {
                Some(Some(before)) => before.0.retain(|fact| facts.0.contains(fact)),
                Some(nothing) => *nothing = Some(facts),
                None => {}
            }
        }
    }
}

/// Tests whose outcome is known.
#[derive(Debug, Clone, Default)]
struct Facts(Vec<(Test, bool)>);

impl Facts {
    /// Those, and one more. What a packet is says more than what it is not, and is remembered longer.
    fn with(&self, test: Test, outcome: bool) -> Self {
        let mut all = self.0.clone();
        if all.len() >= MOST_FACTS {
            all.remove(all.iter().position(|(_, outcome)| !outcome).unwrap_or(0));
        }
        all.push((test, outcome));
        Self(all)
    }

    /// The outcome of a test, if it follows.
    fn outcome(&self, test: Test) -> Option<bool> {
        if test == Test::Never {
            return Some(false);
        }
        self.0.iter().find_map(|(known, outcome)| match (test, *known) {
            _ if test == *known => Some(*outcome),
            (
                Test::Field { load, mask, relation: Relation::Equal, number },
                Test::Field { load: same, mask: bits, relation: Relation::Equal, number: found },
            ) if load == same && mask == bits && *outcome => Some(number == found),
            _ => None,
        })
    }
}
