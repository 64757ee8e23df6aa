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

    /// An error when it is gone, though nobody asked it to end.
    pub(crate) fn check(&mut self, until: &Until) -> Result<(), Error> {
        let how = match self {
            Self::Process(child) => match child.try_wait() {
                Ok(Some(status)) => format!(" ({status})"),
                _ => return Ok(()),
            },
            Self::Thread { thread, .. } if thread.as_ref().is_some_and(JoinHandle::is_finished) => String::new(),
            Self::Thread { .. } => return Ok(()),
        };
        if until.is_over() {
            return Ok(());
        }
        Err(Error::NotConnected(format!("the other end ended before a link was up{how}; what it says above tells why")))
    }

    /// Its process, if it is another one.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(child) => Some(child.id()),
            Self::Thread { .. } => None,
        }
    }
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
