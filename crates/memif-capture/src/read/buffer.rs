//! The bytes of a file that were read and not looked at yet.

use std::io::Read;

use super::error::{Place, ReadError};
use super::limits::MAX_BLOCK;
use super::packet::{Cut, Span};
use super::unpack::Unpacked;

/// Bytes that are kept: of a block that is looked into, and as much to read ahead.
const CAPACITY: usize = 2 * MAX_BLOCK as usize;

/// A window of a file, which moves on.
#[derive(Debug)]
pub(super) struct Buffer<R> {
    source: Unpacked<R>,
    bytes: Box<[u8]>,
    /// What was read and not taken: `bytes[start..end]`.
    start: usize,
    end: usize,
    /// Where in the file `start` is.
    offset: u64,
    ended: bool,
}

impl<R> Buffer<R> {
    pub(super) fn new(source: Unpacked<R>) -> Self {
        Self { source, bytes: vec![0; CAPACITY].into(), start: 0, end: 0, offset: 0, ended: false }
    }

    /// What is here.
    #[inline]
    pub(super) fn available(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The next byte of the file.
    pub(super) fn place(&self) -> Place {
        Place { offset: self.offset, unpacked: self.source.compression().is_some() }
    }

    /// The file ends within what begins at the next byte.
    pub(super) fn cut_here(&self) -> Cut {
        Cut { offset: self.offset }
    }

    /// Where the file ends if its packed bytes do not end where they should.
    pub(super) fn cut(&self) -> Option<Cut> {
        self.source.is_cut().then(|| self.cut_here())
    }

    /// Takes so many of the bytes that are here.
    #[inline]
    pub(super) fn take(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.offset += count as u64;
    }

    /// Bytes that were taken last, which lie there until more are asked for.
    #[inline]
    pub(super) fn last(&self, span: Span) -> &[u8] {
        let from = self.start.saturating_sub(span.back);
        self.bytes.get(from..from + span.length).unwrap_or_default()
    }

    pub(super) fn source(&self) -> &Unpacked<R> {
        &self.source
    }
}

impl<R: Read> Buffer<R> {
    /// Reads until so many bytes are here, at most [`MAX_BLOCK`] of them, or the file ends. Says whether they are.
    #[inline]
    pub(super) fn have(&mut self, count: usize) -> Result<bool, ReadError> {
        if self.end - self.start >= count {
            return Ok(true);
        }
        self.fill(count)
    }

    #[cold]
    fn fill(&mut self, count: usize) -> Result<bool, ReadError> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < count && !self.ended {
            let room = self.bytes.get_mut(self.end..).unwrap_or_default();
            match self.source.read(room)? {
                0 => self.ended = true,
                read => self.end += read,
            }
        }
        Ok(self.end >= count)
    }

    /// Passes over so many bytes, however many they are. Says whether there were so many.
    pub(super) fn skip(&mut self, mut count: u64) -> Result<bool, ReadError> {
        loop {
            let here = usize::try_from(count).unwrap_or(usize::MAX).min(self.end - self.start);
            self.take(here);
            count -= here as u64;
            if count == 0 || !self.have(1)? {
                return Ok(count == 0);
            }
        }
    }
}
