//! A filter as a list of tests, each of which says where to go on. All jumps lead forward.

use super::expression::{Operator, Relation, Width};

/// What a jump leads to when the packet is one of those asked for.
pub(super) const YES: u16 = u16::MAX;
/// What it leads to when it is not.
pub(super) const NO: u16 = u16::MAX - 1;
/// Room for the numbers that are kept while one is worked out.
pub(super) const STACK: usize = 8;

/// A filter, ready to be asked.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) steps: Vec<Step>,
    /// Of all comparisons.
    pub(super) arithmetic: Vec<Arithmetic>,
}

/// A test, and where to go on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) test: Test,
    pub(super) yes: u16,
    pub(super) no: u16,
}

impl Step {
    /// Where to go on after that outcome.
    #[inline]
    pub(super) fn exit(&self, outcome: bool) -> u16 {
        if outcome { self.yes } else { self.no }
    }
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
            at = step.exit(outcome);
        }
        at == YES
    }

    #[inline]
    fn outcome(&self, test: Test, packet: Packet<'_>) -> Option<bool> {
        match test {
            // Nearly all of them. One branch that is foreseen takes less time than a choice of many.
            Test::Field { load: Load::At(at, width), mask, relation: Relation::Equal, number } => {
                Some(packet.bytes(at, 0, width)? & mask == number)
            }
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
        match from.first_chunk() {
            Some(four) => Some(u32::from_be_bytes(*four) >> width.surplus_bits()),
            None => near_the_end(from, width),
        }
    }
}

/// A field of which not even four bytes are there.
#[cold]
fn near_the_end(from: &[u8], width: Width) -> Option<u32> {
    match width {
        Width::One => from.first().copied().map(u32::from),
        Width::Two => from.first_chunk().copied().map(u16::from_be_bytes).map(u32::from),
        Width::Four => None,
    }
}

impl Width {
    /// How many of 32 bits are behind the field.
    #[inline]
    fn surplus_bits(self) -> u32 {
        match self {
            Self::One => 24,
            Self::Two => 16,
            Self::Four => 0,
        }
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
