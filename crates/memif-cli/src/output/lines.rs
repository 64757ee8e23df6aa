//! Lines to people and to programs. Standard output may be a pipe that closes: that is an error value, never a
//! panic.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use std::sync::OnceLock;
use std::sync::mpsc::Sender;

use crate::error::Error;

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
    let mut line = serde_json::to_vec(report).map_err(|error| Error::Output(io::Error::other(error)))?;
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
        .with_writer(|| LogWriter)
        .with_ansi(false)
        .log_internal_errors(false)
        .init();
}

/// Where log lines go instead of standard error.
static LOG: OnceLock<Sender<String>> = OnceLock::new();

/// Sends all log lines from now on to `lines`, without their ends: on a terminal where somebody types they would
/// tear the line apart. Once the receiver is gone they go to standard error again.
pub(crate) fn redirect_log(lines: Sender<String>) {
    // A second call has no effect, and there is none.
    let _ = LOG.set(lines);
}

/// Writes whole log lines.
struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let lost = match LOG.get() {
            Some(lines) => {
                let text = String::from_utf8_lossy(line);
                lines.send(text.trim_end().to_owned()).is_err()
            }
            None => true,
        };
        if lost {
            io::stderr().write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
