//! What can be asked of a driver.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Poll, ready};

use super::events::Events;
use super::link::Link;
use super::reactor::Reactor;
use super::shared::{Shared, Waiting};
use crate::config::InterfaceConfig;
use crate::error::SocketError;
use crate::socket::{Details, InterfaceKey, Request};

/// A handle on a socket that a [`Driver`](super::Driver) drives. All its clones are of one socket; it can be used from
/// any task and any thread. No call but those that are `async` waits.
///
/// When the last one is dropped, nobody can take links any more: the driver removes interfaces that have none, and
/// ends when the last link has.
///
/// Every call says [`SocketError::DriverEnded`] once the driver has ended.
pub struct Control<R: Reactor> {
    shared: Arc<Shared>,
    runtime: PhantomData<fn() -> R>,
}

impl<R: Reactor> Control<R> {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.add_control();
        Self { shared: Arc::clone(shared), runtime: PhantomData }
    }

    /// Waits for the next link of an interface. Each link is given once; one that went down meanwhile is given, too,
    /// unless the next one came: what the peer sent before is still received.
    ///
    /// # Errors
    /// [`SocketError::NoSuchInterface`], also when it is removed meanwhile. [`SocketError::Io`] where the runtime
    /// cannot wait for its queues, as for want of descriptors: the link stays, to be asked for again.
    ///
    /// # Cancel safety
    /// Yes: the link stays with the driver until this gives it.
    ///
    /// # Panics
    /// With tokio, in a runtime whose reactor is not enabled (`enable_io`).
    pub async fn connected(&self, interface: InterfaceKey) -> Result<Link<R>, SocketError> {
        Ok(self.next(Some(interface)).await?.1)
    }

    /// Waits for the next link of any interface.
    ///
    /// # Errors
    /// # Cancel safety
    /// # Panics
    /// All as [`connected`](Self::connected).
    pub async fn next_link(&self) -> Result<(InterfaceKey, Link<R>), SocketError> {
        self.next(None).await
    }

    async fn next(&self, key: Option<InterfaceKey>) -> Result<(InterfaceKey, Link<R>), SocketError> {
        let mut waiting = Waiting::new(&self.shared);
        poll_fn(|cx| {
            let found = waiting.look(cx, |state| match state.check(key) {
                Ok(()) => state.take_link(key).map(Ok),
                Err(error) => Some(Err(error)),
            });
            let (key, link) = ready!(found)?;
            Poll::Ready(match Link::prepare(&link) {
                Ok(prepared) => Ok((key, Link::prepared(link, prepared))),
                Err(error) => {
                    self.shared.put_back(key, link);
                    Err(SocketError::Io { operation: "epoll", error })
                }
            })
        })
        .await
    }

    /// Events from now on, but [`Connected`](crate::Event::Connected), whose link comes by
    /// [`connected`](Self::connected). Where there are several of these, each event comes to one of them. Events that
    /// nobody takes are dropped, the oldest first, when there are more than 1024.
    #[must_use]
    pub fn events(&self) -> Events {
        Events::new(&self.shared)
    }

    /// As [`Socket::add_interface`](crate::Socket::add_interface).
    ///
    /// # Errors
    /// The same.
    pub fn add_interface(&self, config: InterfaceConfig) -> Result<InterfaceKey, SocketError> {
        self.shared.with(|socket| socket.add_interface(config))
    }

    /// As [`Socket::remove_interface`](crate::Socket::remove_interface). A link of it that was not taken is dropped,
    /// and whoever waits for one is told that there is no such interface.
    ///
    /// # Errors
    /// The same.
    pub fn remove_interface(&self, key: InterfaceKey) -> Result<(), SocketError> {
        let mut state = self.shared.lock();
        let removed = state.socket()?.remove_interface(key);
        let link = state.take_link(Some(key));
        drop(state);
        drop(link);
        self.shared.wake_waiters();
        removed
    }

    /// As [`Socket::set_admin_up`](crate::Socket::set_admin_up).
    ///
    /// # Errors
    /// The same.
    pub fn set_admin_up(&self, key: InterfaceKey, up: bool) -> Result<(), SocketError> {
        self.shared.with(|socket| socket.set_admin_up(key, up))
    }

    /// As [`Socket::disconnect`](crate::Socket::disconnect).
    ///
    /// # Errors
    /// The same.
    pub fn disconnect(&self, key: InterfaceKey, reason: &str) -> Result<(), SocketError> {
        self.shared.with(|socket| socket.disconnect(key, reason))
    }

    /// As [`Socket::reconfigure`](crate::Socket::reconfigure).
    ///
    /// # Errors
    /// The same.
    pub fn reconfigure(&self, key: InterfaceKey, config: InterfaceConfig) -> Result<(), SocketError> {
        self.shared.with(|socket| socket.reconfigure(key, config))
    }

    /// As [`Socket::accept`](crate::Socket::accept).
    ///
    /// # Errors
    /// The same.
    pub fn accept(&self, request: Request, config: InterfaceConfig) -> Result<InterfaceKey, SocketError> {
        self.shared.with(|socket| socket.accept(request, config))
    }

    /// As [`Socket::refuse`](crate::Socket::refuse).
    ///
    /// # Errors
    /// The same.
    pub fn refuse(&self, request: Request, reason: &str) -> Result<(), SocketError> {
        self.shared.with(|socket| socket.refuse(request, reason))
    }

    /// As [`Socket::interfaces`](crate::Socket::interfaces).
    ///
    /// # Errors
    /// None but [`SocketError::DriverEnded`].
    pub fn interfaces(&self) -> Result<Vec<InterfaceKey>, SocketError> {
        self.shared.with(|socket| Ok(socket.interfaces()))
    }

    /// As [`Socket::details`](crate::Socket::details).
    ///
    /// # Errors
    /// The same.
    pub fn details(&self, key: InterfaceKey) -> Result<Details, SocketError> {
        self.shared.with(|socket| socket.details(key))
    }
}

impl<R: Reactor> Clone for Control<R> {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl<R: Reactor> Drop for Control<R> {
    fn drop(&mut self) {
        self.shared.remove_control();
    }
}

impl<R: Reactor> fmt::Debug for Control<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}
