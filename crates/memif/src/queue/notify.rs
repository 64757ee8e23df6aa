//! Telling a receiver that packets are there.

use super::tx::TxQueue;
use crate::link::{PACKETS_PER_SIGNAL, signal};
use crate::ring::RingMemory;
use crate::wire::ring::FLAG_MASK_INT;

impl TxQueue {
    /// After `packets` were published: signals if the receiver wants that, and has the driver repeat it while the
    /// receiver lags. No system call while the receiver polls.
    #[inline]
    pub(super) fn notify(&mut self, packets: usize) {
        // The store of the cursor must be visible before the flags are read. A receiver that clears the mask and
        // then looks at the cursor would otherwise see the old cursor while we see the old mask.
        self.ring.full_fence();
        if self.ring.load_flags() & FLAG_MASK_INT == 0 {
            self.signal(packets);
        }
    }

    fn signal(&mut self, packets: usize) {
        let mut written = 0;
        for _ in 0..packets.div_ceil(usize::from(PACKETS_PER_SIGNAL)).max(1) {
            written += u64::from(signal(&*self.shared.interrupt));
        }
        self.shared.counters.signals.add_shared(written);
        self.shared.note_published();
        self.link.want_repeat();
    }
}
