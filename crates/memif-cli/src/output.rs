//! Lines to people. Standard output may be a pipe that closes: that is an error value, never a panic.

use std::fmt::Arguments;
use std::io::{self, Write};

use crate::exit::Error;

/// Prints a line on standard output.
pub(crate) fn say(line: Arguments<'_>) -> Result<(), Error> {
    writeln!(io::stdout().lock(), "{line}").map_err(Error::Output)
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
