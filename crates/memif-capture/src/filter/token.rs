//! A filter in words, as libpcap cuts it: the longest piece that is anything, and of two of one length the address
//! before the number before the name.

use std::net::Ipv6Addr;
use std::ops::Range;

use super::error::{FilterError, quoted};
use super::words::{self, Word};

/// A piece of a filter, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) place: Range<usize>,
}

/// What a piece of a filter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Word(Word),
    Number(u32),
    /// Two to four numbers with dots: the address, filled from the left, and how many bits of it were given.
    Dotted(u32, u32),
    Ipv6(u128),
    Mac([u8; 6]),
    /// Any other word; if it began with a backslash, without that.
    Name(String),
    Open,
    Close,
    OpenIndex,
    CloseIndex,
    Colon,
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    BitAnd,
    BitOr,
    ShiftLeft,
    ShiftRight,
}

/// All pieces of a filter.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, FilterError> {
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with([' ', '\t', '\r', '\n']) {
            at += 1;
            continue;
        }
        let (length, kind) = piece(rest);
        let place = at..at + length;
        match kind {
            Ok(kind) => all.push(Token { kind, place }),
            Err(reason) => return Err(FilterError::new(text, place, reason)),
        }
        at += length;
    }
    Ok(all)
}

/// The first piece, which is not empty, and what it is or why it is nothing.
fn piece(rest: &str) -> (usize, Result<Kind, String>) {
    if let Some((length, kind)) = sign(rest) {
        // Of the signs only the colon begins an address, too.
        if kind != Kind::Colon || !rest.starts_with("::") {
            return (length, Ok(kind));
        }
    }
    if let Some(escaped) = rest.strip_prefix('\\') {
        let length = escaped.find([' ', '!', '(', ')', '\n', '\t']).unwrap_or(escaped.len());
        let name = &escaped[..length];
        if name.is_empty() {
            return (1, Err("a backslash needs the name of a protocol after it".to_owned()));
        }
        return (1 + length, Ok(Kind::Name(name.to_owned())));
    }
    let name = name_length(rest);
    if let Some((length, kind)) = address(rest).filter(|(length, _)| *length >= name) {
        return (length, Ok(kind));
    }
    if rest.starts_with(':') {
        return (1, Ok(Kind::Colon));
    }
    if name > 0 {
        return (name, word(&rest[..name]));
    }
    let letter = rest.chars().next().map_or(1, char::len_utf8);
    (letter, Err(stray(&rest[..letter])))
}

fn stray(letter: &str) -> String {
    match letter {
        "%" | "^" => format!(
            "{} is left out of this language, since its precedence is not settled; use & with a mask",
            quoted(letter)
        ),
        "\"" | "'" => "quotation marks are for the shell; a filter has none".to_owned(),
        _ => format!("{} is no part of a filter", quoted(letter)),
    }
}

fn sign(rest: &str) -> Option<(usize, Kind)> {
    const SIGNS: &[(&str, Kind)] = &[
        ("&&", Kind::Word(Word::And)),
        ("||", Kind::Word(Word::Or)),
        ("==", Kind::Equal),
        ("!=", Kind::Unequal),
        ("<=", Kind::LessOrEqual),
        (">=", Kind::GreaterOrEqual),
        ("<<", Kind::ShiftLeft),
        (">>", Kind::ShiftRight),
        ("=", Kind::Equal),
        ("!", Kind::Word(Word::Not)),
        ("<", Kind::Less),
        (">", Kind::Greater),
        ("(", Kind::Open),
        (")", Kind::Close),
        ("[", Kind::OpenIndex),
        ("]", Kind::CloseIndex),
        (":", Kind::Colon),
        ("+", Kind::Plus),
        ("-", Kind::Minus),
        ("*", Kind::Times),
        ("/", Kind::Divide),
        ("&", Kind::BitAnd),
        ("|", Kind::BitOr),
    ];
    SIGNS.iter().find(|(sign, _)| rest.starts_with(sign)).map(|(sign, kind)| (sign.len(), kind.clone()))
}

