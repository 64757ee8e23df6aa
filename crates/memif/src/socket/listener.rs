//! The listening socket: bound with the first master, accepting eagerly and to a bounded extent.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::builder::Options;
use super::connection::{Connection, Machine};
use super::event::{Event, Peer};
use super::timers::Timer;
use super::trace::control_log;
use super::{Socket, TOKEN_LISTENER, io};
use crate::address::SocketAddress;
use crate::config::Role;
use crate::error::{Breach, SocketError};
use crate::proto::Master;
use crate::sys::{self, ControlSocket, Credentials, FileId, Interest};
use crate::wire::{Disconnect, Message, Text};

/// Slaves that may wait to be accepted; the kernel lowers it to its own limit. Peers connect without a time-out, and a
/// full queue would hold a VPP slave's main thread.
const BACKLOG: u16 = 4096;
/// Connections accepted per turn.
const ACCEPTS_PER_TURN: usize = 32;
/// Pause after accept failed for want of descriptors or memory: the listener stays readable meanwhile.
const FAILURE_PAUSE: Duration = Duration::from_millis(100);

/// What listens.
#[derive(Debug)]
pub(super) struct Listener {
    fd: OwnedFd,
    /// The file to remove in the end, if it is ours.
    file: Option<(SocketAddress, FileId)>,
    /// Whether it is out of the epoll set.
    paused: bool,
    /// Whether it is the caller's, so that others may accept from it too.
    given: bool,
}

impl Socket {
    /// Listens on the address, unless it does already.
    pub(super) fn listen(&mut self) -> Result<(), SocketError> {
        if self.listener.is_none() {
            let listener = bind(&self.address, &self.options)?;
            self.start_listening(listener)?;
        }
        Ok(())
    }

    /// Listens on another address instead, or keeps the old one on failure. A listener of the caller stays.
    pub(super) fn move_listener(&mut self, address: &SocketAddress) -> Result<(), SocketError> {
        if self.listener.as_ref().is_none_or(|listener| listener.given) {
            return Ok(());
        }
        let listener = bind(address, &self.options)?;
        self.add_listener(&listener)?;
        self.stop_listening();
        self.listener = Some(listener);
        Ok(())
    }

    /// Listens on a socket of the caller.
    pub(super) fn listen_on(&mut self, fd: OwnedFd) -> Result<(), SocketError> {
        if !sys::check_listener(&fd) {
            return Err(SocketError::WrongDescriptor("a listening SOCK_SEQPACKET Unix socket"));
        }
        sys::set_nonblocking(&fd).map_err(io("fcntl"))?;
        self.start_listening(Listener { fd, file: None, paused: false, given: true })
    }

    #[cfg(feature = "raw")]
    pub(super) fn listener_fd(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.listener.as_ref().map(|listener| std::os::fd::AsFd::as_fd(&listener.fd))
    }

    fn start_listening(&mut self, listener: Listener) -> Result<(), SocketError> {
        self.add_listener(&listener)?;
        control_log!(info, "listening on {}", self.address);
        self.listener = Some(listener);
        Ok(())
    }

    fn add_listener(&self, listener: &Listener) -> Result<(), SocketError> {
        self.epoll.add(&listener.fd, TOKEN_LISTENER, Interest::Read).map_err(|error| {
            listener.remove_file();
            io("epoll")(error)
        })
    }

    /// Takes what listens out of the set, to be ended or put back.
    pub(super) fn take_listener(&mut self) -> Option<Listener> {
        self.timers.set(Timer::Listener, None);
        let listener = self.listener.take();
        if let Some(listener) = &listener {
            self.epoll.remove(&listener.fd);
        }
        listener
    }

    #[cfg(feature = "raw")]
    pub(super) fn put_back_listener(&mut self, listener: Option<Listener>) {
        // As after a pause, with another one where the kernel has no room to watch it.
        self.listener = listener.map(|listener| Listener { paused: true, ..listener });
        self.resume_listener();
    }

    pub(super) fn stop_listening(&mut self) {
        let listener = self.take_listener();
        self.end_listener(listener);
    }

    pub(super) fn end_listener(&mut self, listener: Option<Listener>) {
        if let Some(listener) = listener {
            listener.remove_file();
            if !listener.given {
                self.turn_away(&listener.fd);
            }
        }
    }

    /// Ends the connections that wait for accept: what they sent would be destroyed with the listener, see
    /// [`ControlSocket`].
    fn turn_away(&self, listener: &OwnedFd) {
        sys::shut_down(listener);
        for _ in 0..=BACKLOG {
            match sys::accept(listener) {
                Ok(fd) => drop(ControlSocket::new(fd, &self.closer)),
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(_) => return,
            }
        }
    }

