//! One turn of the driver: what is ready is handled, each descriptor to a bounded extent, then what is due.

use std::time::{Duration, Instant};

use super::connection::{Connection, Machine, Read};
use super::driver::Driver;
use super::timers::Timer;
use super::tokens;
use crate::error::{Refusal, SocketError};
use crate::proto::Closed;
use crate::sys::{MOST_READY, Ready};

/// Most messages of one connection per turn, so that none starves the others.
pub(super) const MANY_MESSAGES: usize = 16;

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

impl Driver {
    /// Does what is due, waits once, at most that long, and handles what is ready. Notes whether that was all.
    pub(super) fn turn(&mut self, timeout: Option<Duration>) -> Result<(), SocketError> {
        self.waits.unset_pending();
        let left = self.take_left_signals();
        // What was due may have led to events, which end a wait.
        let timeout = if self.run_timers() || left { Some(Duration::ZERO) } else { timeout };
        let mut ready = std::mem::take(&mut self.ready);
        let waited = self.waits.wait(&mut ready, timeout);
        self.unfinished = ready.len() >= MOST_READY;
        for item in ready.drain(..) {
            self.unfinished |= self.dispatch(item);
        }
        self.ready = ready;
        waited.map_err(SocketError::io("epoll_wait"))
    }

    /// Handles what is ready, to a bounded extent. Returns whether there may be more of it, which the kernel tells only
    /// those who ask anew.
    pub(super) fn dispatch(&mut self, ready: Ready) -> bool {
        match ready.token {
            tokens::LISTENER => return self.accept_some(),
            token @ (tokens::TIMER | tokens::WAKER | tokens::PENDING) => self.waits.own_ready(token),
            tokens::ATTENTION => self.attend_to_links(),
            tokens::REPEAT => self.link_signals.repeat(self.links().map(|(_, link)| link)),
            tokens::PATH => {
                self.reconnection.path_changed(&mut self.interfaces, &self.address, &mut self.waits);
                return true;
            }
            token if self.watches.contains(token) => {
                if let Some((key, queue)) = self.watches.fired(token, &mut self.waits) {
                    self.events.push_readable(key, queue);
                }
            }
            // In a handshake the next message comes only after our answer, so a second look would find nothing; the
            // kernel tells of those that came all the same.
            token => return self.serve(token, ready.ended, if ready.ended { MANY_MESSAGES } else { 1 }),
        }
        false
    }

    /// Does what is due. Returns whether something was.
    pub(super) fn run_timers(&mut self) -> bool {
        if self.waits.next_time().is_none() {
            return false;
        }
        let now = Instant::now();
        let mut any = false;
        while let Some(timer) = self.waits.expired(now) {
            any = true;
            match timer {
                Timer::Handshake(token) => {
                    // What ends the handshake may be here and not read yet, where nobody drove this for long.
                    self.serve(token, false, MANY_MESSAGES);
                    self.command(token, |connection| connection.handle_timeout(now));
                }
                Timer::Connect(number) => self.connect(number),
                Timer::Listener => {
                    self.half_open.waited(now);
                    self.accept_again();
                }
                Timer::Watch(token) => self.watches.resume(token, &mut self.waits),
                Timer::Surplus(number) => self.look_at_surplus(number),
                Timer::CacheLine(number) => self.look_at_cache_line(number),
            }
        }
        any
    }

    /// Before a wait: takes the signals that receive calls have left, and reports those queues again to which something
    /// came since. Returns whether there are any.
    pub(super) fn take_left_signals(&mut self) -> bool {
        let again = self.watches.take_left_signals(&mut self.waits);
        for (key, queue) in &again {
            self.events.push_readable(*key, *queue);
        }
        !again.is_empty()
    }

    /// Reads and answers at most so many messages. Returns whether there may be more.
    pub(super) fn serve(&mut self, token: u64, ended: bool, messages: usize) -> bool {
        let Some(mut connection) = self.connections.remove(&token) else { return false };
        if ended && connection.asking {
            connection.handle_closed();
        }
        let mut closed = self.progress(token, &mut connection);
        let mut more = closed.is_none() && connection.wants_to_read();
        for _ in 0..messages {
            if !more || connection.read() == Read::Nothing {
                more = false;
                break;
            }
            closed = self.progress(token, &mut connection);
            more = closed.is_none() && connection.wants_to_read();
        }
        self.held.set(token, connection.descriptors());
        self.put_back(token, connection, closed);
        if let Some(most) = self.held.over_limit() {
            let limit = self.held.limit();
            self.command(most, |connection| connection.refuse(Refusal::TooManyDescriptors(limit)));
        }
        more
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
        self.waits.add(&connection, token)?;
        self.connections.insert(token, Box::new(connection));
        self.serve(token, false, 0);
        Ok(())
    }

    /// Lets the machine act on what it has, until it wants input. Returns the reason when it is over.
    fn progress(&mut self, token: u64, connection: &mut Connection) -> Option<Closed> {
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

    fn put_back(&mut self, token: u64, mut connection: Box<Connection>, closed: Option<Closed>) {
        match closed {
            None => {
                self.waits.set(Timer::Handshake(token), connection.poll_timeout());
                if !connection.stage().is_handshake() {
                    self.handshake_is_done(token);
                } else if std::mem::take(&mut connection.spoke) {
                    self.waits.busy_poll().expect_answer();
                }
                self.connections.insert(token, connection);
            }
            Some(closed) => self.finish(token, connection, closed),
        }
    }
}
