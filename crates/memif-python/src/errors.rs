//! Why something failed, and the exception that tells. The classes are Python's, in `memif/_errors.py`.

use memif::{Breach, DisconnectReason, RecvError, SendError};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::exit::Call;

/// What happened and, where there is some, advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) reason: String,
    pub(crate) advice: Option<String>,
}

impl From<(String, Option<String>)> for Told {
    fn from((reason, advice): (String, Option<String>)) -> Self {
        Self { reason: python_names(&reason), advice: advice.as_deref().map(python_names) }
    }
}

/// How a link ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) reason: String,
    /// The name of the breach that ended it, if one did.
    pub(crate) breach: Option<String>,
}

impl End {
    /// Where nobody knows.
    pub(crate) fn unknown() -> Self {
        Self { reason: "link is down".to_owned(), breach: None }
    }

    pub(crate) fn of(breach: &Breach) -> Self {
        Self { reason: format!("peer broke the protocol: {breach}"), breach: Some(name(breach)) }
    }
}

impl From<&DisconnectReason> for End {
    fn from(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Breach(breach) => Self::of(breach),
            other => Self { reason: other.to_string(), breach: None },
        }
    }
}

/// Why a call could not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// An option that cannot be.
    Option(String),
    /// A socket that cannot be opened, or an interface not be added.
    Socket(String),
    /// It was closed here.
    Closed,
    /// It belongs to the process that this one is a child of.
    Forked,
    /// There is no link; why not, as far as it is known.
    NotConnected(Option<Told>),
    /// No link came up in time; why not, as far as it is known.
    TimedOut(Option<Told>),
    /// The link went down.
    Ended(End),
    /// A packet that cannot be sent on this link.
    Packet(String),
    /// There is no such queue.
    Queue(String),
    /// What the kernel did not give.
    System(String),
}

impl Failure {
    /// The exception. `sent` packets went out before.
    pub(crate) fn into_error(self, py: Python<'_>, sent: usize) -> PyErr {
        let _call = Call::begin(py);
        self.exception(py, sent).unwrap_or_else(|error| error)
    }

    fn exception(self, py: Python<'_>, sent: usize) -> PyResult<PyErr> {
        const WAIT: &str = "call wait_connected()";
        let (class, reason, advice, breach) = match self {
            Failure::Option(text) => ("OptionError", text, None, None),
            Failure::Socket(text) => ("SocketError", python_names(&text), None, None),
            Failure::Closed => {
                ("ClosedError", "it was closed here".to_owned(), Some("open another one".to_owned()), None)
            }
            Failure::Forked => {
                let reason = "it belongs to the process that forked this one".to_owned();
                ("ForkedError", reason, Some("open sockets after the fork".to_owned()), None)
            }
            Failure::NotConnected(None) => ("NotConnectedError", "no link yet".to_owned(), Some(WAIT.to_owned()), None),
            Failure::NotConnected(Some(Told { reason, advice })) => {
                let advice = advice.map_or(WAIT.to_owned(), |advice| format!("{advice}; then {WAIT}"));
                ("NotConnectedError", format!("no link yet: {reason}"), Some(advice), None)
            }
            Failure::TimedOut(None) => ("TimeoutError", "no link came up in time".to_owned(), None, None),
            Failure::TimedOut(Some(Told { reason, advice })) => {
                ("TimeoutError", format!("no link came up in time: {reason}"), advice, None)
            }
            Failure::Ended(End { reason, breach: None }) => ("DisconnectedError", reason, None, None),
            Failure::Ended(End { reason, breach }) => ("BreachError", reason, None, breach),
            Failure::Packet(text) => ("PacketError", text, None, None),
            Failure::Queue(text) => ("QueueError", text, None, None),
            Failure::System(text) => return Ok(PyRuntimeError::new_err(text)),
        };
        let error = py.import("memif._errors")?.getattr(class)?.call1((reason, advice))?;
        if sent > 0 {
            error.setattr("sent", sent)?;
        }
        if let Some(breach) = breach {
            error.setattr("breach", breach)?;
        }
        Ok(PyErr::from_value(error))
    }
}

/// What a receive call says, of a link that ended for `end` where it does not know itself.
pub(crate) fn received(error: RecvError, end: impl FnOnce() -> End) -> Failure {
    match error {
        RecvError::Breach(breach) => Failure::Ended(End::of(&breach)),
        RecvError::NoQueue => Failure::Queue(error.to_string()),
        _ => Failure::Ended(end()),
    }
}

/// What a send call says, in the same way.
pub(crate) fn sent(error: SendError, end: impl FnOnce() -> End) -> Failure {
    match error {
        SendError::Breach(breach) => Failure::Ended(End::of(&breach)),
        SendError::Empty | SendError::TooLong { .. } => Failure::Packet(error.to_string()),
        _ => Failure::Ended(end()),
    }
}

/// The name of a breach: that of its variant.
fn name(breach: &Breach) -> String {
    let text = format!("{breach:?}");
    text.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// The same text with options as they are written in Python: `ring_size` for `--ring-size`.
pub(crate) fn python_names(text: &str) -> String {
    let mut parts = text.split("--");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let is_option = part.starts_with(|letter: char| letter.is_ascii_lowercase());
        let end = part.find(|letter: char| !(letter.is_ascii_lowercase() || letter == '-')).unwrap_or(part.len());
        match part.split_at_checked(end) {
            Some((option, rest)) if is_option => {
                all.push_str(&option.replace('-', "_"));
                all.push_str(rest);
            }
            _ => {
                all.push_str("--");
                all.push_str(part);
            }
        }
    }
    all
}
