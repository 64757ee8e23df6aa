//! Every way in which an operation fails, one enum per operation, and every breach of the protocol by name.

mod breach;
mod config;
mod queue;
mod refusal;
mod socket;

pub use breach::Breach;
pub use config::ConfigError;
pub use queue::{RecvError, SendError};
pub use refusal::Refusal;
pub use socket::{ConnectError, SocketError, WaitError};

pub use crate::terms::{Direction, QueueName};
