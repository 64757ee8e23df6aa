//! Settings of a socket that hold for all of its interfaces.

use std::os::fd::OwnedFd;
use std::time::Duration;

use super::options::Options;
use super::poll::Socket;
use crate::address::SocketAddress;
use crate::error::{ConfigError, SocketError};
use crate::names::Name;

/// What a [`Socket`] is opened with.
///
/// ```
/// use std::time::Duration;
/// use memif::{Name, Socket};
///
/// let socket = Socket::builder("@memif-doc-builder")
///     .app_name(Name::new("my switch 1.0")?)
///     .retry_period(Duration::from_secs(1))
///     .open()?;
/// assert!(socket.interfaces().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is opened before `open`"]
pub struct SocketBuilder {
    address: Result<SocketAddress, ConfigError>,
    listener: Option<OwnedFd>,
    options: Options,
}

impl Socket {
    /// Settings of a new socket at that address: a [`SocketAddress`], or a path or text that makes one. What makes none
    /// is an error of [`open`](SocketBuilder::open).
    pub fn builder(address: impl TryInto<SocketAddress, Error: Into<ConfigError>>) -> SocketBuilder {
        SocketBuilder { address: address.try_into().map_err(Into::into), listener: None, options: Options::default() }
    }
}

impl SocketBuilder {
    /// The program name and version that peers are told (default: this library's).
    pub fn app_name(mut self, name: Name) -> Self {
        self.options.app_name = name;
        self
    }

    /// Longest pause between two attempts of a slave (default 2 s). The first pauses are of milliseconds and double
    /// until they reach it. For 10 s after a link was lost, or after somebody began to listen, they stop at 200 ms.
    /// Where the address is a path, a slave does not wait for the end of the pause when the socket, or a directory on
    /// the way to it, appears: it watches for that with inotify, if the system has it to spare.
    pub fn retry_period(mut self, period: Duration) -> Self {
        self.options.retry_period = period;
        self
    }

    /// Longest time from accept or connect to the end of the handshake (default 5 s).
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.handshake_timeout = timeout;
        self
    }

    /// Lets our slaves wait without limit for a master to answer.
    #[cfg(feature = "raw")]
    pub fn patient_slaves(mut self) -> Self {
        self.options.slave_timeout = Some(Duration::MAX);
        self
    }

    /// Most connections that were accepted and have not been admitted to an interface (default 64, at least 1). When
    /// one more comes, one is closed: the oldest of the user and process that have most.
    pub fn max_half_open(mut self, connections: usize) -> Self {
        self.options.max_half_open = connections.max(1);
        self
    }

    /// Owner of the socket file, as user id (default: the process's). Needs the right to give files away.
    pub fn owner(mut self, uid: u32) -> Self {
        self.options.access.owner = Some(uid);
        self
    }

    /// Group of the socket file, as group id (default: the process's).
    pub fn group(mut self, gid: u32) -> Self {
        self.options.access.group = Some(gid);
        self
    }

    /// Permissions of the socket file, such as `0o660` (default: `0o777` less the umask). A slave needs the write
    /// permission. Bits above `0o777` are ignored.
    pub fn file_mode(mut self, mode: u32) -> Self {
        self.options.access.mode = Some(mode & 0o777);
        self
    }

    /// Lets peers of this user connect: slaves to our masters, and our slaves to masters. The user of a master is the
    /// one that it had when it began to listen. May be called several times; once it or
    /// [`allow_gid`](Self::allow_gid) was called, everybody else is refused with
    /// [`Refusal::NotAllowed`](crate::Refusal::NotAllowed), and our slaves tell such a master nothing.
    pub fn allow_uid(mut self, uid: u32) -> Self {
        self.options.allowed_uids.push(uid);
        self
    }

    /// Lets peers of this group (the process's effective one) connect, see [`allow_uid`](Self::allow_uid).
    pub fn allow_gid(mut self, gid: u32) -> Self {
        self.options.allowed_gids.push(gid);
        self
    }

    /// Whether a slave that asks for an unknown id becomes an [`Event::Requested`](super::Event::Requested) instead of
    /// being refused (default no). The socket then listens at once.
    pub fn accept_unknown(mut self, ask: bool) -> Self {
        self.options.accept_unknown = ask;
        self
    }

    /// A `SOCK_SEQPACKET` Unix socket that listens already, as a service manager hands over. It is made non-blocking,
    /// and its file is not removed. The address is then used by slaves only, and [`Socket::set_address`] does not touch
    /// the listener.
    pub fn listener(mut self, listener: OwnedFd) -> Self {
        self.listener = Some(listener);
        self
    }

    /// Opens the socket. The address is bound with the first master interface.
    ///
    /// # Errors
    /// [`SocketError`] when the address cannot be, when the kernel gives no descriptors, or when a listener is wanted
    /// at once and cannot be had.
    pub fn open(self) -> Result<Socket, SocketError> {
        Socket::open(self.address?, self.listener, self.options)
    }
}
