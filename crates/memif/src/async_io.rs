//! Sockets and queues for tasks of any executor on async-io's reactor: smol, async-std and others. Feature `async-io`.
//!
//! ```
//! use memif::{InterfaceConfig, Socket};
//!
//! # async_io::block_on(async {
//! // Both ends in one process here. Towards VPP it is `"/run/vpp/memif.sock"` and the slave alone.
//! let (control, driver) = memif::async_io::drive(Socket::builder("@memif-doc-async-io").open()?);
//! # std::thread::spawn(|| async_io::block_on(driver));
//! # #[cfg(any())]
//! smol::spawn(driver).detach();
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
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`drive`] splits a [`Socket`] into a [`Driver`], to be spawned, and a [`Control`], which gives the links, adds and
//! removes interfaces while the driver runs, and tells of [`Events`]. A program with a loop of its own for the socket
//! makes a [`Link`] of each [`memif::Link`](crate::Link) instead.
#![doc = include_str!("awaiting/calls.md")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::async_io::Async;
use futures_io::{AsyncRead, AsyncWrite};

use crate::awaiting;
use crate::awaiting::sealed::Waits;
use crate::socket::Socket;

/// The reactor of async-io, which starts by itself.
#[derive(Debug)]
pub enum AsyncIo {}

/// A handle on a socket that is driven.
pub type Control = awaiting::Control<AsyncIo>;
/// Drives a socket.
pub type Driver = awaiting::Driver<AsyncIo>;
/// The queues of a connection.
pub type Link = awaiting::Link<AsyncIo>;
/// The receiving half of a queue pair.
pub type RxQueue = awaiting::RxQueue<AsyncIo>;
/// The sending half of a queue pair.
pub type TxQueue = awaiting::TxQueue<AsyncIo>;
/// Received packets as a stream.
pub type RxStream = awaiting::RxStream<AsyncIo>;
/// A sink of packets.
pub type TxSink<B = Vec<u8>> = awaiting::TxSink<AsyncIo, B>;
/// A queue pair as the device of an IP stack.
pub type IpDevice = awaiting::IpDevice<AsyncIo>;
pub use awaiting::Events;

/// Batches in a row before other tasks have their turn, as many as tokio allows.
const TURNS: u8 = 128;

/// Splits a socket into a future to be spawned, which drives it, and a handle on it. Queues that it
/// [watches](Socket::watch) are not for futures, which would miss the signals that it takes.
pub fn drive(socket: Socket) -> (Control, Driver) {
    awaiting::Driver::split(socket)
}

/// A descriptor in the hands of the reactor.
#[derive(Debug)]
#[doc(hidden)]
pub struct Shared(Arc<OwnedFd>);

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl awaiting::Reactor for AsyncIo {}

impl Waits for AsyncIo {
    type Source = Async<Shared>;
    type Turns = u8;

    fn register(fd: Arc<OwnedFd>) -> io::Result<Self::Source> {
        // Nothing is read from an epoll descriptor, so it need not be set to that.
        Async::new_nonblocking(Shared(fd))
    }

    fn poll_readable<T>(
        source: &Self::Source,
        cx: &mut Context<'_>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            // Told by level, anew each time that it is asked for.
            ready!(source.poll_readable(cx))?;
            if let Some(found) = look() {
                return Poll::Ready(Ok(found));
            }
        }
    }

    fn poll_turn(turns: &mut u8, cx: &mut Context<'_>) -> Poll<()> {
        *turns += 1;
        if *turns < TURNS {
            return Poll::Ready(());
        }
        *turns = 0;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A packet each.
impl AsyncRead for IpDevice {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_receive(cx, buffer)
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

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
