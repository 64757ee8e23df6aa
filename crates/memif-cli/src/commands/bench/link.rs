//! One end of the link that is measured: its socket, and the links as they come up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use memif::{ConnectError, Event, InterfaceConfig, Link, Role, SocketAddress, SocketBuilder};

use super::other::Other;
use crate::endpoint::driver::{Driver, Notice};
use crate::endpoint::options::InterfaceOptions;
use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::events::Reporter;
use crate::output::said::Told;
use crate::output::warn;

/// The longest time that anything sleeps without looking whether it should end.
pub(crate) const LOOK: Duration = Duration::from_millis(100);
/// How soon a slave of ours tries again when the other end is ours, too.
const RETRY: Duration = Duration::from_millis(10);

/// Whether a measurement should end before its time.
#[derive(Clone, Debug)]
pub(crate) struct Until {
    stop: Stop,
    over: Arc<AtomicBool>,
}

impl Until {
    /// Until a signal comes.
    pub(crate) fn signalled(stop: Stop) -> Self {
        Self { stop, over: Arc::default() }
    }

    /// Until a signal comes, or [`end`](Self::end) is called on the result.
    pub(crate) fn part(&self) -> Self {
        Self { stop: self.stop.clone(), over: Arc::default() }
    }

    /// Asks for the end.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether it should end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.is_requested() || self.over.load(Ordering::Relaxed)
    }
}

/// Where an end is and what it is like.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) interface: InterfaceOptions,
    pub(crate) address: SocketAddress,
    pub(crate) id: u32,
    /// Whether the other end was started by us.
    pub(crate) both: bool,
    /// How long a link may take to come up.
    pub(crate) timeout: Duration,
}

impl Place {
    /// The socket for that role. The options for a master are for the one end that is the master.
    pub(crate) fn socket(&self, role: Role) -> Result<SocketBuilder, Error> {
        let address = self.address.clone();
        match (role, self.both) {
            (Role::Slave, true) => Ok(self.interface.slave_socket(address).retry_period(RETRY)),
            _ => self.interface.socket(address, role),
        }
    }

    /// The interface of that role and id. Between two ends of ours the options are the slave's.
    pub(crate) fn config(&self, role: Role, id: u32) -> Result<InterfaceConfig, Error> {
        match (role, self.both) {
            (Role::Master, true) => self.interface.for_own_slave().interface(role, id),
            _ => self.interface.interface(role, id),
        }
    }

    /// Opens an end of that role.
    pub(crate) fn open(&self, role: Role) -> Result<End, Error> {
        let config = self.config(role, self.id)?;
        let mut socket = self.socket(role)?.open()?;
        socket.add_interface(config)?;
        let (sender, notices) = mpsc::channel();
        Ok(End {
            notices,
            last_reason: None,
            reporter: Reporter::new(self.address.clone()),
            role,
            place: self.clone(),
            _driver: Driver::start(socket, sender)?,
        })
    }

    /// What to say when no link came up.
    pub(crate) fn not_connected(&self, role: Role, last: Option<String>) -> Error {
        let (address, id) = (&self.address, self.id);
        let reason = last.unwrap_or_else(|| match role {
            Role::Slave => format!(
                "nobody answered at {address}; look whether the master runs \
                 (`memif show {address}` tells whose the socket is)"
            ),
            Role::Master => {
                format!("no slave connected to {address}; start one with id {id}, or check its socket and id")
            }
        });
        let both = if self.both { "; the other end may have said more, see -v" } else { "" };
        Error::NotConnected(format!("no link in {} s: {reason}{both}", self.timeout.as_secs_f64()))
    }
}

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
