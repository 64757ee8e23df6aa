//! The driver of a socket, made of parts: see the head of [`socket`](super).

use std::os::fd::OwnedFd;

use super::connection::Connection;
use super::event_queue::EventQueue;
use super::half_open::HalfOpen;
use super::held::HeldDescriptors;
use super::interfaces::Interfaces;
use super::key::InterfaceKey;
use super::link_signals::LinkSignals;
use super::listener::Listening;
use super::number_map::NumberMap;
use super::options::Options;
use super::reconnection::Reconnection;
use super::timers::Timer;
use super::waits::Waits;
use super::watches::Watches;
use crate::address::SocketAddress;
use crate::error::SocketError;
use crate::link::LinkHandle;
use crate::sys::{Closer, Ready};

/// What a socket does, without its caller.
pub(super) struct Driver {
    pub(super) options: Options,
    pub(super) address: SocketAddress,
    /// What it waits for.
    pub(super) waits: Waits,
    /// What it tells.
    pub(super) events: EventQueue,
    pub(super) interfaces: Interfaces,
    /// Of either role and in any stage, by token. One that is being served is not here.
    pub(super) connections: NumberMap<u64, Box<Connection>>,
    /// How connections come: accepted for masters, of which so many at a time, holding so much;
    pub(super) listener: Listening,
    pub(super) half_open: HalfOpen,
    pub(super) held: HeldDescriptors,
    /// or made by slaves, again and again.
    pub(super) reconnection: Reconnection,
    /// What the queues of links ask for, and what is asked of them.
    pub(super) link_signals: LinkSignals,
    pub(super) watches: Watches,
    pub(super) closer: Closer,
    /// Room for what is ready, to be used again.
    pub(super) ready: Vec<Ready>,
    /// Whether the last turn stopped at a limit, so that there may be more to do.
    pub(super) unfinished: bool,
}

impl Driver {
    pub(super) fn open(
        address: SocketAddress,
        listener: Option<OwnedFd>,
        options: Options,
    ) -> Result<Self, SocketError> {
        address.validate()?;
        let waits = Waits::new()?;
        let link_signals = LinkSignals::new(&waits)?;
        let mut driver = Self {
            address,
            waits,
            events: EventQueue::default(),
            interfaces: Interfaces::new(),
            connections: NumberMap::default(),
            listener: Listening::new(options.accept_unknown),
            half_open: HalfOpen::new(options.max_half_open),
            held: HeldDescriptors::new(),
            reconnection: Reconnection::new(options.retry_period),
            link_signals,
            watches: Watches::default(),
            closer: Closer::default(),
            ready: Vec::new(),
            unfinished: false,
            options,
        };
        match listener {
            Some(fd) => driver.listener.listen_on(fd, &mut driver.waits, &driver.closer)?,
            None if driver.options.accept_unknown => driver.listen()?,
            None => {}
        }
        driver.leave();
        Ok(driver)
    }

    /// Listens on the address, unless it does already.
    pub(super) fn listen(&mut self) -> Result<(), SocketError> {
        self.listener.start(&self.address, self.options.access, &self.waits)
    }

    /// Stops listening when the last master is gone.
    pub(super) fn stop_listening_if_nobody_needs_it(&mut self) {
        self.listener.stop_unless(self.interfaces.has_master(), &mut self.waits, &self.closer);
    }

    /// Nothing of an interface stays but its connection, if it has one.
    pub(super) fn forget(&mut self, key: InterfaceKey) {
        self.waits.set(Timer::Connect(key.number), None);
        self.interfaces.remove(key);
    }

    /// To be called at the end of every public method: makes the one descriptor tell the truth, for whoever has it.
    pub(super) fn leave(&mut self) {
        self.waits.leave(!self.events.is_empty());
    }

    /// The same at the end of a method after which the caller goes back to its loop. What a turn has left is ready
    /// still, but a loop that is told of edges hears only of what becomes ready.
    pub(super) fn leave_to_loop(&mut self) {
        self.waits.leave(self.unfinished || !self.events.is_empty());
    }

    /// The links that are up, by the tokens of their connections.
    pub(super) fn links(&self) -> impl Iterator<Item = (u64, &LinkHandle)> {
        self.connections.iter().filter_map(|(token, connection)| Some((*token, &connection.link.as_ref()?.handle)))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        for connection in self.connections.values_mut() {
            connection.disconnect("socket closed");
            connection.flush();
            if let Some(up) = &connection.link {
                up.handle.shut();
            }
        }
        self.listener.stop(&mut self.waits, &self.closer);
    }
}
