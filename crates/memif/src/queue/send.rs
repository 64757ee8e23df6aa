//! How packets and batches go into a queue.

use std::time::Duration;

use super::tx::TxQueue;
use super::tx_batch::TxBatch;
use super::wait::Patience;
use crate::error::{Breach, SendError};

impl TxQueue {
    /// Starts a batch. Nothing is sent before [`TxBatch::commit`].
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the link is down, [`SendError::Breach`] when the peer broke the protocol.
    #[inline]
    pub fn reserve(&mut self) -> Result<TxBatch<'_>, SendError> {
        if self.link.is_down() {
            return Err(SendError::Disconnected);
        }
        if self.memory.is_gone(&self.core.regions) {
            return Err(SendError::Breach(self.link.fail(Breach::MemoryGone)));
        }
        // A batch that was forgotten instead of dropped sends nothing either.
        self.roll_back();
        Ok(TxBatch::new(self))
    }

    /// Sends one packet now or says that the ring is full.
    ///
    /// # Errors
    /// Every [`SendError`]. Nothing of the packet was sent then.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.try_send(packet).inspect_err(|error| self.count_full(error))
    }

    /// Sends one packet, waiting for free slots at most for `timeout`. Nothing signals a freed slot, so the ring
    /// is looked at again after sleeps that grow from microseconds to one millisecond.
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::Full`] when the time is over.
    pub fn send_timeout(&mut self, packet: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_patiently(packet, Some(timeout))
    }

    /// Sends one packet, waiting for free slots as long as the link is up.
    ///
    /// # Errors
    /// As [`send`](Self::send), but never [`SendError::Full`].
    pub fn send_wait(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.send_patiently(packet, None)
    }

    fn send_patiently(&mut self, packet: &[u8], timeout: Option<Duration>) -> Result<(), SendError> {
        // However often it is tried, one packet found the ring full once.
        let mut result = self.send(packet);
        let mut patience = Patience::new(timeout);
        while result == Err(SendError::Full) && patience.wait(self.link.down_event()) {
            result = self.try_send(packet);
        }
        result
    }

    /// Sends one packet now, counting no full ring.
    fn try_send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let mut batch = self.reserve()?;
        batch.add(packet.len(), |writer| {
            writer.write(0, packet);
        })?;
        batch.commit();
        Ok(())
    }
}
