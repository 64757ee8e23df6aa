//! Numbers and comparisons: `ip[6:2] & 0x1fff != 0`.

use super::cursor::Cursor;
use super::error::FilterError;
use super::expression::{Arithmetic, Check, Operator, Relation, Test, Value, Width};
use super::program::STACK;
use super::token::Kind;
use super::words::{Protocol, Word};

/// Whether a number begins with what comes next.
pub(super) fn begins(cursor: &Cursor<'_>) -> bool {
    match cursor.peek(0) {
        Some(Kind::Number(_) | Kind::Minus | Kind::Word(Word::Length)) => true,
        Some(Kind::Word(Word::Protocol(_))) => cursor.peek(1) == Some(&Kind::OpenIndex),
        _ => false,
    }
}

/// Whether a number goes on, or is compared, with that.
pub(super) fn goes_on(kind: Option<&Kind>) -> bool {
    kind.is_some_and(|kind| operator(kind).is_some() || relation(kind).is_some())
}

/// A number, up to where it ends or is compared.
pub(super) fn value(cursor: &mut Cursor<'_>) -> Result<Value, FilterError> {
    let first = operand(cursor)?;
    more(cursor, first, 0)
}

/// The comparison of a number that was read, if one comes.
pub(super) fn comparison(cursor: &mut Cursor<'_>, left: Value) -> Result<Result<Test, Value>, FilterError> {
    let left = more(cursor, left, 0)?;
    let Some(relation) = cursor.peek(0).and_then(relation) else { return Ok(Err(left)) };
    cursor.take();
    let right = value(cursor)?;
    Ok(Ok(Test::Compare(left, relation, right)))
}

fn relation(kind: &Kind) -> Option<Relation> {
    Some(match kind {
        Kind::Equal => Relation::Equal,
        Kind::Unequal => Relation::Unequal,
        Kind::Less => Relation::Less,
        Kind::LessOrEqual => Relation::LessOrEqual,
        Kind::Greater => Relation::Greater,
        Kind::GreaterOrEqual => Relation::GreaterOrEqual,
        _ => return None,
    })
}

/// An operator and how strongly it binds.
fn operator(kind: &Kind) -> Option<(Operator, u32)> {
    Some(match kind {
        Kind::BitOr => (Operator::Or, 1),
        Kind::BitAnd => (Operator::And, 2),
        Kind::ShiftLeft => (Operator::ShiftLeft, 3),
        Kind::ShiftRight => (Operator::ShiftRight, 3),
        Kind::Plus => (Operator::Add, 4),
        Kind::Minus => (Operator::Subtract, 4),
        Kind::Times => (Operator::Multiply, 5),
        Kind::Divide => (Operator::Divide, 5),
        _ => return None,
    })
}

/// What follows a number of operators that bind more strongly than that.
fn more(cursor: &mut Cursor<'_>, mut left: Value, weaker: u32) -> Result<Value, FilterError> {
    while let Some((operator, strength)) = cursor.peek(0).and_then(operator).filter(|(_, strength)| *strength > weaker)
    {
        cursor.take();
        let place = cursor.place();
        let first = operand(cursor)?;
        // As deep as there are strengths.
        let right = more(cursor, first, strength)?;
        if let Some(reason) = unusable(operator, &right) {
            return Err(cursor.error(place.start..cursor.last_place().end, reason));
        }
        left = left.with(operator, right);
        if left.most > STACK {
            return Err(cursor.error(place, format!("this is to work out more than {STACK} numbers at one time")));
        }
    }
    Ok(left)
}

/// Why nothing can be divided or shifted by that. libpcap looks at the first constant of it, whatever follows, so
/// `len / ip[0]` is a division by zero there; what it refuses is not taken here either.
fn unusable(operator: Operator, right: &Value) -> Option<&'static str> {
    let first = match right.steps.first() {
        Some(Arithmetic::Constant(number)) => Some(*number),
        _ => None,
    };
    let wrong: fn(u32) -> bool = match operator {
        Operator::Divide => |number| number == 0,
        Operator::ShiftLeft | Operator::ShiftRight => |bits| bits > 31,
        _ => return None,
    };
    match (first.is_some_and(wrong), right.constant().is_some_and(wrong), operator) {
        (_, true, Operator::Divide) => Some("nothing can be divided by zero"),
        (_, true, _) => Some("numbers have 32 bits: shift by 31 at most"),
        (true, false, Operator::Divide) => Some("libpcap takes this for a division by zero, since it begins with 0"),
        (true, false, _) => Some("libpcap takes this for a shift by more than 31, since it begins with such a number"),
        (false, false, _) => None,
    }
}

