//! What a peer that left had published before.
//!
//! Its last packets may lie on the ring when the end of its connection is seen: they were sent, so they are received.
//! One look at its cursor says how many there are, at most a ring full, since the memory may still be somebody's who
//! goes on writing.

use super::rx::RxQueue;
use super::rx_batch::RxBatch;
use crate::error::RecvError;

impl RxQueue {
    /// [`recv`](Self::recv) on a link that is down.
    #[cold]
    pub(super) fn recv_leftovers(&mut self, max: usize) -> Result<RxBatch<'_>, RecvError> {
        if self.core.taken.get() > 0 {
            // A batch was forgotten instead of dropped.
            self.release();
        }
        let left = self.leftovers()?;
        if let Err(breach) = self.core.scan(self.shared.name, left, max) {
            return Err(self.fail(breach));
        }
        if self.core.count == 0 && max > 0 {
            // Bad ones, or a chain whose end will not come.
            self.release();
            self.end = Some(self.core.cursor.next());
            return Err(RecvError::Disconnected);
        }
        Ok(RxBatch::new(self))
    }

    /// How many slots the peer left, of a link that is down.
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] when there are none, or the link ended in another way; [`RecvError::Breach`] when
    /// the memory is gone.
    pub(super) fn leftovers(&mut self) -> Result<u16, RecvError> {
        if !self.core.link.has_leftovers() {
            return Err(RecvError::Disconnected);
        }
        self.check_memory()?;
        let next = self.core.cursor.next();
        let end = *self.end.get_or_insert_with(|| {
            // A cursor that is out of range leaves nothing that could be trusted.
            next.wrapping_add(self.core.available().unwrap_or(0))
        });
        match end.wrapping_sub(next) {
            0 => Err(RecvError::Disconnected),
            left => Ok(left),
        }
    }
}
