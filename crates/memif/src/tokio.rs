//! Sockets and queues for tasks of tokio, of either flavour. Feature `tokio`.
//!
//! ```
//! use memif::{InterfaceConfig, Socket};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Both ends in one process here. Towards VPP it is `"/run/vpp/memif.sock"` and the slave alone.
//! let (control, driver) = memif::tokio::drive(Socket::builder("@memif-doc-tokio").open()?);
//! tokio::spawn(driver);
//! let master = control.add_interface(InterfaceConfig::master(0))?;
//! let slave = control.add_interface(InterfaceConfig::slave(0))?;
//! let mut there = control.connected(master).await?;
//! let mut here = control.connected(slave).await?;
//!
//! here.tx[0].send(&[1; 60]).await?;
//! let mut batch = here.tx[0].reserve(2).await?;
//! batch.push(&[2; 60])?;
//! batch.push(&[3; 1500])?;
//! batch.commit();
//!
//! let mut received = 0;
//! while received < 3 {
//!     // At least one packet, or why there will be none.
//!     for packet in &mut there.rx[0].recv(64).await? {
//!         println!("{} bytes", packet.len());
//!         received += 1;
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }
//! ```
//!
//! [`drive`] splits a [`Socket`] into a [`Driver`], to be spawned, and a [`Control`], which gives the links, adds and
//! removes interfaces while the driver runs, and tells of [`Events`]. A program with a loop of its own for the socket
//! makes a [`Link`] of each [`memif::Link`](crate::Link) instead.
//!
//! The runtime needs its reactor (`enable_io`) and no timers. A queue belongs to the runtime in
//! which it waited first: a receive queue to the one it was made in, a transmit queue to that of its first full ring.
#![doc = include_str!("awaiting/calls.md")]

use std::future::Future;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::tokio::io::unix::AsyncFd;
use ::tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use ::tokio::runtime::Handle;
use ::tokio::task::coop::consume_budget;

use crate::awaiting;
use crate::awaiting::sealed::Waits;
use crate::socket::Socket;

/// The reactor of tokio, of the runtime in which a queue is made or a driver is polled.
#[derive(Debug)]
pub enum Tokio {}

/// A handle on a socket that is driven.
pub type Control = awaiting::Control<Tokio>;
/// Drives a socket.
pub type Driver = awaiting::Driver<Tokio>;
/// The queues of a connection.
pub type Link = awaiting::Link<Tokio>;
/// The receiving half of a queue pair.
pub type RxQueue = awaiting::RxQueue<Tokio>;
/// The sending half of a queue pair.
pub type TxQueue = awaiting::TxQueue<Tokio>;
/// Received packets as a stream.
pub type RxStream = awaiting::RxStream<Tokio>;
/// A sink of packets.
pub type TxSink<B = Vec<u8>> = awaiting::TxSink<Tokio, B>;
/// A queue pair as the device of an IP stack.
pub type IpDevice = awaiting::IpDevice<Tokio>;
pub use awaiting::Events;

/// Splits a socket into a future to be spawned, which drives it, and a handle on it. Queues that it
/// [watches](Socket::watch) are not for futures, which would miss the signals that it takes.
pub fn drive(socket: Socket) -> (Control, Driver) {
    awaiting::Driver::split(socket)
}

/// A descriptor in the hands of the reactor.
#[derive(Debug)]
#[doc(hidden)]
pub struct Shared(Arc<OwnedFd>);

impl AsRawFd for Shared {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl awaiting::Reactor for Tokio {}

impl Waits for Tokio {
    type Source = AsyncFd<Shared>;
    /// It counts for all that a task does.
    type Turns = ();

    #[expect(
        deprecated,
        reason = "the other way is unsafe, for types whose descriptor may change or be closed: that of `Shared` is \
                  always the same one, and open as long as it"
    )]
    fn register(fd: Arc<OwnedFd>) -> io::Result<Self::Source> {
        // The call after it panics where there is no runtime.
        Handle::try_current().map_err(io::Error::other)?;
        AsyncFd::with_interest(Shared(fd), Interest::READABLE)
    }

    fn poll_readable<T>(
        source: &Self::Source,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            let mut ready = ready!(source.poll_read_ready(cx))?;
            if let Some(found) = look() {
                // It may be ready still: the next wait looks once more.
                return Poll::Ready(Ok(found));
            }
            // Told by edges. One that came since `ready` was had is not forgotten by this.
            ready.clear_ready();
        }
    }

    fn poll_turn((): &mut (), cx: &mut Context<'_>) -> Poll<()> {
        pin!(consume_budget()).poll(cx)
    }
}

/// A packet each.
impl AsyncRead for IpDevice {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = ready!(self.poll_receive(cx, buffer.initialize_unfilled()))?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

/// A packet each, which is sent at once.
impl AsyncWrite for IpDevice {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, packet: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_transmit(cx, packet)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
