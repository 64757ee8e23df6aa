//! The bytes of memif 2.0: control messages, the ring header and the descriptor. Parse and emit, nothing else.
//!
//! Integers are in host order, both ends share a machine. Sources: sections 1, 2 and 4 of the protocol
//! description in `docs/protocol.md`, which cites VPP, libmemif and DPDK for every field.

mod describe;
mod message;
pub mod ring;
mod text;

pub use message::{AddRegion, AddRing, Disconnect, Hello, Init, MESSAGE_SIZE, Message, VERSION};
pub use text::Text;

pub use crate::terms::RingDirection;
