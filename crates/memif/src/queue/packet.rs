//! A received packet: a checked, private description of shared bytes.

use super::rx_core::Segment;
use super::rx_scan::{Details, RxScan};
use crate::shm::{Entry, SharedSlice};

/// What an exchange of buffers asks about a segment.
#[derive(Clone, Copy)]
pub(super) struct RawSegment {
    pub(super) slot: u16,
    pub(super) region: u16,
    pub(super) length: u32,
}

/// A received packet, in one segment or a chain of them.
///
/// Place and length are private and were checked; the bytes are shared, and the peer can still change them.
/// Parse a copy when a decision depends on them.
pub struct Packet<'b> {
    pub(super) scan: &'b RxScan,
    /// Its first segment, mostly the only one.
    pub(super) first: SharedSlice<'b>,
    pub(super) region: u16,
    pub(super) slot: u16,
    /// Bytes of all of its segments.
    pub(super) bytes: u32,
    /// Its further segments in the list of the core: from where on, and how many.
    pub(super) rest: u16,
    pub(super) more: u16,
}

impl RxScan {
    /// The packet that a scan found at that place.
    #[inline]
    pub(super) fn packet(&self, at: usize) -> Option<Packet<'_>> {
        if at >= self.count {
            return None;
        }
        let Entry { bytes: first, region, mark: slot } = self.packets.entry(at);
        let (bytes, rest, more) = if self.details.is_empty() {
            (u32::try_from(first.len()).unwrap_or(u32::MAX), 0, 0)
        } else {
            let Details { bytes, rest, more, .. } = *self.details.get(at)?;
            (bytes, rest, more)
        };
        Some(Packet { scan: self, first, region, slot, bytes, rest, more })
    }
}

impl<'b> Packet<'b> {
    /// Bytes of the packet, at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a packet has at least one byte")]
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes as usize
    }

    /// The packet's segments in order, each in one buffer.
    #[inline(always)]
    #[must_use]
    pub fn segments(&self) -> Segments<'b> {
        Segments { scan: self.scan, head: Some(self.first), rest: self.rest() }
    }

    /// The segments after the first.
    #[inline]
    fn rest(&self) -> &'b [Segment] {
        if self.more == 0 {
            return &[];
        }
        let from = usize::from(self.rest);
        self.scan.core.segments.get(from..from + usize::from(self.more)).unwrap_or_default()
    }

    /// Whether it is one segment.
    #[inline]
    pub(super) fn is_single(&self) -> bool {
        self.more == 0
    }

    /// Number of segments.
    #[inline]
    pub(super) fn segment_count(&self) -> u16 {
        self.more + 1
    }

    /// The segments as they were read: slot, region and length.
    pub(super) fn raw_segments(&self) -> impl Iterator<Item = RawSegment> + use<'b> {
        let length = u32::try_from(self.first.len()).unwrap_or(u32::MAX);
        let first = RawSegment { slot: self.slot, region: self.region, length };
        let raw = |part: &Segment| RawSegment { slot: part.slot, region: part.region, length: part.length };
        std::iter::once(first).chain(self.rest().iter().map(raw))
    }

    /// Copies the start of the packet, as many bytes as there is room for. Returns how many.
    #[inline(always)]
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        self.read(0, to)
    }

    /// Copies from byte `offset` of the packet on, as many bytes as there are and as there is room for. Returns
    /// how many.
    #[inline(always)]
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        if self.is_single() {
            return self.first.read(offset, to);
        }
        // A copy of what describes the packet: else that would lie in memory, not in registers, for every packet.
        Packet { ..*self }.read_chain(offset, to)
    }

    /// Out of line, so that the rest is small in every loop.
    #[inline(never)]
    fn read_chain(&self, offset: usize, to: &mut [u8]) -> usize {
        let mut skip = offset;
        let mut done = 0;
        for segment in self.segments() {
            if skip >= segment.len() {
                skip -= segment.len();
                continue;
            }
            done += segment.read(skip, &mut to[done..]);
            skip = 0;
            if done == to.len() {
                break;
            }
        }
        done
    }

    /// A copy of the whole packet in memory of its own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes);
        bytes
    }

    /// Appends a copy of the whole packet: no allocation where there is capacity for it. Returns its bytes.
    pub fn append_to(&self, bytes: &mut Vec<u8>) -> usize {
        let before = bytes.len();
        bytes.resize(before + self.len(), 0);
        let copied = bytes.get_mut(before..).map_or(0, |room| self.copy_to(room));
        bytes.truncate(before + copied);
        copied
    }
}

impl std::fmt::Debug for Packet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packet")
            .field("len", &self.len())
            .field("segments", &self.segment_count())
            .finish_non_exhaustive()
    }
}

/// Iterator over a packet's segments.
#[derive(Clone)]
pub struct Segments<'b> {
    scan: &'b RxScan,
    head: Option<SharedSlice<'b>>,
    rest: &'b [Segment],
}

impl<'b> Iterator for Segments<'b> {
    type Item = SharedSlice<'b>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(head) = self.head.take() {
            return Some(head);
        }
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let Segment { region, offset, length, .. } = *first;
        self.scan.core.regions.slice(region, offset, length)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::from(self.head.is_some()) + self.rest.len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for Segments<'_> {}
impl std::iter::FusedIterator for Segments<'_> {}

impl std::fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments").field("left", &self.len()).finish_non_exhaustive()
    }
}
