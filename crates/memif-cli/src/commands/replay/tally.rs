//! What becomes of the packets of a file.

use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

use crate::output::drops;

/// Packets that were to be sent and were not, by reason.
pub(super) type LeftOut = drops::Drops<Reason, { <Reason as drops::Reason>::ALL.len() }>;

/// Why a packet was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// The interface carries nothing of its link type.
    LinkType,
    /// It is no IP packet, and the interface carries nothing else.
    NotIp,
    /// Nothing of it was captured.
    Empty,
    /// Not all of it was captured, and such packets are skipped.
    Truncated,
    /// It is longer than any packet of a memif, or than the ring carries.
    TooLong,
    /// The ring had no room for it at its time.
    Refused,
}

impl drops::Reason for Reason {
    const ALL: &'static [Self] =
        &[Self::LinkType, Self::NotIp, Self::Empty, Self::Truncated, Self::TooLong, Self::Refused];

    fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LinkType => "of another link type",
            Self::NotIp => "no IP packets",
            Self::Empty => "without a byte",
            Self::Truncated => "truncated",
            Self::TooLong => "too long",
            Self::Refused => "no room in the ring",
        })
    }
}

/// What was read, up to some packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Packets of the file, or files: each pass counts.
    pub(super) packets: u64,
    /// Those that the filter does not match.
    pub(super) unmatched: u64,
    /// Those outside of the times that were asked for.
    pub(super) outside: u64,
    /// Those that were made as long again as they were.
    pub(super) padded: u64,
    /// Those that were captured before one that stands before them.
    pub(super) out_of_order: u64,
    /// The longest that is longer than any packet may be.
    pub(super) longest: u32,
    pub(super) left_out: LeftOut,
}

impl AddAssign for Read {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.unmatched += other.unmatched;
        self.outside += other.outside;
        self.padded += other.padded;
        self.out_of_order += other.out_of_order;
        self.longest = self.longest.max(other.longest);
        self.left_out += other.left_out;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        drops::assert_apart(LeftOut::default());
    }
}
