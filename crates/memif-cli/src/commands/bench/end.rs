//! One end of the link that is measured: its socket, and the links as they come up.

use std::time::Instant;

use memif::{ConnectError, Event, InterfaceKey, Link, Role};

use super::other::{self, Other};
use super::place::Place;
use super::until::{LOOK, Until};
use crate::endpoint::socket::{Endpoint, Inbox, Next};
use crate::error::Error;
use crate::output::said::Told;
use crate::output::warn;

/// One end. Dropping it takes its link down.
#[derive(Debug)]
pub(crate) struct End {
    endpoint: Endpoint,
    /// Why the link went down that was there last.
    last_reason: Option<String>,
    /// The interface.
    key: InterfaceKey,
    role: Role,
    place: Place,
}

impl End {
    /// Opens an end of that role.
    pub(crate) fn open(place: &Place, role: Role) -> Result<Self, Error> {
        let config = place.config(role, place.id)?;
        let mut socket = place.socket(role)?.open()?;
        let key = socket.add_interface(config)?;
        Ok(Self {
            endpoint: Endpoint::start(socket, place.address.clone(), Inbox::new(), Told::warn, &place.metrics)?,
            last_reason: None,
            key,
            role,
            place: place.clone(),
        })
    }

    /// The next link, or `None` when it should end. Waits no longer than a link may take, or for ever if `patient`.
    pub(crate) fn link(&mut self, until: &Until, patient: bool) -> Result<Option<Link>, Error> {
        self.wait(until, patient, &mut None)
    }

    /// The link to that end, which is ours where there is one. Waits no longer than a link may take, nor than that end
    /// is there.
    pub(crate) fn link_to(&mut self, other: &mut Option<Other>, until: &Until) -> Result<Option<Link>, Error> {
        self.wait(until, false, other)
    }

    /// Ends the link that cannot be served here, and says why to the peer; the error is the end of this side.
    pub(crate) fn give_up(&self, error: &Error) {
        self.endpoint.disconnect(self.key, error);
    }

    /// Why a link went down that somebody found to be down. The event may come a moment after that.
    pub(crate) fn why_down(&mut self) -> Option<String> {
        let deadline = Instant::now() + LOOK;
        loop {
            match self.endpoint.next(Some(deadline)) {
                Ok(Next::Event(Event::Disconnected { reason, .. })) => {
                    let reason = reason.to_string();
                    self.last_reason = Some(reason.clone());
                    return Some(reason);
                }
                Ok(Next::Event(_) | Next::Figures) => {}
                _ => return None,
            }
        }
    }

    /// Why the last link went down, if that was met when the next one was waited for.
    pub(crate) fn last_reason(&self) -> Option<&str> {
        self.last_reason.as_deref()
    }

    fn wait(&mut self, until: &Until, patient: bool, other: &mut Option<Other>) -> Result<Option<Link>, Error> {
        let link = self.next_link(until, patient, other);
        if !matches!(link, Ok(Some(_))) {
            self.endpoint.teller().finish()?;
        }
        link
    }

    fn next_link(&mut self, until: &Until, patient: bool, other: &mut Option<Other>) -> Result<Option<Link>, Error> {
        let start = Instant::now();
        let mut last = None;
        let mut waiting = self.place.waiting(self.role, start);
        while !until.is_over() {
            waiting.tell(&self.place);
            let event = match self.endpoint.next(Some(Instant::now() + LOOK))? {
                Next::Event(event) => event,
                Next::Failed(error) => return Err(error.into()),
                Next::Over => return Ok(None),
                // Nobody puts that here: bench looks for it itself.
                Next::Figures => continue,
                Next::Nothing => {
                    if until.takes_figures() {
                        warn(format_args!("so far: no link"));
                    }
                    self.check(start, patient, &last, other, until)?;
                    continue;
                }
            };
            self.tell(&event)?;
            if let Event::Disconnected { reason, .. } = &event {
                self.last_reason = Some(reason.to_string());
            }
            if let Event::Connected { link, .. } = event {
                return Ok(Some(link));
            }
            last = self.endpoint.teller().cause(&event).or(last);
            // Attempts that fail may follow each other sooner than a look takes.
            self.check(start, patient, &last, other, until)?;
        }
        Ok(None)
    }

    /// An error when the time is over, or the other end is gone.
    fn check(
        &self,
        start: Instant,
        patient: bool,
        last: &Option<String>,
        other: &mut Option<Other>,
        until: &Until,
    ) -> Result<(), Error> {
        other.as_mut().map_or(Ok(()), |other| other.check(until))?;
        if !patient && start.elapsed() >= self.place.timeout {
            let late = || self.place.not_connected(self.role, last.clone());
            return Err(other::stopped(other).unwrap_or_else(late));
        }
        Ok(())
    }

    /// Tells about an event what was not told yet. Between two ends of our own that is what this one failed with.
    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        let failed = matches!(event, Event::ConnectFailed { error: ConnectError::Local(_), .. });
        if self.place.both && !failed {
            return Ok(());
        }
        let id = self.place.id;
        match self.endpoint.teller().note(event, |_| "link".to_owned(), |_| id) {
            Some(told) if self.place.both => warn(format_args!("{}", told.line)),
            Some(told) => told.warn()?,
            None => {}
        }
        Ok(())
    }
}
