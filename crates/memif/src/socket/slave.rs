//! How a slave connects, and what it does when the master answers.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::connection::{Bound, Connection, Machine};
use super::driver::Driver;
use super::event::Event;
use super::key::InterfaceKey;
use super::reconnection::Reconnection;
use super::trace::control_log;
use super::turn::Step;
use crate::address::SocketAddress;
use crate::config::{InterfaceConfig, Memory};
#[cfg(feature = "raw")]
use crate::error::SocketError;
use crate::error::{ConnectError, SystemError};
use crate::link::SlaveMemory;
use crate::proto::{Slave, SlaveEvent, SlaveParams};
use crate::sys::{self, ControlSocket};

impl Driver {
    /// Plans the next attempt of a slave that is to connect. Returns the pause before it.
    pub(super) fn schedule_connect(&mut self, key: InterfaceKey) -> Option<Duration> {
        let interface = self.interfaces.get_mut(key).ok()?;
        self.reconnection.plan(key, interface, &self.address, &mut self.waits)
    }

    /// Plans an attempt for now, and short pauses after it.
    pub(super) fn connect_at_once(&mut self, key: InterfaceKey) {
        if let Ok(interface) = self.interfaces.get_mut(key) {
            Reconnection::at_once(key, interface, &mut self.waits);
        }
    }

    /// Tries to connect.
    pub(super) fn connect(&mut self, number: u32) {
        let key = self.interfaces.key(number);
        let Ok(interface) = self.interfaces.get(key) else { return };
        if !interface.wants_to_connect() {
            return;
        }
        #[cfg(feature = "raw")]
        if interface.attempts.waits_in_line {
            return self.connect_in_line(key);
        }
        let Err(failure) = self.try_connect(key) else { return };
        control_log!(debug, "slave {number} cannot connect to {}: {failure}", self.address);
        let retry_in = self.schedule_connect(key);
        self.events.push(Event::ConnectFailed { interface: key, error: failure, retry_in });
    }

    /// Tries to connect, whatever is planned.
    pub(super) fn try_connect(&mut self, key: InterfaceKey) -> Result<(), ConnectError> {
        let connected = sys::connect_address(&self.address).and_then(|to| sys::connect(&to));
        if let Ok(interface) = self.interfaces.get_mut(key) {
            match connected {
                Ok(_) => interface.attempts.backoff.somebody_listens(Instant::now()),
                Err(Errno::NOENT | Errno::NOTDIR | Errno::CONNREFUSED) => {
                    interface.attempts.backoff.nobody_listens();
                }
                Err(_) => {}
            }
        }
        match connected {
            Ok(fd) => self.begin_slave(key, fd).map_err(|error| ConnectError::Local(error.into())),
            Err(error) => Err(connect_failure(error, &self.address)),
        }
    }

