//! The thread that answers: one for all connections, which waits for nothing but what any of them does next.

use std::io::{self, ErrorKind, PipeReader, PipeWriter};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::setpriority_process;

use super::connection::Connection;
use super::place::Listener;
use crate::error::Error;

/// Connections that are served at a time. More wait in the kernel until one of those is done.
const MOST: usize = 8;
/// How long nobody is taken in where the kernel has no descriptor or memory for them: the listener stays readable.
const PAUSE: Duration = Duration::from_millis(100);
/// The thread gives way to those that have packets, where they share a processor.
const NICE: i32 = 19;

/// Gives the metrics as text.
pub(super) type Tell = Box<dyn Fn() -> String + Send>;

/// Answers until it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    over: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the thread.
    pub(super) fn start(listener: Listener, tell: Tell) -> Result<Self, Error> {
        let failed = |source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limits of processes and open files (ulimit -u, ulimit -n), or leave --metrics out",
            source,
        };
        let (ended, over) = io::pipe().map_err(failed)?;
        let mut serving = Serving { listener, ended, tell, connections: Vec::new(), deaf_until: None };
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(move || serving.run()).map_err(failed)?;
        Ok(Self { over: Some(over), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.over.take());
        if let Some(thread) = self.thread.take() {
            // It waits for no client. A panic there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

struct Serving {
    listener: Listener,
    /// Readable when it is over.
    ended: PipeReader,
    tell: Tell,
    connections: Vec<Connection>,
    deaf_until: Option<Instant>,
}

impl Serving {
    fn run(&mut self) {
        // Of this thread alone, as Linux has it. Without leave for it, it is as urgent as others.
        let _ = setpriority_process(None, NICE);
        while self.turn() {}
    }

    /// Waits for what happens next, and sees to it. Returns whether it goes on.
    fn turn(&mut self) -> bool {
        let now = Instant::now();
        self.connections.retain(|connection| connection.deadline > now);
        self.deaf_until = self.deaf_until.filter(|until| *until > now);
        let listens = self.connections.len() < MOST && self.deaf_until.is_none();
        let deadlines = self.connections.iter().map(|connection| connection.deadline).chain(self.deaf_until);
        // Rounded up, so that it is past when the wait ends.
        let left = deadlines.min().map(|next| next.saturating_duration_since(now) + Duration::from_millis(1));

        let mut fds = vec![PollFd::new(&self.ended, PollFlags::IN)];
        // While nobody is taken in, it is not asked for.
        fds.push(PollFd::new(&self.listener, if listens { PollFlags::IN } else { PollFlags::empty() }));
        fds.extend(self.connections.iter().map(|connection| {
            let (stream, flags) = connection.wants();
            PollFd::new(stream, flags)
        }));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return true,
            Err(_) => {
                // There is no memory for it.
                thread::sleep(PAUSE);
                return true;
            }
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (Some((ended, rest)), tell) = (ready.split_first(), &*self.tell) else { return false };
        if *ended {
            return false;
        }
        let newcomers = rest.first().copied().unwrap_or_default() && listens;
        let mut ready = rest.iter().skip(1);
        self.connections.retain_mut(|connection| !ready.next().copied().unwrap_or_default() || connection.go_on(tell));
        if newcomers {
            self.take_in(now);
        }
        true
    }

    fn take_in(&mut self, now: Instant) {
        while self.connections.len() < MOST {
            match self.listener.accept() {
                Ok(stream) => self.connections.push(Connection::new(stream)),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    // Whoever it was is gone.
                    ErrorKind::ConnectionAborted | ErrorKind::Interrupted => {}
                    _ => {
                        self.deaf_until = Some(now + PAUSE);
                        return;
                    }
                },
            }
        }
    }
}
