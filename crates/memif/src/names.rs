//! What ends call themselves, and what they know each other by.

use crate::error::ConfigError;
use crate::wire::Text;

/// A name of a program or an interface: at most 31 bytes, none of them zero.
pub type Name = Text<32>;

/// A shared secret: 1 to 23 bytes, none of them zero. Printing it shows no byte of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(Text<24>);

impl Secret {
    /// Checks the length and that no byte is zero.
    ///
    /// # Errors
    /// [`ConfigError::Secret`] when the text is empty, longer than 23 bytes or holds a zero byte.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let bytes = secret.as_ref();
        match Text::new(bytes) {
            Ok(text) if !bytes.is_empty() => Ok(Self(text)),
            _ => Err(ConfigError::Secret(bytes.len())),
        }
    }

    /// The field as INIT carries it, zero padded.
    pub(crate) fn field(&self) -> &Text<24> {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl std::str::FromStr for Secret {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_have_1_to_23_bytes_and_are_not_printed() {
        assert!(Secret::new("").is_err());
        assert!(Secret::new("a\0b").is_err());
        assert!(Secret::new([b'x'; 24]).is_err());
        let secret = Secret::new([b'x'; 23]).unwrap();
        assert!(!format!("{secret:?}").contains('x'));
    }
}
