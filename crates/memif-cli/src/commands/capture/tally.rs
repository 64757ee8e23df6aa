//! What a tap counts of the packets that it passes on, to be read while it goes on.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::endpoint::metrics::Dropping;
use crate::output::drops;

/// Packets not passed on, by reason.
pub(super) type Drops = drops::Drops<Reason, { <Reason as drops::Reason>::ALL.len() }>;

/// Why a packet was not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reason {
    /// The other link was down, or went down with it.
    NoLink,
    /// The other ring carries no packet of that length.
    TooLong,
}

impl drops::Reason for Reason {
    const ALL: &'static [Self] = &[Self::NoLink, Self::TooLong];

    fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLink => "no link on the other side",
            Self::TooLong => "too long for the other ring",
        })
    }
}

/// What became of the packets of one end, for people and programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Passed {
    /// Passed on.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) dropped_packets: u64,
    pub(super) dropped_packets_by_reason: Drops,
    /// Times that a packet had to wait for a full ring.
    pub(super) ring_full_waits: u64,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets, {} bytes, {}", self.packets, self.bytes, self.dropped_packets_by_reason)?;
        if self.ring_full_waits > 0 {
            write!(f, ", {} waits for a full ring", self.ring_full_waits)?;
        }
        Ok(())
    }
}

/// The counts of one end, written by one thread and read by any.
#[derive(Debug, Default)]
pub(super) struct Flow {
    packets: AtomicU64,
    bytes: AtomicU64,
    waits: AtomicU64,
    dropped: [AtomicU64; Drops::REASONS],
}

impl Flow {
    pub(super) fn pass(&self, packets: u64, bytes: u64) {
        add(&self.packets, packets);
        add(&self.bytes, bytes);
    }

    pub(super) fn wait(&self) {
        add(&self.waits, 1);
    }

    pub(super) fn drop_packets(&self, reason: Reason, packets: u64) {
        if let Some(count) = self.dropped.get(drops::Reason::index(reason)) {
            add(count, packets);
        }
    }

    /// The counts so far.
    pub(super) fn read(&self) -> Passed {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let dropped = Drops::from_counts(self.dropped.each_ref().map(count));
        Passed {
            packets: count(&self.packets),
            bytes: count(&self.bytes),
            dropped_packets: dropped.all(),
            dropped_packets_by_reason: dropped,
            ring_full_waits: count(&self.waits),
        }
    }
}

impl Dropping for Flow {
    fn dropped(&self) -> Vec<(String, u64)> {
        self.read().dropped_packets_by_reason.named()
    }
}

/// Adds to a count that one thread writes.
fn add(to: &AtomicU64, more: u64) {
    to.store(to.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_count() {
        drops::assert_apart(Drops::default());
    }

    #[test]
    fn what_was_counted_is_read() {
        let flow = Flow::default();
        flow.pass(2, 128);
        flow.wait();
        flow.drop_packets(Reason::NoLink, 3);
        let text = "2 packets, 128 bytes, 3 dropped (no link on the other side: 3), 1 waits for a full ring";
        assert_eq!(flow.read().to_string(), text);
    }
}
