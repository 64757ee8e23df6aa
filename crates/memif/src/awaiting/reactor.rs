//! What the futures need of a runtime.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A runtime's reactor: [`Tokio`](crate::tokio::Tokio) or [`AsyncIo`](crate::async_io::AsyncIo). No other can be made;
/// loops of another kind take the descriptors ([`AsFd`](std::os::fd::AsFd)) of [`Socket`](crate::Socket) and
/// [`RxQueue`](crate::RxQueue).
pub trait Reactor: sealed::Waits {}

pub(crate) mod sealed {
    use super::{Arc, Context, OwnedFd, Poll, io};

    /// How a task waits for a descriptor, and how often it lets others have the thread.
    pub trait Waits: Sized + 'static {
        /// A descriptor that the reactor knows.
        type Source: std::fmt::Debug + Send + Sync + Unpin;
        /// Turns of a queue in a row, for runtimes that do not count them.
        type Turns: std::fmt::Debug + Default + Send + Sync + Unpin;

        /// Has the reactor wait for a descriptor to be readable, an epoll descriptor of our own.
        fn register(fd: Arc<OwnedFd>) -> io::Result<Self::Source>;

        /// Calls `look` each time that the descriptor became readable, until that gives something. What is readable
        /// after `look` began is told anew.
        fn poll_readable<T>(
            source: &Self::Source,
            cx: &mut Context<'_>,
            look: impl FnMut() -> Option<T>,
        ) -> Poll<io::Result<T>>;

        /// One more turn of a task: not ready where others are to have the thread first. The task is asked again then.
        fn poll_turn(turns: &mut Self::Turns, cx: &mut Context<'_>) -> Poll<()>;
    }
}

/// Lets other tasks have the thread, and comes back.
pub(super) fn come_back<T>(cx: &Context<'_>) -> Poll<T> {
    cx.waker().wake_by_ref();
    Poll::Pending
}
