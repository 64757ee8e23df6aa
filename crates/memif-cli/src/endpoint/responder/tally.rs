//! What became of the packets that a responder received.

use std::fmt;
use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::endpoint::metrics::Dropping;
use crate::output::drops;
use crate::packet::echo::NotEcho;

const REASONS: usize = <Reason as drops::Reason>::ALL.len();

/// Packets without an answer, by reason.
pub(crate) type Drops = drops::Drops<Reason, REASONS>;

/// Why a packet got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    Malformed,
    OtherStation,
    OtherVlan,
    OtherNetwork,
    OtherArp,
    OtherAddress,
    Source,
    HeaderChecksum,
    Fragment,
    OtherProtocol,
    IcmpChecksum,
    OtherMessage,
    Discovery,
    NoIpv6,
    RingFull,
}

impl drops::Reason for Reason {
    const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::OtherStation,
        Self::OtherVlan,
        Self::OtherNetwork,
        Self::OtherArp,
        Self::OtherAddress,
        Self::Source,
        Self::HeaderChecksum,
        Self::Fragment,
        Self::OtherProtocol,
        Self::IcmpChecksum,
        Self::OtherMessage,
        Self::Discovery,
        Self::NoIpv6,
        Self::RingFull,
    ];

    fn index(self) -> usize {
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
            NotEcho::Discovery => Self::Discovery,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::OtherStation => "other ethernet address",
            Self::OtherVlan => "other VLAN",
            Self::OtherNetwork => "neither ARP nor IP",
            Self::OtherArp => "ARP not asking for this address",
            Self::OtherAddress => "other IP address",
            Self::Source => "impossible source address",
            Self::HeaderChecksum => "IPv4 checksum",
            Self::Fragment => "IP fragment without the rest",
            Self::OtherProtocol => "not ICMP",
            Self::IcmpChecksum => "ICMP checksum",
            Self::OtherMessage => "ICMP, no echo request",
            Self::Discovery => "invalid neighbour solicitation",
            Self::NoIpv6 => "IPv6 without an address here",
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
    /// Neighbour solicitations that were answered.
    pub(crate) neighbours: u64,
    /// Fragments that were kept until the packet was whole, which counts as one of the above, or wait for the others.
    pub(crate) fragments: u64,
    /// Packets without an answer.
    pub(crate) dropped: Drops,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.echoes += other.echoes;
        self.arps += other.arps;
        self.neighbours += other.neighbours;
        self.fragments += other.fragments;
        self.dropped += other.dropped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets received, {} echo requests answered, {} ARP requests answered, ",
            self.received, self.echoes, self.arps,
        )?;
        if self.neighbours > 0 {
            write!(f, "{} neighbour solicitations answered, ", self.neighbours)?;
        }
        if self.fragments > 0 {
            write!(f, "{} further fragments, ", self.fragments)?;
        }
        self.dropped.fmt(f)
    }
}

/// Counts that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Board {
    received: AtomicU64,
    echoes: AtomicU64,
    arps: AtomicU64,
    neighbours: AtomicU64,
    fragments: AtomicU64,
    dropped: [AtomicU64; REASONS],
}

impl Board {
    /// Puts the counts up. No lock and no locked instruction: each stands for itself.
    pub(crate) fn publish(&self, tally: &Tally) {
        self.received.store(tally.received, Ordering::Relaxed);
        self.echoes.store(tally.echoes, Ordering::Relaxed);
        self.arps.store(tally.arps, Ordering::Relaxed);
        self.neighbours.store(tally.neighbours, Ordering::Relaxed);
        self.fragments.store(tally.fragments, Ordering::Relaxed);
        for (cell, count) in self.dropped.iter().zip(tally.dropped.counts()) {
            cell.store(count, Ordering::Relaxed);
        }
    }

    /// The counts as they were put up last, each.
    pub(crate) fn read(&self) -> Tally {
        Tally {
            received: self.received.load(Ordering::Relaxed),
            echoes: self.echoes.load(Ordering::Relaxed),
            arps: self.arps.load(Ordering::Relaxed),
            neighbours: self.neighbours.load(Ordering::Relaxed),
            fragments: self.fragments.load(Ordering::Relaxed),
            dropped: Drops::from_counts(self.dropped.each_ref().map(|cell| cell.load(Ordering::Relaxed))),
        }
    }
}

impl Dropping for Board {
    fn dropped(&self) -> Vec<(String, u64)> {
        self.read().dropped.named()
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
        let mut tally = Tally { received: 5, echoes: 2, arps: 1, ..Tally::default() };
        assert!(tally.to_string().ends_with("1 ARP requests answered, 0 dropped"));
        tally.dropped.add(Reason::Fragment, 1);
        let mut sum = tally;
        sum += tally;
        assert_eq!((sum.received, sum.dropped.of(Reason::Fragment)), (10, 2));
        assert!(sum.to_string().ends_with("2 dropped (IP fragment without the rest: 2)"));
        sum.neighbours = 3;
        assert!(sum.to_string().contains("3 neighbour solicitations answered, 2 dropped"));
        sum.fragments = 7;
        assert!(sum.to_string().contains("answered, 7 further fragments, 2 dropped"));
    }

    #[test]
    fn what_is_put_up_is_read() {
        let mut tally = Tally { received: 1, echoes: 2, arps: 3, neighbours: 4, fragments: 5, ..Tally::default() };
        tally.dropped.add(Reason::RingFull, 1);
        let board = Board::default();
        board.publish(&tally);
        assert_eq!(board.read(), tally);
    }
}
