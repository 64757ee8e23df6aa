//! The counts of a thread, to be read by others while it goes on.

use std::sync::atomic::{AtomicU64, Ordering};

use super::tally::{Drops, Flow};
use crate::endpoint::metrics::Dropping;

/// A copy of the counts of one thread, which that renews once per burst: some stores and no lock.
#[derive(Debug, Default)]
pub(super) struct Live {
    packets: AtomicU64,
    bytes: AtomicU64,
    waits: AtomicU64,
    dropped: [AtomicU64; Drops::REASONS],
}

impl Live {
    /// Renews the copy.
    pub(super) fn publish(&self, flow: &Flow) {
        let pairs = [(&self.packets, flow.packets), (&self.bytes, flow.bytes), (&self.waits, flow.waits)];
        let dropped = self.dropped.iter().zip(flow.dropped.counts());
        for (copy, count) in pairs.into_iter().chain(dropped) {
            copy.store(count, Ordering::Relaxed);
        }
    }

    /// The counts as they were copied last. Those of a burst that is copied meanwhile may be there in part.
    pub(super) fn flow(&self) -> Flow {
        let count = |copy: &AtomicU64| copy.load(Ordering::Relaxed);
        Flow {
            packets: count(&self.packets),
            bytes: count(&self.bytes),
            waits: count(&self.waits),
            dropped: Drops::from_counts(self.dropped.each_ref().map(count)),
        }
    }
}

impl Dropping for Live {
    fn dropped(&self) -> Vec<(String, u64)> {
        self.flow().dropped.named()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::Reason;
    use super::*;

    #[test]
    fn what_was_published_is_read() {
        let live = Live::default();
        assert_eq!(live.flow(), Flow::default());
        let mut flow = Flow { waits: 3, ..Flow::default() };
        flow.pass(1, 60);
        flow.dropped.add(Reason::NoMemory, 5);
        flow.dropped.add(Reason::NoLink, 4);
        live.publish(&flow);
        assert_eq!(live.flow(), flow);
    }
}
