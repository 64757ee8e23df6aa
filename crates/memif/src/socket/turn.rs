//! One turn of the driver: what is ready is handled, each descriptor to a bounded extent, then what is due.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use rustix::process::{Resource, getrlimit};

use super::connection::{Connection, Machine, Read, connect_error};
use super::event::{DisconnectReason, Event, Peer};
use super::looks::LOOKS_PER_YIELD;
use super::timers::Timer;
use super::trace::control_log;
use super::{
    InterfaceKey, Socket, TOKEN_ATTENTION, TOKEN_LISTENER, TOKEN_PATH, TOKEN_PENDING, TOKEN_REPEAT, TOKEN_TIMER,
    TOKEN_WAKER, io,
};
use crate::config::Role;
use crate::error::{Breach, SocketError};
use crate::proto::{Closed, Stage};
use crate::sys::{Interest, Ready};

/// Most messages of one connection per turn, so that none starves the others.
pub(super) const MANY_MESSAGES: usize = 16;
/// Descriptors that all unfinished handshakes may hold together, however few this process may have.
const LEAST_HELD: usize = 512;
/// One in so many of the descriptors that this process may have, where that is more.
const SHARE_HELD: u64 = 4;
/// A slave whose link lived this long starts its pauses from the shortest again.
const STABLE: Duration = Duration::from_secs(1);
/// Events waiting for the caller beyond which links that came and went unseen are not told of.
const FEW_EVENTS: usize = 16;
/// Events waiting for the caller beyond which failed attempts are not told of.
const MANY_EVENTS: usize = 1024;

