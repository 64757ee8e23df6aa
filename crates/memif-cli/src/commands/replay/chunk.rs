//! Packets on their way from the reading thread to the sending one: many at once, ready to be sent.

/// How large chunks are, and how many are read ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// Bytes after which one is handed over.
    pub(super) bytes: usize,
    /// Packets after which it is.
    pub(super) packets: usize,
    pub(super) ahead: usize,
}

impl Size {
    /// Where packets have a time: the reading thread may run where the sending one does, and takes 20 us for one of
    /// these, which is as late as it can make a packet. With 4096 packets it was a millisecond.
    pub(super) const PACED: Self = Self { bytes: 64 << 10, packets: 256, ahead: 128 };
    /// As fast as it goes: as few turns as possible.
    pub(super) const TOP: Self = Self { bytes: 256 << 10, packets: 4096, ahead: 8 };
}

/// Packets one behind the other.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    items: Vec<Item>,
}

/// A packet of a chunk.
#[derive(Clone, Copy, Debug)]
struct Item {
    /// When it is due, in nanoseconds from the first packet of its pass.
    due: u64,
    /// Where its bytes end, which begin where those of the one before end.
    end: usize,
    /// The flow that it belongs to, where there are several queues.
    flow: u16,
}

/// A packet that is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready<'a> {
    pub(super) due: u64,
    pub(super) bytes: &'a [u8],
    pub(super) flow: u16,
}

impl Chunk {
    /// Room for the next packets, without them.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.items.clear();
    }

    /// Whether it is as large as that.
    pub(super) fn is_full(&self, size: Size) -> bool {
        self.bytes.len() >= size.bytes || self.items.len() >= size.packets
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes that it takes.
    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.items.len() * size_of::<Item>()
    }

    /// Adds the bytes of the next packet, `padding` zeros behind them, and gives them all, to be changed.
    pub(super) fn add(&mut self, bytes: &[u8], padding: usize) -> &mut [u8] {
        let from = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len() + padding, 0);
        self.bytes.get_mut(from..).unwrap_or_default()
    }

    /// Says when the packet that was added is due, and its flow.
    pub(super) fn finish(&mut self, due: u64, flow: u16) {
        self.items.push(Item { due, end: self.bytes.len(), flow });
    }

    /// A packet of it.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Ready<'_>> {
        let item = self.items.get(at)?;
        let from = at.checked_sub(1).and_then(|before| self.items.get(before)).map_or(0, |before| before.end);
        Some(Ready { due: item.due, bytes: self.bytes.get(from..item.end)?, flow: item.flow })
    }
}
