//! What a peer sent beside its messages: descriptors and names.

use crate::error::Breach;
use crate::names::Name;
use crate::terms::RingDirection;

/// What a machine must know about a descriptor that a peer sent.
pub trait PeerFd {
    /// Checks the descriptor of region `index`, which is said to have `size` bytes.
    /// With `require_sealed`, memory that its owner can still shrink is refused. Gives what can still happen to it.
    ///
    /// # Errors
    /// The breach to tell the peer.
    fn check_region(&mut self, index: u16, size: u64, require_sealed: bool) -> Result<Sealing, Breach>;

    /// Checks the descriptor that ring `index` is to be signalled through.
    ///
    /// # Errors
    /// The breach to tell the peer.
    fn check_interrupt(&mut self, direction: RingDirection, index: u16) -> Result<(), Breach>;
}

/// What can still happen to the file of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
    /// For good it cannot become shorter, and its pages, which are of the usual size, cannot run out.
    Sealed,
    /// The peer can take memory away: faults must be caught.
    Guarded,
}

/// The names that a peer gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerNames {
    /// Program and version, from HELLO or INIT.
    pub app_name: Name,
    /// Interface name, from CONNECT or CONNECTED.
    pub interface_name: Name,
}

impl PeerNames {
    /// Whether the peer says that it is a DPDK.
    #[must_use]
    pub fn is_dpdk(&self) -> bool {
        is_dpdk(&self.app_name)
    }
}

/// Whether a peer of that program name is a DPDK: all versions send "DPDK " and their number, whatever program they are
/// part of.
pub(crate) fn is_dpdk(app_name: &Name) -> bool {
    app_name.as_bytes().starts_with(b"DPDK")
}
