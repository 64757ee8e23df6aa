//! What a peer that left had published before, see [`RxQueue`](crate::RxQueue).

use super::RxSlots;
use crate::error::RecvError;

impl RxSlots {
    /// Before [`receive`](Self::receive) hands anything out, on a link that is down.
    #[cold]
    pub(super) fn begin_leftovers(&mut self) -> Result<(), RecvError> {
        if !self.link.has_leftovers() {
            return Err(RecvError::Disconnected);
        }
        self.look_last();
        Ok(())
    }

    /// Nothing is left. To an application that was not told the link is up, and an empty ring no error.
    #[cold]
    pub(super) fn end_leftovers(&self) -> Result<(), RecvError> {
        if self.link.is_untold() { Ok(()) } else { Err(RecvError::Disconnected) }
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
