//! Whether the peer of a link is still there, as its queues find out without the driver.
//!
//! A program with one thread sleeps in a wait of its queues, and nobody polls the socket meanwhile. So whoever waits
//! for the peer listens to the control connection, too: not for messages, which are the driver's, but for its end. The
//! driver still finds that end later, with all that the peer said before, and tells of it as an event.

use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};

use rustix::event::PollFlags;

use crate::sys;

/// The end of a connection, also where only the peer's half was closed: the driver takes that for the end, too.
/// Whether it is reset or closed on this side is told without being asked for.
pub(crate) const PEER_GONE: PollFlags = PollFlags::RDHUP;

/// The control connection of a link, for its queues. Without one nothing tells of the peer.
///
/// It is kept until the last of them goes, so that its descriptor is the same one for as long as somebody may wait for
/// it. The peer does not notice: the driver shuts the connection down before it lets go of it.
#[derive(Debug, Default)]
pub(super) struct Control(OnceLock<Arc<OwnedFd>>);

impl Control {
    /// To be called before the queues are handed out.
    pub(super) fn set(&self, control: Arc<OwnedFd>) {
        let _ = self.0.set(control);
    }

    /// The connection, to be waited for with [`PEER_GONE`].
    pub(super) fn get(&self) -> Option<&OwnedFd> {
        self.0.get().map(|control| &**control)
    }

    /// Looks whether the peer is gone. One system call at most.
    pub(super) fn is_gone(&self) -> bool {
        self.get().is_some_and(sys::hung_up)
    }
}
