//! One connection's memory and queues: mapped, checked, and taken down again.

mod connected;
mod file_image;
mod handle;
mod master;
mod peer_fd;
mod slave;

pub(crate) use connected::Connected;
pub(crate) use handle::LinkHandle;
pub(crate) use master::MasterMemory;
pub(crate) use slave::SlaveMemory;

pub(crate) use crate::queue::{DriverSignals, InUse};
