//! One control connection: its socket, its machine, and the messages between them.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use super::event::Peer;
use super::key::InterfaceKey;
use super::trace::{Traced, control_log};
use crate::config::InterfaceConfig;
use crate::error::{Breach, ConnectError, Refusal, SystemError};
use crate::link::{LinkHandle, SlaveMemory};
use crate::proto::{Closed, Master, PeerNames, Slave, Stage};
use crate::sys::{self, ControlSocket, Credentials, Received, ReceivedFd, SendFailure};
use crate::terms::RingDirection;
use crate::wire::MESSAGE_SIZE;

/// What a DPDK server says to a ring that it has no queue for.
const NO_SUCH_QUEUE: &[u8] = b"Invalid ring index";

/// A connection of either role, in any stage.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) fd: ControlSocket,
    pub(super) machine: Machine,
    /// The interface that it belongs to, for masters once INIT was admitted.
    pub(super) bound: Option<Bound>,
    pub(super) names: PeerNames,
    pub(super) credentials: Option<Credentials>,
    /// Whether the peer is gone, so that nothing can be sent; what it sent before is still read.
    pub(super) gone: bool,
    /// Whether the peer was just sent something, or connected to, so that it may answer at once.
    pub(super) spoke: bool,
    /// Whether INIT waits for the caller's answer.
    pub(super) asking: bool,
    pub(super) link: Option<Up>,
}

/// The interface of a connection, and its configuration as it was when they met.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub(super) interface: InterfaceKey,
    pub(super) config: Arc<InterfaceConfig>,
}

/// A link that is up.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) handle: LinkHandle,
    pub(super) since: Instant,
}

#[derive(Debug)]
pub(super) enum Machine {
    Master(Master<ReceivedFd>),
    Slave {
        machine: Slave<SlaveFd>,
        /// What was allocated, until the queues own it.
        memory: Option<SlaveMemory>,
    },
}

/// A descriptor of a slave's connection.
#[derive(Debug)]
pub(super) enum SlaveFd {
    /// To be sent.
    Own(Arc<OwnedFd>),
    /// The master sent it, which it should not.
    Received(#[expect(dead_code, reason = "only to be dropped")] ReceivedFd),
}

/// Calls the same method on the machine of either role.
macro_rules! either {
    ($machine:expr, $name:ident => $call:expr) => {
        match $machine {
            Machine::Master($name) => $call,
            Machine::Slave { machine: $name, .. } => $call,
        }
    };
}

/// What reading gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// The machine has something to think about.
    Something,
    /// There is nothing to read now.
    Nothing,
}

impl Connection {
    pub(super) fn new(fd: ControlSocket, machine: Machine, credentials: Option<Credentials>) -> Self {
        Self {
            fd,
            machine,
            bound: None,
            names: PeerNames::default(),
            credentials,
            gone: false,
            // A master's HELLO comes by itself.
            spoke: true,
            asking: false,
            link: None,
        }
    }

    pub(super) fn peer(&self) -> Peer {
        Peer::new(self.names, self.credentials)
    }

    pub(super) fn stage(&self) -> Stage {
        either!(&self.machine, machine => machine.stage())
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        either!(&self.machine, machine => machine.poll_timeout())
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        either!(&mut self.machine, machine => machine.handle_timeout(now));
    }

    pub(super) fn handle_closed(&mut self) {
        either!(&mut self.machine, machine => machine.handle_closed());
    }

    pub(super) fn refuse(&mut self, reason: impl Into<Refusal>) {
        let reason = reason.into();
        either!(&mut self.machine, machine => machine.refuse(reason));
    }

    pub(super) fn disconnect(&mut self, reason: impl Into<SystemError>) {
        let reason = reason.into();
        either!(&mut self.machine, machine => machine.disconnect(reason));
    }

    /// Sends all that the machine has ready. A peer that does not read, or is gone, shows in the machine and in
    /// `gone`; what is left is then dropped.
    pub(super) fn flush(&mut self) {
        while let Some((bytes, attached)) = self.next_transmit() {
            if self.gone {
                continue;
            }
            self.spoke = true;
            let attached = attached.as_ref().map(|fd| fd.as_fd());
            control_log!(trace, "sent {}", self.traced(&bytes, MESSAGE_SIZE, attached.iter().len()));
            if let Err(failure) = sys::send(&self.fd, &bytes, attached) {
                self.gone = true;
                match failure {
                    SendFailure::Gone => {}
                    SendFailure::Full => self.refuse(Breach::SlowReader),
                    SendFailure::Other(error) => {
                        self.disconnect(SystemError::because("a message could not be sent", &error.into()));
                    }
                }
            }
        }
    }

