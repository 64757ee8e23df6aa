//! The pause between two round trips, the same for threads and for tasks. A thread's own sleep comes with a slack of
//! 50 us and more, and timers of tokio count whole milliseconds and round up: with them a round trip a millisecond was
//! one in 1.3 and one in 2.4, and sleepers take longer to wake the longer they sleep.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A timer of the kernel.
#[derive(Debug)]
pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// For a thread, which waits for it by reading.
    pub(crate) fn new() -> io::Result<Self> {
        Self::with(TimerfdFlags::CLOEXEC)
    }

    /// For a reactor.
    pub(crate) fn nonblocking() -> io::Result<Self> {
        Self::with(TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)
    }

    fn with(flags: TimerfdFlags) -> io::Result<Self> {
        Ok(Self(timerfd_create(TimerfdClockId::Monotonic, flags)?))
    }

    /// It is readable after that time, once.
    pub(crate) fn start(&self, time: Duration) -> io::Result<()> {
        let it_interval = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval, it_value: Timespec::try_from(time).map_err(io::Error::other)? };
        timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }

    /// Waits for its end, or takes note of it.
    pub(crate) fn finish(&self) -> io::Result<()> {
        read(&self.0, &mut [0; 8])?;
        Ok(())
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
