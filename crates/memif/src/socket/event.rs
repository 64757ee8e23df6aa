//! What a socket reports: events, the links that they carry, and how an interface stands.

use std::fmt;
use std::time::Duration;

use super::key::InterfaceKey;
use crate::address::SocketAddress;
use crate::config::{Mode, Name, Role};
use crate::counters::{QueueDetails, RegionDetails};
use crate::error::{Breach, ConnectError, Refusal};
use crate::link::InUse;
use crate::proto::{Closed, PeerNames, is_dpdk};
use crate::queue::{RxQueue, TxQueue};
use crate::sys::Credentials;

/// Something happened. Events are values: nothing is borrowed, so whoever handles one may do anything to the socket.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A link is up.
    Connected {
        /// The interface.
        interface: InterfaceKey,
        /// Its queues, new with every connection.
        link: Link,
    },
    /// A link is down. Its queues say so from their next call on; where the peer left, its receive queues first give
    /// what it published before. A slave connects again by itself, also where the program [dropped](Link) the link.
    Disconnected {
        /// The interface.
        interface: InterfaceKey,
        /// Who ended it, and why.
        reason: DisconnectReason,
    },
    /// A slave's attempt to connect failed.
    ConnectFailed {
        /// The interface.
        interface: InterfaceKey,
        /// Why.
        error: ConnectError,
        /// When it is tried again, unless a new socket appears at the path before; `None` when it is not.
        retry_in: Option<Duration>,
    },
    /// A slave was refused before it had a link.
    Refused {
        /// What was wrong, as the slave was told.
        reason: Refusal,
        /// Who it was, as far as it came.
        peer: Peer,
    },
    /// A slave came and left by its own choice before it had a link. Programs do so that do not like what HELLO
    /// announces, or that cannot have the memory.
    Left {
        /// The interface that it was admitted to; `None` when it left before that.
        interface: Option<InterfaceKey>,
        /// Its words, or that there were none.
        reason: DisconnectReason,
        /// Who it was, as far as it came.
        peer: Peer,
    },
    /// No slave can be taken in now: this process is short of descriptors or memory, or still closes what peers sent.
    /// Slaves wait in line, but for one that was taken in already. Tried again every 100 ms, told once, until
    /// [`AcceptResumed`](Self::AcceptResumed).
    AcceptFailed {
        /// What the kernel said.
        error: std::io::Error,
    },
    /// After [`AcceptFailed`](Self::AcceptFailed): slaves are taken in again.
    AcceptResumed,
    /// A slave asks for an id that no interface has. Answer with [`Socket::accept`](super::Socket::accept) or
    /// [`Socket::refuse`](super::Socket::refuse) before the handshake time is over.
    Requested(Request),
    /// The master of this slave's link transmits on more queues than the link has, and what it sends on the others is
    /// lost: nothing of it is received, and it disturbs nothing of the link. A DPDK server with more transmit queues
    /// than the slave brings does so without a word (OVS has one for each of its PMD threads and one more). Bring as
    /// many with [`InterfaceConfig::rx_queues`](crate::InterfaceConfig::rx_queues), or have it found out by
    /// [`InterfaceConfig::probe_rx_queues`](crate::InterfaceConfig::probe_rx_queues).
    ///
    /// Told at most once per link, of links to a DPDK only ([`Peer::is_dpdk`]), some time after it happens (20 ms after
    /// the link came up at the earliest; the older the link, the later, up to 10 s). It rests on memory that the peer
    /// writes: a hint, no proof.
    SurplusQueues {
        /// The interface.
        interface: InterfaceKey,
        /// Receive queues that the link has.
        rx_queues: u8,
    },
    /// A watched receive queue was signalled, see [`Socket::watch`](super::Socket::watch). The last signal of a peer
    /// that left comes before the end of the link.
    Readable {
        /// The interface.
        interface: InterfaceKey,
        /// The receive queue.
        queue: u8,
    },
}

/// The queues of a connection and who is at its other end.
///
/// A slave brings its queues, so a master has as many as its peer wants: at most as many as configured, and at least
/// one each way where any are, unless [`one_way`](crate::InterfaceConfig::one_way) allows none.
///
/// Queues can be taken out and given to threads. The link is there for those who have it: when this value and all its
/// queues are dropped, it goes down the next time that the socket is polled, as by
/// [`disconnect`](super::Socket::disconnect). Both sides are told that the program dropped it
/// ([`DisconnectReason::Local`], [`DisconnectReason::Peer`]), and what the peer has not taken yet may be lost
/// ([`TxQueue::flush`]). The interface stays: a slave connects again after a pause and a master takes the next
/// connection, so a program that wants no link takes the interface down
/// ([`set_admin_up`](super::Socket::set_admin_up)) or removes it. A program that wants the link to be up and does
/// nothing with it keeps this value, or calls [`keep_up`](Self::keep_up).
#[must_use = "a link goes down when it and all its queues are dropped"]
#[non_exhaustive]
pub struct Link {
    /// Queues to receive from, in order of their index.
    pub rx: Vec<RxQueue>,
    /// Queues to send to, in order of their index.
    pub tx: Vec<TxQueue>,
    /// The other end.
    pub peer: Peer,
    pub(super) in_use: InUse,
}

impl Link {
    /// Lets go of this value, and the link stays up all the same, also when all its queues are dropped, until either
    /// side ends it. For programs that only watch how links come and go.
    ///
    /// Nobody receives any more on queues that were dropped: a peer that sends there fills the ring and no more.
    pub fn keep_up(self) {
        self.in_use.keep_up();
    }
}

