//! A source whose end and failures are remembered.

use std::io::{self, Read};

/// A source that remembers what unpackers hide in errors of their own: whether it failed, and whether it has ended.
#[derive(Debug)]
pub(super) struct Watched<R> {
    source: R,
    failed: Option<io::Error>,
    ended: bool,
}

impl<R> Watched<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, failed: None, ended: false }
    }

    /// What the source said when it failed.
    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Whether more was asked for than there is.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.source.read(into) {
                Ok(0) if !into.is_empty() => {
                    self.ended = true;
                    return Ok(0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    let kind = error.kind();
                    self.failed = Some(error);
                    return Err(kind.into());
                }
                other => return other,
            }
        }
    }
}
