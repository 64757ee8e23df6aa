//! What this side lacked.

use std::fmt;
use std::io;

use rustix::io::Errno;

/// What kept this side from going on, in words, and what the kernel said where it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemError {
    words: String,
    number: Option<i32>,
}

impl SystemError {
    /// What was tried, and what came of it.
    pub(crate) fn because(what: impl fmt::Display, error: &io::Error) -> Self {
        Self { words: format!("{what}: {error}"), number: number(error) }
    }

    /// What the kernel said. No conversion, which would make the library that has the number a part of this one's
    /// interface.
    pub(crate) fn of(error: Errno) -> Self {
        io::Error::from(error).into()
    }

    /// The kernel's error number (`errno`); `None` where it was not the kernel that refused.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.number
    }

    /// The kind of the error, as the standard library sorts them.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.number.map_or(io::ErrorKind::Other, |number| io::Error::from_raw_os_error(number).kind())
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for SystemError {}

/// For reasons of which the kernel knows nothing.
impl From<&str> for SystemError {
    fn from(words: &str) -> Self {
        Self { words: words.to_owned(), number: None }
    }
}

impl From<io::Error> for SystemError {
    fn from(error: io::Error) -> Self {
        Self { words: error.to_string(), number: number(&error) }
    }
}

/// Keeps the number, which an error in other words does not have.
impl From<SystemError> for io::Error {
    fn from(error: SystemError) -> Self {
        io::Error::new(error.kind(), error)
    }
}

/// The number in an error of the kernel, or in one that was put in other words here.
fn number(error: &io::Error) -> Option<i32> {
    let wrapped = || error.get_ref()?.downcast_ref::<SystemError>()?.number;
    error.raw_os_error().or_else(wrapped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_survives_other_words() {
        let kernel = io::Error::from(Errno::MFILE);
        let plain = SystemError::of(Errno::MFILE);
        assert_eq!((plain.raw_os_error(), plain.to_string()), (kernel.raw_os_error(), kernel.to_string()));
        let told = SystemError::because("no room", &kernel);
        assert_eq!(told.to_string(), format!("no room: {kernel}"));
        let again = SystemError::because("no link", &io::Error::from(told.clone()));
        assert_eq!(again.to_string(), format!("no link: no room: {kernel}"));
        for error in [&told, &again] {
            assert_eq!((error.raw_os_error(), error.kind()), (kernel.raw_os_error(), kernel.kind()));
        }
        assert_eq!(SystemError::from("by choice").raw_os_error(), None);
    }
}
