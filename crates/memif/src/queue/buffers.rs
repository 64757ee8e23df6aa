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

/// The buffers of a slave's queue as they are laid out: one after another, one for each slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferRow {
    /// The buffer of slot 0.
    pub(crate) first: BufferRef,
    /// Bytes from one buffer to the next.
    pub(crate) stride: u32,
}

impl BufferRow {
    /// The buffer of a slot, as long as it changed places with no other.
    pub(crate) fn buffer(&self, slot: u16) -> BufferRef {
        let BufferRef { offset, .. } = self.first;
        // The plan ends every region below 4 GiB.
        BufferRef { offset: offset.saturating_add(self.stride.saturating_mul(u32::from(slot))), ..self.first }
    }
}

/// A table with a place for each of so many slots, filled as they are laid out.
pub(super) fn table(regions: &Regions, slots: u16, row: Option<BufferRow>) -> BufferTable {
    let table = BufferTable::new(regions, usize::from(slots));
    if let Some(row) = row {
        for slot in 0..slots {
            let BufferRef { region, offset, capacity } = row.buffer(slot);
            table.put(usize::from(slot), region, offset, capacity, capacity);
        }
    }
    table
}

/// Where a slave's buffer lies in its region, whether there is a table or not.
#[cfg(all(test, not(loom)))]
pub(super) fn slot_offset(table: &BufferTable, row: Option<BufferRow>, at: usize) -> u32 {
    match row {
        Some(row) if table.count() == 0 => row.buffer(at as u16).offset,
        _ => table.offset(at),
    }
}
