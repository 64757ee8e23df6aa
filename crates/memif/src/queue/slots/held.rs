//! Buffers of a slave that change places.

use crate::shm::BufferTable;

/// A buffer of a slave that its user holds at the moment, to be exchanged for another one.
pub struct Held<'a> {
    pub(super) table: &'a BufferTable,
    pub(super) at: usize,
}

impl std::fmt::Debug for Held<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Held").field("len", &self.table.len(self.at)).finish_non_exhaustive()
    }
}

/// Lets two held buffers change places. Returns whether they did: they must be of one link and lie in one region.
pub fn swap(left: Held<'_>, right: Held<'_>) -> bool {
    // With the region unchanged only the word with the offset of a descriptor changes, so a master that reads a slot
    // too early still finds a buffer of ours.
    left.table.swap(left.at, right.table, right.at)
}
