//! What a bridge counts, in each direction.

use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

/// Why a packet was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
}

impl Reason {
    /// All of them, in the order in which they are shown.
    pub(crate) const ALL: [Self; 6] =
        [Self::NoLink, Self::TooLong, Self::Malformed, Self::DeviceDown, Self::Refused, Self::NoMemory];

    const fn index(self) -> usize {
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
    dropped: [u64; Reason::ALL.len()],
}

impl Flow {
    /// Counts one packet passed on.
    pub(crate) fn pass(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }

    /// Counts packets that were not passed on.
    pub(crate) fn drop_some(&mut self, reason: Reason, packets: u64) {
        self.dropped[reason.index()] += packets;
    }

    /// Packets dropped for that reason.
    pub(crate) fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason.index()]
    }

    /// Packets dropped for any reason.
    pub(crate) fn all_dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }
}

impl AddAssign for Flow {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.waits += other.waits;
        for (sum, count) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += count;
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped = self.all_dropped();
        write!(f, "{} packets, {} bytes, {dropped} dropped", self.packets, self.bytes)?;
        let mut separator = " (";
        for reason in Reason::ALL.into_iter().filter(|reason| self.dropped(*reason) > 0) {
            write!(f, "{separator}{reason}: {}", self.dropped(reason))?;
            separator = ", ";
        }
        if dropped > 0 {
            f.write_str(")")?;
        }
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
        for (at, reason) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), at);
        }
    }

    #[test]
    fn text_names_only_what_happened() {
        let mut flow = Flow::default();
        flow.pass(60);
        assert_eq!(flow.to_string(), "1 packets, 60 bytes, 0 dropped");
        flow.drop_some(Reason::TooLong, 2);
        flow.drop_some(Reason::NoLink, 1);
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
