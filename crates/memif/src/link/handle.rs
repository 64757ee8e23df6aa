//! What the driver of a socket does with a link.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::counters::{QueueDetails, RegionDetails};
use crate::error::Breach;
use crate::queue::LinkShared;
#[cfg(all(test, not(loom)))]
use crate::queue::QueueShared;
use crate::sys::is_signalled;

/// The driver's hold on a link.
#[derive(Clone, Debug)]
pub(crate) struct LinkHandle(pub(super) Arc<LinkShared>);

impl LinkHandle {
    /// Takes the link down. Once is enough, more does no harm.
    pub(crate) fn shut(&self) {
        self.0.shut();
    }

    /// The same because the peer closed, or said so, and did nothing that is forbidden.
    pub(crate) fn leave(&self) {
        self.0.leave();
    }

    /// Whether the peer left and receivers still take what it published before.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.0.has_leftovers()
    }

    /// The connection that the link belongs to.
    pub(crate) fn set_control(&self, control: Arc<OwnedFd>) {
        self.0.set_control(control);
    }

    /// Whether the sender signalled a receive queue and nobody has taken that yet.
    pub(crate) fn rx_signalled(&self, index: u8) -> bool {
        let queue = self.0.rx.get(usize::from(index));
        queue.is_some_and(|queue| is_signalled(&*queue.interrupt))
    }

    /// Has the sender of a receive queue signal, in any mode but polling. Returns whether packets may have come that it
    /// did not signal.
    pub(crate) fn ask_for_signals(&self, index: u8) -> bool {
        self.0.rx.get(usize::from(index)).is_some_and(|queue| queue.ask_for_signals())
    }

    /// Whether a queue, or the driver, took it down.
    pub(crate) fn is_down(&self) -> bool {
        self.0.is_down()
    }

    /// Whether it is to go because nobody has it or one of its queues any more.
    pub(crate) fn is_unused(&self) -> bool {
        self.0.is_unused()
    }

    /// The breach that a queue found, if one did.
    pub(crate) fn fault(&self) -> Option<Breach> {
        self.0.fault()
    }

    /// Repeats signals to receivers that lag. Returns whether it wants to be called again in a millisecond; for
    /// later it arms the timer itself.
    pub(crate) fn repeat_signals(&self) -> bool {
        self.0.repeat_signals()
    }

    /// Whether the peer sends on more queues than the link has, see [`Decoy`](crate::shm::Decoy).
    pub(crate) fn surplus_used(&self) -> bool {
        self.0.surplus_used()
    }

    /// Slave: whether the cache line of the master is known from what it wrote. Where it is another one than that of
    /// the rings the link goes down for it.
    pub(crate) fn line_is_known(&self) -> bool {
        if let Some(breach) = self.other_line() {
            self.0.fail(breach);
        }
        self.0.line_of_master().is_some()
    }

    /// Slave: the breach that the master has another cache line, as far as what it wrote tells.
    pub(crate) fn other_line(&self) -> Option<Breach> {
        self.0.other_line()
    }

    /// Receive queues of the link.
    pub(crate) fn rx_count(&self) -> u8 {
        u8::try_from(self.0.rx.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn rx_details(&self) -> Vec<QueueDetails> {
        self.0.rx.iter().map(|queue| queue.details()).collect()
    }

    pub(crate) fn tx_details(&self) -> Vec<QueueDetails> {
        self.0.tx.iter().map(|queue| queue.details()).collect()
    }

    pub(crate) fn region_details(&self) -> Vec<RegionDetails> {
        (0..u16::try_from(self.0.regions.count()).unwrap_or(u16::MAX))
            .filter_map(|index| {
                let size = self.0.regions.get(index)?.len() as u64;
                Some(RegionDetails { index, size })
            })
            .collect()
    }

    /// The driver has reported the signal of a receive queue and will call [`take_left`](Self::take_left) before it
    /// sleeps.
    pub(crate) fn rx_reported(&self, index: u8) {
        if let Some(queue) = self.0.rx.get(usize::from(index)) {
            queue.deferred().report();
        }
    }

    /// Takes the signal of a receive queue if a receive call left it. Returns whether the queue is to be reported
    /// again.
    pub(crate) fn take_left(&self, index: u8) -> bool {
        let more = self.0.rx.get(usize::from(index)).is_some_and(|queue| queue.take_deferred());
        more && !self.rx_polls(index)
    }

    /// The eventfd of a receive queue.
    pub(crate) fn rx_interrupt(&self, index: u8) -> Option<Arc<OwnedFd>> {
        self.0.rx.get(usize::from(index)).map(|queue| Arc::clone(&queue.interrupt))
    }

    /// A transmit queue.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn tx_queue(&self, index: usize) -> Arc<QueueShared> {
        Arc::clone(&self.0.tx[index])
    }

    /// Grows with everything that a receive queue hands out, parts of packets included.
    pub(crate) fn rx_progress(&self, index: u8) -> u64 {
        let queue = self.0.rx.get(usize::from(index));
        queue.map_or(0, |queue| queue.counters.packets.get().wrapping_add(queue.counters.bytes.get()))
    }

    /// Whether a receive queue tells its peer not to signal. The peer can write that word too, and spoils its own
    /// signals then.
    pub(crate) fn rx_polls(&self, index: u8) -> bool {
        let queue = self.0.rx.get(usize::from(index));
        queue.is_some_and(|queue| queue.is_masked())
    }
}
