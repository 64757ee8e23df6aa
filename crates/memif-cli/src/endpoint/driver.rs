//! The thread that owns a socket: it polls it, passes events on, and does on it what it is asked to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use memif::{Event, Socket, SocketError, SocketWaker};

use super::metrics::Watch;
use crate::error::Error;

/// What the main thread of a command waits for.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Something happened to a link.
    Event(Event),
    /// The socket cannot be served any more.
    Failed(SocketError),
    /// A signal asked the command to end.
    Signal,
    /// A signal asked for the figures so far.
    Figures,
}

/// Waits for the next of what comes, until that time if there is one.
pub(crate) fn receive<T>(from: &Receiver<T>, until: Option<Instant>) -> Result<T, RecvTimeoutError> {
    match until {
        None => from.recv().map_err(|_| RecvTimeoutError::Disconnected),
        Some(until) => from.recv_timeout(until.saturating_duration_since(Instant::now())),
    }
}

type Task = Box<dyn FnOnce(&mut Socket) + Send>;

/// A socket that is served by a thread of its own. Dropping this closes every link with DISCONNECT, removes
/// the socket file, and waits until that is done.
#[derive(Debug)]
pub(crate) struct Driver {
    waker: SocketWaker,
    stop: Arc<AtomicBool>,
    tasks: Sender<Task>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// Starts the thread; events go to `notices`, and `watch` sees them before.
    pub(crate) fn start(socket: Socket, notices: Sender<Notice>, watch: Watch) -> Result<Self, Error> {
        let waker = socket.waker();
        let stop = Arc::new(AtomicBool::new(false));
        let (tasks, queue) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || serve(socket, &stopped, &queue, &notices, watch))
            .map_err(|source| Error::System {
                what: "cannot start a thread".to_owned(),
                advice: "raise the limit of processes (ulimit -u)",
                source,
            })?;
        Ok(Self { waker, stop, tasks, thread: Some(thread) })
    }

    /// Runs `task` on the thread that owns the socket and gives its result; `None` when that thread has ended.
    pub(crate) fn with<R: Send + 'static>(&self, task: impl FnOnce(&mut Socket) -> R + Send + 'static) -> Option<R> {
        let (answer, result) = mpsc::channel();
        let task = move |socket: &mut Socket| {
            // The asker waits for the answer; if it does not, nobody misses it.
            let _ = answer.send(task(socket));
        };
        self.tasks.send(Box::new(task)).ok()?;
        self.waker.wake();
        result.recv().ok()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

fn serve(mut socket: Socket, stop: &AtomicBool, tasks: &Receiver<Task>, notices: &Sender<Notice>, mut watch: Watch) {
    watch.look(&socket);
    while !stop.load(Ordering::Relaxed) {
        for task in tasks.try_iter() {
            task(&mut socket);
            watch.look(&socket);
        }
        let notice = match socket.poll(None) {
            Ok(None) => continue,
            Ok(Some(event)) => {
                watch.note(&socket, &event);
                Notice::Event(event)
            }
            Err(error) => Notice::Failed(error),
        };
        let failed = matches!(notice, Notice::Failed(_));
        if notices.send(notice).is_err() || failed {
            return;
        }
    }
}
