//! A packet in one line, in the manner of tcpdump.

use std::fmt;

use crate::LinkType;

/// What a packet is, in one line without its end and without a time. `data` are its first bytes, `original_length` is
/// how many it had on the wire.
#[must_use]
pub fn line(link_type: LinkType, data: &[u8], original_length: usize) -> Line<'_> {
    Line { link_type, data, original_length }
}

/// A packet that can be printed: [`line`].
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    link_type: LinkType,
    data: &'a [u8],
    original_length: usize,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} length {} ({} captured)", self.link_type, self.original_length, self.data.len())
    }
}
