//! When a slave tries again: pauses, and a watch on the path of the master's socket.
//!
//! Nobody tells a slave that its master is back. So it asks again and again, and the longer in vain the less often. Two
//! things make it ask more often for a while: its link was lost, or somebody listens where nobody did. Where the
//! address is a path, the directories that decide what it leads to are watched as well, so that a new socket is met at
//! once. The watch is a help and no more: whatever it misses, or where there is none, the next pause ends all the same.

use std::time::{Duration, Instant};

use super::timers::Timer;
use super::trace::control_log;
use super::{InterfaceKey, Socket, TOKEN_PATH};
use crate::SocketAddress;
use crate::config::Role;
use crate::sys::{self, Change, Epoll, Inotify, Interest, Site, WatchId};

/// The first pause between two attempts; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// How long a master that is on its way is expected: after the loss of a link, and after somebody began to listen,
/// since VPP listens before it has the interface.
const EXPECTED: Duration = Duration::from_secs(10);
/// The longest pause meanwhile.
const LONGEST_EXPECTED: Duration = Duration::from_millis(200);

/// Reports of the watch within [`PERIOD`] beyond which it is given up for as long: the directory is busy, or somebody
/// wants it to be.
const MANY_REPORTS: u32 = 64;
/// How long reports are counted, and how long there is no watch after there were too many, or none could be had.
const PERIOD: Duration = Duration::from_secs(10);
/// How long a watch is taken for the right one: that a directory further up was renamed is not reported.
const TRUSTED: Duration = Duration::from_secs(1);
/// How often the path is looked at again when it changes just then.
const MANY_ROUNDS: usize = 4;

/// The pauses of a slave.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    /// Until when a master is expected to come.
    expected: Option<Instant>,
    /// Whether somebody listened at the last attempt.
    met: bool,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST_PAUSE, expected: None, met: false }
    }

    /// Back to short pauses.
    pub(super) fn reset(&mut self) {
        self.next = FIRST_PAUSE;
    }

    /// A master is on its way.
    pub(super) fn expect_master(&mut self, now: Instant) {
        self.expected = now.checked_add(EXPECTED);
    }

    /// Somebody listens. Where nobody did before, the rest is on its way.
    pub(super) fn somebody_listens(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.met, true) {
            self.reset();
            self.expect_master(now);
        }
    }

    /// Nobody listens.
    pub(super) fn nobody_listens(&mut self) {
        self.met = false;
    }

    /// The pause to make now.
    fn pause(&mut self, now: Instant, longest: Duration) -> Duration {
        let expected = self.expected.is_some_and(|until| now < until);
        let longest = if expected { longest.min(LONGEST_EXPECTED) } else { longest };
        let pause = self.next.min(longest.max(FIRST_PAUSE));
        self.next = pause.saturating_mul(2);
        pause
    }
}

/// The watch on the path of the master's socket.
#[derive(Debug, Default)]
pub(super) struct PathWatch {
    /// From the first time that it is needed.
    inotify: Option<Inotify>,
    /// What the path depends on, with the watch of the directory where that could be had.
    watched: Vec<(Site, Option<WatchId>)>,
    /// When that was last found to be so.
    checked: Option<Instant>,
    /// Reports since then.
    reports: u32,
    counted_since: Option<Instant>,
    /// Until when there is none.
    rests_until: Option<Instant>,
}

impl PathWatch {
    /// Watches for that path what is not watched yet.
    fn aim(&mut self, address: &SocketAddress, epoll: &Epoll, now: Instant) {
        let SocketAddress::Path(path) = address else { return self.clear() };
        let recent =
            |time: Option<Instant>, length| time.is_some_and(|time| now.saturating_duration_since(time) < length);
        if self.rests_until.is_some_and(|until| now < until) || recent(self.checked, TRUSTED) {
            return;
        }
        if self.inotify.is_none() {
            let made = Inotify::new().and_then(|made| {
                epoll.add(&made, TOKEN_PATH, Interest::Read)?;
                Ok(made)
            });
            match made {
                Ok(made) => self.inotify = Some(made),
                Err(error) => {
                    control_log!(debug, "no watch on {address}, so pauses alone: {error}");
                    self.rests_until = now.checked_add(PERIOD);
                    return;
                }
            }
        }
        let Some(inotify) = &self.inotify else { return };
        // What changes between looking and watching is not reported: once more, until nothing did.
        for _ in 0..MANY_ROUNDS {
            let found: Vec<_> = sys::sites(path)
                .into_iter()
                .map(|site| {
                    let id = inotify.watch(&site.directory).ok();
                    (site, id)
                })
                .collect();
            if found == self.watched {
                break;
            }
            let old = std::mem::replace(&mut self.watched, found);
            for id in old.iter().filter_map(|(_, id)| *id).filter(|id| !self.watches(*id)) {
                inotify.unwatch(id);
            }
        }
        self.checked = Some(now);
    }

    fn watches(&self, id: WatchId) -> bool {
        self.watched.iter().any(|(_, watched)| *watched == Some(id))
    }

    /// Ends all watches.
    pub(super) fn clear(&mut self) {
        self.checked = None;
        for id in std::mem::take(&mut self.watched).into_iter().filter_map(|(_, id)| id) {
            if let Some(inotify) = &self.inotify {
                inotify.unwatch(id);
            }
        }
    }

