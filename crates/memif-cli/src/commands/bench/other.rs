//! The other end at work, where we started both: another process of this program, or a thread.

use std::fs;
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use super::until::{LOOK, Until};
use crate::error::Error;

/// How long a process has to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The other end at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Other {
    pub(super) kind: Kind,
    /// What it says.
    pub(super) lines: Receiver<String>,
}

/// What it is.
#[derive(Debug)]
pub(super) enum Kind {
    Process(Child),
    Thread { until: Until, thread: Option<JoinHandle<()>> },
}

impl Other {
    /// Waits until a crowd can be connected to, or the other end is gone: then no link comes up, and that is told.
    pub(crate) fn wait_ready(&mut self, patience: Duration) {
        let _ = self.lines.recv_timeout(patience);
    }

    /// What it says at its end. An error when it does not in that time.
    pub(crate) fn result<T: DeserializeOwned>(&mut self, patience: Duration, until: &Until) -> Result<T, Error> {
        let start = Instant::now();
        loop {
            match self.lines.recv_timeout(LOOK) {
                Ok(line) => {
                    let wrong = |error| Error::NotConnected(format!("the other end made no sense: {error}"));
                    return serde_json::from_str(&line).map_err(wrong);
                }
                Err(error) => {
                    self.check(until)?;
                    // An end that was asked for may leave nothing.
                    let nothing = error == RecvTimeoutError::Disconnected && until.is_over();
                    if nothing || start.elapsed() >= patience {
                        return Err(self.idle(patience));
                    }
                    if error == RecvTimeoutError::Disconnected {
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            }
        }
    }

    /// How it ended, in brackets where it can be told; `None` while it is there.
    fn ended(&mut self) -> Option<String> {
        match &mut self.kind {
            Kind::Process(child) => child.try_wait().ok().flatten().map(|status| format!(" ({status})")),
            Kind::Thread { thread, .. } => thread.as_ref().is_some_and(JoinHandle::is_finished).then(String::new),
        }
    }

    /// An error when it is gone, though nobody asked it to end.
    pub(crate) fn check(&mut self, until: &Until) -> Result<(), Error> {
        match self.ended() {
            Some(how) if !until.is_over() => Err(Error::NotConnected(format!(
                "the other end ended before the measurement did{how}; what it says above, if anything, tells why"
            ))),
            _ => Ok(()),
        }
    }

    /// Why it does nothing for so long, though it is there.
    pub(crate) fn idle(&self, time: Duration) -> Error {
        let seconds = time.as_secs();
        let stopped = self.pid().filter(|pid| is_stopped(*pid));
        Error::NotConnected(match stopped {
            Some(pid) => format!(
                "the other end does nothing: its process {pid} was stopped, by a signal (SIGSTOP, SIGTSTP) or a \
                 debugger; let it run"
            ),
            None => format!("the other end has done nothing for {seconds} s, though it is there; is the machine busy?"),
        })
    }

    /// Its process, if it is another one.
    pub(crate) fn pid(&self) -> Option<u32> {
        match &self.kind {
            Kind::Process(child) => Some(child.id()),
            Kind::Thread { .. } => None,
        }
    }
}

/// What is to be said of an end of ours that is stopped.
pub(crate) fn stopped(other: &Option<Other>) -> Option<Error> {
    let other = other.as_ref().filter(|other| other.pid().is_some_and(is_stopped))?;
    Some(other.idle(Duration::ZERO))
}

/// Whether that process is stopped.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}

/// Why a link to that end went down, though the measurement was not over.
pub(crate) fn gone(other: &mut Option<Other>, until: &Until) -> Error {
    blame(other, Error::NotConnected("the link went down during the measurement; see -v".to_owned()), until)
}

/// That error, or that the other end is gone where it is what brought it about. A process whose link is down may take a
/// moment to be gone.
pub(crate) fn blame(other: &mut Option<Other>, error: Error, until: &Until) -> Error {
    let (Some(other), Error::NotConnected(_)) = (other, &error) else { return error };
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        if let Err(gone) = other.check(until) {
            return gone;
        }
        if other.pid().is_some_and(is_stopped) {
            return other.idle(start.elapsed());
        }
        thread::sleep(Duration::from_millis(1));
    }
    error
}

impl Drop for Other {
    fn drop(&mut self) {
        match &mut self.kind {
            Kind::Process(child) => {
                // The end of its input is the sign to end.
                drop(child.stdin.take());
                let start = Instant::now();
                while start.elapsed() < PATIENCE && !is_stopped(child.id()) {
                    if !matches!(child.try_wait(), Ok(None)) {
                        return;
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                let _ = child.kill();
                let _ = child.wait();
            }
            Kind::Thread { until, thread } => {
                until.end();
                if let Some(thread) = thread.take() {
                    // A panic there was reported by itself.
                    let _ = thread.join();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::sync::mpsc;

    use super::*;
    use crate::endpoint::signals::Stop;

    #[test]
    fn an_end_that_is_gone_is_noticed() {
        let until = Until::signalled(Stop::default());
        let start = |program: &str| {
            let child = Command::new(program).stdin(Stdio::piped()).spawn().unwrap();
            Other { kind: Kind::Process(child), lines: mpsc::channel().1 }
        };
        // It ends when its input does.
        let mut there = start("cat");
        there.check(&until).unwrap();
        let mut gone = start("false");
        let error = loop {
            match gone.check(&until) {
                Ok(()) => thread::yield_now(),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("exit status: 1"), "{error}");
        there.check(&until).unwrap();
        assert!(there.idle(Duration::from_secs(3)).to_string().contains("nothing for 3 s, though it is there"));
        until.end();
        gone.check(&until).unwrap();
    }
}
