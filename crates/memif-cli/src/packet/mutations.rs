//! Changed bytes of good packets, for tests: they reach further into the code than noise does.

use proptest::prelude::*;
use proptest::sample::Index;

/// Some bytes, and where they go.
pub(crate) type Changes = Vec<(Index, u8)>;

/// Up to three of them.
pub(crate) fn changes() -> impl Strategy<Value = Changes> {
    proptest::collection::vec((any::<Index>(), any::<u8>()), 0..4)
}

/// Writes them into a packet, which has a byte at least.
pub(crate) fn apply(changes: Changes, packet: &mut [u8]) {
    for (at, value) in changes {
        packet[at.index(packet.len())] = value;
    }
}
