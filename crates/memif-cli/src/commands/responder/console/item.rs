//! What the main thread of the console waits for.

use crate::endpoint::driver::Notice;

/// What the main thread waits for.
#[derive(Debug)]
pub(crate) enum Item {
    /// Somebody typed a line.
    Line(String),
    /// Somebody typed a line that is too long to be one.
    Overlong,
    /// Nobody will type any more.
    End,
    /// Something happened to the socket or the process.
    Notice(Notice),
    /// A line of the log.
    Log(String),
}
