//! What a peer that left had published before, see [`RxQueue`](crate::RxQueue).

use super::{Received, RxSlots, Tally};
use crate::error::RecvError;
use crate::queue::slots::Slot;
use crate::shm::fault_count;

impl RxSlots {
    /// [`receive`](Self::receive) on a link that is down.
    #[cold]
    pub(super) fn receive_leftovers(
        &mut self,
        max: u16,
        mut give: impl FnMut(Slot),
    ) -> Result<Received, RecvError> {
        if !self.link.has_leftovers() {
            return Err(RecvError::Disconnected);
        }
        let faults = fault_count();
        if faults != self.faults {
            self.check_memory(faults)?;
        }
        self.look_last();
        let mut count = 0;
        let mut tally = Tally::default();
        let result = self.hand_out(max, &mut count, &mut tally, &mut give);
        self.settle(&tally);
        result?;
        let more = self.leftovers() > 0;
        // To an application that was not told the link is up, and an empty ring no error.
        if count == 0 && !more && !self.link.is_untold() {
            return Err(RecvError::Disconnected);
        }
        Ok(Received { count, more })
    }

    /// Slots that the peer left and nobody has taken yet. None while the link is up, and after it ended in another way.
    pub fn leftovers(&mut self) -> u16 {
        if !self.link.has_leftovers() {
            return 0;
        }
        self.look_last();
        // The end of a chain that has none will not come.
        if self.unfinished.is_some() { 0 } else { self.seen.wrapping_sub(self.next) }
    }

    /// Loads the peer's cursor for the last time: the memory may still be somebody's who goes on writing.
    fn look_last(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let found = self.peer_cursor();
        let limit = self.size - self.next.wrapping_sub(self.back);
        // A cursor that is out of range leaves nothing that could be trusted.
        let ahead = found.wrapping_sub(self.next);
        self.seen = if ahead <= limit { found } else { self.next };
        self.unfinished = self.unfinished.filter(|at| *at == self.seen);
    }
}
