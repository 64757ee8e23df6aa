//! A received packet: a checked, private description of shared bytes.

use super::rx::RxCore;
use crate::shm::SharedSlice;

/// One descriptor of a packet, read once and checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) slot: u16,
    pub(super) region: u16,
}

/// One packet of a scan.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    /// Its first segment, mostly the only one.
    pub(super) head: Segment,
    /// Bytes of all of its segments.
    pub(super) bytes: u32,
    /// Its further segments in the scan's list: from where on, and how many.
    pub(super) rest: u16,
    pub(super) more: u16,
    /// Slots from the start of the scan to the end of this packet.
    pub(super) end: u16,
    /// Bad descriptors and dropped packets from the start of the scan up to this packet.
    pub(super) bad: u16,
    pub(super) dropped: u16,
}

/// A received packet, in one segment or a chain of them.
///
/// Place and length are private and were checked; the bytes are shared, and the peer can still change them.
/// Parse a copy when a decision depends on them.
pub struct Packet<'b> {
    pub(super) core: &'b RxCore,
    pub(super) span: Span,
}

impl<'b> Packet<'b> {
    /// Bytes of the packet, at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a packet has at least one byte")]
    #[inline]
    pub fn len(&self) -> usize {
        self.span.bytes as usize
    }

    /// The packet's segments in order, each in one buffer.
    #[inline]
    #[must_use]
    pub fn segments(&self) -> Segments<'b> {
        Segments { core: self.core, head: Some(self.span.head), rest: self.rest() }
    }

    /// The segments after the first.
    #[inline]
    fn rest(&self) -> &'b [Segment] {
        if self.span.more == 0 {
            return &[];
        }
        let from = usize::from(self.span.rest);
        self.core.segments.get(from..from + usize::from(self.span.more)).unwrap_or_default()
    }

    /// Number of segments.
    #[inline]
    pub(super) fn segment_count(&self) -> u16 {
        self.span.more + 1
    }

    #[inline]
    pub(super) fn raw_segments(&self) -> impl Iterator<Item = Segment> + use<'b> {
        std::iter::once(self.span.head).chain(self.rest().iter().copied())
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
        if self.span.more == 0 {
            let Segment { region, offset: start, length, .. } = self.span.head;
            let segment = self.core.regions.slice(region, start, length);
            return segment.map_or(0, |segment| segment.read(offset, to));
        }
        // A copy of what describes the packet: else that would lie in memory, not in registers, for every packet.
        Packet { core: self.core, span: self.span }.read_chain(offset, to)
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
        let mut bytes = vec![0; self.len()];
        let len = self.copy_to(&mut bytes);
        bytes.truncate(len);
        bytes
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
    core: &'b RxCore,
    head: Option<Segment>,
    rest: &'b [Segment],
}

impl<'b> Iterator for Segments<'b> {
    type Item = SharedSlice<'b>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let Segment { region, offset, length, .. } = match self.head.take() {
            Some(head) => head,
            None => {
                let (first, rest) = self.rest.split_first()?;
                self.rest = rest;
                *first
            }
        };
        self.core.regions.slice(region, offset, length)
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
