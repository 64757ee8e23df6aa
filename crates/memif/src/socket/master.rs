//! What a master does when a slave says INIT or CONNECT.

use std::sync::Arc;
use std::time::Instant;

use super::connection::{Bound, Connection, Machine, Up};
use super::event::{Event, Link, Request};
use super::trace::control_log;
use super::turn::{MANY_MESSAGES, Step};
use super::{InterfaceKey, Socket};
use crate::config::{Mode, Role};
use crate::error::Breach;
use crate::link::{Connected, MasterMemory};
use crate::proto::{MasterEvent, MasterParams, Setup};
use crate::sys::{Interest, ReceivedFd};
use crate::wire::Init;

impl Socket {
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
        match self.ids.get(&(Role::Master, init.id)).copied() {
            Some(number) => {
                let key = InterfaceKey { socket: self.nonce, number };
                if let Err(breach) = self.admit(token, connection, key) {
                    connection.refuse(breach);
                }
            }
            None if self.options.accept_unknown => self.ask(token, connection, init),
            None => connection.refuse(Breach::UnknownId(init.id)),
        }
    }

    /// Lets the slave go on with that interface, which is then taken.
    pub(super) fn admit(&mut self, token: u64, connection: &mut Connection, key: InterfaceKey) -> Result<(), Breach> {
        let Machine::Master(machine) = &mut connection.machine else { return Ok(()) };
        let Ok(interface) = self.interface(key) else { return Ok(()) };
        let config = Arc::clone(&interface.config);
        let id = config.id();
        if !interface.admin_up {
            return Err(Breach::AdminDown(id));
        }
        // The id is taken only by those who know the secret.
        let params = MasterParams::from(&*config);
        machine.verify(&params)?;
        if let Some(other) = interface.connection {
            // A slave that died and came back at once: its end may be waiting to be read.
            self.serve(other, false, MANY_MESSAGES);
        }
        let interface = self.interface_mut(key).map_err(|_| Breach::UnknownId(id))?;
        if interface.connection.is_some() {
            return Err(Breach::AlreadyConnected(id));
        }
        machine.admit(&params)?;
        interface.connection = Some(token);
        connection.bound = Some(Bound { interface: key, config });
        self.no_longer_half_open(token);
        Ok(())
    }

    /// Nobody has the id: the caller may want to.
    fn ask(&mut self, token: u64, connection: &mut Connection, init: &Init) {
        let Some(mode) = Mode::from_wire(init.mode) else {
            connection.refuse(Breach::Mode { theirs: init.mode, ours: Mode::Ethernet });
            return;
        };
        // Until there is an answer, only the end of the connection is of interest.
        if self.epoll.modify(&*connection, token, Interest::End).is_err() {
            connection.refuse(Breach::UnknownId(init.id));
            return;
        }
        connection.asking = true;
        self.report(Event::Requested(Request {
            socket: self.nonce,
            token,
            id: init.id,
            mode,
            peer: connection.peer(),
        }));
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
            let connected = memory.connect(&bound.config, &self.signals);
            self.link_up(connection, &bound, connected);
        }
    }

    /// Tells the caller of a link, in either role.
    pub(super) fn link_up(&mut self, connection: &mut Connection, bound: &Bound, connected: Connected) {
        let Connected { handle, rx, tx } = connected;
        let peer = connection.peer();
        control_log!(
            info,
            "{} {} is connected to {} of {}",
            bound.config.role(),
            bound.config.id(),
            peer.interface_name,
            peer.app_name
        );
        #[cfg(feature = "raw")]
        handle.set_control(connection.fd.weak());
        connection.link = Some(Up { handle: handle.clone(), since: Instant::now() });
        let interface = bound.interface;
        self.look_for_surplus(interface, connection);
        self.events.push_back(Event::Connected { interface, link: Link { rx, tx, peer } });
        self.watch_link(interface, &handle);
    }
}
