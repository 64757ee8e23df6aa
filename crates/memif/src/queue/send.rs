//! How packets and batches go into a queue.

use std::time::Duration;

use super::tx::TxQueue;
use super::tx_batch::TxBatch;
use super::wait::Patience;
use crate::error::SendError;

impl TxQueue {
    /// Starts a batch. Nothing is sent before [`TxBatch::commit`]. A peer that is gone shows as for
    /// [`send`](Self::send).
    ///
    /// # Errors
    /// [`SendError::Disconnected`] once the link is down, [`SendError::Breach`] when the peer broke the protocol.
    #[inline]
    pub fn reserve(&mut self) -> Result<TxBatch<'_>, SendError> {
        if self.link.is_down() {
            return Err(SendError::Disconnected);
        }
        self.check_memory()?;
        // A batch that was forgotten instead of dropped sends nothing either.
        self.roll_back();
        Ok(TxBatch::new(self))
    }

    /// Sends one packet now or says that the ring is full.
    ///
    /// No call asks the kernel whether the peer is there while it has room. So what is sent to a peer that is gone is
    /// lost, a ring full at most where nobody polls the [`Socket`](crate::Socket): a call that finds the ring full, and
    /// nothing freed for 10 ms, looks at the peer, then more and more rarely, up to once in 64 ms.
    ///
    /// # Errors
    /// Every [`SendError`]. Nothing of the packet was sent then. [`SendError::Disconnected`] once the link is down, or
    /// the peer was found gone by this or any other call of the link's queues.
    pub fn send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        self.try_send(packet).inspect_err(|error| self.count_full(error))
    }

    /// Sends one packet, waiting for free slots at most for `timeout`. Nothing signals a freed slot, so the ring
    /// is looked at again after sleeps that grow from microseconds to one millisecond. Ends as soon as the peer closes
    /// its socket or dies, whether or not anybody polls the [`Socket`](crate::Socket).
    ///
    /// # Errors
    /// As [`send`](Self::send); [`SendError::Full`] when the time is over.
    pub fn send_timeout(&mut self, packet: &[u8], timeout: impl Into<Option<Duration>>) -> Result<(), SendError> {
        self.send_patiently(packet, timeout.into())
    }

    /// Sends one packet, waiting for free slots as long as the link is up, and ends with the peer as
    /// [`send_timeout`](Self::send_timeout) does.
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
        while result == Err(SendError::Full) && patience.wait(&self.link) {
            result = self.try_send(packet);
        }
        result
    }

    /// Sends one packet now, counting no full ring.
    pub(crate) fn try_send(&mut self, packet: &[u8]) -> Result<(), SendError> {
        let mut batch = self.reserve()?;
        batch.try_push(packet)?;
        batch.commit();
        Ok(())
    }
}
