//! What a filter says, as a tree.

use super::words::Protocol;

/// A filter or a part of one. Nested at most as deep as the parser lets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expression {
    Test(Test),
    Not(Box<Expression>),
    /// From left to right; "and" and "or" bind equally.
    Chain(Box<Expression>, Vec<(Joint, Expression)>),
}

/// What stands between two parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Joint {
    And,
    Or,
}

/// A question about a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Test {
    Protocol(Protocol),
    /// The type of the frame; up to 1500 a service access point of IEEE 802.2.
    EtherType(u32),
    /// What follows the header of IPv4, of IPv6, or of either.
    IpProtocol(Versions, u32),
    Mac(Ends, [u8; 6]),
    Ipv4(Ipv4In, Ends, Network<u32>),
    Ipv6(Ends, Network<u128>),
    /// The first and the last port, of one protocol or of any that has ports.
    Ports(Option<Protocol>, Ends, u16, u16),
    EtherMulticast,
    IpMulticast,
    Ip6Multicast,
    /// A tag, of that number if there is one. What is tested after it is looked for behind the tag.
    Vlan(Option<u32>),
    Compare(Value, Relation, Value),
}

/// Which versions of IP are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Versions {
    Four,
    Six,
    Both,
}

/// In which protocols an IPv4 address is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ipv4In {
    Ip,
    Arp,
    Rarp,
    All,
}

/// Which of the two ends has to be the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Source,
    Destination,
    Either,
    Both,
}

/// Addresses that agree with this one where the mask has ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network<T> {
    pub(super) address: T,
    pub(super) mask: T,
}

/// How two numbers have to be to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A number that is worked out of a packet: 32 bits, without a sign, wrapping around.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Value {
    /// What to do on a stack, which has this number alone in the end.
    pub(super) steps: Vec<Arithmetic>,
    /// The most numbers on that stack.
    pub(super) most: usize,
    /// What the packet has to be first, in that order; of another packet nothing is worked out.
    pub(super) checks: Vec<Check>,
}

impl Value {
    /// The number, if it is the same for every packet.
    pub(super) fn constant(&self) -> Option<u32> {
        match *folded(self.steps.iter().copied()).as_slice() {
            [Arithmetic::Constant(number)] => Some(number),
            _ => None,
        }
    }
}

/// The steps with those done that are the same for every packet; a division by zero stays.
pub(super) fn folded(steps: impl Iterator<Item = Arithmetic>) -> Vec<Arithmetic> {
    let mut done: Vec<Arithmetic> = Vec::new();
    for step in steps {
        match (step, done.as_slice()) {
            (Arithmetic::Negate, [.., Arithmetic::Constant(number)]) => {
                let negative = number.wrapping_neg();
                done.pop();
                done.push(Arithmetic::Constant(negative));
            }
            (Arithmetic::Two(operator), [.., Arithmetic::Constant(left), Arithmetic::Constant(right)]) => {
                match operator.apply(*left, *right) {
                    Some(number) => {
                        done.truncate(done.len().saturating_sub(2));
                        done.push(Arithmetic::Constant(number));
                    }
                    None => done.push(step),
                }
            }
            _ => done.push(step),
        }
    }
    done
}

/// One step of working out a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Constant(u32),
    /// How long the packet was on the wire.
    Length,
    /// So many bytes of a header; where in it they begin is taken from the stack.
    Field(Protocol, Width),
    Negate,
    Two(Operator),
}

/// What a packet has to be before one of its fields is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Protocol(Protocol),
    /// IPv4's first fragment, or all of a packet.
    FirstFragment,
    /// IPv6 with that protocol behind its first header.
    NextHeader(u32),
}

/// Bytes of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    One,
    Two,
    Four,
}

/// What can be done with two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    And,
    Or,
    ShiftLeft,
    ShiftRight,
}

impl Operator {
    /// The outcome; `None` for a division by zero.
    pub(super) fn apply(self, left: u32, right: u32) -> Option<u32> {
        Some(match self {
            Self::Add => left.wrapping_add(right),
            Self::Subtract => left.wrapping_sub(right),
            Self::Multiply => left.wrapping_mul(right),
            Self::Divide => left.checked_div(right)?,
            Self::And => left & right,
            Self::Or => left | right,
            Self::ShiftLeft => left.checked_shl(right).unwrap_or(0),
            Self::ShiftRight => left.checked_shr(right).unwrap_or(0),
        })
    }
}
