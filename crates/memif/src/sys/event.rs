//! Event counters and timers.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, ReadWriteFlags, preadv2, read, write};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// Makes an eventfd of our own readable. That it is so already is no failure. Whoever sleeps at it would sleep on
/// without this, so what fails for another reason, as a monitor of system calls may have one, is tried again.
pub(crate) fn raise(event: impl AsFd) {
    const TRIES: usize = 8;
    let is_set = || matches!(write(&event, &1u64.to_ne_bytes()), Ok(_) | Err(Errno::AGAIN));
    let _ = (0..TRIES).any(|_| is_set());
}

/// A counter of our own that makes a descriptor readable. Never blocks.
#[derive(Clone, Debug)]
pub(crate) struct EventFd(Arc<OwnedFd>);

impl EventFd {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(fd)))
    }

    /// Makes it readable.
    pub(crate) fn set(&self) {
        raise(&self.0);
    }

    /// Makes it not readable. Returns whether it was.
    pub(crate) fn clear(&self) -> bool {
        read(&*self.0, &mut [0; 8]).is_ok()
    }

    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A timer of the monotonic clock that expires once per setting.
#[derive(Debug)]
pub(crate) struct TimerFd(Arc<OwnedFd>);

impl TimerFd {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        Ok(Self(Arc::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)))
    }

    /// Expires after that time, or never.
    pub(crate) fn set(&self, after: Option<Duration>) -> io::Result<()> {
        const ZERO: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
        let it_value = match after {
            None => ZERO,
            // Zero would disarm it; what does not fit its range is as good as never.
            Some(after) => Timespec::try_from(after.max(Duration::from_nanos(1))).unwrap_or(ZERO),
        };
        let setting = Itimerspec { it_interval: ZERO, it_value };
        timerfd_settime(&*self.0, TimerfdTimerFlags::empty(), &setting)?;
        Ok(())
    }

    /// Makes it not readable after it expired.
    pub(crate) fn clear(&self) {
        let _ = read(&*self.0, &mut [0; 8]);
    }

    pub(crate) fn shared(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.0)
    }
}

impl AsFd for TimerFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Takes the signals of an eventfd that a peer holds too. Never blocks, whatever the peer did to the file's flags.
/// Returns whether it is known to be empty now: kernels before 5.8 cannot read eventfds in this way.
pub(crate) fn take_signals(fd: impl AsFd) -> bool {
    let mut count = [0; 8];
    // Miri knows no flags of a read, and nobody shares the eventfds of its tests.
    if cfg!(miri) {
        return matches!(read(fd, &mut count), Ok(_) | Err(Errno::AGAIN));
    }
    let read = preadv2(fd, &mut [IoSliceMut::new(&mut count)], u64::MAX, ReadWriteFlags::NOWAIT);
    matches!(read, Ok(_) | Err(Errno::AGAIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_taken_without_waiting_even_from_a_blocking_eventfd() {
        let fd = eventfd(0, EventfdFlags::CLOEXEC).unwrap();
        assert!(take_signals(&fd));
        write(&fd, &1u64.to_ne_bytes()).unwrap();
        assert!(take_signals(&fd));
        assert!(take_signals(&fd));
    }

    #[test]
    fn an_event_is_set_until_it_is_cleared() {
        let event = EventFd::new().unwrap();
        assert!(!event.clear());
        event.set();
        event.set();
        assert!(event.clear());
        assert!(!event.clear());
    }
}
