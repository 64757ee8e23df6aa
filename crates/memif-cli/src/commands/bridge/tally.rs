//! What a bridge counts, in each direction.

use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

use crate::output::drops;

/// Packets not passed on, by reason.
pub(crate) type Drops = drops::Drops<Reason, { <Reason as drops::Reason>::ALL.len() }>;

/// Why a packet was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// It came while there was no link, or the link went down with it.
    NoLink,
    /// The ring of the peer carries no packet of that length.
    TooLong,
    /// The peer described it wrongly.
    Malformed,
    /// The device is down.
    DeviceDown,
    /// The kernel takes no such packet: too short, or not IP on a TUN device.
    Refused,
    /// The kernel had no memory for it.
    NoMemory,
    /// The kernel left something undone that is not known here.
    UnknownOffload,
}

impl drops::Reason for Reason {
    const ALL: &'static [Self] = &[
        Self::NoLink,
        Self::TooLong,
        Self::Malformed,
        Self::DeviceDown,
        Self::Refused,
        Self::NoMemory,
        Self::UnknownOffload,
    ];

    fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLink => "no link",
            Self::TooLong => "too long for the peer's ring",
            Self::Malformed => "malformed by the peer",
            Self::DeviceDown => "device down",
            Self::Refused => "refused by the kernel",
            Self::NoMemory => "no memory in the kernel",
            Self::UnknownOffload => "unknown offload of the kernel",
        })
    }
}

/// Counts of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flow {
    /// Packets passed on.
    pub(crate) packets: u64,
    /// Bytes of those.
    pub(crate) bytes: u64,
    /// Times that a packet had to wait for a full ring.
    pub(crate) waits: u64,
    /// Packets not passed on.
    pub(crate) dropped: Drops,
}

impl Flow {
    /// Counts packets passed on, of so many bytes together.
    pub(crate) fn pass(&mut self, packets: u64, bytes: u64) {
        self.packets += packets;
        self.bytes += bytes;
    }
}

impl AddAssign for Flow {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.waits += other.waits;
        self.dropped += other.dropped;
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets, {} bytes, {}", self.packets, self.bytes, self.dropped)?;
        if self.waits > 0 {
            write!(f, ", {} waits for a full ring", self.waits)?;
        }
        Ok(())
    }
}

/// Counts of a bridge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// From the kernel to the peer.
    pub(crate) to_memif: Flow,
    /// From the peer to the kernel.
    pub(crate) from_memif: Flow,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.to_memif += other.to_memif;
        self.from_memif += other.from_memif;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        drops::assert_apart(Drops::default());
    }

    #[test]
    fn text_names_only_what_happened() {
        let mut flow = Flow::default();
        flow.pass(1, 60);
        assert_eq!(flow.to_string(), "1 packets, 60 bytes, 0 dropped");
        flow.dropped.add(Reason::TooLong, 2);
        flow.dropped.add(Reason::NoLink, 1);
        flow.waits = 4;
        let mut sum = Tally { to_memif: flow, ..Tally::default() };
        sum += sum;
        assert_eq!(
            sum.to_memif.to_string(),
            "2 packets, 120 bytes, 6 dropped (no link: 2, too long for the peer's ring: 4), \
             8 waits for a full ring"
        );
        assert_eq!(sum.from_memif, Flow::default());
    }
}
