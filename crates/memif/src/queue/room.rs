//! Batches that wait for room.

use std::time::Duration;

use super::tx::TxQueue;
use super::tx_batch::TxBatch;
use super::wait::Patience;
use crate::error::SendError;

impl TxQueue {
    /// Starts a batch when `slots` slots are free, or the whole ring where that has no more, and waits for them at most
    /// for `timeout`. A packet takes a slot, or as many as it fills buffers.
    ///
    /// Nothing signals a freed slot, so the ring is looked at again after sleeps that grow from microseconds to one
    /// millisecond.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve); [`SendError::Full`] when the time is over.
    pub fn reserve_timeout(
        &mut self,
        slots: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<TxBatch<'_>, SendError> {
        self.wait_for_room(slots, timeout.into())?;
        self.reserve()
    }

    /// Starts a batch as [`reserve_timeout`](Self::reserve_timeout) does, and waits as long as the link is up. As
    /// master that can be for ever, where a slave never posts so many buffers.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn reserve_wait(&mut self, slots: usize) -> Result<TxBatch<'_>, SendError> {
        self.wait_for_room(slots, None)?;
        self.reserve()
    }

    fn wait_for_room(&mut self, slots: usize, timeout: Option<Duration>) -> Result<(), SendError> {
        let mut waited: Option<Patience> = None;
        while !self.has_room(slots)? {
            let patience = match &mut waited {
                Some(patience) => patience,
                None => {
                    // However often it is looked at, the ring was full once.
                    self.count_full(&SendError::Full);
                    waited.insert(Patience::new(timeout))
                }
            };
            if !patience.wait(&self.link) {
                return Err(SendError::Full);
            }
        }
        Ok(())
    }

    /// Whether `slots` slots are free now, or the whole ring where that has no more. A packet takes a slot, or as many
    /// as it fills buffers. One look at the peer's cursor at most; a ring that is full is not counted as one that was
    /// met ([`Counters::ring_full`](crate::Counters::ring_full)).
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn has_room(&mut self, slots: usize) -> Result<bool, SendError> {
        if self.link.is_down() {
            return Err(SendError::Disconnected);
        }
        self.check_memory()?;
        let (published, slots) = (self.core.cursor.published(), slots.min(self.ring_size()));
        if usize::from(self.core.cursor.free(published)) < slots {
            self.core.refresh().map_err(|overrun| self.fail(overrun))?;
        }
        Ok(usize::from(self.core.cursor.free(published)) >= slots)
    }
}
