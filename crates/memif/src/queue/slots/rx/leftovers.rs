//! What a peer that left had published before, see [`RxQueue`](crate::RxQueue).

use super::receive::RxSlots;
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
        if self.ahead() == self.core.unfinished { 0 } else { self.ahead() }
    }

    /// Loads the peer's cursor for the last time, once: the memory may still be somebody's who goes on writing.
    fn look_last(&mut self) {
        self.seen = self.core.cursor.next().wrapping_add(self.core.left_over());
    }
}
