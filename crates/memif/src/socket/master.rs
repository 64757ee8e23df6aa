//! How slaves come to a master, and what it does when one says INIT or CONNECT.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use super::connection::{Bound, Connection, Machine, Up};
use super::driver::Driver;
use super::event::{Event, Link, Peer, Request};
use super::interface::Interface;
use super::key::InterfaceKey;
use super::listener::Accepted;
use super::trace::{Traced, control_log};
use super::turn::{MANY_MESSAGES, Step};
use crate::error::{Refusal, SocketError};
use crate::link::{Connected, MasterMemory};
use crate::proto::{Master, MasterEvent, MasterParams, Setup};
use crate::sys::{self, ControlSocket, Interest, ReceivedFd};
use crate::terms::{Mode, Role};
use crate::wire::{Disconnect, Init, Message, Text};

/// Connections accepted per turn.
const ACCEPTS_PER_TURN: usize = 32;

impl Driver {
    /// Takes in who waits in the kernel, eagerly and to a bounded extent. Returns whether there may be more.
    pub(super) fn accept_some(&mut self) -> bool {
        (0..ACCEPTS_PER_TURN).all(|_| self.accept_next())
    }

    /// Takes in the next who waits. Returns whether there may be another, to be taken in now.
    fn accept_next(&mut self) -> bool {
        if let Some(until) = self.half_open.wait_for_room(Instant::now()) {
            self.listener.pause(Some(until), &mut self.waits);
            return false;
        }
        if self.closer.is_full() {
            return self.accept_fails(io::Error::other("descriptors of peers wait to be closed"));
        }
        match self.listener.accept() {
            Ok(Accepted::Connection(fd)) => {
                if let Err(error) = self.begin_master(fd) {
                    return self.accept_fails(error);
                }
                self.accept_works();
                true
            }
            Ok(Accepted::Again) => true,
            Ok(Accepted::Nobody) => {
                // The kernel looks for a descriptor before it looks who is there.
                self.accept_works();
                false
            }
            Err(error) => self.accept_fails(error.into()),
        }
    }

    /// A pause, since something is missing that may come back.
    fn accept_fails(&mut self, error: io::Error) -> bool {
        self.listener.pause_for_failure(&mut self.waits);
        if self.listener.set_failing(true) {
            control_log!(warn, "no slave can be taken in: {error}");
            self.events.push(Event::AcceptFailed { error });
        }
        false
    }

    fn accept_works(&mut self) {
        if self.listener.set_failing(false) {
            control_log!(info, "slaves are taken in again");
            self.events.push(Event::AcceptResumed);
        }
    }

    /// The pause of the listener is over.
    pub(super) fn accept_again(&mut self) {
        self.listener.resume(&mut self.waits);
        if self.listener.is_failing() && !self.listener.is_paused() {
            self.accept_some();
        }
    }

    /// A connected socket becomes a connection that waits for INIT.
    pub(super) fn begin_master(&mut self, fd: OwnedFd) -> io::Result<()> {
        let credentials = sys::peer_credentials(&fd);
        let fd = ControlSocket::new(fd, &self.closer);
        if let Err(reason) = self.options.check_allowed(credentials) {
            let text = Text::lossy(reason.to_string().as_bytes());
            let farewell = Message::Disconnect(Disconnect { code: 0, reason: text });
            let bytes = farewell.emit();
            control_log!(trace, "sent {}", Traced::new(&fd, credentials, &bytes));
            let _ = sys::send(&fd, &bytes, None);
            let peer = Peer { credentials, ..Peer::default() };
            self.events.push(Event::Refused { reason, peer });
            return Ok(());
        }
        self.make_room();
        let now = Instant::now();
        let token = self.waits.new_token();
        let machine = Master::new(now, self.options.app_name, self.options.handshake_timeout);
        self.half_open.insert(token, now, credentials);
        let connection = Connection::new(fd, Machine::Master(machine), credentials);
        let begun = self.begin(token, connection);
        if begun.is_err() {
            self.half_open.done(token, now);
        }
        begun
    }

    /// Closes a half-open connection if there are too many.
    fn make_room(&mut self) {
        let Some(token) = self.half_open.in_the_way() else { return };
        // Its INIT may be here and not read yet.
        self.serve(token, false, MANY_MESSAGES);
        if self.half_open.contains(token) {
            self.half_open.evicted(Instant::now());
            self.command(token, |connection| connection.refuse(Refusal::Evicted));
        }
    }

    /// A handshake is done, or given up: newcomers that waited for that come in.
    pub(super) fn handshake_is_done(&mut self, token: u64) {
        if self.half_open.done(token, Instant::now()) {
            self.listener.room_again(&mut self.waits);
        }
    }

    pub(super) fn master_step(&mut self, token: u64, connection: &mut Connection) -> Step {
        let Machine::Master(machine) = &mut connection.machine else { return Step::Done };
        match machine.poll_event() {
            None => return Step::Done,
            Some(MasterEvent::Closed(closed)) => return Step::Closed(closed),
            Some(MasterEvent::Init(init)) => self.init_came(token, connection, &init),
            Some(MasterEvent::Connect(setup)) => self.connect_came(connection, setup),
        }
        Step::Again
    }

