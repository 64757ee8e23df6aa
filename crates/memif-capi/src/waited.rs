//! The wait for what a socket has to do.

use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd};

use memif::raw::Report;
use rustix::io::Errno;

use crate::codes::last_errno;

/// Reports taken per call. What is more comes with the next one: the kernel goes round.
const REPORTS: u8 = 32;

/// What the kernel reported.
pub(crate) struct Waited {
    reports: [libc::epoll_event; REPORTS as usize],
    count: usize,
}

impl Waited {
    /// Waits, all signals let in, until something is ready.
    pub(crate) fn on(control: &OwnedFd, timeout: c_int) -> Result<Self, Errno> {
        const NOTHING: libc::epoll_event = libc::epoll_event { events: 0, u64: 0 };
        let mut reports = [NOTHING; REPORTS as usize];
        let mut signals = std::mem::MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: writes the set that it is given.
        unsafe { libc::sigemptyset(signals.as_mut_ptr()) };
        // SAFETY: a descriptor of ours, room for as many events as is said, and a set that was written above.
        let count = unsafe {
            libc::epoll_pwait(
                control.as_raw_fd(),
                reports.as_mut_ptr(),
                c_int::from(REPORTS),
                timeout.max(-1),
                signals.as_ptr(),
            )
        };
        let count = usize::try_from(count).map_err(|_| last_errno())?;
        Ok(Self { reports, count })
    }

    pub(crate) fn reports(&self) -> impl Iterator<Item = Report> {
        const END: u32 = (libc::EPOLLHUP | libc::EPOLLERR) as u32;
        self.reports.iter().take(self.count).map(|report| Report { token: report.u64, ended: report.events & END != 0 })
    }

    pub(crate) fn has(&self, token: u64) -> bool {
        self.reports().any(|report| report.token == token)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }
}
