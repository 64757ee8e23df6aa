//! What a driver tells.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::shared::{Shared, Waiting};
use crate::socket::Event;

/// Events of a socket that is driven, from the moment on at which this was made. Ends with the driver.
pub struct Events {
    shared: Arc<Shared>,
    waiting: Option<u64>,
}

impl Events {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        shared.add_listener();
        Self { shared: Arc::clone(shared), waiting: None }
    }

    /// Waits for the next event: `None` when the driver has ended and all were taken.
    ///
    /// # Cancel safety
    /// Yes: an event stays until this gives it.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &Context<'_>) -> Poll<Option<Event>> {
        self.shared.look(&mut self.waiting, cx, |state| match state.take_event() {
            None if state.socket().is_ok() => None,
            event => Some(event),
        })
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        drop(Waiting::of(&self.shared, self.waiting));
        self.shared.remove_listener();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