/// What a person wants to know of it; each queue has a `Debug` of its own.
impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rx, tx) = (self.rx.len(), self.tx.len());
        f.debug_struct("Link").field("rx_queues", &rx).field("tx_queues", &tx).field("peer", &self.peer).finish()
    }
}

/// The other end of a connection, by its own words and by the kernel's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Program and version, as told; empty before INIT or HELLO.
    pub app_name: Name,
    /// Interface name, as told; empty before CONNECT or CONNECTED.
    pub interface_name: Name,
    /// Process, user and group, as the kernel knows them; `None` where it does not tell.
    pub credentials: Option<Credentials>,
}

impl Peer {
    pub(super) fn new(names: PeerNames, credentials: Option<Credentials>) -> Self {
        let PeerNames { app_name, interface_name } = names;
        Self { app_name, interface_name, credentials }
    }

    /// Whether it says of itself that it is a DPDK, as OVS and other programs on DPDK do: its
    /// [`app_name`](Self::app_name) begins so.
    #[must_use]
    pub fn is_dpdk(&self) -> bool {
        is_dpdk(&self.app_name)
    }
}

/// Which end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// This one.
    Local,
    /// The other one.
    Peer,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Side::Local => "local",
            Side::Peer => "peer",
        })
    }
}

/// By its own words and by the kernel's: `"VPP 26.10" interface "memif0/0" (pid 71 uid 0 gid 0)`, as far as it is
/// known.
impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.app_name.is_empty() {
            f.write_str("a peer")?;
        } else {
            write!(f, "\"{}\"", self.app_name)?;
        }
        if !self.interface_name.is_empty() {
            write!(f, " interface \"{}\"", self.interface_name)?;
        }
        match &self.credentials {
            Some(credentials) => write!(f, " ({credentials})"),
            None => Ok(()),
        }
    }
}

/// Who ended a link, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// This side wanted so, or its program [dropped](Link) the link.
    Local(String),
    /// This side ended the link because the peer broke the protocol.
    Breach(Breach),
    /// The peer said so.
    Peer {
        /// 0, or an errno of VPP.
        code: u32,
        /// Its words, escaped where they cannot be printed.
        reason: String,
    },
    /// The peer closed without a word, or died.
    Hangup,
}

impl DisconnectReason {
    /// Which side ended the link.
    #[must_use]
    pub fn by(&self) -> Side {
        match self {
            DisconnectReason::Local(_) | DisconnectReason::Breach(_) => Side::Local,
            DisconnectReason::Peer { .. } | DisconnectReason::Hangup => Side::Peer,
        }
    }
}

impl fmt::Display for DisconnectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DisconnectReason::Local(reason) => write!(f, "disconnected here: {reason}"),
            DisconnectReason::Breach(breach) => {
                write!(f, "disconnected here, peer broke the protocol: {breach}")
            }
            DisconnectReason::Peer { code: 0, reason } => {
                write!(f, "disconnected by the peer: {reason}")
            }
            DisconnectReason::Peer { code, reason } => {
                write!(f, "disconnected by the peer: {reason} (code {code})")
            }
            DisconnectReason::Hangup => f.write_str("closed by the peer without a reason"),
        }
    }
}

impl From<Closed> for DisconnectReason {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Local(reason) => DisconnectReason::Local(reason.to_string()),
            Closed::Refused(Refusal::Breach(breach)) => DisconnectReason::Breach(breach),
            // Those are for peers without a link.
            Closed::Refused(reason) => DisconnectReason::Local(reason.to_string()),
            Closed::Peer(end) => DisconnectReason::Peer { code: end.code, reason: end.reason.to_string() },
            Closed::Hangup(_) | Closed::UnknownId => DisconnectReason::Hangup,
        }
    }
}

/// A slave that waits for an answer, see [`Event::Requested`]. Dropped, it runs into the handshake time-out.
#[derive(Debug)]
pub struct Request {
    pub(super) socket: u64,
    pub(super) token: u64,
    pub(super) id: u32,
    pub(super) mode: Mode,
    pub(super) peer: Peer,
}

impl Request {
    /// The id that it asks for.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The mode that it wants.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Who asks. The interface name is not known yet.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }
}

/// How an interface stands.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Details {
    /// The interface id.
    pub id: u32,
    /// The role.
    pub role: Role,
    /// The mode.
    pub mode: Mode,
    /// Whether a secret is presented or demanded.
    pub secret_set: bool,
    /// The interface name that the peer is told.
    pub interface_name: Name,
    /// The program name that the peer is told.
    pub app_name: Name,
    /// The address of the control socket.
    pub socket: SocketAddress,
    /// Whether the interface may connect.
    pub admin_up: bool,
    /// Whether it is connected.
    pub link_up: bool,
    /// The other end, while connected.
    pub peer: Option<Peer>,
    /// Receive queues, while connected.
    pub rx: Vec<QueueDetails>,
    /// Transmit queues, while connected.
    pub tx: Vec<QueueDetails>,
    /// Regions of shared memory, while connected.
    pub regions: Vec<RegionDetails>,
    /// Whether the master of a slave's link transmits on more queues than the link has, as far as its writing tells
    /// now: see [`Event::SurplusQueues`].
    pub surplus_queues: bool,
}
