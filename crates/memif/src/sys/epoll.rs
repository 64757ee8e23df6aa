//! The one descriptor that is ready whenever there is something to do.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

/// Most that is said to be ready by one wait: enough to be cheap, few enough to get to timers in between.
pub(crate) const MOST_READY: usize = 64;
/// Longest single wait. The call counts milliseconds in 32 bits, so longer waits are repeated.
const LONGEST: Duration = Duration::from_secs(3600);

/// What to wait for. Errors and a hang-up are always reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Something to read.
    Read,
    /// Nothing but the end.
    End,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Interest::Read => epoll::EventFlags::IN,
            Interest::End => epoll::EventFlags::empty(),
        }
    }
}

/// A descriptor that is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ready {
    /// What it was added with.
    pub(crate) token: u64,
    /// Whether the other side is gone, or the descriptor is broken.
    pub(crate) ended: bool,
}

/// An epoll set.
#[derive(Debug)]
pub(crate) struct Epoll(Arc<OwnedFd>);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?)))
    }

    /// The descriptor, to be waited for elsewhere.
    #[cfg(feature = "raw")]
    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }

    pub(crate) fn add(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::add(&*self.0, fd, data, interest.flags())?)
    }

    pub(crate) fn modify(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token);
        Ok(epoll::modify(&*self.0, fd, data, interest.flags())?)
    }

    /// Must come before the descriptor is closed: the kernel watches the open file, which another process (or a
    /// duplicate) may keep alive, and would report it for ever.
    pub(crate) fn remove(&self, fd: impl AsFd) {
        let _ = epoll::delete(&*self.0, fd);
    }

    /// Waits until something is ready, and says what: nothing when the time is over, or a signal came between.
    pub(crate) fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout.map(|timeout| timeout.min(LONGEST));
        let timespec = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut space = [MaybeUninit::uninit(); MOST_READY];
        let (events, _) = match epoll::wait(&*self.0, &mut space, timespec.as_ref()) {
            Ok(events) => events,
            Err(Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let end = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        ready.extend(events.iter().map(|event| {
            let flags = event.flags;
            Ready { token: event.data.u64(), ended: flags.intersects(end) }
        }));
        Ok(())
    }
}

impl AsFd for Epoll {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
