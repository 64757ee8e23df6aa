//! The grammar: tests joined by "and", "or" and "not", and lists of addresses that share the words before them.

use super::arithmetic;
use super::cursor::Cursor;
use super::error::FilterError;
use super::expression::{Expression, Joint, Value};
use super::primitive::{self, Head, Qualifiers};
use super::token::{Kind, tokens};
use super::words::Word;
use crate::LinkType;

/// A test, and the words that an address after it may leave out.
type Tested = (Expression, Option<Qualifiers>);

/// What parentheses may hold.
enum Operand {
    Test(Tested),
    /// A number that is still to be compared.
    Number(Value),
}

/// What the filter says; `None` if it is empty.
pub(super) fn parse(text: &str, link_type: LinkType) -> Result<Option<Expression>, FilterError> {
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut cursor = Cursor::new(text, &tokens, link_type);
    let Operand::Test((expression, _)) = chain(&mut cursor, None)? else { return Err(uncompared(&cursor)) };
    match cursor.peek(0) {
        None => Ok(Some(expression)),
        Some(Kind::Close) => Err(cursor.error(cursor.place(), "this parenthesis closes nothing")),
        Some(_) => Err(cursor.unexpected("\"and\", \"or\" or the end")),
    }
}

fn uncompared(cursor: &Cursor<'_>) -> FilterError {
    cursor.unexpected("a comparison such as \"= 1\"")
}

/// Tests and what joins them, or one number in parentheses. `before` are the words before the first, of which it is
/// independent; what comes after parentheses may leave them out.
fn chain(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Operand, FilterError> {
    let (first, mut before) = match operand(cursor, before)? {
        Operand::Test(tested) => tested,
        Operand::Number(value) => return Ok(Operand::Number(value)),
    };
    let mut more = Vec::new();
    while let Some(joint) = joint(cursor) {
        let addresses = begins_addresses(cursor);
        let next = if addresses { addresses_or_not(cursor, before.as_ref())? } else { term(cursor, before.as_ref())? };
        more.push((joint, next.0));
        before = next.1;
    }
    let whole = if more.is_empty() { first } else { Expression::Chain(Box::new(first), more) };
    Ok(Operand::Test((whole, before)))
}

fn joint(cursor: &mut Cursor<'_>) -> Option<Joint> {
    let joint = match cursor.peek(0) {
        Some(Kind::Word(Word::And)) => Joint::And,
        Some(Kind::Word(Word::Or)) => Joint::Or,
        _ => return None,
    };
    cursor.take();
    Some(joint)
}

/// A test and nothing less.
fn term(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Tested, FilterError> {
    match operand(cursor, before)? {
        Operand::Test(tested) => Ok(tested),
        Operand::Number(_) => Err(uncompared(cursor)),
    }
}

fn operand(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Operand, FilterError> {
    if cursor.take_if(&Kind::Word(Word::Not)) {
        cursor.enter()?;
        let (expression, after) = term(cursor, before)?;
        cursor.leave();
        return Ok(Operand::Test((Expression::Not(Box::new(expression)), after)));
    }
    if cursor.take_if(&Kind::Open) {
        cursor.enter()?;
        let inside = chain(cursor, before)?;
        if matches!(inside, Operand::Number(_)) && cursor.peek(0) != Some(&Kind::Close) {
            return Err(uncompared(cursor));
        }
        cursor.expect(&Kind::Close, "\"and\", \"or\" or \")\"")?;
        cursor.leave();
        return match inside {
            Operand::Test((expression, _)) => Ok(Operand::Test((expression, before.cloned()))),
            Operand::Number(value) => compared(cursor, value),
        };
    }
    if arithmetic::begins(cursor) {
        let value = arithmetic::value(cursor)?;
        return compared(cursor, value);
    }
    match primitive::head(cursor)? {
        Head::Whole(test) => Ok(Operand::Test((Expression::Test(test), None))),
        Head::Before(qualifiers) => addresses_or_not(cursor, Some(&qualifiers)).map(Operand::Test),
    }
}

/// The comparison that a number is part of, if it is.
fn compared(cursor: &mut Cursor<'_>, value: Value) -> Result<Operand, FilterError> {
    Ok(match arithmetic::comparison(cursor, value)? {
        Ok(test) => Operand::Test((Expression::Test(test), None)),
        Err(value) => Operand::Number(value),
    })
}

/// Whether addresses come next that leave out the words before them, and not another test.
fn begins_addresses(cursor: &Cursor<'_>) -> bool {
    let before = |kind: &Kind| matches!(kind, Kind::Open | Kind::Word(Word::Not));
    let first = (0..).take_while(|at| cursor.peek(*at).is_some_and(before)).count();
    match cursor.peek(first) {
        Some(Kind::Number(_)) => {
            let opened = (0..first).filter(|at| cursor.peek(*at) == Some(&Kind::Open)).count();
            let closed = (1..=opened).take_while(|at| cursor.peek(first + at) == Some(&Kind::Close)).count();
            !arithmetic::goes_on(cursor.peek(first + 1 + closed))
        }
        kind => primitive::is_address(kind),
    }
}

/// An address, several in parentheses, or either after "not".
fn addresses_or_not(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Tested, FilterError> {
    if cursor.take_if(&Kind::Word(Word::Not)) {
        cursor.enter()?;
        let (expression, after) = addresses_or_not(cursor, before)?;
        cursor.leave();
        return Ok((Expression::Not(Box::new(expression)), after));
    }
    let list = cursor.peek(0) == Some(&Kind::Open) && !is_enclosed_number(cursor);
    let expression = if list { addresses(cursor, before)? } else { single(cursor, before)? };
    Ok((expression, before.cloned()))
}

fn single(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Expression, FilterError> {
    Ok(Expression::Test(primitive::address(cursor, before)?))
}

/// Whether parentheses come next that hold a number alone.
fn is_enclosed_number(cursor: &Cursor<'_>) -> bool {
    let opened = (0..).take_while(|at| cursor.peek(*at) == Some(&Kind::Open)).count();
    matches!(cursor.peek(opened), Some(Kind::Number(_)))
        && (1..=opened).all(|further| cursor.peek(opened + further) == Some(&Kind::Close))
}

/// Addresses in parentheses. The first of them has no parentheses of its own, unless after "not".
fn addresses(cursor: &mut Cursor<'_>, before: Option<&Qualifiers>) -> Result<Expression, FilterError> {
    cursor.take();
    cursor.enter()?;
    let negated = cursor.peek(0) == Some(&Kind::Word(Word::Not));
    let first = if negated { addresses_or_not(cursor, before)?.0 } else { single(cursor, before)? };
    let mut more = Vec::new();
    while let Some(joint) = joint(cursor) {
        more.push((joint, addresses_or_not(cursor, before)?.0));
    }
    cursor.expect(&Kind::Close, "\"and\", \"or\" or \")\"")?;
    cursor.leave();
    Ok(if more.is_empty() { first } else { Expression::Chain(Box::new(first), more) })
}
