//! What ends the threads of a bridge: an order, or a device that is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use crate::endpoint::driver::Notice;
use crate::error::Error;

/// An order to end that a thread can wait for beside other descriptors.
#[derive(Clone, Debug)]
pub(super) struct Order(Arc<OwnedFd>);

impl Order {
    pub(super) fn new() -> Result<Self, Error> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(|source| Error::System {
            what: "cannot make an event counter".to_owned(),
            advice: "raise the limit of open files (ulimit -n)",
            source: source.into(),
        })?;
        Ok(Self(Arc::new(fd)))
    }

    /// Gives the order, once and for all.
    pub(super) fn give(&self) {
        // It can only fail by being given too often already.
        let _ = rustix::io::write(&*self.0, &1_u64.to_ne_bytes());
    }

    /// Sleeps until one of the descriptors can be read, the order is given, or the time is over if there is one.
    /// Returns whether the order is given.
    pub(super) fn wait_readable<'fd>(
        &'fd self,
        descriptors: impl Iterator<Item = BorrowedFd<'fd>>,
        time: Option<Duration>,
        fds: &mut Vec<PollFd<'fd>>,
    ) -> io::Result<bool> {
        fds.clear();
        fds.push(PollFd::new(&*self.0, PollFlags::IN));
        fds.extend(descriptors.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let time = time.and_then(|time| Timespec::try_from(time).ok());
        match poll(fds, time.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(fds.first().is_some_and(|order| !order.revents().is_empty()))
    }
}

impl AsFd for Order {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Where a thread leaves the error that ends the command.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    error: Arc<Mutex<Option<Error>>>,
    notices: Sender<Notice>,
}

impl Failure {
    /// Wakes the main thread through `notices`.
    pub(super) fn new(notices: Sender<Notice>) -> Self {
        Self { error: Arc::default(), notices }
    }

    /// Leaves an error, the first of which counts, and wakes the main thread.
    pub(super) fn tell(&self, error: Error) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        // Without a receiver the command is ending already.
        let _ = self.notices.send(Notice::Signal);
    }

    /// The error that was left.
    pub(super) fn take(&self) -> Option<Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
