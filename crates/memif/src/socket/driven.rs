//! Sockets that a binding drives: it waits by itself, without holding the socket, and brings what the kernel reported.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use super::event::Event;
use super::key::InterfaceKey;
use super::poll::Socket;
use crate::error::SocketError;
use crate::sys::Ready;

impl Socket {
    /// The epoll descriptor that [`AsFd`] lends, for who waits for it while the socket is used elsewhere. It outlives
    /// the socket. What is reported there is to be brought to [`handle`](Self::handle).
    #[must_use]
    pub fn descriptor(&self) -> Arc<OwnedFd> {
        self.driver.waits.descriptor(!self.driver.events.is_empty()).shared()
    }

    /// Adds a descriptor of the caller to those of the socket, to be reported when it is readable, and gives what it is
    /// reported as. At most eight.
    ///
    /// # Errors
    /// What the kernel says; [`QuotaExceeded`](std::io::ErrorKind::QuotaExceeded) for the ninth.
    pub fn add_other(&mut self, fd: impl AsFd) -> Result<u64, SocketError> {
        self.driver.waits.add_other(fd)
    }

    /// To be called before every wait for [`descriptor`](Self::descriptor): takes the signals that receive calls have
    /// left, see [`watch_level`](Self::watch_level). Returns whether there is something to do already, so that the
    /// caller must not sleep.
    pub fn before_wait(&mut self) -> bool {
        if self.driver.take_left_signals() {
            // Another thread may sleep already, and this one may be told to stop before it takes the event.
            self.driver.leave();
        }
        !self.driver.events.is_empty()
    }

    /// Until when to look at [`descriptor`](Self::descriptor) again and again before sleeping, because the answer of a
    /// handshake may come at once: 50 µs at most. To be asked once before a wait. A peer that keeps silent can bring
    /// about fewer and fewer of such looks, which [`looked_in_vain`](Self::looked_in_vain) tells of.
    pub fn look_until(&mut self) -> Option<Instant> {
        self.driver.waits.busy_poll().begin(Instant::now())
    }

    /// Nothing was reported until then.
    pub fn looked_in_vain(&mut self) {
        self.driver.waits.busy_poll().failed(Instant::now());
    }

    /// Does what follows from what was reported, and gives the first event. How many more there were then is told
    /// beside it; take those with [`next_event`](Self::next_event).
    ///
    /// Reports that came to nothing meanwhile do no harm, and those of the caller's own descriptors are skipped.
    pub fn handle(&mut self, reports: impl IntoIterator<Item = Report>) -> Option<(Event, usize)> {
        for Report { token, ended } in reports {
            if !self.driver.waits.is_other(token) {
                self.driver.dispatch(Ready { token, ended });
            }
        }
        self.driver.run_timers();
        let event = self.driver.events.pop();
        // Mostly there was one at most, and the descriptor need not tell of others.
        self.driver.leave();
        Some((event?, self.driver.events.len()))
    }

    /// Makes [`descriptor`](Self::descriptor) readable anew, until the next [`handle`](Self::handle): for a caller who
    /// leaves something that is ready undone, and whose loop may be told of edges only.
    pub fn come_back(&mut self) {
        self.driver.waits.unset_pending();
        self.driver.waits.leave(true);
    }

    /// The next event that waits.
    pub fn next_event(&mut self) -> Option<Event> {
        let event = self.driver.events.pop();
        self.driver.leave();
        event
    }

    /// As [`watch`](Self::watch), but the event comes again until [`RxSlots::receive`](crate::raw::RxSlots::receive)
    /// has emptied the ring.
    ///
    /// With `leaves`, that call leaves a signal that was reported where it is, so that the packet is answered one
    /// system call earlier, and [`before_wait`](Self::before_wait) takes it. Only for callers who never sleep without
    /// that.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub fn watch_level(&mut self, key: InterfaceKey, queue: u8, leaves: bool) -> Result<(), SocketError> {
        let watched = &mut self.driver.interfaces.get_mut(key)?.watched;
        watched.takes = false;
        watched.leaves = leaves;
        self.watch(key, queue)
    }
}

/// What the kernel reported of [`Socket::descriptor`].
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// The number that stands with the event.
    pub token: u64,
    /// Whether the event says that the other side is gone, or the descriptor is broken.
    pub ended: bool,
}
