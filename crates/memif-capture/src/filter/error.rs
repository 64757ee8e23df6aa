//! Why a filter is not understood, and where.

use std::fmt;
use std::ops::Range;

/// Characters of the filter that [`FilterError::pointed`] shows before and after the place.
const AROUND: usize = 48;

/// Why a filter is not understood, and where. As text it is one line; [`pointed`](Self::pointed) has the filter itself,
/// too, with a mark below the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    place: Range<usize>,
    reason: String,
}

impl FilterError {
    pub(super) fn new(text: &str, place: Range<usize>, reason: String) -> Self {
        Self { text: text.to_owned(), place, reason }
    }

    /// The bytes of the text that are not understood; empty, at its end, when something is missing there.
    #[must_use]
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The character at which the place begins, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.before().count() + 1
    }

    /// What is wrong and what may be done, without the place.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Three lines without an end of line after the last: the error, the filter, and carets below the place. Of a long
    /// filter only what is near.
    #[must_use]
    pub fn pointed(&self) -> impl fmt::Display + '_ {
        Pointed(self)
    }

    fn before(&self) -> impl Iterator<Item = char> + '_ {
        self.text.char_indices().take_while(|(at, _)| *at < self.place.start).map(|(_, letter)| letter)
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {} of the filter: {}", self.column(), self.reason)
    }
}

impl std::error::Error for FilterError {}

struct Pointed<'a>(&'a FilterError);

impl fmt::Display for Pointed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        let column = error.column() - 1;
        let first = column.saturating_sub(AROUND);
        let marked = error.text.get(error.place.clone()).map_or(0, |marked| marked.chars().count()).clamp(1, AROUND);
        let last = column + marked + AROUND;
        let shown: String = error.text.chars().skip(first).take(last - first).map(harmless).collect();
        let (left, right) =
            (if first > 0 { "..." } else { "" }, if error.text.chars().nth(last).is_some() { "..." } else { "" });
        let margin = left.len() + column - first;
        write!(f, "{error}\n  {left}{shown}{right}\n  {:margin$}{:^<marked$}", "", "")
    }
}

/// A character that does nothing to a terminal but take a place.
fn harmless(letter: char) -> char {
    match letter {
        '\t' | '\n' | '\r' => ' ',
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    }
}

/// What a person wrote, between quotation marks, at most so long that it fits a message.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(AROUND).map(harmless).collect();
    if text.chars().nth(AROUND).is_some() {
        shown.push_str("...");
    }
    format!("\"{shown}\"")
}
