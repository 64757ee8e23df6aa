//! Receive queues whose signals are reported as events.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::Event;
use super::timers::Timer;
use super::{InterfaceKey, Socket};
use crate::link::LinkHandle;
use crate::sys::{self, Interest};

/// Signals within one pause that brought nothing, beyond which they are a storm.
const STORM: u32 = 16;
/// How long a storm is not listened to.
const PAUSE: Duration = Duration::from_millis(10);

/// One watched queue of a link.
#[derive(Debug)]
pub(super) struct Watch {
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

impl Socket {
    /// Watches those queues of a new link that are to be watched.
    pub(super) fn watch_link(&mut self, key: InterfaceKey, link: &LinkHandle) {
        let Ok(interface) = self.interface(key) else { return };
        let queues: Vec<u8> = interface.watched.iter().copied().collect();
        for queue in queues {
            self.watch_queue(key, queue, link);
        }
    }

    /// Watches one queue, if the link has it.
    pub(super) fn watch_queue(&mut self, key: InterfaceKey, queue: u8, link: &LinkHandle) {
        let Some(fd) = link.rx_interrupt(queue) else { return };
        let Ok(interface) = self.interface(key) else { return };
        let (takes, leaves) = (interface.watch_takes, interface.watch_leaves);
        let token = self.new_token();
        if self.epoll.add(&*fd, token, Interest::Read).is_err() {
            return;
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
            takes,
            leaves,
            reported: false,
        };
        self.watches.insert(token, watch);
        if let Ok(interface) = self.interface_mut(key) {
            interface.watch_tokens.push(token);
        }
    }

    /// Watches those queues of the interface's link no more. It must come before the eventfds are closed: the peer
    /// holds them too, and epoll would go on reporting them.
    pub(super) fn unwatch_queues(&mut self, key: InterfaceKey, which: impl Fn(u8) -> bool) {
        let Ok(interface) = self.interface_mut(key) else { return };
        for token in std::mem::take(&mut interface.watch_tokens) {
            if let Some(watch) = self.watches.get(&token).filter(|watch| !which(watch.queue)) {
                let key = watch.interface;
                if let Ok(interface) = self.interface_mut(key) {
                    interface.watch_tokens.push(token);
                }
                continue;
            }
            self.timers.set(Timer::Watch(token), None);
            if let Some(watch) = self.watches.remove(&token)
                && !watch.paused
            {
                self.epoll.remove(&*watch.fd);
            }
        }
    }

    pub(super) fn watch_fired(&mut self, token: u64) {
        let Some(watch) = self.watches.get_mut(&token) else { return };
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
        let progress = watch.link.rx_progress(watch.queue);
        if progress != watch.progress || now.duration_since(watch.since) >= PAUSE {
            watch.progress = progress;
            watch.fruitless = 0;
            watch.since = now;
        }
        watch.fruitless += 1;
        if !taken || watch.fruitless > STORM {
            watch.paused = true;
            self.epoll.remove(&*watch.fd);
            self.timers.set(Timer::Watch(token), now.checked_add(PAUSE));
        }
        let (key, number) = (watch.interface, watch.queue);
        self.report_readable(key, number);
    }

    /// Queues an event of a receive queue of the present link.
    pub(super) fn report_readable(&mut self, key: InterfaceKey, number: u8) {
        let of_this_link = self
            .events
            .iter()
            .rev()
            .take_while(|event| !matches!(event, Event::Connected { interface, .. } if *interface == key));
        // Once is enough for a caller who does not take events.
        let told = of_this_link.into_iter().any(
            |event| matches!(event, Event::Readable { interface, queue } if (*interface, *queue) == (key, number)),
        );
        if !told {
            self.events.push_back(Event::Readable { interface: key, queue: number });
        }
    }

    /// The peer of a link has left: what it signalled and nobody has taken yet is reported, before the end of the link
    /// is.
    pub(super) fn report_last_signals(&mut self, key: InterfaceKey) {
        let Ok(interface) = self.interface(key) else { return };
        for token in interface.watch_tokens.clone() {
            let Some(Watch { queue, link, .. }) = self.watches.get(&token) else { continue };
            let queue = *queue;
            if link.has_leftovers() && link.rx_signalled(queue) && !link.rx_polls(queue) {
                self.report_readable(key, queue);
            }
        }
    }

    /// Before a wait: takes the signals that receive calls have left, and reports those queues again to which something
    /// came since. Returns whether there are any.
    pub(super) fn take_left_signals(&mut self) -> bool {
        let mut again = false;
        let count = self.reported.len();
        for at in 0..count {
            let Some(token) = self.reported.get(at).copied() else { break };
            let Some(watch) = self.watches.get_mut(&token) else { continue };
            watch.reported = false;
            if watch.link.take_left(watch.queue) {
                self.watch_fired(token);
                again = true;
            }
        }
        self.reported.drain(..count);
        again
    }

    pub(super) fn resume_watch(&mut self, token: u64) {
        let Some(watch) = self.watches.get_mut(&token).filter(|watch| watch.paused) else {
            return;
        };
        watch.paused = false;
        watch.fruitless = 0;
        watch.since = Instant::now();
        if self.epoll.add(&*watch.fd, token, Interest::Read).is_err() {
            watch.paused = true;
            self.timers.set(Timer::Watch(token), Instant::now().checked_add(PAUSE));
        }
    }
}
