//! A socket in its loop: served by a thread, its events waited for, told, and handed on.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Instant;

use memif::{Event, InterfaceKey, Socket, SocketAddress, SocketError};

use super::driver::{Driver, Notice, receive};
use super::metrics::Metrics;
use super::signals::Stop;
use crate::error::Error;
use crate::output::teller::{Teller, Voice};
use crate::output::warn;

/// Where notices arrive, made before there is a socket: signals come here, too.
#[derive(Debug)]
pub(crate) struct Inbox {
    sender: Sender<Notice>,
    notices: Receiver<Notice>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let (sender, notices) = mpsc::channel();
        Self { sender, notices }
    }

    /// For who else puts notices into it.
    pub(crate) fn sender(&self) -> Sender<Notice> {
        self.sender.clone()
    }
}

/// What is handed on while a socket is served.
#[derive(Debug)]
pub(crate) enum Happening {
    /// Something happened to a link.
    Event(Event),
    /// Somebody asked for the figures so far.
    Asked,
}

/// What came.
#[derive(Debug)]
pub(crate) enum Next {
    /// Something happened to a link.
    Event(Event),
    /// The socket cannot be served any more.
    Failed(SocketError),
    /// A signal asked for the end, or nothing can come any more.
    Over,
    /// A signal asked for the figures so far.
    Figures,
    /// Nothing came in time.
    Nothing,
}

/// A socket that is served. Dropping it takes all its links down.
#[derive(Debug)]
pub(crate) struct Endpoint {
    driver: Option<Driver>,
    notices: Receiver<Notice>,
    /// Notices that came before one that was picked.
    kept: VecDeque<Notice>,
    teller: Teller,
}

impl Endpoint {
    /// Starts to serve the socket at that address.
    pub(crate) fn start(
        socket: Socket,
        address: SocketAddress,
        inbox: Inbox,
        voice: Voice,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let Inbox { sender, notices } = inbox;
        let driver = Some(Driver::start(socket, sender, metrics.watch())?);
        Ok(Self { driver, notices, kept: VecDeque::new(), teller: Teller::new(address, voice) })
    }

    /// Waits for what comes next, until that time if there is one. Says meanwhile what is to be said.
    pub(crate) fn next(&mut self, until: Option<Instant>) -> Result<Next, Error> {
        loop {
            self.teller.overdue()?;
            let due = [self.teller.due(), until].into_iter().flatten().min();
            let notice = self.kept.pop_front().map_or_else(|| receive(&self.notices, due), Ok);
            return Ok(match notice {
                Ok(Notice::Event(event)) => Next::Event(event),
                Ok(Notice::Failed(error)) => Next::Failed(error),
                Ok(Notice::Figures) => Next::Figures,
                Ok(Notice::Signal) | Err(RecvTimeoutError::Disconnected) => Next::Over,
                Err(RecvTimeoutError::Timeout) if until.is_some_and(|until| Instant::now() >= until) => Next::Nothing,
                Err(RecvTimeoutError::Timeout) => continue,
            });
        }
    }

    /// The first event that is here and wanted. Those before it come [later](Self::next).
    pub(crate) fn pick(&mut self, wanted: impl Fn(&Event) -> bool) -> Option<Event> {
        while let Ok(notice) = self.notices.try_recv() {
            match notice {
                Notice::Event(event) if wanted(&event) => return Some(event),
                other => self.kept.push_back(other),
            }
        }
        None
    }

    /// Hands on one event after the other, or that somebody asks for figures, and itself, until a signal comes or
    /// `handle` breaks, and says what is left to say.
    ///
    /// Gives the error that kept the socket from being served until then, if one did: what was counted is still to be
    /// told.
    pub(crate) fn serve(
        &mut self,
        stop: &Stop,
        mut handle: impl FnMut(&mut Self, Happening) -> Result<ControlFlow<()>, Error>,
    ) -> Result<Option<SocketError>, Error> {
        let mut failed = None;
        while !stop.is_requested() {
            let happening = match self.next(None)? {
                Next::Event(event) => Happening::Event(event),
                Next::Figures if stop.takes_figures() => Happening::Asked,
                Next::Figures => continue,
                Next::Failed(error) => {
                    failed = Some(error);
                    break;
                }
                Next::Over | Next::Nothing => break,
            };
            if handle(self, happening)?.is_break() {
                break;
            }
        }
        self.teller.finish()?;
        Ok(failed)
    }

    /// Says what happens to the links.
    pub(crate) fn teller(&mut self) -> &mut Teller {
        &mut self.teller
    }

    /// Runs `task` on the thread that owns the socket and gives its result; `None` when that thread has ended.
    pub(crate) fn with<R: Send + 'static>(&self, task: impl FnOnce(&mut Socket) -> R + Send + 'static) -> Option<R> {
        self.driver.as_ref()?.with(task)
    }

    /// Ends a link that cannot be served here, and says why to this side and to the peer. Everything else goes on.
    pub(crate) fn give_up(&self, key: InterfaceKey, name: &str, error: &Error) {
        warn(format_args!("{name}: {error}"));
        self.disconnect(key, error);
    }

    /// The same for who says it on this side in another way.
    pub(crate) fn disconnect(&self, key: InterfaceKey, error: &Error) {
        let reason = match error {
            // Without the advice, which is for this side.
            Error::System { what, source, .. } => format!("{what}: {source}"),
            other => other.to_string(),
        };
        self.with(move |socket| socket.disconnect(key, &reason));
    }

    /// Takes all links down, which ends the threads that wait for their packets.
    pub(crate) fn close(&mut self) {
        self.driver = None;
    }
}
