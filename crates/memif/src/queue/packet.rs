//! A received packet: a checked, private description of shared bytes.

use super::rx::RxCore;
use crate::shm::SharedSlice;

/// One descriptor of a packet, read once and checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) slot: u16,
    pub(super) region: u16,
    /// Whether the descriptor in shared memory had NEXT set.
    pub(super) next: bool,
}

/// One packet of a scan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// Its segments in the scan's list.
    pub(super) first: u16,
    pub(super) count: u16,
    /// Sum of the segments' lengths.
    pub(super) bytes: u32,
    /// Slots from the start of the scan to the end of this packet.
    pub(super) end: u16,
    /// Bad descriptors and dropped packets from the start of the scan up to this packet.
    pub(super) bad: u32,
    pub(super) dropped: u32,
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
    pub fn len(&self) -> usize {
        self.span.bytes as usize
    }

    /// The packet's segments in order, each in one buffer.
    #[must_use]
    pub fn segments(&self) -> Segments<'b> {
        Segments { core: self.core, rest: self.raw_segments() }
    }

    pub(super) fn raw_segments(&self) -> &'b [Segment] {
        let first = usize::from(self.span.first);
        self.core.segments.get(first..first + usize::from(self.span.count)).unwrap_or_default()
    }

    /// Copies the start of the packet, as many bytes as there is room for. Returns how many.
    #[inline]
    pub fn copy_to(&self, to: &mut [u8]) -> usize {
        self.read(0, to)
    }

    /// Copies from byte `offset` of the packet on, as many bytes as there are and as there is room for. Returns
    /// how many.
    #[inline]
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
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
            .field("segments", &self.span.count)
            .finish_non_exhaustive()
    }
}

/// Iterator over a packet's segments.
#[derive(Clone)]
pub struct Segments<'b> {
    core: &'b RxCore,
    rest: &'b [Segment],
}

impl<'b> Iterator for Segments<'b> {
    type Item = SharedSlice<'b>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        self.core.regions.slice(first.region, first.offset, first.length)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len(), Some(self.rest.len()))
    }
}

impl ExactSizeIterator for Segments<'_> {}
impl std::iter::FusedIterator for Segments<'_> {}

impl std::fmt::Debug for Segments<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segments").field("left", &self.rest.len()).finish_non_exhaustive()
    }
}
