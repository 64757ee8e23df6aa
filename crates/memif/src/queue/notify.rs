//! Telling a receiver that packets are there.

use crate::queue::{LinkShared, PACKETS_PER_SIGNAL, QueueShared};
use crate::ring::RingMemory;
use crate::sys::signal;
use crate::wire::ring::FLAG_MASK_INT;

/// After `packets` were published: signals if the receiver wants that, and has the driver repeat it while the receiver
/// lags. No system call while the receiver polls.
#[inline]
pub(super) fn notify(ring: &impl RingMemory, shared: &QueueShared, link: &LinkShared, packets: usize) {
    // The store of the cursor must be visible before the flags are read. A receiver that clears the mask and
    // then looks at the cursor would otherwise see the old cursor while we see the old mask.
    ring.full_fence();
    if ring.load_flags() & FLAG_MASK_INT == 0 {
        send_signals(shared, link, packets);
    }
}

#[cold]
fn send_signals(shared: &QueueShared, link: &LinkShared, packets: usize) {
    let mut written = 0;
    for _ in 0..packets.div_ceil(usize::from(PACKETS_PER_SIGNAL)).max(1) {
        written += u64::from(signal(&shared.interrupt));
    }
    shared.counters.signals.add_shared(written);
    shared.note_published();
    link.want_repeat();
}
