//! What the programs of this package share.

#![forbid(unsafe_code)]

pub mod arguments;
pub mod content;
pub mod http1;
pub mod udp;

/// What may go wrong in a task.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
