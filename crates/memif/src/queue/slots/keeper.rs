//! What outlives the queues of a link.

use std::sync::Arc;

use crate::queue::LinkShared;

/// Keeps the memory and the eventfds of a link while its queues come and go.
#[derive(Clone, Debug)]
pub struct Keeper(pub(super) Arc<LinkShared>);

impl Keeper {
    /// To be called when the user is told that the link is down. Until then a link whose peer left is to its user as if
    /// it were up: calls that find nothing to receive, or send, say so without an error. From then on they say
    /// [`Disconnected`](crate::RecvError::Disconnected) as soon as all that the peer published was handed out.
    pub fn tell(&self) {
        self.0.tell();
    }

    /// Whether the link ended in another way than by the peer's leaving, so that it is of no use any more.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.0.is_down() && !self.0.has_leftovers()
    }
}
