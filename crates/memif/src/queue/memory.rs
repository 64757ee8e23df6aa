//! Memory that the peer takes away while queues use it.

use crate::shm::{Regions, fault_count};

/// Looks whether it did, which is asked for with every call and costs nothing while no page of any mapping is gone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct MemoryCheck {
    /// Faults of the process when it was looked last.
    faults: usize,
}

impl MemoryCheck {
    /// Whether one of these regions is gone.
    #[inline]
    pub(super) fn is_gone(&mut self, regions: &Regions) -> bool {
        let faults = fault_count();
        faults != self.faults && self.look(faults, regions)
    }

    #[cold]
    fn look(&mut self, faults: usize, regions: &Regions) -> bool {
        self.faults = faults;
        regions.any_gone()
    }
}
