//! What the driver waits for: descriptors and times, behind one descriptor that stands for all of them.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::busy_poll::{BusyPoll, POLLS_PER_YIELD};
use super::timers::{Timer, Timers};
use super::tokens;
use super::trace::control_log;
use crate::error::SocketError;
use crate::sys::{Epoll, EventFd, Interest, Ready, TimerFd};

/// Descriptors by their tokens, and times. Costs no system call for a foreign loop until somebody has the descriptor.
#[derive(Debug)]
pub(super) struct Waits {
    epoll: Epoll,
    next_token: u64,
    timers: Timers,
    /// For a foreign loop. A wait of our own ends in time by itself.
    timer: TimerFd,
    /// What the timer is set to.
    armed: Cell<Option<Instant>>,
    waker: EventFd,
    woken: bool,
    /// Readable while events wait to be taken, or a turn left work, so that a foreign loop comes back.
    pending: EventFd,
    pending_set: AtomicBool,
    /// Whether somebody has the descriptor, so that it must tell the truth between calls.
    exposed: AtomicBool,
    busy_poll: BusyPoll,
    /// Descriptors of a binding.
    #[cfg(feature = "raw")]
    others: u8,
}

impl Waits {
    pub(super) fn new() -> Result<Self, SocketError> {
        let waits = Self {
            epoll: Epoll::new().map_err(SocketError::io("epoll"))?,
            next_token: tokens::FIRST,
            timers: Timers::default(),
            timer: TimerFd::new().map_err(SocketError::io("timerfd"))?,
            armed: Cell::default(),
            waker: EventFd::new().map_err(SocketError::io("eventfd"))?,
            woken: false,
            pending: EventFd::new().map_err(SocketError::io("eventfd"))?,
            pending_set: AtomicBool::new(false),
            exposed: AtomicBool::new(false),
            busy_poll: BusyPoll::default(),
            #[cfg(feature = "raw")]
            others: 0,
        };
        let own: [(&dyn AsFd, u64); 3] =
            [(&waits.timer, tokens::TIMER), (&waits.waker, tokens::WAKER), (&waits.pending, tokens::PENDING)];
        for (fd, token) in own {
            waits.add(fd, token).map_err(SocketError::io("epoll"))?;
        }
        Ok(waits)
    }

