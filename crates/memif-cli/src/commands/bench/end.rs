//! One end of the link that is measured: its socket, and the links as they come up.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use memif::{ConnectError, Event, Link, Role};

use super::other::Other;
use super::place::Place;
use super::until::{LOOK, Until};
use crate::endpoint::driver::{Driver, Notice};
use crate::error::Error;
use crate::output::events::Reporter;
use crate::output::said::Told;
use crate::output::warn;

/// One end. Dropping it takes its link down.
#[derive(Debug)]
pub(crate) struct End {
    notices: Receiver<Notice>,
    /// Why the link went down that was there last.
    last_reason: Option<String>,
    reporter: Reporter,
    role: Role,
    place: Place,
    _driver: Driver,
}

impl End {
    /// Opens an end of that role.
    pub(crate) fn open(place: &Place, role: Role) -> Result<Self, Error> {
        let config = place.config(role, place.id)?;
        let mut socket = place.socket(role)?.open()?;
        socket.add_interface(config)?;
        let (sender, notices) = mpsc::channel();
        Ok(Self {
            notices,
            last_reason: None,
            reporter: Reporter::new(place.address.clone()),
            role,
            place: place.clone(),
            _driver: Driver::start(socket, sender)?,
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

    /// Why the last link went down, if that was met when the next one was waited for.
    pub(crate) fn last_reason(&self) -> Option<&str> {
        self.last_reason.as_deref()
    }

    fn wait(&mut self, until: &Until, patient: bool, other: &mut Option<Other>) -> Result<Option<Link>, Error> {
        let link = self.next_link(until, patient, other);
        if !matches!(link, Ok(Some(_))) {
            self.reporter.finish().iter().try_for_each(Told::warn)?;
        }
        link
    }

    fn next_link(&mut self, until: &Until, patient: bool, other: &mut Option<Other>) -> Result<Option<Link>, Error> {
        let start = Instant::now();
        let mut last = None;
        while !until.is_over() {
            self.reporter.overdue().iter().try_for_each(Told::warn)?;
            let event = match self.notices.recv_timeout(LOOK) {
                Ok(Notice::Event(event)) => Some(event),
                Ok(Notice::Failed(error)) => return Err(error.into()),
                Ok(Notice::Signal) | Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => None,
            };
            // Attempts that fail may follow each other sooner than a look takes.
            let Some(event) = event else {
                self.check(start, patient, &last, other, until)?;
                continue;
            };
            self.tell(&event)?;
            if let Event::Disconnected { reason, .. } = &event {
                self.last_reason = Some(reason.to_string());
            }
            if let Event::Connected { link, .. } = event {
                return Ok(Some(link));
            }
            last = self.reporter.cause(&event).or(last);
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
            return Err(self.place.not_connected(self.role, last.clone()));
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
        match self.reporter.tell(event, |_| "link".to_owned(), |_| id) {
            Some(told) if self.place.both => warn(format_args!("{}", told.line)),
            Some(told) => told.warn()?,
            None => {}
        }
        Ok(())
    }
}
