//! Memory that is somebody else's, as something to read.

use crate::error::ReadError;

/// Bytes that may change at any time.
pub trait Bytes {
    /// Bytes that there are, or were when that was asked last.
    fn size(&self) -> u64;

    /// Reads all of `into`.
    ///
    /// # Errors
    ///
    /// Where the bytes end before that, or cannot be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), ReadError>;
}
