//! What became of the packets that a responder received.

use std::fmt;
use std::ops::AddAssign;

use serde::Serialize;

use crate::net::echo::NotEcho;

/// Why a packet got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Malformed,
    OtherStation,
    OtherNetwork,
    OtherArp,
    OtherAddress,
    Source,
    HeaderChecksum,
    Fragment,
    OtherProtocol,
    IcmpChecksum,
    OtherMessage,
    RingFull,
}

impl Reason {
    /// Every reason, in the order in which they are printed.
    pub(crate) const ALL: [Self; 12] = [
        Self::Malformed,
        Self::OtherStation,
        Self::OtherNetwork,
        Self::OtherArp,
        Self::OtherAddress,
        Self::Source,
        Self::HeaderChecksum,
        Self::Fragment,
        Self::OtherProtocol,
        Self::IcmpChecksum,
        Self::OtherMessage,
        Self::RingFull,
    ];

    const fn index(self) -> usize {
        self as usize
    }
}

impl From<NotEcho> for Reason {
    fn from(fault: NotEcho) -> Self {
        match fault {
            NotEcho::Malformed => Self::Malformed,
            NotEcho::HeaderChecksum => Self::HeaderChecksum,
            NotEcho::Fragment => Self::Fragment,
            NotEcho::Protocol => Self::OtherProtocol,
            NotEcho::IcmpChecksum => Self::IcmpChecksum,
            NotEcho::OtherMessage => Self::OtherMessage,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::OtherStation => "other ethernet address",
            Self::OtherNetwork => "neither ARP nor IPv4",
            Self::OtherArp => "ARP not asking for this address",
            Self::OtherAddress => "other IPv4 address",
            Self::Source => "impossible source address",
            Self::HeaderChecksum => "IPv4 checksum",
            Self::Fragment => "IP fragment",
            Self::OtherProtocol => "not ICMP",
            Self::IcmpChecksum => "ICMP checksum",
            Self::OtherMessage => "ICMP, no echo request",
            Self::RingFull => "peer took no answers",
        })
    }
}

/// Counts of packets. `received` is the sum of all others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Packets that arrived.
    pub(crate) received: u64,
    /// Echo requests that were answered.
    pub(crate) echoes: u64,
    /// ARP requests that were answered.
    pub(crate) arps: u64,
    dropped: [u64; Reason::ALL.len()],
}

impl Tally {
    /// Counts one packet without an answer.
    pub(crate) fn drop_one(&mut self, reason: Reason) {
        self.dropped[reason.index()] += 1;
    }

    /// Packets dropped for that reason.
    pub(crate) fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason.index()]
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.echoes += other.echoes;
        self.arps += other.arps;
        for (sum, count) in self.dropped.iter_mut().zip(other.dropped) {
            *sum += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped: u64 = self.dropped.iter().sum();
        write!(
            f,
            "{} packets received, {} echo requests answered, {} ARP requests answered, {dropped} dropped",
            self.received, self.echoes, self.arps,
        )?;
        let mut separator = " (";
        for reason in Reason::ALL.into_iter().filter(|reason| self.dropped(*reason) > 0) {
            write!(f, "{separator}{reason}: {}", self.dropped(reason))?;
            separator = ", ";
        }
        if dropped > 0 { f.write_str(")") } else { Ok(()) }
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
        let mut tally = Tally { received: 5, echoes: 2, arps: 1, ..Tally::default() };
        assert!(tally.to_string().ends_with("1 ARP requests answered, 0 dropped"));
        tally.drop_one(Reason::Fragment);
        let mut sum = tally;
        sum += tally;
        assert_eq!((sum.received, sum.dropped(Reason::Fragment)), (10, 2));
        assert!(sum.to_string().ends_with("2 dropped (IP fragment: 2)"));
    }
}
