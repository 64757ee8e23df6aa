//! Why nothing was received or sent.

use std::io;

use super::breach::Breach;

/// Why a receive call has no batch. An empty ring is no error: the batch is empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The link is down; a later connection brings new queues.
    #[error("link is down")]
    Disconnected,
    /// The peer broke the protocol; the link goes down for that reason.
    #[error("peer broke the protocol: {0}")]
    Breach(Breach),
    /// A wait for no queue at all, which no packet and no end of a link would end. A link has no queue in a
    /// direction only where its program allows that.
    #[error("no queue to wait for: the link has none in this direction")]
    NoQueue,
    /// Of the modules for async runtimes alone: the runtime that waits for the queue has ended.
    #[error("the runtime that waits for this queue has ended")]
    RuntimeGone,
}

/// Why a packet was not sent. Nothing of it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// Too few free slots now; as master without chains also where the buffers that are posted now are all too short
    /// and others of the slave are not. The peer decides when, or whether, that changes.
    #[error("ring is full")]
    Full,
    /// A packet of no bytes.
    #[error("a packet has at least one byte")]
    Empty,
    /// The packet does not fit, however long one waits: as master, by the buffers as the slave posted them last.
    #[error("packet of {len} bytes is longer than {max}")]
    TooLong {
        /// Bytes of the packet.
        len: usize,
        /// Bytes that fit.
        max: usize,
    },
    /// The link is down; a later connection brings new queues.
    #[error("link is down")]
    Disconnected,
    /// The peer broke the protocol; the link goes down for that reason.
    #[error("peer broke the protocol: {0}")]
    Breach(Breach),
    /// Of the modules for async runtimes alone: the runtime that the queue waits in has ended, or the task runs in
    /// none.
    #[error("the runtime that this queue waits in has ended, or there is none")]
    RuntimeGone,
}

/// Why a packet was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeepError {
    /// Fewer spare buffers are free than the packet has segments: others of those kept are to be given back first.
    #[error("no spare buffer is free: drop packets that are kept, or ask for more spare buffers")]
    NoSpare,
    /// The interface was made without spare buffers.
    #[error("the interface has no spare buffers: ask for some in its configuration")]
    NoSpares,
    /// A master's packets lie in memory of its slave, which has to get every slot back with its buffer.
    #[error("a master has no buffers of its own to put in the place of a packet: copy it")]
    Master,
}

// The text of both has the breach, so it is no source of theirs.
impl From<Breach> for RecvError {
    fn from(breach: Breach) -> Self {
        RecvError::Breach(breach)
    }
}

impl From<Breach> for SendError {
    fn from(breach: Breach) -> Self {
        SendError::Breach(breach)
    }
}

/// [`NotConnected`](io::ErrorKind::NotConnected) for a link that is down, [`InvalidData`](io::ErrorKind::InvalidData)
/// for a breach.
impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> Self {
        let kind = match error {
            RecvError::Disconnected => io::ErrorKind::NotConnected,
            RecvError::Breach(_) => io::ErrorKind::InvalidData,
            RecvError::NoQueue => io::ErrorKind::InvalidInput,
            RecvError::RuntimeGone => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

/// As for [`RecvError`]; [`WouldBlock`](io::ErrorKind::WouldBlock) for a full ring.
impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::Full => io::ErrorKind::WouldBlock,
            SendError::Empty | SendError::TooLong { .. } => io::ErrorKind::InvalidInput,
            SendError::Disconnected => io::ErrorKind::NotConnected,
            SendError::Breach(_) => io::ErrorKind::InvalidData,
            SendError::RuntimeGone => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
