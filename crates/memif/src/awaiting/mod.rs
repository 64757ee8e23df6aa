//! Sockets and queues as futures, for any reactor. Use them by way of the module of a runtime, [`memif::tokio`] or
//! [`memif::async_io`], which has the guide.
//!
//! [`memif::tokio`]: crate::tokio
//! [`memif::async_io`]: crate::async_io

mod control;
mod driver;
mod events;
mod ip_device;
mod link;
mod reactor;
mod rx;
mod shared;
mod sink;
mod stream;
mod tx;

pub use control::Control;
pub use driver::Driver;
pub use events::Events;
pub use ip_device::IpDevice;
pub use link::Link;
pub use reactor::Reactor;
pub(crate) use reactor::sealed;
pub use rx::RxQueue;
pub use sink::TxSink;
pub use stream::RxStream;
pub use tx::TxQueue;

#[cfg(all(test, not(loom)))]
mod tests;
