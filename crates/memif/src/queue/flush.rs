//! What of a sender's packets its peer has taken.

use std::time::Duration;

use super::tx::TxQueue;
use super::wait::Patience;
use crate::error::{Breach, SendError};

impl TxQueue {
    /// Whether the peer has taken all packets that were published: one look at its cursor. A batch that is not
    /// committed was not published.
    ///
    /// As slave that is told by the slots that the master gives back. As master it shows when buffers of the slave
    /// stand in all slots of the ring again: a slave that keeps some for itself, as VPP and DPDK do with zero-copy,
    /// does not show that it has taken the last packets.
    ///
    /// Taken is what the peer gave the slots of back: a receiver of this crate when it dropped the batch. A peer that
    /// breaks the protocol can say so of packets that it never saw.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        // Memory that the peer took away reads as zeros.
        self.nothing_was_published() || (self.core.cursor.is_drained(&self.core.ring) && !self.core.regions.any_gone())
    }

    /// Waits until the peer has taken all packets that were published, at most for `timeout` (for ever with `None`).
    /// Returns whether it has, see [`is_drained`](Self::is_drained). To be called before a program ends, or ends a
    /// link: receivers of this crate still take what was published before, others may not look at the ring any more.
    ///
    /// Nothing signals a slot that was given back, so the ring is looked at again after sleeps that grow from
    /// microseconds to one millisecond. A peer can leave packets where they are for as long as it likes: give a limit.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] when the link went down before everything was taken, and [`SendError::Breach`] when
    /// the peer broke the protocol.
    pub fn flush(&mut self, timeout: impl Into<Option<Duration>>) -> Result<bool, SendError> {
        let mut patience = Patience::new(timeout.into());
        while !self.look_drained()? {
            if !patience.wait(&self.link) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the peer has taken everything, or why it never will.
    pub(crate) fn look_drained(&mut self) -> Result<bool, SendError> {
        // In this order, so that the last look comes after the end.
        let down = self.link.is_down();
        if !down {
            self.check_memory()?;
            self.core.refresh().map_err(|overrun| self.fail(overrun))?;
        }
        match self.is_drained() {
            false if down => Err(SendError::Disconnected),
            drained => Ok(drained),
        }
    }

    /// A slave may have posted nothing yet when its master asks.
    fn nothing_was_published(&self) -> bool {
        self.shared.counters.packets.get() == 0
    }

    /// Says whether the peer took its memory away, of a link that is up.
    #[inline]
    pub(super) fn check_memory(&mut self) -> Result<(), SendError> {
        if self.memory.is_gone(&self.core.regions) {
            return Err(SendError::Breach(self.link.fail(Breach::MemoryGone)));
        }
        Ok(())
    }
}
