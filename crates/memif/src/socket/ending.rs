//! The end of a connection, and who is told of it.

use std::time::{Duration, Instant};

use super::connection::{Bound, Connection};
use super::driver::Driver;
use super::event::{Event, Peer};
use super::key::InterfaceKey;
use super::timers::Timer;
use super::trace::control_log;
use crate::proto::Closed;
use crate::terms::Role;

/// How a link was.
struct Life {
    /// How long it was up.
    lived: Duration,
    /// Whether it ended because its program dropped it.
    dropped: bool,
}

impl Driver {
    /// The connection is over, and all that was to be sent was sent.
    pub(super) fn finish(&mut self, token: u64, mut connection: Box<Connection>, mut closed: Closed) {
        self.waits.set(Timer::Handshake(token), None);
        self.handshake_is_done(token);
        self.held.set(token, 0);
        if connection.asking {
            // Nobody is left to answer.
            self.events.forget_request(token);
        }
        self.waits.remove(&*connection);
        let life = connection.link.as_ref().map(|up| {
            if matches!(closed, Closed::Peer(_) | Closed::Hangup(_)) {
                // A master that was built for another cache line may not get far; what it left is nonsense.
                closed = up.handle.other_line().map_or(closed.clone(), |breach| Closed::Refused(breach.into()));
            }
            match closed {
                // Receivers first take what it published before.
                Closed::Peer(_) | Closed::Hangup(_) => up.handle.leave(),
                Closed::Local(_) | Closed::Refused(_) | Closed::UnknownId => up.handle.shut(),
            }
            let dropped = matches!(closed, Closed::Local(_)) && up.handle.is_unused();
            Life { lived: up.since.elapsed(), dropped }
        });
        let peer = connection.peer();
        control_log!(info, "{} is closed: {closed:?}", peer.app_name);
        let Some(bound) = connection.bound.take() else {
            self.report_gone(None, closed, peer);
            return;
        };
        let queues_of_master = connection.queues_of_master(&closed);
        drop(connection);
        match life {
            Some(life) => self.link_ended(token, &bound, closed, life),
            None => self.attempt_ended(token, &bound, closed, peer, queues_of_master),
        }
    }

    /// A link was up.
    fn link_ended(&mut self, token: u64, bound: &Bound, closed: Closed, life: Life) {
        let key = bound.interface;
        for queue in self.watches.last_signals(key) {
            self.events.push_readable(key, queue);
        }
        self.watches.remove(key, |_| true, &mut self.waits);
        self.waits.set(Timer::Surplus(key.number), None);
        self.waits.set(Timer::CacheLine(key.number), None);
        if !self.set_free(token, key) {
            return;
        }
        if let Ok(interface) = self.interfaces.get_mut(key) {
            let (Life { lived, dropped }, backoff) = (life, &mut interface.attempts.backoff);
            if dropped { backoff.link_dropped(lived) } else { backoff.link_lost(lived, Instant::now()) }
        }
        self.schedule_connect(key);
        self.events.push_disconnected(key, closed.into());
    }

    /// A handshake led to no link.
    fn attempt_ended(&mut self, token: u64, bound: &Bound, closed: Closed, peer: Peer, queues_of_master: Option<u8>) {
        let key = bound.interface;
        if !self.set_free(token, key) || self.connect_with_fewer(key, queues_of_master) {
            return;
        }
        let retry_in = self.schedule_connect(key);
        match bound.config.role() {
            Role::Slave => {
                self.events.push(Event::ConnectFailed { interface: key, error: closed.into(), retry_in });
            }
            Role::Master => self.report_gone(Some(key), closed, peer),
        }
    }

    /// The interface may have another connection. Returns whether it is still there.
    fn set_free(&mut self, token: u64, key: InterfaceKey) -> bool {
        let Ok(interface) = self.interfaces.get_mut(key) else { return false };
        if interface.connection == Some(token) {
            interface.connection = None;
        }
        true
    }

    /// Tells of a slave that never had a link, unless this side sent it away by its own choice.
    fn report_gone(&mut self, interface: Option<InterfaceKey>, closed: Closed, peer: Peer) {
        match closed {
            Closed::Refused(reason) => self.events.push(Event::Refused { reason, peer }),
            Closed::Hangup(_) | Closed::Peer(_) => {
                self.events.push(Event::Left { interface, reason: closed.into(), peer });
            }
            Closed::Local(_) | Closed::UnknownId => {}
        }
    }
}
