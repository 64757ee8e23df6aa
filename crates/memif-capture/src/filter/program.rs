//! A filter as a list of tests, each of which says where to go on. All jumps lead forward.

use super::expression::{Operator, Relation, Width};

/// What a jump leads to when the packet is one of those asked for.
const YES: u16 = u16::MAX;
/// What it leads to when it is not.
const NO: u16 = u16::MAX - 1;
/// The most tests of a program.
pub(super) const MOST_TESTS: usize = 60_000;
/// Room for the numbers that are kept while one is worked out.
pub(super) const STACK: usize = 8;

/// A filter, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Program {
    steps: Vec<Step>,
    /// Of all comparisons.
    arithmetic: Vec<Arithmetic>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    test: Test,
    yes: u16,
    no: u16,
}

/// A question about a packet. Where it asks for bytes that are not there, the whole filter says no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// Some bits of the packet, against a number.
    Field { load: Load, mask: u32, relation: Relation, number: u32 },
    /// Two numbers, worked out one after the other by the steps from the first to the third of these.
    Compare { left: u32, right: u32, end: u32, relation: Relation },
    /// No packet.
    Never,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Load {
    /// How long the packet was on the wire.
    Length,
    /// Bytes from there on.
    At(u32, Width),
    /// Bytes from there on and the length of the IPv4 header further, which begins at the other place.
    BehindIpv4 { header: u32, at: u32, width: Width },
}

/// One step of working out a number on a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Constant(u32),
    Length,
    /// The bytes that begin this far behind where the stack says.
    At(u32, Width),
    /// As that, and the length of the IPv4 header further, which begins there.
    BehindIpv4(u32, Width),
    Negate,
    Two(Operator),
}

/// What is asked about.
#[derive(Clone, Copy)]
struct Packet<'a> {
    data: &'a [u8],
    length: u32,
}

impl Program {
    /// Whether the program says yes.
    pub(super) fn run(&self, data: &[u8], original_length: usize) -> bool {
        let packet = Packet { data, length: u32::try_from(original_length).unwrap_or(u32::MAX) };
        let mut at = 0;
        // Every jump leads forward, so this ends.
        while let Some(step) = self.steps.get(usize::from(at)) {
            let Some(outcome) = self.outcome(step.test, packet) else { return false };
            at = if outcome { step.yes } else { step.no };
        }
        at == YES
    }

    #[inline]
    fn outcome(&self, test: Test, packet: Packet<'_>) -> Option<bool> {
        match test {
            Test::Field { load, mask, relation, number } => Some(relation.holds(packet.load(load)? & mask, number)),
            Test::Compare { left, right, end, relation } => self.compare(packet, [left, right, end], relation),
            Test::Never => Some(false),
        }
    }

    #[cold]
    fn compare(&self, packet: Packet<'_>, [left, right, end]: [u32; 3], relation: Relation) -> Option<bool> {
        Some(relation.holds(self.number(packet, left, right)?, self.number(packet, right, end)?))
    }

    fn number(&self, packet: Packet<'_>, first: u32, end: u32) -> Option<u32> {
        let mut stack = Stack { numbers: [0; STACK], count: 0 };
        for step in self.arithmetic.get(first as usize..end as usize)? {
            let number = match *step {
                Arithmetic::Constant(number) => number,
                Arithmetic::Length => packet.length,
                Arithmetic::At(base, width) => packet.bytes(stack.pop()?, base, width)?,
                Arithmetic::BehindIpv4(base, width) => {
                    // The sum wraps around, and only then it is added to the base.
                    let index = stack.pop()?.wrapping_add(packet.ipv4_header(base)?);
                    packet.bytes(index, base, width)?
                }
                Arithmetic::Negate => stack.pop()?.wrapping_neg(),
                Arithmetic::Two(operator) => {
                    let right = stack.pop()?;
                    operator.apply(stack.pop()?, right)?
                }
            };
            stack.push(number)?;
        }
        stack.pop()
    }
}

struct Stack {
    numbers: [u32; STACK],
    count: usize,
}

impl Stack {
    fn push(&mut self, number: u32) -> Option<()> {
        *self.numbers.get_mut(self.count)? = number;
        self.count += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        self.numbers.get(self.count).copied()
    }
}

impl Packet<'_> {
    #[inline]
    fn load(self, load: Load) -> Option<u32> {
        match load {
            Load::Length => Some(self.length),
            Load::At(at, width) => self.bytes(at, 0, width),
            Load::BehindIpv4 { header, at, width } => self.bytes(self.ipv4_header(header)?, at, width),
        }
    }

    /// The length that an IPv4 header says it has.
    #[inline]
    fn ipv4_header(self, at: u32) -> Option<u32> {
        self.data.get(at as usize).map(|first| u32::from(first & 0xf) * 4)
    }

    #[inline]
    fn bytes(self, index: u32, base: u32, width: Width) -> Option<u32> {
        let from = self.data.get((index as usize).checked_add(base as usize)?..)?;
        Some(match width {
            Width::One => u32::from(*from.first()?),
            Width::Two => u32::from(u16::from_be_bytes(*from.first_chunk()?)),
            Width::Four => u32::from_be_bytes(*from.first_chunk()?),
        })
    }
}

impl Relation {
    #[inline]
    fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

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
        self.shorten();
        Program { steps: self.steps, arithmetic: self.arithmetic }
    }

    /// Leads jumps past tests whose outcome is known from the test that the jump comes from. Their bytes are there,
    /// since that test has just seen them, so this changes no verdict.
    fn shorten(&mut self) {
        for at in (0..self.steps.len()).rev() {
            for outcome in [true, false] {
                let Some(step) = self.steps.get(at).copied() else { continue };
                let mut to = if outcome { step.yes } else { step.no };
                while let Some(next) = self.steps.get(usize::from(to))
                    && let Some(known) = next.test.follows(step.test, outcome)
                {
                    to = if known { next.yes } else { next.no };
                }
                self.lead(&[Exit { step: at, outcome }], to);
            }
        }
    }
}

impl Part {
    /// The opposite.
    pub(super) fn not(self) -> Self {
        Self { first: self.first, yes: self.no, no: self.yes }
    }
}

impl Test {
    /// What this test says after another one said that; `None` if it is not known.
    fn follows(self, other: Self, outcome: bool) -> Option<bool> {
        if self == Self::Never {
            return Some(false);
        }
        if self == other {
            return Some(outcome);
        }
        match (self, other) {
            (
                Self::Field { load, mask, relation: Relation::Equal, number },
                Self::Field { load: same, mask: bits, relation: Relation::Equal, number: found },
            ) if load == same && mask == bits && outcome => Some(number == found),
            _ => None,
        }
    }
}
