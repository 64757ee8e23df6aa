//! Batches that are put aside and taken up again, for a stack that writes a packet per call.

use super::tx::{Place, TxQueue};
use super::tx_batch::TxBatch;
use crate::error::SendError;

/// A batch without its queue: what it is to be taken up with again, on the same queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Aside {
    next: u16,
    packets: usize,
    bytes: u64,
}

impl Aside {
    /// Packets that wait to be published.
    pub(crate) fn packets(&self) -> usize {
        self.packets
    }
}

impl<'q> TxBatch<'q> {
    /// Takes a batch up again that was put aside and is neither published nor given up since.
    pub(crate) fn take_up(queue: &'q mut TxQueue, aside: Aside) -> Self {
        let next = if aside.packets == 0 { queue.core.cursor.published() } else { aside.next };
        Self { queue, next, packets: aside.packets, bytes: aside.bytes }
    }

    /// Puts it aside: published by nobody, and not given up either.
    pub(crate) fn put_aside(self) -> Aside {
        let aside = Aside { next: self.next, packets: self.packets, bytes: self.bytes };
        // To drop it is to give up what would go back with it.
        std::mem::forget(self);
        aside
    }
}

impl TxBatch<'_> {
    /// Whether a packet of `len` bytes can be added now, and room is left behind it for `more` of them: as many slots
    /// as that one takes each, and `least` slots at least. A ring that is full is not counted as one that was met.
    ///
    /// # Errors
    /// As [`push`](Self::push), but for [`SendError::Full`]; [`SendError::TooLong`] also where the ring never has room
    /// for so many, in the buffers that a slave posted.
    pub(crate) fn has_room(&mut self, len: usize, more: u16, least: u16) -> Result<bool, SendError> {
        self.queue.check_memory()?;
        let place = match self.queue.place(self.next, len) {
            Ok(place) => place,
            Err((next, error)) => {
                self.next = next;
                return if error == SendError::Full { Ok(false) } else { Err(error) };
            }
        };
        // Useless buffers may have gone back for good.
        self.next = place.first;
        let (each, slots) = (usize::from(place.slots), usize::from(self.queue.core.cursor.size()));
        let all = each.saturating_mul(1 + usize::from(more));
        if all > slots {
            return Err(SendError::TooLong { len, max: len * slots / all });
        }
        let spare = u16::try_from(all - each).unwrap_or(u16::MAX).max(least);
        self.queue.has_free_behind(place, spare)
    }
}

impl TxQueue {
    fn has_free_behind(&mut self, place: Place, spare: u16) -> Result<bool, SendError> {
        if self.core.cursor.free(place.end()) < spare {
            self.core.refresh().map_err(|overrun| self.fail(overrun))?;
        }
        Ok(self.core.cursor.free(place.end()) >= spare)
    }

    /// Slots that a packet of `len` bytes takes in buffers as long as the longest descriptor that this side sends.
    pub(crate) fn slots_of(&self, len: usize) -> usize {
        len.div_ceil((self.core.max_segment as usize).max(1))
    }
}