    fn next_transmit(&mut self) -> Option<([u8; MESSAGE_SIZE], Option<Arc<OwnedFd>>)> {
        match &mut self.machine {
            // A master attaches none.
            Machine::Master(machine) => machine.poll_transmit().map(|next| (next.bytes, None)),
            Machine::Slave { machine, .. } => {
                let next = machine.poll_transmit()?;
                let attached = match next.fd {
                    Some(SlaveFd::Own(fd)) => Some(fd),
                    Some(SlaveFd::Received(_)) | None => None,
                };
                Some((next.bytes, attached))
            }
        }
    }

    /// Whether the machine can take a message now.
    pub(super) fn wants_to_read(&self) -> bool {
        !matches!(self.stage(), Stage::Admission | Stage::Mapping | Stage::Closed)
    }

    /// Reads one message, or the end, into the machine.
    pub(super) fn read(&mut self) -> Read {
        let mut bytes = [0; MESSAGE_SIZE];
        let received = match self.stage() {
            // HELLO stays in the socket until INIT is out, see `consume_hello`.
            Stage::WaitHello => sys::peek(&self.fd, &mut bytes),
            _ => sys::receive(&self.fd, &mut bytes),
        };
        match received {
            Received::Message { len, fds, cut } => {
                control_log!(trace, "received {}", self.traced(&bytes, len, fds.len()));
                let fds = self.wrap(fds);
                match len {
                    _ if cut => self.refuse(Breach::ControlTruncated),
                    MESSAGE_SIZE => self.handle_message(&bytes, fds),
                    _ => self.refuse(Breach::MessageLength(len)),
                }
            }
            // Told once; what the peer sent before comes next.
            Received::Reset => self.gone = true,
            Received::Empty if self.gone => self.handle_closed(),
            Received::Empty => return Read::Nothing,
            Received::Closed => self.handle_closed(),
            Received::Failed(error) => {
                self.disconnect(SystemError::because("a message could not be received", &error.into()));
            }
        }
        Read::Something
    }

    fn traced<'a>(&self, bytes: &'a [u8], len: usize, descriptors: usize) -> Traced<'a> {
        Traced::new(&self.fd, self.credentials, bytes).with(len, descriptors)
    }

    /// From here on, descriptors of the peer cannot hold this thread when they are closed.
    fn wrap(&self, fds: Vec<OwnedFd>) -> Vec<ReceivedFd> {
        fds.into_iter().map(|fd| ReceivedFd::new(fd, self.fd.closer())).collect()
    }

    /// Descriptors of the peer that are kept until the handshake is done.
    pub(super) fn descriptors(&self) -> usize {
        match &self.machine {
            Machine::Master(machine) => machine.descriptors(),
            Machine::Slave { .. } => 0,
        }
    }

    fn handle_message(&mut self, bytes: &[u8], fds: Vec<ReceivedFd>) {
        match &mut self.machine {
            Machine::Master(machine) => machine.handle_message(bytes, fds),
            Machine::Slave { machine, .. } => {
                machine.handle_message(bytes, fds.into_iter().map(SlaveFd::Received).collect());
            }
        }
    }

    /// Takes the HELLO that was peeked at, once INIT is out. Should this process die before, the unread HELLO
    /// makes the kernel report a reset to the master, which every master survives (V2).
    pub(super) fn consume_hello(&mut self) {
        if let Received::Message { fds, .. } = sys::receive(&self.fd, &mut [0; MESSAGE_SIZE]) {
            drop(self.wrap(fds));
        }
    }

    /// Whether a message that brings the link up was really handed to the kernel.
    pub(super) fn is_established(&self) -> bool {
        !self.gone && self.stage() == Stage::Connected
    }

    /// Hands the slave's memory to its machine.
    pub(super) fn provide(&mut self, allocated: SlaveMemory) {
        if let Machine::Slave { machine, memory } = &mut self.machine {
            let regions = allocated.regions().iter().map(|(fd, size)| (SlaveFd::Own(Arc::clone(fd)), *size));
            let rings = allocated.rings().iter().map(|(ring, fd)| (*ring, SlaveFd::Own(Arc::clone(fd))));
            machine.provide(regions, rings);
            *memory = Some(allocated);
        }
    }

    /// How many receive queues the master takes, when it closed because it had none for the next.
    pub(super) fn queues_of_master(&self, closed: &Closed) -> Option<u8> {
        let (Machine::Slave { machine, .. }, Closed::Peer(end)) = (&self.machine, closed) else {
            return None;
        };
        let ring = machine.unanswered_ring()?;
        let refused = ring.direction == RingDirection::M2s && end.reason.as_bytes() == NO_SUCH_QUEUE;
        u8::try_from(ring.index).ok().filter(|has| refused && *has > 0)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Closed> for ConnectError {
    /// Why a link that was never up did not come up, as a slave tells it.
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Local(reason) => ConnectError::Local(reason),
            Closed::Refused(reason) => ConnectError::GaveUp(reason),
            Closed::Peer(end) => ConnectError::Refused(end.reason.to_string()),
            Closed::Hangup(stage) => ConnectError::Closed(stage.as_str()),
            Closed::UnknownId => ConnectError::UnknownId,
        }
    }
}
