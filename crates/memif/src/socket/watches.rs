//! Receive queues whose signals are reported as events.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::interface::Watched;
use super::key::InterfaceKey;
use super::number_map::NumberMap;
use super::timers::Timer;
use super::waits::Waits;
use crate::link::LinkHandle;
use crate::sys;

/// Signals within one pause that brought nothing, beyond which they are a storm.
const STORM: u32 = 16;
/// How long a storm is not listened to.
const PAUSE: Duration = Duration::from_millis(10);

/// One watched queue of a link.
#[derive(Debug)]
struct Watch {
    interface: InterfaceKey,
    queue: u8,
    fd: Arc<OwnedFd>,
    link: LinkHandle,
    /// What was handed out when the count of fruitless signals began.
    progress: u64,
    fruitless: u32,
    since: Instant,
    paused: bool,
    takes: bool,
    /// Whether receive calls may leave signals, and whether one was reported since the last wait.
    leaves: bool,
    reported: bool,
}

/// All watched queues of all links.
#[derive(Debug, Default)]
pub(super) struct Watches {
    by_token: NumberMap<u64, Watch>,
    /// Tokens by the number of the interface.
    by_interface: NumberMap<u32, Vec<u64>>,
    /// Those whose signals were reported and may be left to us.
    reported: Vec<u64>,
}

impl Watches {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_token.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_token.is_empty()
    }

    /// Whether that descriptor is one of them.
    pub(super) fn contains(&self, token: u64) -> bool {
        self.by_token.contains_key(&token)
    }

    /// Watches one queue, if the link has it. Returns whether it is to be reported at once, for packets that came
    /// before and were not signalled.
    pub(super) fn add(
        &mut self,
        key: InterfaceKey,
        queue: u8,
        link: &LinkHandle,
        watched: &Watched,
        waits: &mut Waits,
    ) -> bool {
        let Some(fd) = link.rx_interrupt(queue) else { return false };
        let token = waits.new_token();
        if waits.add(&*fd, token).is_err() {
            return false;
        }
        let watch = Watch {
            interface: key,
            queue,
            fd,
            progress: link.rx_progress(queue),
            link: link.clone(),
            fruitless: 0,
            since: Instant::now(),
            paused: false,
            takes: watched.takes,
            leaves: watched.leaves,
            reported: false,
        };
        self.by_token.insert(token, watch);
        self.by_interface.entry(key.number).or_default().push(token);
        // A binding says by itself whether its queues are signalled.
        watched.takes && link.ask_for_signals(queue)
    }

    /// Watches those queues of the interface's link no more. It must come before the eventfds are closed: the peer
    /// holds them too, and epoll would go on reporting them.
    pub(super) fn remove(&mut self, key: InterfaceKey, which: impl Fn(u8) -> bool, waits: &mut Waits) {
        let Some(mut tokens) = self.by_interface.remove(&key.number) else { return };
        tokens.retain(|token| {
            if self.by_token.get(token).is_some_and(|watch| !which(watch.queue)) {
                return true;
            }
            waits.set(Timer::Watch(*token), None);
            if let Some(watch) = self.by_token.remove(token)
                && !watch.paused
            {
                waits.remove(&*watch.fd);
            }
            false
        });
        if !tokens.is_empty() {
            self.by_interface.insert(key.number, tokens);
        }
    }

    /// A queue was signalled. Gives which, to be reported.
    pub(super) fn fired(&mut self, token: u64, waits: &mut Waits) -> Option<(InterfaceKey, u8)> {
        let watch = self.by_token.get_mut(&token)?;
        let now = Instant::now();
        // An eventfd that cannot be read stays ready: that is a storm, too.
        // A queue that polls makes no call for a signal that came late.
        let takes = watch.takes || watch.link.rx_polls(watch.queue);
        let taken = !takes || sys::take_signals(&*watch.fd);
        if !takes && watch.leaves {
            watch.link.rx_reported(watch.queue);
            if !std::mem::replace(&mut watch.reported, true) {
                self.reported.push(token);
            }
        }
        let storm = watch.is_storm(now);
        if !taken || storm {
            watch.paused = true;
            waits.remove(&*watch.fd);
            waits.set(Timer::Watch(token), now.checked_add(PAUSE));
        }
        Some((watch.interface, watch.queue))
    }

    /// A pause is over.
    pub(super) fn resume(&mut self, token: u64, waits: &mut Waits) {
        let Some(watch) = self.by_token.get_mut(&token).filter(|watch| watch.paused) else {
            return;
        };
        watch.paused = false;
        watch.fruitless = 0;
        watch.since = Instant::now();
        if waits.add(&*watch.fd, token).is_err() {
            watch.paused = true;
            waits.set(Timer::Watch(token), Instant::now().checked_add(PAUSE));
        }
    }

    /// The peer of a link has left: queues that it signalled and nobody has taken yet, to be reported before the end of
    /// the link is.
    pub(super) fn last_signals(&self, key: InterfaceKey) -> Vec<u8> {
        let tokens = self.by_interface.get(&key.number).map_or(&[][..], Vec::as_slice);
        let watches = tokens.iter().filter_map(|token| self.by_token.get(token));
        let signalled = watches.filter(|Watch { queue, link, .. }| {
            link.has_leftovers() && link.rx_signalled(*queue) && !link.rx_polls(*queue)
        });
        signalled.map(|watch| watch.queue).collect()
    }

    /// Before a wait: takes the signals that receive calls have left, and gives those queues to which something came
    /// since, to be reported again.
    pub(super) fn take_left_signals(&mut self, waits: &mut Waits) -> Vec<(InterfaceKey, u8)> {
        let mut again = Vec::new();
        let count = self.reported.len();
        for at in 0..count {
            let Some(token) = self.reported.get(at).copied() else { break };
            let Some(watch) = self.by_token.get_mut(&token) else { continue };
            watch.reported = false;
            if watch.link.take_left(watch.queue) {
                again.extend(self.fired(token, waits));
            }
        }
        self.reported.drain(..count);
        again
    }
}

impl Watch {
    /// One more signal came: whether too many were in vain.
    fn is_storm(&mut self, now: Instant) -> bool {
        let progress = self.link.rx_progress(self.queue);
        if progress != self.progress || now.duration_since(self.since) >= PAUSE {
            self.progress = progress;
            self.fruitless = 0;
            self.since = now;
        }
        self.fruitless += 1;
        self.fruitless > STORM
    }
}