    /// As if the time without a watch were over.
    #[cfg(test)]
    pub(super) fn end_rest(&mut self) {
        self.rests_until = None;
    }

    /// Takes a report. Returns whether something is new on the way to the socket.
    fn take(&mut self, now: Instant) -> bool {
        let Some(inotify) = &self.inotify else { return false };
        let (mut appeared, mut moved) = (false, false);
        inotify.read(|change| match change {
            Change::Appeared(id, name) => {
                let is_ours = |(site, watched): &(Site, Option<WatchId>)| *watched == Some(id) && site.name == name;
                appeared |= self.watched.iter().any(is_ours);
            }
            Change::Gone(id) => moved |= self.watches(id),
            Change::Lost => appeared = true,
        });
        if appeared || moved {
            self.checked = None;
        }
        if self.counted_since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            self.counted_since = Some(now);
            self.reports = 0;
        }
        self.reports = self.reports.saturating_add(1);
        if self.reports > MANY_REPORTS {
            control_log!(debug, "the directory of the socket is busy, so pauses alone for a while");
            self.clear();
            self.rests_until = now.checked_add(PERIOD);
        }
        appeared || moved
    }
}

impl Socket {
    /// Plans the next attempt of a slave that is to connect. Returns the pause before it.
    pub(super) fn schedule_connect(&mut self, key: InterfaceKey) -> Option<Duration> {
        let longest = self.options.retry_period;
        let now = Instant::now();
        let interface = self.interface_mut(key).ok()?;
        interface.queues_found = None;
        if !interface.wants_to_connect() {
            return None;
        }
        let pause = interface.backoff.pause(now, longest);
        let by_itself = interface.reconnects;
        self.timers.set(Timer::Connect(key.number), now.checked_add(pause));
        if by_itself {
            // Before the next attempt, which finds what appeared until now.
            self.path_watch.aim(&self.address, &self.epoll, now);
        }
        Some(pause)
    }

    /// Plans an attempt for now, and short pauses after it.
    pub(super) fn connect_at_once(&mut self, key: InterfaceKey) {
        let Ok(interface) = self.interface_mut(key) else { return };
        interface.backoff.reset();
        let time = interface.wants_to_connect().then(Instant::now);
        self.timers.set(Timer::Connect(key.number), time);
    }

    /// A report of the watch: whoever waits for the next attempt makes it now.
    pub(super) fn path_changed(&mut self) {
        let now = Instant::now();
        let new = self.path_watch.take(now);
        // A handshake that has begun is carried through, whatever has appeared meanwhile.
        let waiting = self.interfaces.iter_mut().filter(|(_, interface)| {
            interface.config.role() == Role::Slave && interface.reconnects && interface.wants_to_connect()
        });
        let mut any = false;
        for (number, interface) in waiting {
            any = true;
            if new {
                interface.backoff.reset();
                interface.backoff.expect_master(now);
                self.timers.set(Timer::Connect(*number), Some(now));
            }
        }
        if !any {
            self.path_watch.clear();
        } else if new {
            self.path_watch.aim(&self.address, &self.epoll, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(backoff: &mut Backoff, now: Instant, count: usize) -> Vec<u128> {
        let period = Duration::from_secs(2);
        (0..count).map(|_| backoff.pause(now, period).as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_period() {
        let mut backoff = Backoff::new();
        let (now, period) = (Instant::now(), Duration::from_millis(20));
        let pauses: Vec<_> = (0..6).map(|_| backoff.pause(now, period).as_millis()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 20, 20]);
        backoff.reset();
        assert_eq!(backoff.pause(now, Duration::ZERO), FIRST_PAUSE);
    }

    #[test]
    fn pauses_are_short_while_a_master_is_expected() {
        let mut backoff = Backoff::new();
        let now = Instant::now();
        let (during, after) = (now + EXPECTED - FIRST_PAUSE, now + EXPECTED);
        backoff.expect_master(now);
        assert_eq!(pauses(&mut backoff, now, 9), [2, 4, 8, 16, 32, 64, 128, 200, 200]);
        assert_eq!(pauses(&mut backoff, during, 1), [200]);
        assert_eq!(pauses(&mut backoff, after, 4), [400, 800, 1600, 2000]);
        // A period that is shorter stays.
        assert_eq!(backoff.pause(during, Duration::from_millis(30)).as_millis(), 30);
    }

    #[test]
    fn a_listener_is_news_once() {
        let mut backoff = Backoff::new();
        let now = Instant::now();
        assert_eq!(pauses(&mut backoff, now, 12).last(), Some(&2000));
        backoff.somebody_listens(now);
        assert_eq!(pauses(&mut backoff, now, 8).last(), Some(&200));
        backoff.somebody_listens(now);
        assert_eq!(pauses(&mut backoff, now, 1), [200]);
        // The same one goes on refusing.
        backoff.somebody_listens(now + EXPECTED);
        assert_eq!(pauses(&mut backoff, now + EXPECTED, 4), [400, 800, 1600, 2000]);
        backoff.nobody_listens();
        backoff.somebody_listens(now + EXPECTED);
        assert_eq!(pauses(&mut backoff, now + EXPECTED, 1), [2]);
    }
}
