//! One turn of the stack, bounded, and when to take the next.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use ::smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketSet};
use ::smoltcp::time::Instant;

use super::device::Device;
use super::error::LinkError;
use super::pace::Next;
use crate::queue::RxQueue;

/// Frames that a turn receives, and rounds in which each socket sends one.
const MOST: usize = 256;

impl Device {
    /// Polls an interface of this device: what came is given to the stack, what it has to send is published with one
    /// store of the ring's cursor. Returns whether sockets may have changed.
    ///
    /// In place of `Interface::poll`, which goes on for as long as frames come: this receives 256 frames at most, and
    /// begins no round of the sockets, in which each sends a frame, after 256 were sent. What is left is for the next
    /// call, and [`next`](Self::next) says so.
    ///
    /// # Errors
    /// [`LinkError`] when the link has ended and all that came before was given to the stack. Serve the sockets then,
    /// too: the last frames may have changed them.
    pub fn poll(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'_>,
    ) -> Result<PollResult, LinkError> {
        self.outbox.blocked = false;
        let (taken, made) = (self.inbox.taken, self.outbox.made);
        let mut result = PollResult::None;
        interface.poll_maintenance(now);
        let mut received = 0;
        while received < MOST {
            match interface.poll_ingress_single(now, self, sockets) {
                PollIngressSingleResult::None => break,
                PollIngressSingleResult::PacketProcessed => {}
                PollIngressSingleResult::SocketStateChanged => result = PollResult::SocketStateChanged,
            }
            received += 1;
        }
        let most = self.outbox.made.saturating_add(MOST as u64);
        // A socket may get rid of something without a frame.
        let mut rounds = 0;
        while rounds < MOST && self.outbox.made < most {
            match interface.poll_egress(now, self, sockets) {
                PollResult::None => break,
                PollResult::SocketStateChanged => result = PollResult::SocketStateChanged,
            }
            rounds += 1;
        }
        self.outbox.publish();
        let moved = self.inbox.taken != taken || self.outbox.made != made;
        self.pace.turned(moved, received == MOST || rounds == MOST || self.outbox.made >= most);
        self.goes_on().map(|()| result)
    }

    /// Whether anything can be done on this link.
    fn goes_on(&self) -> Result<(), LinkError> {
        if let (true, Some(end)) = (self.inbox.is_empty(), &self.inbox.end) {
            return Err(LinkError::Down(end.clone()));
        }
        self.outbox.failed.clone().map_or(Ok(()), Err)
    }

    /// When to [`poll`](Self::poll) next, for programs whose turns are that: `Interface::poll` does not say what this
    /// has to know. To be asked when the sockets were served, since what is written to one is to be sent now.
    ///
    /// [`Interface::poll_delay`] alone says "at once", again and again, while a ring is full; this says how long to
    /// pause.
    pub fn next(&mut self, now: Instant, interface: &mut Interface, sockets: &SocketSet<'_>) -> Next {
        let delay = interface.poll_delay(now, sockets).map(Duration::from);
        self.pace.next(self.outbox.blocked, delay)
    }

    /// Waits until it is time to [`poll`](Self::poll) again, by [`next`](Self::next), and for such programs; `other`
    /// being readable ends it, too, but for a pause of a millisecond at most. Ends with the link, as [`RxQueue::wait`]
    /// does.
    ///
    /// With a queue in [`RxMode::Polling`](crate::RxMode::Polling) it looks at the ring all the time and not at
    /// `other`.
    ///
    /// # Errors
    /// As [`poll`](Self::poll).
    pub fn wait(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &SocketSet<'_>,
        other: Option<BorrowedFd<'_>>,
    ) -> Result<(), LinkError> {
        self.goes_on()?;
        match self.next(now, interface, sockets) {
            Next::Now => {}
            Next::Pause(pause) => std::thread::sleep(pause),
            Next::Packets(delay) => {
                let queue = std::slice::from_mut(&mut self.inbox.rx);
                RxQueue::wait_any_or(queue, other, delay).map_err(LinkError::Down)?;
            }
        }
        Ok(())
    }
}