    /// A token that nothing else has or had.
    pub(super) fn new_token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        token
    }

    /// Waits for a descriptor to be readable.
    pub(super) fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        self.epoll.add(fd, token, Interest::Read)
    }

    /// Waits for something else of that descriptor.
    pub(super) fn change(&self, fd: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        self.epoll.modify(fd, token, interest)
    }

    /// To be called before the descriptor is closed, see [`Epoll::remove`].
    pub(super) fn remove(&self, fd: impl AsFd) {
        self.epoll.remove(fd);
    }

    /// Sets, moves or clears a time.
    pub(super) fn set(&mut self, timer: Timer, time: Option<Instant>) {
        self.timers.set(timer, time);
    }

    /// The next time.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Takes one purpose whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Option<Timer> {
        self.timers.expired(now)
    }

    /// Waits until something is ready or due, and says what is ready. May end for nothing, as when a signal came.
    pub(super) fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            return self.epoll.wait(ready, timeout);
        }
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if self.poll_busily(ready, end)? {
            return Ok(());
        }
        // No timer is armed for a wait of our own.
        let end = [end, self.timers.next()].into_iter().flatten().min();
        self.epoll.wait(ready, end.map(|end| end.saturating_duration_since(Instant::now())))
    }

    /// Where a handshake's answer may come at once, polls for a moment, and returns whether anything is ready.
    fn poll_busily(&mut self, ready: &mut Vec<Ready>, end: Option<Instant>) -> io::Result<bool> {
        let mut now = Instant::now();
        let Some(until) = self.busy_poll.begin(now) else { return Ok(false) };
        let until = end.map_or(until, |end| end.min(until));
        while now < until {
            for _ in 0..POLLS_PER_YIELD {
                self.epoll.wait(ready, Some(Duration::ZERO))?;
                if !ready.is_empty() {
                    return Ok(true);
                }
            }
            // Whoever is to answer may need this core.
            std::thread::yield_now();
            now = Instant::now();
        }
        self.busy_poll.failed(now);
        Ok(false)
    }

    /// Whether, and how long, it is polled before a wait that may last.
    pub(super) fn busy_poll(&mut self) -> &mut BusyPoll {
        &mut self.busy_poll
    }

    /// One of the descriptors that this part has itself is ready.
    pub(super) fn own_ready(&mut self, token: u64) {
        match token {
            // What it was armed for is done apart from this.
            tokens::TIMER => {
                self.timer.clear();
                self.armed.set(None);
            }
            tokens::WAKER => self.woken |= self.waker.clear(),
            // Pending: only to bring a foreign loop here.
            _ => {}
        }
    }

    /// What ends a wait from any thread.
    pub(super) fn waker(&self) -> EventFd {
        self.waker.clone()
    }

    /// Whether a waker was called since this was asked last.
    pub(super) fn take_woken(&mut self) -> bool {
        std::mem::take(&mut self.woken)
    }

    /// The descriptor that is readable whenever something is ready or due, or an event waits: from now on.
    pub(super) fn descriptor(&self, events_wait: bool) -> &Epoll {
        // As long as nobody has it, it need not tell the truth, which takes system calls. From now on it must.
        if !self.exposed.swap(true, Ordering::Relaxed) {
            if events_wait && !self.pending_set.swap(true, Ordering::Relaxed) {
                self.pending.set();
            }
            self.set_timer();
        }
        &self.epoll
    }

    /// To be called when the driver is left: makes the descriptor tell the truth, for whoever has it. With `more` to do
    /// it becomes readable, if it was not for that reason already.
    pub(super) fn leave(&mut self, more: bool) {
        if !*self.exposed.get_mut() {
            return;
        }
        if !more {
            self.unset_pending();
        } else if !std::mem::replace(self.pending_set.get_mut(), true) {
            self.pending.set();
        }
        self.set_timer();
    }

    /// To be called before a wait of our own, which events that wait already must not end.
    pub(super) fn unset_pending(&mut self) {
        if std::mem::take(self.pending_set.get_mut()) {
            self.pending.clear();
        }
    }

    /// Arms the timer for whoever waits for the descriptor.
    fn set_timer(&self) {
        let next = self.timers.next();
        // Nothing panics while it is held.
        if next != self.armed.get() {
            let after = next.map(|next| next.saturating_duration_since(Instant::now()));
            if let Err(error) = self.timer.set(after) {
                control_log!(error, "timer: {error}");
            }
            self.armed.set(next);
        }
    }

    /// Adds a descriptor of a binding, and gives its token.
    #[cfg(feature = "raw")]
    pub(super) fn add_other(&mut self, fd: impl AsFd) -> Result<u64, SocketError> {
        if self.others >= tokens::MANY_OTHERS {
            return Err(SocketError::io("epoll")(io::ErrorKind::QuotaExceeded.into()));
        }
        let token = tokens::OTHER + u64::from(self.others);
        self.add(fd, token).map_err(SocketError::io("epoll"))?;
        self.others += 1;
        Ok(token)
    }

    /// Whether it is the token of a descriptor of a binding.
    #[cfg(feature = "raw")]
    pub(super) fn is_other(&self, token: u64) -> bool {
        (tokens::OTHER..tokens::OTHER + u64::from(self.others)).contains(&token)
    }
}

impl AsFd for Waits {
    /// For a look from within.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    fn is_readable(waits: &Waits) -> bool {
        let mut fds = [PollFd::new(waits, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
    }

    /// What is ready now, by token.
    fn ready(waits: &mut Waits) -> Vec<u64> {
        let mut ready = Vec::new();
        waits.wait(&mut ready, Some(Duration::ZERO)).unwrap();
        ready.into_iter().map(|ready| ready.token).collect()
    }

    #[test]
    fn nobody_has_the_descriptor_and_nothing_is_set() {
        let mut waits = Waits::new().unwrap();
        waits.set(Timer::Listener, Some(Instant::now()));
        waits.leave(true);
        assert!(!is_readable(&waits));
        waits.descriptor(true);
        assert_eq!(ready(&mut waits).first(), Some(&tokens::PENDING));
        waits.unset_pending();
        while ready(&mut waits) != [tokens::TIMER] {}
        waits.own_ready(tokens::TIMER);
        assert!(waits.expired(Instant::now()).is_some());
        waits.leave(false);
        assert!(!is_readable(&waits));
    }

    #[test]
    fn a_waker_counts_once() {
        let mut waits = Waits::new().unwrap();
        let waker = waits.waker();
        waker.set();
        waker.set();
        assert_eq!(ready(&mut waits), [tokens::WAKER]);
        waits.own_ready(tokens::WAKER);
        assert!(waits.take_woken() && !waits.take_woken());
        assert_eq!(ready(&mut waits), [0_u64; 0]);
    }

    #[test]
    fn a_wait_ends_when_something_is_due() {
        let mut waits = Waits::new().unwrap();
        waits.set(Timer::Listener, Instant::now().checked_add(Duration::from_millis(1)));
        let mut ready = Vec::new();
        waits.wait(&mut ready, None).unwrap();
        assert!(ready.is_empty() && waits.next_time().is_some_and(|time| time <= Instant::now()));
    }
}
