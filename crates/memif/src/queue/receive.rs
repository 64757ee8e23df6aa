//! How batches come out of a queue.

use super::rx::RxQueue;
use super::rx_batch::RxBatch;
use crate::config::RxMode;
use crate::error::RecvError;

impl RxQueue {
    /// Packets that are on the ring now, at most `max` of them: one look at the peer's cursor. An empty batch
    /// means that there are none now.
    ///
    /// No system call, no lock, no allocation. Two exceptions: the first packets of a queue bring the tables that it
    /// takes to receive, unless they came with the link ([`prefault`](crate::InterfaceConfig::prefault)). And where
    /// nothing has come for 10 ms and is asked for all the time, one call in 64 may look whether the peer is gone,
    /// first after that time, then more and more rarely, up to once in 64 ms. So a loop of this alone ends with its
    /// peer, whether or not anybody polls the [`Socket`](crate::Socket).
    ///
    /// # Errors
    /// [`RecvError::Disconnected`] once the link is down and, where the peer left, all that it published before was
    /// taken; [`RecvError::Breach`] when the peer broke the protocol.
    #[inline]
    pub fn recv(&mut self, max: usize) -> Result<RxBatch<'_>, RecvError> {
        self.scan_ring(max)?;
        Ok(RxBatch::new(self))
    }

    /// Looks at the ring once, for at most so many packets. What was found is the next batch.
    #[inline]
    pub(super) fn scan_ring(&mut self, max: usize) -> Result<(), RecvError> {
        if self.scan.link.is_down() {
            return self.scan_leftovers(max);
        }
        self.check_memory()?;
        if self.scan.taken.get() > 0 {
            // A batch was forgotten instead of dropped.
            self.release();
        }
        match self.scan.core.available() {
            // A chain without an end that was met before is all there is. To walk it again costs as much as it is long.
            Ok(available) if available != 0 && available == self.scan.core.unfinished => self.scan.forget(),
            Ok(available) => {
                if let Err(breach) = self.scan.scan(available, max) {
                    return Err(self.fail(breach));
                }
            }
            Err(overrun) => self.resynchronise(overrun)?,
        }
        if self.scan.count > 0 {
            self.scan.core.note_valid();
            self.fruitless = 0;
            if !self.masked && self.mode == RxMode::Adaptive {
                self.wake();
            }
        } else if self.scan.is_made() {
            self.found_nothing();
        } else {
            return self.scan_first(max);
        }
        Ok(())
    }

    /// [`scan_ring`](Self::scan_ring) while there is no room for packets yet: it is made when there is one.
    #[cold]
    fn scan_first(&mut self, max: usize) -> Result<(), RecvError> {
        if max == 0 || self.scan.core.available().is_ok_and(|available| available == 0) {
            self.found_nothing();
            return Ok(());
        }
        self.scan.make();
        self.scan_ring(max)
    }

    /// Receives one packet into `buffer` and says how long it is, or `None` when there is none now. A packet
    /// longer than the buffer is cut; the length says so.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, RecvError> {
        let mut batch = self.recv(1)?;
        let packet = (&mut batch).into_iter().next();
        Ok(packet.map(|packet| {
            packet.copy_to(buffer);
            packet.len()
        }))
    }
}
