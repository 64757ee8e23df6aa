//! Received packets in memory of our own, one behind the other.

use memif::Packet;

/// What stays allocated between two calls, in bytes.
const MOST_KEPT: usize = 1 << 20;

/// How packets lie in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Layout {
    /// One right behind the other.
    Packed,
    /// Each at a multiple of so many bytes; the rest of its row is zero, and what does not fit in is cut.
    Rows(usize),
}

/// Packets that were copied out of a ring.
#[derive(Debug)]
pub(crate) struct Packets {
    layout: Layout,
    /// Grows and is never cut, so that no byte is written twice.
    bytes: Vec<u8>,
    used: usize,
    lengths: Vec<u32>,
}

impl Packets {
    pub(crate) fn new() -> Self {
        Self { layout: Layout::Packed, bytes: Vec::new(), used: 0, lengths: Vec::new() }
    }

    /// Without a packet, for that layout.
    pub(crate) fn clear(&mut self, layout: Layout) {
        self.layout = layout;
        self.used = 0;
        self.lengths.clear();
    }

    /// Whether it is worth keeping for the next call.
    pub(crate) fn is_small(&self) -> bool {
        self.bytes.len() <= MOST_KEPT
    }

    pub(crate) fn push(&mut self, packet: &Packet<'_>) {
        let length = packet.len();
        let row = match self.layout {
            Layout::Packed => length,
            Layout::Rows(row) => row,
        };
        let end = self.used + row;
        if self.bytes.len() < end {
            self.bytes.resize(end.max(2 * self.bytes.len()), 0);
        }
        if let Some(room) = self.bytes.get_mut(self.used..end) {
            let copied = packet.copy_to(room);
            room.iter_mut().skip(copied).for_each(|byte| *byte = 0);
        }
        self.used = end;
        self.lengths.push(u32::try_from(length).unwrap_or(u32::MAX));
    }

    pub(crate) fn len(&self) -> usize {
        self.lengths.len()
    }

    /// The bytes of each packet as it was, also where it was cut.
    pub(crate) fn lengths(&self) -> &[u32] {
        &self.lengths
    }

    /// All rows, or all packets.
    pub(crate) fn all(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }

    /// Packet by packet, as far as it was kept.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let mut at = 0;
        self.lengths.iter().map(move |length| {
            let length = *length as usize;
            let (kept, row) = match self.layout {
                Layout::Packed => (length, length),
                Layout::Rows(row) => (length.min(row), row),
            };
            let packet = self.bytes.get(at..at + kept).unwrap_or_default();
            at += row;
            packet
        })
    }
}
