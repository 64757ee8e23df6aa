//! Received packets of several buffers.

use super::receive::{RxSlots, Tally};
use crate::config::Role;
use crate::error::RecvError;
use crate::queue::rx_core::{Descriptor, Segment, Walked};
use crate::queue::slots::slot::Slot;

impl RxSlots {
    /// Reads the packet at the next slot, which begins with `read`, to its end.
    #[cold]
    pub(super) fn walk(&mut self, read: Descriptor) -> Result<Walked, RecvError> {
        self.core.segments.clear();
        self.handed_out = 0;
        let (next, ahead) = (self.core.cursor.next(), self.ahead());
        let walked = match self.core.role {
            Role::Master => self.core.chain::<true>(next, ahead, read),
            Role::Slave => self.core.chain::<false>(next, ahead, read),
        };
        walked.map_err(|breach| self.fail(breach))
    }

    /// Hands out the next segment of a chain that was read.
    #[cold]
    pub(super) fn hand_out_segment(&mut self, give: &mut impl FnMut(Slot), tally: &mut Tally) {
        let Some(segment) = self.core.segments.get(self.handed_out).copied() else { return };
        self.handed_out += 1;
        self.core.cursor.advance(1);
        self.give_segment(segment, self.handed_out < self.core.segments.len(), give, tally);
    }

    /// Hands out a segment, behind which the packet goes on or not.
    #[cold]
    pub(super) fn give_segment(&self, segment: Segment, next: bool, give: &mut impl FnMut(Slot), tally: &mut Tally) {
        let Segment { slot: index, region, offset, length: len } = segment;
        // The core found it with these very numbers, which are private.
        let found = self.core.regions.slice(region, offset, len.max(1));
        let Some(data) = found.map(|bytes| bytes.as_ptr()) else {
            debug_assert!(false, "a segment has left its region");
            return;
        };
        tally.packets += u64::from(!next);
        tally.bytes += u64::from(len);
        give(Slot { index, data, len, next });
    }
}
