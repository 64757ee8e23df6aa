//! Lines to people and to programs. Standard output may be a pipe that closes: that is an error value, never a
//! panic.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::exit::Error;

/// Whether standard output is for programs. Set once, before anything is printed.
static JSON: AtomicBool = AtomicBool::new(false);

/// From now on standard output has JSON and nothing else.
pub(crate) fn speak_json() {
    JSON.store(true, Ordering::Relaxed);
}

/// Whether standard output is for programs.
pub(crate) fn speaks_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Prints a line for people on standard output. With `--json` it is dropped: what it says is in a report, too.
pub(crate) fn say(line: Arguments<'_>) -> Result<(), Error> {
    if speaks_json() {
        return Ok(());
    }
    writeln!(io::stdout().lock(), "{line}").map_err(Error::Output)
}

/// Prints a report for programs on standard output: one JSON object, one line. Without `--json` it is dropped, as is
/// `None`.
pub(crate) fn report<'a, T: Serialize + 'a>(report: impl Into<Option<&'a T>>) -> Result<(), Error> {
    let (true, Some(report)) = (speaks_json(), report.into()) else { return Ok(()) };
    let mut line =
        serde_json::to_vec(report).map_err(|error| Error::Output(io::Error::other(error)))?;
    line.push(b'\n');
    // In one piece, and at once: whoever reads a pipe wants an event when it happens.
    let mut out = io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).map_err(Error::Output)
}

/// Prints a line on standard error, with the name of the program before it. When even that fails there is
/// nobody left to tell.
pub(crate) fn warn(line: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "memif: {line}");
}

/// Sends the log lines of the control path to standard error: none, the common ones, or all.
pub(crate) fn log_to_stderr(verbosity: u8) {
    let level = match verbosity {
        0 => return,
        1 => tracing_subscriber::filter::LevelFilter::DEBUG,
        _ => tracing_subscriber::filter::LevelFilter::TRACE,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(io::stderr)
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
}
