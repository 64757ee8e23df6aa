//! Where the reading of a filter stands.

use std::ops::Range;

use super::error::{FilterError, quoted};
use super::token::{Kind, Token};
use super::words::Word;
use crate::LinkType;

/// How deep parentheses, brackets and "not" may be nested.
const MOST_NESTED: usize = 64;

/// The words of a filter, read one after another.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) link_type: LinkType,
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    nested: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token], link_type: LinkType) -> Self {
        Self { link_type, text, tokens, at: 0, nested: 0 }
    }

    /// What comes next, or after that.
    pub(super) fn peek(&self, further: usize) -> Option<&'a Kind> {
        self.tokens.get(self.at + further).map(|token| &token.kind)
    }

    /// Whether that word comes next.
    pub(super) fn is_at(&self, word: Word) -> bool {
        self.peek(0) == Some(&Kind::Word(word))
    }

    /// Goes on by one; what was there and where.
    pub(super) fn take(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        Some(token)
    }

    /// Goes on if that comes next.
    pub(super) fn take_if(&mut self, kind: &Kind) -> bool {
        let there = self.peek(0) == Some(kind);
        self.at += usize::from(there);
        there
    }

    /// Goes on over what has to come next.
    pub(super) fn expect(&mut self, kind: &Kind, name: &str) -> Result<(), FilterError> {
        if self.take_if(kind) { Ok(()) } else { Err(self.unexpected(name)) }
    }

    /// Where what comes next stands; the end of the text after the last word.
    pub(super) fn place(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |token| token.place.clone())
    }

    /// Where what was taken last stands.
    pub(super) fn last_place(&self) -> Range<usize> {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0..0, |token| token.place.clone())
    }

    /// One parenthesis, bracket or "not" further in, up to [`leave`](Self::leave).
    pub(super) fn enter(&mut self) -> Result<(), FilterError> {
        self.nested += 1;
        if self.nested > MOST_NESTED {
            return Err(self.error(self.last_place(), format!("this is nested more than {MOST_NESTED} deep")));
        }
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.nested = self.nested.saturating_sub(1);
    }

    pub(super) fn error(&self, place: Range<usize>, reason: impl Into<String>) -> FilterError {
        FilterError::new(self.text, place, reason.into())
    }

    /// What the text has there, between quotation marks.
    pub(super) fn quoted(&self, place: Range<usize>) -> String {
        quoted(self.text.get(place).unwrap_or_default())
    }

    /// What comes next is not what has to come there, which is told as in "an address".
    pub(super) fn unexpected(&self, wanted: &str) -> FilterError {
        let place = self.place();
        let reason = match self.peek(0) {
            None => format!("the filter ends where {wanted} is to come"),
            Some(Kind::Word(Word::LeftOut)) => format!(
                "{} is a word of pcap-filter(7) that is left out here, and this is where {wanted} is to come",
                self.quoted(place.clone())
            ),
            Some(_) => format!("{} stands where {wanted} is to come", self.quoted(place.clone())),
        };
        self.error(place, reason)
    }
}
