//! Why a socket, an interface or a connection could not be had.

use std::io;
use std::path::PathBuf;

use super::config::ConfigError;
use super::refusal::Refusal;
use super::system::SystemError;
use crate::terms::Role;

/// Why a socket could not be opened, or an interface not be added to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The configuration cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another interface of the same role has that id.
    #[error("id {id} is taken by another {role} interface on this socket")]
    IdInUse {
        /// The id.
        id: u32,
        /// The role.
        role: Role,
    },
    /// The directory of the socket does not exist.
    #[error("directory {0:?} does not exist: create it, or start the program that does")]
    NoDirectory(PathBuf),
    /// Somebody listens on that address already.
    #[error("{0} is in use by another program: stop it or choose another socket")]
    InUse(String),
    /// Something that is no socket stands at the path.
    #[error("{0:?} exists and is not a socket: choose another path, or remove it")]
    NotASocket(PathBuf),
    /// The path may not be used by this user.
    #[error("no permission for {0}: run as a user who may write there, or choose another socket")]
    Permission(String),
    /// The socket file may not be given the owner or group that is wanted.
    #[error("no permission to give {0} that owner or group: choose a group that this user is in, or run as root")]
    Ownership(String),
    /// A descriptor that was handed in is not what it must be.
    #[error("the descriptor is not {0}")]
    WrongDescriptor(&'static str),
    /// The interface's key is of another socket, or the interface was removed.
    #[error("no such interface on this socket")]
    NoSuchInterface,
    /// The request was answered by its end: the peer is gone, or its time is over.
    #[error("the connection that asked is gone")]
    RequestGone,
    /// A queue is to be watched of an interface whose queues start in polling mode.
    #[error("the interface is in polling mode, where queues are never signalled: choose adaptive or interrupt mode")]
    NeverSignalled,
    /// Of the modules for async runtimes alone: the driver of the socket has ended, or its task was dropped.
    #[error("the driver of this socket has ended")]
    DriverEnded,
    /// What the kernel said, and about which call.
    #[error("{operation}: {error}")]
    Io {
        /// The call.
        operation: &'static str,
        /// What the kernel said. The text has it, so it is no [`source`](std::error::Error::source).
        error: io::Error,
    },
}

impl SocketError {
    /// What the kernel said to that call.
    pub(crate) fn io(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |error| Self::Io { operation, error }
    }
}

/// Why an attempt to connect failed. It is repeated, see the event that carries this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// Nothing stands at the address.
    #[error("socket does not exist")]
    NotFound,
    /// Nobody listens at the address.
    #[error("nobody listens on the socket")]
    NobodyListens,
    /// What stands at the path is a file, a directory or something else that nobody can listen on.
    #[error("the path is not a socket")]
    NotASocket,
    /// This user may not connect.
    #[error("no permission to connect to the socket")]
    Permission,
    /// The listener is a socket of another type, hence no memif master.
    #[error("the socket is not a memif socket")]
    WrongSocketType,
    /// The listener's queue is full.
    #[error("the listener is busy")]
    Busy,
    /// The master refused, in its own words.
    #[error("refused by the master: {0}")]
    Refused(String),
    /// The master acknowledged INIT and closed, as libmemif does when no interface has the id.
    #[error("closed after INIT: most likely the master has no interface with this id")]
    UnknownId,
    /// The master closed during the handshake without a word.
    #[error("closed by the master during the handshake while {0}")]
    Closed(&'static str),
    /// This side gave the master up: it broke the protocol ([`Refusal::Breach`]), is of another version of it, may not
    /// serve us, or did not finish the handshake in time.
    #[error("{}: {_0}", master_fault(_0))]
    GaveUp(Refusal),
    /// This side could not go on (memory, descriptors), or did not want to.
    #[error("local failure: {_0}")]
    Local(SystemError),
    /// The connect call failed in another way.
    #[error("connect: {_0}")]
    Io(SystemError),
}

/// Time and version need no fault of the master: it may be halted, or be of another age.
fn master_fault(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::HandshakeTimeout(_) => "no answer from the master",
        Refusal::Version { .. } => "the master speaks another version of the protocol",
        Refusal::NotAllowed { .. } => "the user of the master is not on the list of this side",
        _ => "master broke the protocol",
    }
}

/// Why a wait for a connection ended without one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is over. The last failed attempt says why, if there was one.
    #[error("not connected in time{}", .last.as_ref().map(|error| format!(": {error}")).unwrap_or_default())]
    TimedOut {
        /// What the last attempt failed with.
        last: Option<ConnectError>,
    },
    /// A waker ended the wait.
    #[error("woken before the connection came")]
    Woken,
    /// The interface is not on this socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

/// With the kind of what the kernel said, or of the cause.
impl From<SocketError> for io::Error {
    fn from(error: SocketError) -> Self {
        let kind = match &error {
            SocketError::Config(_) | SocketError::WrongDescriptor(_) => io::ErrorKind::InvalidInput,
            SocketError::IdInUse { .. } => io::ErrorKind::AlreadyExists,
            SocketError::InUse(_) => io::ErrorKind::AddrInUse,
            SocketError::NoDirectory(_) | SocketError::NoSuchInterface => io::ErrorKind::NotFound,
            SocketError::Permission(_) | SocketError::Ownership(_) => io::ErrorKind::PermissionDenied,
            SocketError::RequestGone => io::ErrorKind::NotConnected,
            SocketError::Io { error, .. } => error.kind(),
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

impl From<WaitError> for io::Error {
    fn from(error: WaitError) -> Self {
        let kind = match error {
            WaitError::Socket(error) => return error.into(),
            WaitError::TimedOut { .. } => io::ErrorKind::TimedOut,
            WaitError::Woken => io::ErrorKind::Interrupted,
        };
        io::Error::new(kind, error)
    }
}
