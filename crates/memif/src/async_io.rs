//! Sockets and queues for tasks of any executor on async-io's reactor: smol, async-std and others. Feature `async-io`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::async_io::Async;

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
pub use awaiting::Events;

/// Batches in a row before other tasks have their turn, as many as tokio allows.
const TURNS: u8 = 128;

/// Splits a socket into a future to be spawned, which drives it, and a handle on it.
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
