//! How the command ends: its exit statuses, and the one place where errors are printed.

use super::json::ErrorReport;
use super::lines::{report, warn};
use crate::error::Error;

/// Shown at the end of every help text.
pub(crate) const STATUSES: &str = "\
Exit status:
  0    done; ping, demo: every reply came; replay: every packet was sent;
       bench: no packet was lost, changed, doubled or out of order on its
       queue; bench ndr: a rate was found for each size; show: a master
       listens and this user may connect
  1    ping, demo: replies did not come, or came with wrong bytes, or ping's
       --deadline came before --count replies; replay: packets were left
       out; bench: packets were lost, changed, doubled or out of order, or the link went down before the
       end; bench ndr: no rate was found; show: no master to connect to
  2    wrong use, no connection, or another error; the message says what to do
  130  ended by a second Ctrl-C or SIGTERM, 300 ms or more after the first
A closed pipe on standard output is no error.
Signals:
  Ctrl-C, SIGTERM, SIGHUP and SIGQUIT (Ctrl-\\) end it in good order; SIGHUP
  and SIGQUIT are ignored where they were when it started (nohup). SIGUSR1
  prints the figures so far, and so does SIGQUIT in ping.";

const SUCCESS: u8 = 0;
const NOT_ALL: u8 = 1;
/// Status after an error.
pub(crate) const FAILED: u8 = 2;

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

/// Prints the error, if there is one, and gives the exit status.
pub(crate) fn status(result: Result<Outcome, Error>) -> u8 {
    match result {
        Ok(Outcome::Success) => SUCCESS,
        Ok(Outcome::Lost | Outcome::No) => NOT_ALL,
        Err(error) if error.is_closed_pipe() => SUCCESS,
        Err(error) => {
            warn(format_args!("{error}"));
            let message = error.to_string();
            // When that cannot be printed either, the status still tells.
            let _ = report(&ErrorReport { message, exit_status: FAILED });
            FAILED
        }
    }
}