    fn init_came(&mut self, token: u64, connection: &mut Connection, init: &Init) {
        connection.names.app_name = init.name;
        match self.interfaces.find(Role::Master, init.id) {
            Some(key) => {
                if let Err(reason) = self.admit(token, connection, key) {
                    connection.refuse(reason);
                }
            }
            None if self.options.accept_unknown => self.ask(token, connection, init),
            None => connection.refuse(Refusal::UnknownId(init.id)),
        }
    }

    /// Lets the slave go on with that interface, which is then taken.
    pub(super) fn admit(&mut self, token: u64, connection: &mut Connection, key: InterfaceKey) -> Result<(), Refusal> {
        let Machine::Master(machine) = &mut connection.machine else { return Ok(()) };
        let Ok(interface) = self.interfaces.get(key) else { return Ok(()) };
        let config = Arc::clone(&interface.config);
        let id = config.id();
        if !interface.admin_up {
            return Err(Refusal::AdminDown(id));
        }
        // The id is taken only by those who know the secret.
        let params = MasterParams::from(&*config);
        machine.verify(&params)?;
        if let Some(other) = interface.connection {
            // A slave that died and came back at once: its end may be waiting to be read.
            self.serve(other, false, MANY_MESSAGES);
        }
        let interface = self.interfaces.get_mut(key).map_err(|_| Refusal::UnknownId(id))?;
        if interface.connection.is_some() {
            return Err(Refusal::AlreadyConnected(id));
        }
        machine.admit(&params)?;
        interface.connection = Some(token);
        connection.bound = Some(Bound { interface: key, config });
        if self.half_open.admitted(token) {
            self.listener.room_again(&mut self.waits);
        }
        Ok(())
    }

    /// Nobody has the id: the caller may want to.
    fn ask(&mut self, token: u64, connection: &mut Connection, init: &Init) {
        let Some(mode) = Mode::from_wire(init.mode) else {
            connection.refuse(Refusal::Mode { theirs: init.mode, ours: Mode::Ethernet });
            return;
        };
        // Until there is an answer, only the end of the connection is of interest.
        if self.waits.change(&*connection, token, Interest::End).is_err() {
            connection.refuse(Refusal::UnknownId(init.id));
            return;
        }
        connection.asking = true;
        self.events.push(Event::Requested(Request {
            socket: self.interfaces.socket(),
            token,
            id: init.id,
            mode,
            peer: connection.peer(),
        }));
    }

    /// Whether the connection that asked still waits for an answer.
    pub(super) fn check_request(&self, request: &Request) -> Result<(), SocketError> {
        let waits = |token| self.connections.get(&token).is_some_and(|connection| connection.asking);
        if request.socket == self.interfaces.socket() && waits(request.token) {
            Ok(())
        } else {
            Err(SocketError::RequestGone)
        }
    }

    /// Ends the wait of a connection that asks.
    pub(super) fn answer(&mut self, token: u64, action: impl FnOnce(&mut Self, u64, &mut Connection)) {
        let Some(mut connection) = self.connections.remove(&token) else { return };
        connection.asking = false;
        if self.waits.change(&*connection, token, Interest::Read).is_err() {
            connection.handle_closed();
        } else {
            action(self, token, &mut connection);
        }
        self.connections.insert(token, connection);
        self.serve(token, false, MANY_MESSAGES);
    }

    fn connect_came(&mut self, connection: &mut Connection, setup: Setup<ReceivedFd>) {
        connection.names = setup.peer;
        let Some(bound) = connection.bound.clone() else { return };
        let memory = match MasterMemory::map(&bound.config, setup) {
            Ok(memory) => memory,
            Err(breach) => return connection.refuse(breach),
        };
        if let Machine::Master(machine) = &mut connection.machine {
            machine.connected();
        }
        connection.flush();
        // No tail moves, and no queue is handed out, before CONNECTED is with the kernel.
        if connection.is_established() {
            let connected = memory.connect(&bound.config, self.link_signals.shared());
            self.link_up(connection, &bound, connected);
        } else {
            // A slave that hears nothing any more; no timer of the handshake is left that would end this.
            connection.handle_closed();
        }
    }

    /// Tells the caller of a link, in either role.
    pub(super) fn link_up(&mut self, connection: &mut Connection, bound: &Bound, connected: Connected) {
        let Connected { handle, rx, tx, in_use } = connected;
        let peer = connection.peer();
        control_log!(
            info,
            "{} {} is connected to {} of {}",
            bound.config.role(),
            bound.config.id(),
            peer.interface_name,
            peer.app_name
        );
        handle.set_control(connection.fd.shared());
        connection.link = Some(Up { handle: handle.clone(), since: Instant::now() });
        let interface = bound.interface;
        self.look_for_surplus(interface, connection);
        self.look_for_cache_line(interface, connection);
        self.events.push(Event::Connected { interface, link: Link { rx, tx, peer, in_use } });
        if let Ok(Interface { watched, .. }) = self.interfaces.get(interface) {
            for queue in &watched.queues {
                if self.watches.add(interface, *queue, &handle, watched, &mut self.waits) {
                    self.events.push_readable(interface, *queue);
                }
            }
        }
    }
}
