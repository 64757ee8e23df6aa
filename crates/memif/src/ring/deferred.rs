//! Signals that a receive call leaves to the driver.
//!
//! The driver reports a signal without taking it, and the receive call that empties the ring would have to. Instead it
//! notes up to where it looked; the driver takes the signal before it sleeps, and then looks whether more came. So a
//! packet is answered without that system call, which falls into the time in which the answer is under way.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicU32, Ordering};

/// Nothing was reported since the last signal was taken: receive calls take signals themselves.
const NOTHING: u32 = 0;
/// A signal was reported, and nobody has emptied the ring since.
const REPORTED: u32 = 1 << 16;
/// The ring was emptied since: of what the peer's cursor in the low bits tells.
const EMPTIED: u32 = 2 << 16;
/// Somebody else listens to the eventfd: nothing is left, for good.
const NEVER: u32 = 3 << 16;

/// How things stand with the last signal of a receive queue. Changed by its receiver and by the driver.
#[derive(Debug, Default)]
pub(crate) struct DeferredSignal(AtomicU32);

impl DeferredSignal {
    /// The driver reports a signal and promises to [`take`](Self::take) before it sleeps.
    pub(crate) fn report(&self) {
        self.change(|state| (state != NEVER).then_some(REPORTED));
    }

    /// A receive call found nothing beyond that cursor of the peer. Returns whether it may leave the signal.
    #[cfg(any(feature = "raw", test))]
    pub(crate) fn defer(&self, seen: u16) -> bool {
        self.change(|state| (state != NOTHING && state != NEVER).then_some(EMPTIED | u32::from(seen)))
    }

    /// The driver, before it sleeps. Returns the cursor if a receive call emptied the ring: the signal is to be taken
    /// now.
    pub(crate) fn take(&self) -> Option<u16> {
        let emptied = |state| (state & !0xffff == EMPTIED).then_some(NOTHING);
        let state = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, emptied).ok()?;
        Some((state & 0xffff) as u16)
    }

    /// From now on receive calls take signals themselves.
    #[cfg(feature = "raw")]
    pub(crate) fn never(&self) {
        self.0.store(NEVER, Ordering::Release);
    }

    fn change(&self, to: impl Fn(u32) -> Option<u32>) -> bool {
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, to).is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_reported_is_left_and_only_what_was_left_is_taken() {
        let signal = DeferredSignal::default();
        assert!(!signal.defer(7));
        assert_eq!(signal.take(), None);
        signal.report();
        assert_eq!(signal.take(), None);
        assert!(signal.defer(7) && signal.defer(0xffff));
        assert_eq!(signal.take(), Some(0xffff));
        assert_eq!(signal.take(), None);
        assert!(!signal.defer(8));
    }

    #[test]
    #[cfg(feature = "raw")]
    fn nothing_is_left_where_somebody_else_listens() {
        let signal = DeferredSignal::default();
        signal.report();
        assert!(signal.defer(7));
        signal.never();
        assert_eq!(signal.take(), None);
        signal.report();
        assert!(!signal.defer(7));
    }
}