fn operand(cursor: &mut Cursor<'_>) -> Result<Value, FilterError> {
    const WANTED: &str = "a number, a field such as ip[8] or len";
    match cursor.peek(0) {
        Some(Kind::Number(number)) => {
            cursor.take();
            Ok(Value::of(Arithmetic::Constant(*number)))
        }
        Some(Kind::Word(Word::Length)) => {
            cursor.take();
            Ok(Value::of(Arithmetic::Length))
        }
        Some(Kind::Word(Word::Protocol(protocol))) if cursor.peek(1) == Some(&Kind::OpenIndex) => {
            field(cursor, *protocol)
        }
        Some(Kind::Minus) => {
            cursor.take();
            cursor.enter()?;
            let mut value = operand(cursor)?;
            cursor.leave();
            value.steps.push(Arithmetic::Negate);
            Ok(value)
        }
        Some(Kind::Open) => {
            cursor.take();
            cursor.enter()?;
            let inside = value(cursor)?;
            cursor.expect(&Kind::Close, "\")\"")?;
            cursor.leave();
            Ok(inside)
        }
        _ => Err(cursor.unexpected(WANTED)),
    }
}

/// `tcp[13]` or `ip[2:2]`.
fn field(cursor: &mut Cursor<'_>, protocol: Protocol) -> Result<Value, FilterError> {
    let place = cursor.place();
    let cannot = match protocol {
        Protocol::Ether if cursor.link_type == crate::LinkType::RawIp => Some("packets of raw IP have no such header"),
        Protocol::Ah | Protocol::Esp => Some("no fields of this protocol can be read; use ip[...] or ip6[...]"),
        _ => None,
    };
    if let Some(reason) = cannot {
        return Err(cursor.error(place, reason));
    }
    cursor.take();
    cursor.take();
    cursor.enter()?;
    let index = value(cursor)?;
    let width = if cursor.take_if(&Kind::Colon) { width(cursor)? } else { Width::One };
    cursor.expect(&Kind::CloseIndex, "\"]\"")?;
    cursor.leave();
    Ok(index.field(protocol, width))
}

fn width(cursor: &mut Cursor<'_>) -> Result<Width, FilterError> {
    let width = match cursor.peek(0) {
        Some(Kind::Number(1)) => Width::One,
        Some(Kind::Number(2)) => Width::Two,
        Some(Kind::Number(4)) => Width::Four,
        _ => return Err(cursor.unexpected("a number of bytes, 1, 2 or 4,")),
    };
    cursor.take();
    Ok(width)
}

impl Value {
    fn of(step: Arithmetic) -> Self {
        Self { steps: vec![step], most: 1, checks: Vec::new() }
    }

    fn with(mut self, operator: Operator, right: Self) -> Self {
        self.most = self.most.max(right.most + 1);
        self.steps.extend(right.steps);
        self.steps.push(Arithmetic::Two(operator));
        // As libpcap has it: what the fields on the right need is not checked, only what those on the left need.
        self
    }

    /// The field that begins where this number says.
    fn field(mut self, protocol: Protocol, width: Width) -> Self {
        self.steps.push(Arithmetic::Field(protocol, width));
        match protocol {
            Protocol::Ether => {}
            Protocol::Ip | Protocol::Ip6 | Protocol::Arp | Protocol::Rarp => {
                self.checks.push(Check::Protocol(protocol));
            }
            Protocol::Icmp6 => self.checks.extend([Check::Protocol(Protocol::Ip6), Check::NextHeader(58)]),
            // All these are read behind an IPv4 header only.
            Protocol::Tcp
            | Protocol::Udp
            | Protocol::Sctp
            | Protocol::Icmp
            | Protocol::Igmp
            | Protocol::Pim
            | Protocol::Vrrp
            | Protocol::Ah
            | Protocol::Esp => {
                self.checks.insert(0, Check::Protocol(Protocol::Ip));
                self.checks.extend([Check::Protocol(protocol), Check::FirstFragment]);
            }
        }
        self
    }
}