    /// Stops listening when no master is left that needs it.
    pub(super) fn listen_if_needed(&mut self) {
        let needed = self.always_listens || self.ids.keys().any(|(role, _)| *role == Role::Master);
        if !needed {
            self.stop_listening();
        }
    }

    pub(super) fn accept_some(&mut self) {
        for _ in 0..ACCEPTS_PER_TURN {
            if let Some(until) = self.wait_for_room() {
                return self.pause_listener(Some(until));
            }
            if self.closer.is_full() {
                return self.pause_listener(Instant::now().checked_add(FAILURE_PAUSE));
            }
            let Some(listener) = self.listener.as_ref().filter(|listener| !listener.paused) else {
                return;
            };
            match sys::accept(&listener.fd) {
                Ok(fd) => {
                    if let Err(error) = self.begin_master(fd) {
                        control_log!(warn, "accepted connection dropped: {error}");
                        return self.pause_listener(Instant::now().checked_add(FAILURE_PAUSE));
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    control_log!(warn, "accept: {error}");
                    return self.pause_listener(Instant::now().checked_add(FAILURE_PAUSE));
                }
            }
        }
    }

    /// A connected socket becomes a connection that waits for INIT.
    pub(super) fn begin_master(&mut self, fd: OwnedFd) -> std::io::Result<()> {
        let credentials = sys::peer_credentials(&fd);
        let fd = ControlSocket::new(fd, &self.closer);
        if let Err(reason) = self.options.check_allowed(credentials) {
            let text = Text::lossy(reason.to_string().as_bytes());
            let farewell = Message::Disconnect(Disconnect { code: 0, reason: text });
            let _ = sys::send(&fd, &farewell.emit(), None);
            let peer = Peer { credentials, ..Peer::default() };
            self.report(Event::Refused { reason, peer });
            return Ok(());
        }
        self.make_room();
        let now = Instant::now();
        let token = self.new_token();
        let machine = Master::new(now, self.options.app_name, self.options.handshake_timeout);
        self.half_open.insert(token, now, credentials);
        let connection = Connection::new(fd, Machine::Master(machine), credentials);
        let begun = self.begin(token, connection);
        if begun.is_err() {
            self.half_open.forget(token);
        }
        begun
    }

    /// Takes the listener out of the epoll set until then: it stays readable, and that would be reported for ever.
    pub(super) fn pause_listener(&mut self, until: Option<Instant>) {
        if let Some(listener) = &mut self.listener
            && !listener.paused
        {
            self.epoll.remove(&listener.fd);
            listener.paused = true;
        }
        self.timers.set(Timer::Listener, until);
    }

    pub(super) fn resume_listener(&mut self) {
        self.timers.set(Timer::Listener, None);
        let Some(listener) = self.listener.as_mut().filter(|listener| listener.paused) else {
            return;
        };
        listener.paused = false;
        if self.epoll.add(&listener.fd, TOKEN_LISTENER, Interest::Read).is_err() {
            listener.paused = true;
            self.timers.set(Timer::Listener, Instant::now().checked_add(FAILURE_PAUSE));
        }
    }
}

impl Options {
    /// C23, for peers of either role.
    pub(super) fn check_allowed(&self, credentials: Option<Credentials>) -> Result<(), Breach> {
        if self.allowed_uids.is_empty() && self.allowed_gids.is_empty() {
            return Ok(());
        }
        // Unknown is nobody.
        let (uid, gid) = credentials.map_or((u32::MAX, u32::MAX), |who| (who.uid, who.gid));
        let known = credentials.is_some();
        if known && (self.allowed_uids.contains(&uid) || self.allowed_gids.contains(&gid)) {
            return Ok(());
        }
        Err(Breach::NotAllowed { uid, gid })
    }
}

impl Listener {
    /// To be called while the socket is open, see [`FileId`].
    fn remove_file(&self) {
        if let Some((SocketAddress::Path(path), id)) = &self.file {
            sys::unlink_if_same(path, *id);
        }
    }
}

fn bind(address: &SocketAddress, options: &Options) -> Result<Listener, SocketError> {
    let (fd, id) = sys::bind(address, options.access)?;
    let listener = Listener { fd, file: id.map(|id| (address.clone(), id)), paused: false, given: false };
    if let Err(error) = sys::listen(&listener.fd, i32::from(BACKLOG)) {
        listener.remove_file();
        return Err(io("listen")(error));
    }
    Ok(listener)
}
