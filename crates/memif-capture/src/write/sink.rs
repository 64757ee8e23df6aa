//! Where recorded packets go.

use std::io;

use super::block::Interface;
use super::chunk::Chunk;
use super::counts::Counts;

/// What becomes of packets that were recorded.
pub trait Sink: Send {
    /// Takes packets of `interfaces`, of which there may be more than the last time; `counts` has what became of all
    /// packets of each so far.
    ///
    /// # Errors
    /// Why this sink takes nothing more; it is not used again then.
    fn write(&mut self, interfaces: &[Interface], counts: &[Counts], packets: &Chunk) -> Result<(), Refused>;

    /// Nothing more comes. `remark` is what is to be said about the end, if not nothing.
    ///
    /// # Errors
    /// Why the end could not be written.
    fn finish(&mut self, interfaces: &[Interface], counts: &[Counts], remark: &str) -> io::Result<()>;

    /// Whether all packets are to be of its first interface, whatever they came by.
    fn joins_interfaces(&self) -> bool {
        false
    }

    /// Bytes that went out so far.
    fn bytes(&self) -> u64;
}

/// Why a sink took only a part of what it was given.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Refused {
    /// Packets that it took before.
    pub packets: u64,
    /// What happened then.
    #[source]
    pub error: io::Error,
}
