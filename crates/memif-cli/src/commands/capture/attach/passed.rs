//! What became of the packets of one ring.

use std::fmt;

use serde::Serialize;

/// What became of the packets of one ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Passed {
    /// Those that were copied.
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Slots that were filled anew before they could be copied; a packet has several where it lies in a chain.
    pub(super) missed_slots: u64,
    /// Packets whose slots may have been filled anew while they were copied.
    pub(super) torn_packets: u64,
    /// Packets that are described wrongly, or lie where nothing can be read.
    pub(super) unreadable_packets: u64,
    /// Of the copied ones, those whose length is not the one that was sent: see their comments.
    pub(super) lengths_inferred: u64,
    /// The cursors may have gone round between two looks, so more slots may have been missed.
    pub(super) at_least: bool,
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { packets, missed_slots, torn_packets, unreadable_packets, lengths_inferred, at_least, .. } = self;
        let more = if *at_least { ">= " } else { "" };
        write!(f, "{packets} packets, {more}{missed_slots} slots missed, {torn_packets} torn")?;
        if *unreadable_packets > 0 {
            write!(f, ", {unreadable_packets} unreadable")?;
        }
        if *lengths_inferred > 0 {
            write!(f, ", {lengths_inferred} lengths inferred")?;
        }
        Ok(())
    }
}
