//! The memory that queues work on: a ring, and the buffers of its slots.

use crate::shm::{BufferTable, Regions};

#[cfg(all(test, not(loom)))]
pub(super) use super::tests::Watched as Ring;
/// The memory of a ring as queues have it. Tests take the same memory behind something that counts every load and
/// changes words between two of them.
#[cfg(not(all(test, not(loom))))]
pub(super) use crate::shm::MappedRing as Ring;

/// One packet buffer of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BufferRef {
    /// The region.
    pub(crate) region: u16,
    /// Offset of its first byte in the region.
    pub(crate) offset: u32,
    /// Bytes that it holds; none in a posted buffer that broke the rules.
    pub(crate) capacity: u32,
}

/// A table with a place for each of so many slots, which these buffers begin.
pub(super) fn table(regions: &Regions, slots: usize, buffers: &[BufferRef]) -> BufferTable {
    let table = BufferTable::new(regions, slots);
    for (at, BufferRef { region, offset, capacity }) in buffers.iter().enumerate() {
        table.put(at, *region, *offset, *capacity, *capacity);
    }
    table
}

/// The buffers of a table.
#[cfg(feature = "raw")]
pub(super) fn buffers_of(table: &BufferTable) -> Box<[BufferRef]> {
    let buffer = |at| BufferRef { region: table.region(at), offset: table.offset(at), capacity: table.len(at) };
    (0..table.count()).map(buffer).collect()
}
