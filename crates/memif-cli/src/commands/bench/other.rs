//! The other end at work, where we started both: another process of this program, or a thread.

use std::io::Read;
use std::process::Child;
use std::sync::mpsc::Receiver;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::until::Until;
use crate::error::Error;

/// How long a process has to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The other end at work. Dropping it ends it.
#[derive(Debug)]
pub(crate) enum Other {
    Process(Child),
    Thread { until: Until, thread: Option<JoinHandle<()>>, ready: Receiver<()> },
}

impl Other {
    /// Waits until a crowd can be connected to, or the other end is gone.
    pub(crate) fn wait_ready(&mut self) {
        match self {
            Self::Process(child) => {
                if let Some(output) = &mut child.stdout {
                    // Its end, too, ends the wait: then no link comes up, and that is told.
                    let _ = output.read(&mut [0]);
                }
            }
            Self::Thread { ready, .. } => {
                let _ = ready.recv();
            }
        }
    }

    /// How it ended, in brackets where it can be told; `None` while it is there.
    fn ended(&mut self) -> Option<String> {
        match self {
            Self::Process(child) => child.try_wait().ok().flatten().map(|status| format!(" ({status})")),
            Self::Thread { thread, .. } => thread.as_ref().is_some_and(JoinHandle::is_finished).then(String::new),
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

    /// Its process, if it is another one.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(child) => Some(child.id()),
            Self::Thread { .. } => None,
        }
    }
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
        thread::sleep(Duration::from_millis(1));
    }
    error
}

impl Drop for Other {
    fn drop(&mut self) {
        match self {
            Self::Process(child) => {
                // The end of its input is the sign to end.
                drop(child.stdin.take());
                let start = Instant::now();
                while start.elapsed() < PATIENCE {
                    if !matches!(child.try_wait(), Ok(None)) {
                        return;
                    }
                    thread::sleep(Duration::from_millis(1));
                }
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Thread { until, thread, .. } => {
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

    use super::*;
    use crate::endpoint::signals::Stop;

    #[test]
    fn an_end_that_is_gone_is_noticed() {
        let until = Until::signalled(Stop::default());
        let start = |program: &str| {
            let child = Command::new(program).stdin(Stdio::piped()).spawn().unwrap();
            Other::Process(child)
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
        until.end();
        gone.check(&until).unwrap();
    }
}
