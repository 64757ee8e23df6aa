//! Fixed text fields: zero terminated, zero padded, of no promised encoding.

use std::fmt;

use crate::error::ConfigError;

/// Text in a field of `N` bytes: at most `N - 1` bytes that are not zero, then zeros.
///
/// A peer may put any bytes there. [`Display`](fmt::Display) escapes what is not printable, what changes how other text
/// is shown, and the backslash, so that a name can be shown or logged as it is and an escape cannot be forged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Text<const N: usize>([u8; N]);

impl<const N: usize> Text<N> {
    /// The empty text.
    pub const EMPTY: Self = Self([0; N]);

    /// Bytes that a text can have; one more is kept for the terminating zero.
    pub const MAX_LEN: usize = N - 1;

    /// Text of exactly these bytes.
    ///
    /// # Errors
    /// [`ConfigError::Name`] when they do not fit or one of them is zero.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = bytes.as_ref();
        if bytes.len() > Self::MAX_LEN || bytes.contains(&0) {
            return Err(ConfigError::Name { len: bytes.len(), max: Self::MAX_LEN });
        }
        Ok(Self::lossy(bytes))
    }

    /// Text of the bytes before the first zero, as many as fit.
    #[must_use]
    pub fn lossy(bytes: &[u8]) -> Self {
        let mut field = [0; N];
        for (to, from) in field[..Self::MAX_LEN].iter_mut().zip(bytes.iter().take_while(|b| **b != 0)) {
            *to = *from;
        }
        Self(field)
    }

    /// Text from a received field. Bytes after the first zero are garbage by the protocol and are dropped;
    /// a field without a zero is taken whole but for its last byte.
    #[must_use]
    pub fn from_field(field: &[u8; N]) -> Self {
        Self::lossy(field)
    }

    /// The field as it is sent: the text and zeros to the end.
    #[must_use]
    pub const fn field(&self) -> &[u8; N] {
        &self.0
    }

    /// The text without its padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(Self::MAX_LEN);
        &self.0[..len]
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0[0] == 0
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                if c == '\\' || c.is_control() || is_invisible(c) {
                    write!(f, "{}", c.escape_default())?;
                } else {
                    write!(f, "{c}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// Line separators, format characters (Unicode categories Zl, Zp, Cf) and the like: they turn the direction of text,
/// join or hide it.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1345f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl<const N: usize> std::str::FromStr for Text<N> {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_zero() {
        let mut field = *b"abc\0garb";
        assert_eq!(Text::<8>::from_field(&field).as_bytes(), b"abc");
        assert_eq!(Text::<8>::from_field(&field).field(), b"abc\0\0\0\0\0");
        field = [b'x'; 8];
        assert_eq!(Text::<8>::from_field(&field).as_bytes(), b"xxxxxxx");
    }

    #[test]
    fn text_that_does_not_fit_is_refused_or_cut() {
        assert!(Text::<4>::new("abcd").is_err());
        assert!(Text::<4>::new("a\0b").is_err());
        assert_eq!(Text::<4>::new("abc").unwrap().as_bytes(), b"abc");
        assert_eq!(Text::<4>::lossy(b"abcdef").as_bytes(), b"abc");
    }

    #[test]
    fn what_is_not_printable_is_escaped() {
        let shown = |text: &str| Text::<32>::lossy(text.as_bytes()).to_string();
        assert_eq!(shown("a\u{202e}b\u{2028}c\u{feff}"), "a\\u{202e}b\\u{2028}c\\u{feff}");
        assert_eq!(shown(r"\x41\"), r"\\x41\\");
        assert_eq!(Text::<32>::lossy(b"a\x1b[0m\xff\n\xc3\xa4").to_string(), "a\\u{1b}[0m\\xff\\n\u{e4}");
    }
}
