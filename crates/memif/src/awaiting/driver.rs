//! The task that drives a socket.

use std::fmt;
use std::future::Future;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::control::Control;
use super::reactor::{Reactor, come_back};
use super::shared::Shared;
use crate::error::SocketError;
use crate::socket::Socket;

/// Most events of one turn, so that other tasks have theirs.
const MANY_EVENTS: usize = 64;

/// Drives a socket, to be spawned: handshakes, reconnection, the repetition of signals and the end of links go on in
/// it. It needs the runtime from its first turn on.
///
/// It ends when the last [`Control`] was dropped and the last link is down. Dropped, or with its task, it takes all
/// links down, as a [`Socket`] that is dropped does.
#[must_use = "nothing happens unless the driver is spawned or awaited"]
pub struct Driver<R: Reactor> {
    shared: Arc<Shared>,
    source: Option<R::Source>,
}

/// How a turn came out.
enum Turn {
    Ended(Result<(), SocketError>),
    /// There is more to do.
    Busy,
}

impl<R: Reactor> Driver<R> {
    /// Splits a socket into what drives it and what is asked of it.
    pub(crate) fn split(socket: Socket) -> (Control<R>, Self) {
        let shared = Shared::new(socket);
        (Control::new(&shared), Self { shared, source: None })
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SocketError>> {
        let shared = &self.shared;
        let source = match &mut self.source {
            Some(source) => source,
            none => {
                let io = SocketError::io("epoll");
                // The descriptor tells of whatever comes from now on, and of what waits.
                let fd = shared.with(|socket| socket.as_fd().try_clone_to_owned().map_err(&io))?;
                none.insert(R::register(Arc::new(fd)).map_err(io)?)
            }
        };
        if shared.is_let_go(cx) {
            return Poll::Ready(Ok(()));
        }
        match ready!(R::poll_readable(source, cx, || Self::turn(shared))) {
            Ok(Turn::Busy) => come_back(cx),
            Ok(Turn::Ended(result)) => Poll::Ready(result),
            Err(error) => Poll::Ready(Err(SocketError::Io { operation: "wait of the runtime", error })),
        }
    }

    /// Handles what is ready and due. `None` when that is all.
    fn turn(shared: &Shared) -> Option<Turn> {
        let mut state = shared.lock();
        let mut news = false;
        let mut turn = Some(Turn::Busy);
        for _ in 0..MANY_EVENTS {
            let polled = state.socket().and_then(|socket| socket.poll(Duration::ZERO));
            match polled {
                Ok(Some(event)) => {
                    news = true;
                    state.add(event);
                }
                Ok(None) => {
                    turn = None;
                    break;
                }
                Err(error) => {
                    turn = Some(Turn::Ended(Err(error)));
                    break;
                }
            }
        }
        if state.let_go() {
            turn = Some(Turn::Ended(Ok(())));
        }
        drop(state);
        if news {
            shared.wake_waiters();
        }
        turn
    }
}

impl<R: Reactor> Future for Driver<R> {
    type Output = Result<(), SocketError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.poll_end(cx));
        self.shared.end();
        Poll::Ready(result)
    }
}

impl<R: Reactor> Drop for Driver<R> {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl<R: Reactor> fmt::Debug for Driver<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}
