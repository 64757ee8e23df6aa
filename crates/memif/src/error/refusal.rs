//! Why a handshake was ended by this side.

use super::breach::Breach;
use crate::terms::Mode;

/// Why this side takes a peer for no link: what it asks for is not to be had, or it broke the protocol. The text also
/// goes into DISCONNECT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It broke the protocol.
    #[error(transparent)]
    Breach(#[from] Breach),
    /// No interface has that id (C7).
    #[error("unmatched interface id {0}")]
    UnknownId(u32),
    /// The interface has a link already (C7).
    #[error("interface id {0} already connected")]
    AlreadyConnected(u32),
    /// The interface is administratively down.
    #[error("interface id {0} is down")]
    AdminDown(u32),
    /// The modes differ (C9).
    #[error("mode mismatch: {}, not {ours}", mode_name(*theirs))]
    Mode {
        /// The peer's mode, as numbered on the wire.
        theirs: u8,
        /// Our mode.
        ours: Mode,
    },
    /// A secret is demanded and none came (C8).
    #[error("secret required")]
    SecretRequired,
    /// The secret is wrong (C8).
    #[error("incorrect secret")]
    SecretWrong,
    /// The peer's user or group is not on the allow-list (C23).
    #[error("uid {uid} gid {gid} not allowed")]
    NotAllowed {
        /// User of the peer.
        uid: u32,
        /// Group of the peer.
        gid: u32,
    },
    /// The versions do not meet (C9).
    #[error("incompatible version {min:#06x} to {max:#06x}, not 0x0200")]
    Version {
        /// Lowest version of the peer.
        min: u16,
        /// Highest version of the peer.
        max: u16,
    },
    /// The handshake took too long (C18).
    #[error("handshake not done in {0} ms")]
    HandshakeTimeout(u64),
    /// Pushed out by newer connections that had not finished their handshake either (C18).
    #[error("too many unfinished handshakes")]
    Evicted,
    /// Unfinished handshakes hold too many descriptors together, this one most of them (C18).
    #[error("more than {0} descriptors in unfinished handshakes")]
    TooManyDescriptors(usize),
}

impl PartialEq<Breach> for Refusal {
    fn eq(&self, other: &Breach) -> bool {
        matches!(self, Refusal::Breach(breach) if breach == other)
    }
}

/// The name of a mode as numbered on the wire, or the number where it has none.
fn mode_name(number: u8) -> String {
    Mode::from_wire(number).map_or_else(|| number.to_string(), |mode| mode.to_string())
}
