//! What a peer that left had published before.
//!
//! Its last packets may lie on the ring when the end of its connection is seen: they were sent, so they are received.
//! One look at its cursor says how many there are, at most a ring full, since the memory may still be somebody's who
//! goes on writing.

use super::rx::RxQueue;
use crate::error::RecvError;

impl RxQueue {
    /// [`scan_ring`](Self::scan_ring) on a link that is down.
    #[cold]
    pub(super) fn scan_leftovers(&mut self, max: usize) -> Result<(), RecvError> {
        if self.scan.taken.get() > 0 {
            // A batch was forgotten instead of dropped.
            self.release();
        }
        let left = self.leftovers()?;
        if !self.scan.is_made() {
            self.scan.make();
        }
        if let Err(breach) = self.scan.scan(left, max) {
            return Err(self.fail(breach));
        }
        if self.scan.count == 0 && max > 0 {
            // Bad ones, or a chain whose end will not come.
            self.release();
            self.scan.core.nothing_left_over();
            return Err(RecvError::Disconnected);
        }
        Ok(())
    }

    /// How many slots the peer left, of a link that is down.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] when there are none, or the link ended in another way; [`RecvError::Breach`] when
    /// the memory is gone.
    pub(super) fn leftovers(&mut self) -> Result<u16, RecvError> {
        if !self.scan.link.has_leftovers() {
            return Err(RecvError::Disconnected);
        }
        self.check_memory()?;
        match self.scan.core.left_over() {
            0 => Err(RecvError::Disconnected),
            left => Ok(left),
        }
    }
}
