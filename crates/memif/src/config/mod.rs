//! What an interface is asked to be: roles, names, sizes, memory, and the check that they fit together.

mod check;
mod handshake;
mod interface;
mod memory;
mod settings;
mod spelling;

pub use interface::InterfaceConfig;
pub use memory::Memory;
#[cfg(feature = "raw")]
pub use memory::RegionSource;
pub use settings::Settings;

pub use crate::names::{Name, Secret};
pub use crate::terms::{
    CacheLine, MAX_BUFFER_SIZE, MAX_LOG2_RING_SIZE, MAX_PACKET_SIZE, MAX_QUEUES, Mode, Role, RxMode,
};