    /// Connects once, for a slave that does not do so by itself. Where the master's queue of connections is full, the
    /// slave waits for room in it, as a connect that blocks would.
    #[cfg(feature = "raw")]
    pub(super) fn connect_once(&mut self, key: InterfaceKey) -> Result<Result<(), ConnectError>, SocketError> {
        let here = SocketError::io("connect");
        let connected = sys::connect_address(&self.address).and_then(|to| sys::connect(&to));
        match connected {
            Ok(fd) => self.begin_slave(key, fd).map_err(here).map(Ok),
            Err(Errno::AGAIN) => {
                let interface = self.interfaces.get_mut(key)?;
                if !interface.attempts.waits_in_line {
                    interface.attempts.waits_in_line = true;
                    interface.attempts.backoff.reset();
                }
                self.schedule_connect(key);
                Ok(Ok(()))
            }
            Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)) => Err(here(error.into())),
            Err(error) => Ok(Err(connect_failure(error, &self.address))),
        }
    }

    /// The next attempt of a slave that waits in line. Whoever asked for it was told that all is well, so that failure
    /// is only the end of it.
    #[cfg(feature = "raw")]
    fn connect_in_line(&mut self, key: InterfaceKey) {
        match self.connect_once(key) {
            Ok(Ok(())) => {}
            // For want of descriptors or memory, which may come back.
            Err(SocketError::Io { .. }) => drop(self.schedule_connect(key)),
            Ok(Err(_)) | Err(_) => {
                if let Ok(interface) = self.interfaces.get_mut(key) {
                    interface.attempts.waits_in_line = false;
                }
                // For a slave that connects by itself, too.
                self.schedule_connect(key);
            }
        }
    }

    /// A connected socket becomes the connection of a slave.
    pub(super) fn begin_slave(&mut self, key: InterfaceKey, fd: OwnedFd) -> std::io::Result<()> {
        let token = self.waits.new_token();
        let app_name = self.options.app_name;
        let timeout = self.options.slave_timeout.unwrap_or(self.options.handshake_timeout);
        let Ok(interface) = self.interfaces.get_mut(key) else { return Ok(()) };
        let config = Arc::clone(&interface.config);
        interface.connection = Some(token);
        let in_line = std::mem::take(&mut interface.attempts.waits_in_line);
        let found = interface.attempts.queues_found;
        let mut params = SlaveParams::new(&config, app_name);
        params.m2s_of_dpdk = found.or(params.m2s_of_dpdk);
        let machine = Slave::new(Instant::now(), params, timeout);
        let credentials = sys::peer_credentials(&fd);
        let allowed = self.options.check_allowed(credentials);
        // While the master wakes up. INIT does not wait for it: HELLO is not here yet.
        let memory = if allowed.is_ok() { prepare(&config, found) } else { None };
        let machine = Machine::Slave { machine, memory };
        let fd = ControlSocket::new(fd, &self.closer);
        let mut connection = Connection::new(fd, machine, credentials);
        connection.bound = Some(Bound { interface: key, config });
        if let Err(breach) = allowed {
            // Before INIT, so nothing is told but that we go.
            connection.refuse(breach);
        }
        let begun = self.begin(token, connection);
        if begun.is_err()
            && let Ok(interface) = self.interfaces.get_mut(key)
        {
            interface.connection = None;
            interface.attempts.waits_in_line = in_line;
        }
        begun
    }

    pub(super) fn slave_step(&mut self, connection: &mut Connection) -> Step {
        let Machine::Slave { machine, memory } = &mut connection.machine else {
            return Step::Done;
        };
        let Some(event) = machine.poll_event() else { return Step::Done };
        let Some(bound) = connection.bound.clone() else { return Step::Done };
        match event {
            SlaveEvent::Closed(closed) => return Step::Closed(closed),
            // INIT is out: what was sent before an event is flushed before the event is taken.
            SlaveEvent::Allocate { s2m, m2s, log2_ring_size } => {
                // Prepared for what we want, which masters rarely limit.
                let prepared = memory.take().filter(|memory| {
                    memory.fits(s2m, m2s, log2_ring_size)
                        && bound.config.external.as_ref().is_none_or(|external| external.0.agrees())
                });
                connection.consume_hello();
                let allocated =
                    prepared.map_or_else(|| SlaveMemory::allocate(&bound.config, s2m, m2s, log2_ring_size), Ok);
                let written = allocated.and_then(|memory| {
                    memory.write_rings(&bound.config)?;
                    Ok(memory)
                });
                match written {
                    Ok(allocated) => connection.provide(allocated),
                    Err(error) => {
                        connection.disconnect(SystemError::because("no memory for the link", &error));
                    }
                }
            }
            SlaveEvent::Connected(names) => {
                let memory = memory.take();
                connection.names = names;
                match memory {
                    Some(memory) if connection.is_established() => {
                        let connected = memory.connect(&bound.config, self.link_signals.shared());
                        self.link_up(connection, &bound, connected);
                    }
                    _ => connection.handle_closed(),
                }
            }
        }
        Step::Again
    }
}

/// The memory that a link will most likely need. Where that fails, or the caller has a part in it, it is time for that
/// when HELLO has come. `found`: receive queues that the master is known to take.
fn prepare(config: &InterfaceConfig, found: Option<u8>) -> Option<SlaveMemory> {
    let external = config.external.as_ref().is_some_and(|external| external.0.allocates());
    if external || !matches!(config.memory, Memory::OneRegion | Memory::RingsApart) {
        return None;
    }
    // What takes long or is scarce is not spent on a master that may never say a word.
    if config.prefault || config.huge_pages || config.numa_node.is_some() {
        return None;
    }
    let m2s = found.unwrap_or(config.rx_queues);
    SlaveMemory::allocate(config, config.tx_queues, m2s, config.log2_ring_size()).ok()
}

fn connect_failure(error: Errno, address: &SocketAddress) -> ConnectError {
    match error {
        Errno::NOENT | Errno::NOTDIR => ConnectError::NotFound,
        // The kernel says the same of a file that is no socket and of a socket without a listener.
        Errno::CONNREFUSED if sys::is_no_socket(address) => ConnectError::NotASocket,
        Errno::CONNREFUSED => ConnectError::NobodyListens,
        Errno::ACCESS | Errno::PERM => ConnectError::Permission,
        Errno::PROTOTYPE => ConnectError::WrongSocketType,
        Errno::AGAIN => ConnectError::Busy,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS => ConnectError::Local(SystemError::of(error)),
        error => ConnectError::Io(SystemError::of(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_no_socket_is_told_from_one_without_a_listener() {
        let path = std::env::temp_dir().join(format!("memif-no-socket-{}", std::process::id()));
        let address = SocketAddress::Path(path.clone());
        let failure = || connect_failure(Errno::CONNREFUSED, &address);
        assert_eq!(failure(), ConnectError::NobodyListens);
        std::fs::write(&path, "").unwrap();
        assert_eq!(failure(), ConnectError::NotASocket);
        std::fs::remove_file(&path).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(failure(), ConnectError::NobodyListens);
        drop(listener);
        std::fs::remove_file(&path).unwrap();
        let name = SocketAddress::Abstract(b"x".to_vec());
        assert_eq!(connect_failure(Errno::CONNREFUSED, &name), ConnectError::NobodyListens);
    }
}