/// How long the name at the beginning is: letters, digits, and within it `-`, `_` and `.`, of which only the last may
/// end it.
fn name_length(rest: &str) -> usize {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = rest.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_alphanumeric) {
        return 0;
    }
    let all = bytes.iter().position(|byte| !inside(*byte)).unwrap_or(bytes.len());
    rest[..all].trim_end_matches(['-', '_']).len()
}

/// The longest IPv6 or MAC address at the beginning.
fn address(rest: &str) -> Option<(usize, Kind)> {
    /// No address is longer than `0000:0000:0000:0000:0000:0000:255.255.255.255`.
    const LONGEST: usize = 45;
    let part_of_one = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.' | b'-');
    let length = rest.bytes().take(LONGEST).take_while(|byte| part_of_one(*byte)).count();
    (2..=length).rev().find_map(|length| {
        let text = &rest[..length];
        let ipv6 = || text.parse::<Ipv6Addr>().ok().map(|address| Kind::Ipv6(address.into()));
        ipv6().or_else(|| mac(text).map(Kind::Mac)).map(|kind| (length, kind))
    })
}

/// A MAC address in one of libpcap's forms: six groups of one or two digits with `:`, `-` or `.`, three of four with
/// `.`, or twelve digits.
fn mac(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    for separator in [':', '-', '.'] {
        let mut groups = text.split(separator);
        if text.split(separator).count() == 6 {
            for byte in &mut address {
                let group = groups.next().filter(|group| (1..=2).contains(&group.len()))?;
                *byte = u8::from_str_radix(group, 16).ok()?;
            }
            return Some(address);
        }
    }
    let mut digits = text.to_owned();
    if text.len() == 14 && text.split('.').all(|group| group.len() == 4) {
        digits.retain(|digit| digit != '.');
    }
    if digits.len() != 12 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in address.iter_mut().enumerate() {
        *byte = u8::from_str_radix(digits.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(address)
}

/// What a name is: a word of the language, a number, an IPv4 address or a part of one, or none of these.
fn word(text: &str) -> Result<Kind, String> {
    if let Some(kind) = number(text) {
        return kind.map(Kind::Number);
    }
    let parts = text.split('.').count();
    if (2..=4).contains(&parts) && text.split('.').all(|part| number(part).is_some()) {
        return dotted(text);
    }
    if let Some(word) = words::word(text) {
        return Ok(Kind::Word(word));
    }
    if let Some(value) = words::constant(text) {
        return Ok(Kind::Number(value));
    }
    Ok(Kind::Name(text.to_owned()))
}

/// A number, decimal, hexadecimal (0x) or octal (0), if it looks like one.
fn number(text: &str) -> Option<Result<u32, String>> {
    let too_large = || format!("the number {} does not fit 32 bits", quoted(text));
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    if let Some(digits) = hexadecimal {
        let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        return all.then(|| u32::from_str_radix(digits, 16).map_err(|_| too_large()));
    }
    if text.is_empty() || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(match text.strip_prefix('0') {
        None => text.parse().map_err(|_| too_large()),
        Some("") => Ok(0),
        Some(digits) if digits.contains(['8', '9']) => {
            Err(format!("{} begins with 0 and is octal, where 8 and 9 are no digits", quoted(text)))
        }
        Some(digits) => u32::from_str_radix(digits, 8).map_err(|_| too_large()),
    })
}

/// Two to four numbers with dots, all of them decimal.
fn dotted(text: &str) -> Result<Kind, String> {
    let wrong = || format!("{} is no IPv4 address: each part is a decimal number up to 255", quoted(text));
    let (mut address, mut bits) = (0_u32, 0);
    for part in text.split('.') {
        // libpcap reads them as decimal even if they begin with 0; elsewhere that is octal, so it is refused here.
        let plain = part == "0" || !part.starts_with('0');
        let part: u8 = part.parse().ok().filter(|_| plain).ok_or_else(wrong)?;
        address = address << 8 | u32::from(part);
        bits += 8;
    }
    Ok(Kind::Dotted(if bits == 32 { address } else { address << (32 - bits) }, bits))
}