impl Socket {
    /// Does what is due, waits once, at most that long, and handles what is ready. Returns whether a signal handler
    /// ended the wait.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> Result<bool, SocketError> {
        self.unset_pending();
        let left = self.take_left_signals();
        // What was due may have led to events, which end a wait.
        let timeout = if self.run_timers() || left { Some(Duration::ZERO) } else { timeout };
        let mut ready = std::mem::take(&mut self.ready);
        let waited = self.wait(&mut ready, timeout);
        self.dispatch_all(ready);
        waited.map_err(io("epoll_wait"))
    }

    /// Waits until something is ready or due.
    fn wait(&mut self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> std::io::Result<bool> {
        if timeout == Some(Duration::ZERO) {
            return self.epoll.wait(ready, timeout);
        }
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        if self.look(ready, end)? {
            return Ok(false);
        }
        // No timer is armed for a wait of our own.
        let end = [end, self.timers.next()].into_iter().flatten().min();
        self.epoll.wait(ready, end.map(|end| end.saturating_duration_since(Instant::now())))
    }

    /// Where a handshake's answer may come at once, looks for a moment what is ready, and returns whether anything is.
    fn look(&mut self, ready: &mut Vec<Ready>, end: Option<Instant>) -> std::io::Result<bool> {
        let mut now = Instant::now();
        let Some(until) = self.looks.begin(now) else { return Ok(false) };
        let until = end.map_or(until, |end| end.min(until));
        while now < until {
            for _ in 0..LOOKS_PER_YIELD {
                if self.epoll.wait(ready, Some(Duration::ZERO))? || !ready.is_empty() {
                    return Ok(true);
                }
            }
            // Whoever is to answer may need this core.
            std::thread::yield_now();
            now = Instant::now();
        }
        self.looks.failed(now);
        Ok(false)
    }

    fn dispatch_all(&mut self, mut ready: Vec<Ready>) {
        for item in ready.drain(..) {
            self.dispatch(item);
        }
        self.ready = ready;
    }

    pub(super) fn dispatch(&mut self, ready: Ready) {
        match ready.token {
            TOKEN_LISTENER => self.accept_some(),
            // What it was armed for is done apart from this.
            TOKEN_TIMER => {
                self.timer.clear();
                *self.armed.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
            }
            TOKEN_WAKER => self.woken |= self.waker.clear(),
            // Only to bring a foreign loop here.
            TOKEN_PENDING => {}
            TOKEN_ATTENTION => self.collect_faults(),
            TOKEN_REPEAT => self.repeat_signals(),
            TOKEN_PATH => self.path_changed(),
            token if self.watches.contains_key(&token) => self.watch_fired(token),
            // In a handshake the next message comes only after our answer, so a second look would find nothing; the
            // kernel tells of those that came all the same.
            token => self.serve(token, ready.ended, if ready.ended { MANY_MESSAGES } else { 1 }),
        }
    }

    /// Does what is due. Returns whether something was.
    pub(super) fn run_timers(&mut self) -> bool {
        if self.timers.next().is_none() {
            return false;
        }
        let now = Instant::now();
        let mut any = false;
        while let Some(timer) = self.timers.expired(now) {
            any = true;
            match timer {
                Timer::Handshake(token) => {
                    // What ends the handshake may be here and not read yet, where nobody drove this for long.
                    self.serve(token, false, MANY_MESSAGES);
                    self.command(token, |connection| connection.handle_timeout(now));
                }
                Timer::Connect(number) => self.connect(number),
                Timer::Listener => self.waited_for_room(),
                Timer::Watch(token) => self.resume_watch(token),
                Timer::Surplus(number) => self.look_at_surplus(number),
            }
        }
        any
    }

    /// A queue found that its peer broke the protocol: those links go down.
    fn collect_faults(&mut self) {
        self.attention.clear();
        let faults: Vec<_> = self
            .connections
            .iter()
            .filter_map(|(token, connection)| {
                let fault = connection.link.as_ref()?.handle.fault()?;
                Some((*token, fault))
            })
            .collect();
        for (token, fault) in faults {
            self.command(token, |connection| connection.refuse(fault));
        }
    }

    /// Receivers that lag hear their signal again.
    fn repeat_signals(&mut self) {
        self.repeat.clear();
        self.signals.repeat_expired();
        let links = self.connections.values().filter_map(|connection| connection.link.as_ref());
        // All of them: no short cut.
        if links.fold(false, |again, up| up.handle.repeat_signals() | again) {
            self.signals.arm_repeat();
        }
    }

    /// Reads and answers at most so many messages.
    pub(super) fn serve(&mut self, token: u64, ended: bool, messages: usize) {
        let Some(mut connection) = self.connections.remove(&token) else { return };
        if ended && connection.asking {
            connection.handle_closed();
        }
        let mut closed = self.progress(token, &mut connection);
        for _ in 0..messages {
            if closed.is_some() || !connection.wants_to_read() || connection.read() == Read::Nothing {
                break;
            }
            closed = self.progress(token, &mut connection);
        }
        let held = connection.descriptors();
        self.count_held(&mut connection, held);
        self.put_back(token, connection, closed);
        self.limit_held();
    }

    /// Does something to a connection, then what follows from it.
    pub(super) fn command(&mut self, token: u64, action: impl FnOnce(&mut Connection)) {
        let Some(mut connection) = self.connections.remove(&token) else { return };
        action(&mut connection);
        let closed = self.progress(token, &mut connection);
        self.put_back(token, connection, closed);
    }

    /// Takes a new connection in and lets it begin.
    pub(super) fn begin(&mut self, token: u64, connection: Connection) -> std::io::Result<()> {
        self.epoll.add(&connection, token, Interest::Read)?;
        self.connections.insert(token, connection);
        self.serve(token, false, 0);
        Ok(())
    }

    /// Descriptors of slaves that have not said CONNECT.
    fn count_held(&mut self, connection: &mut Connection, held: usize) {
        self.held = self.held.saturating_sub(connection.held).saturating_add(held);
        connection.held = held;
    }

    /// Refuses the slave whose handshake holds most, when all together hold too many: one alone has the limits of its
    /// interface.
    fn limit_held(&mut self) {
        let limit = self.most_held;
        if self.held <= limit {
            return;
        }
        let holding = || self.connections.iter().filter(|(_, connection)| connection.held > 0);
        let most = holding().max_by_key(|(_, connection)| connection.held);
        if let Some(token) = most.map(|(token, _)| *token).filter(|_| holding().nth(1).is_some()) {
            self.command(token, |connection| {
                connection.refuse(Breach::TooManyDescriptors(limit));
            });
        }
    }

    fn put_back(&mut self, token: u64, mut connection: Connection, closed: Option<Closed>) {
        match closed {
            None => {
                self.timers.set(Timer::Handshake(token), connection.poll_timeout());
                if !connection.stage().is_handshake() {
                    self.no_longer_under_way(token);
                } else if std::mem::take(&mut connection.spoke) {
                    self.looks.answer_may_come();
                }
                self.connections.insert(token, connection);
            }
            Some(closed) => self.finish(token, connection, closed),
        }
    }

    /// The connection is over, and all that was to be sent was sent.
    fn finish(&mut self, token: u64, mut connection: Connection, closed: Closed) {
        self.timers.set(Timer::Handshake(token), None);
        self.no_longer_half_open(token);
        self.no_longer_under_way(token);
        self.count_held(&mut connection, 0);
        if connection.asking {
            // Nobody is left to answer.
            self.events.retain(|event| !matches!(event, Event::Requested(request) if request.token == token));
        }
        self.epoll.remove(&connection);
        let lived = connection.link.as_ref().map(|up| {
            match closed {
                // Receivers first take what it published before.
                Closed::Peer(_) | Closed::Hangup(_) => up.handle.leave(),
                Closed::Local(_) | Closed::Breach(_) | Closed::UnknownId => up.handle.shut(),
            }
            up.since.elapsed()
        });
        let peer = connection.peer();
        control_log!(info, "{} is closed: {closed:?}", peer.app_name);
        let Some(bound) = connection.bound.take() else {
            self.report_gone(None, closed, peer);
            return;
        };
        let queues_of_master = connection.queues_of_master(&closed);
        drop(connection);
        let key = bound.interface;
        if lived.is_some() {
            self.report_last_signals(key);
            self.unwatch_queues(key, |_| true);
            self.forget_surplus(key);
        }
        let Ok(interface) = self.interface_mut(key) else { return };
        if interface.connection == Some(token) {
            interface.connection = None;
        }
        if let Some(lived) = lived {
            interface.backoff.expect_master(Instant::now());
            if lived >= STABLE {
                interface.backoff.reset();
            }
        }
        if lived.is_none() && self.connect_with_fewer(key, queues_of_master) {
            return;
        }
        let retry_in = self.schedule_connect(key);
        match (lived, bound.config.role()) {
            (Some(_), _) => self.report_disconnected(key, closed.into()),
            (None, Role::Slave) => {
                let error = connect_error(closed);
                self.report(Event::ConnectFailed { interface: key, error, retry_in });
            }
            (None, Role::Master) => self.report_gone(Some(key), closed, peer),
        }
    }

    /// Tells of a slave that never had a link, unless this side sent it away by its own choice.
    fn report_gone(&mut self, interface: Option<InterfaceKey>, closed: Closed, peer: Peer) {
        match closed {
            Closed::Breach(reason) => self.report(Event::Refused { reason, peer }),
            Closed::Hangup(_) | Closed::Peer(_) => {
                self.report(Event::Left { interface, reason: closed.into(), peer });
            }
            Closed::Local(_) | Closed::UnknownId => {}
        }
    }

    /// Queues an event. Peers can bring failures about as fast as they like, so those are dropped when the caller
    /// does not take them.
    pub(super) fn report(&mut self, event: Event) {
        let dispensable = matches!(
            event,
            Event::Refused { .. } | Event::Left { .. } | Event::ConnectFailed { .. } | Event::SurplusQueues { .. }
        );
        if !dispensable || self.events.len() < MANY_EVENTS {
            self.events.push_back(event);
        }
    }

    /// Tells that a link is down. A caller who does not take events would otherwise hold the memory of every
    /// link that a peer sets up and drops again.
    fn report_disconnected(&mut self, key: InterfaceKey, reason: DisconnectReason) {
        if self.events.len() > FEW_EVENTS {
            // The last thing that is told must be how things stand.
            let last = self.events.iter().rposition(|event| match event {
                Event::Connected { interface, .. } | Event::Disconnected { interface, .. } => *interface == key,
                _ => false,
            });
            let unseen = last.filter(|last| matches!(self.events.get(*last), Some(Event::Connected { .. })));
            if let Some(unseen) = unseen {
                self.events.remove(unseen);
                return;
            }
        }
        self.report(Event::Disconnected { interface: key, reason });
    }

    /// Lets the machine act on what it has, until it wants input. Returns the reason when it is over.
    pub(super) fn progress(&mut self, token: u64, connection: &mut Connection) -> Option<Closed> {
        loop {
            connection.flush();
            let stepped = match connection.machine {
                Machine::Master(_) => self.master_step(token, connection),
                Machine::Slave { .. } => self.slave_step(connection),
            };
            match stepped {
                Step::Done => return None,
                Step::Again => {}
                Step::Closed(closed) => return Some(closed),
            }
        }
    }
}

/// Most descriptors that all unfinished handshakes hold together, unless there is only one.
pub(super) fn most_held() -> usize {
    // No limit is as good as one that nobody reaches.
    let all = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    usize::try_from(all / SHARE_HELD).unwrap_or(usize::MAX).max(LEAST_HELD)
}

/// What a machine's event led to.
#[derive(Debug)]
pub(super) enum Step {
    /// No event.
    Done,
    /// There may be more to send, and more events.
    Again,
    /// It is over.
    Closed(Closed),
}

impl Connection {
    /// Whether a message that brings the link up was really handed to the kernel.
    pub(super) fn is_established(&self) -> bool {
        !self.gone && self.stage() == Stage::Connected
    }
}
