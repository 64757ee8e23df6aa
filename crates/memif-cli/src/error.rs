//! How the command ends: its exit statuses, and the one place where errors are printed.

use std::io;
use std::process::ExitCode;

use memif::{ConfigError, SocketError};

use crate::output;
use crate::output::json::{ErrorReport, Report};

/// Shown at the end of every help text.
pub(crate) const STATUSES: &str = "\
Exit status:
  0    done; ping, demo: every reply came; bench: no packet was lost, changed, doubled or out of order on its queue;
       bench ndr: a rate was found for each size; show: a master listens and this user may connect
  1    ping, demo: replies did not come, or came with wrong bytes; bench: packets were lost, changed, doubled or out of
       order, or the link went down before the end; bench ndr: no rate was found; show: no master to connect to
  2    wrong use, no connection, or another error; the message says what to do
  130  ended by a second Ctrl-C or SIGTERM, 300 ms or more after the first
A closed pipe on standard output is no error.";

/// Status after an error.
const FAILED: u8 = 2;

/// How a command ended that did what it was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything went well.
    Success,
    /// Replies were lost or wrong.
    Lost,
    /// The question was answered with no.
    No,
}

/// Why a command could not do what it was asked to. Each text says what to do next.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Options that do not go together, or whose value cannot be.
    #[error("{0}; see --help")]
    Usage(String),
    /// An interface setting that cannot be.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The socket cannot be opened or served.
    #[error("{}", for_options(.0))]
    Socket(#[from] SocketError),
    /// The link did not come up, or did not come back. Holds the reason and the advice.
    #[error("{0}")]
    NotConnected(String),
    /// Standard output took no more.
    #[error("cannot write to standard output: {0}; check where it leads")]
    Output(#[source] io::Error),
    /// The kernel refused something that the command cannot do without.
    #[error("{what}: {source}; {advice}")]
    System {
        /// What was tried.
        what: String,
        /// What to do.
        advice: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// Whether the reader of standard output went away, which is its good right.
    fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

/// The text of an error, with the option that it is about.
fn for_options(error: &SocketError) -> String {
    match error {
        SocketError::Ownership(_) => format!("--socket-group: {error}"),
        _ => error.to_string(),
    }
}

/// Prints the error, if there is one, and gives the exit status.
pub(crate) fn status(result: Result<Outcome, Error>) -> ExitCode {
    match result {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::Lost | Outcome::No) => ExitCode::from(1),
        Err(error) if error.is_closed_pipe() => ExitCode::SUCCESS,
        Err(error) => {
            output::warn(format_args!("{error}"));
            let message = error.to_string();
            // When that cannot be printed either, the status still tells.
            let _ = output::report(&Report::Error(ErrorReport { message, exit_status: FAILED }));
            ExitCode::from(FAILED)
        }
    }
}
