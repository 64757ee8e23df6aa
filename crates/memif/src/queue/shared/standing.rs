//! How a link stands.

use std::sync::atomic::{AtomicU8, Ordering};

/// How a link stands. It only ever gets worse.
#[derive(Debug, Default)]
pub(crate) struct Standing(AtomicU8);

const UP: u8 = 0;
/// The peer closed, or said so, and broke no rule: what it left on the rings is still handed out.
const LEFT: u8 = 1;
/// The same, and the application of a binding was told.
const TOLD: u8 = 2;
/// It is over, with whatever lies on the rings.
const DOWN: u8 = 3;

impl Standing {
    #[inline]
    pub(super) fn is_up(&self) -> bool {
        self.get() == UP
    }

    /// Whether receivers may still take what the peer left.
    pub(super) fn has_leftovers(&self) -> bool {
        matches!(self.get(), LEFT | TOLD)
    }

    /// Whether the peer left and the application of a binding was not told yet.
    #[cfg(feature = "raw")]
    pub(super) fn is_untold(&self) -> bool {
        self.get() == LEFT
    }

    /// The peer left in order. Returns whether the link was up.
    pub(super) fn leave(&self) -> bool {
        self.worsen(LEFT)
    }

    /// The application is told that the peer left, if it did.
    #[cfg(feature = "raw")]
    pub(super) fn tell(&self) {
        let _ = self.0.compare_exchange(LEFT, TOLD, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// It is over. Returns whether the link was up.
    pub(super) fn shut(&self) -> bool {
        self.worsen(DOWN)
    }

    fn worsen(&self, to: u8) -> bool {
        self.0.fetch_max(to, Ordering::AcqRel) == UP
    }

    #[inline]
    fn get(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_link_never_recovers() {
        let standing = Standing::default();
        assert!(standing.is_up() && !standing.has_leftovers());
        assert!(standing.leave());
        assert!(!standing.is_up() && standing.has_leftovers());
        assert!(!standing.leave() && !standing.shut());
        assert!(!standing.leave());
        assert!(!standing.is_up() && !standing.has_leftovers());
    }

    #[test]
    #[cfg(feature = "raw")]
    fn only_a_peer_that_left_is_told_of() {
        let standing = Standing::default();
        standing.tell();
        assert!(standing.is_up() && !standing.is_untold());
        standing.leave();
        assert!(standing.is_untold());
        standing.tell();
        assert!(!standing.is_untold() && standing.has_leftovers());
        standing.leave();
        assert!(!standing.is_untold());
        standing.shut();
        standing.tell();
        assert!(!standing.has_leftovers());
    }
}
