//! The thread that serves a socket: it polls it, does on it what users ask for, and tells the interfaces what happens.
//! It never touches the interpreter, and the interpreter never waits for it but for moments.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, MutexGuard, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use memif::{Event, InterfaceConfig, InterfaceKey, Peer, Role, Socket, SocketAddress, SocketWaker};
use memif_cli::shared::{self, Options};
use pyo3::prelude::*;

use crate::channel::Channel;
use crate::errors::{End, Failure, Told};
use crate::exit;
use crate::fork::Process;
use crate::locks::{Lock, wait};

/// Events that are kept for a user who does not ask for them; the oldest go first.
const MOST_EVENTS: usize = 1024;

/// Something that happened, as Python is told.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// As `type` in docs/json.md.
    pub(crate) kind: &'static str,
    pub(crate) interface: Option<(Role, u32)>,
    pub(crate) told: Told,
    pub(crate) breach: Option<String>,
    pub(crate) peer: Option<Peer>,
    pub(crate) time: SystemTime,
}

type Task = Box<dyn FnOnce(&mut Socket) + Send>;

/// A socket that is served. The last of its users ends it.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) process: Process,
    pub(crate) address: SocketAddress,
    waker: SocketWaker,
    stop: Arc<AtomicBool>,
    tasks: Sender<Task>,
    thread: Lock<Option<JoinHandle<()>>>,
    shared: Arc<Shared>,
}

/// What the thread and the users have in common.
#[derive(Debug, Default)]
struct Shared {
    events: Lock<VecDeque<Happened>>,
    happened: Condvar,
    interfaces: Lock<HashMap<InterfaceKey, Interface>>,
    /// Nobody polls the socket any more.
    is_over: AtomicBool,
}

#[derive(Clone, Debug)]
struct Interface {
    name: (Role, u32),
    channel: Arc<Channel>,
}

impl Control {
    /// Opens a socket on a thread of its own, which enters the network namespace that it is in.
    pub(crate) fn start(options: Options) -> Result<Arc<Self>, Failure> {
        let (opened, answer) = mpsc::channel();
        let (tasks, queue) = mpsc::channel();
        let (stop, shared) = (Arc::new(AtomicBool::new(false)), Arc::new(Shared::default()));
        let (stopped, served) = (Arc::clone(&stop), Arc::clone(&shared));
        let run = move || {
            let socket = options.open();
            let told = socket.as_ref().map(|socket| (socket.waker(), socket.address().clone())).map_err(String::clone);
            // Whoever started this waits for it.
            let _ = opened.send(told);
            if let Ok(socket) = socket {
                serve(socket, &stopped, &queue, &served);
            }
        };
        let thread = thread::Builder::new().name("memif".to_owned()).spawn(run);
        let thread = thread.map_err(|error| {
            Failure::System(format!("cannot start a thread: {error}; raise the limit of processes (ulimit -u)"))
        })?;
        let ended = || Failure::System("the thread of the socket ended".to_owned());
        let (waker, address) = answer.recv().map_err(|_| ended())?.map_err(Failure::Socket)?;
        let thread = Lock::new(Some(thread));
        Ok(Arc::new(Self { process: Process::current(), address, waker, stop, tasks, thread, shared }))
    }

    /// Adds an interface.
    pub(crate) fn add(&self, config: InterfaceConfig) -> Result<(InterfaceKey, Arc<Channel>), Failure> {
        let channel = Arc::new(Channel::default());
        let interface = Interface { name: (config.role(), config.id()), channel: Arc::clone(&channel) };
        let shared = Arc::clone(&self.shared);
        let added = self.with(move |socket| {
            let key = socket.add_interface(config)?;
            // Before anything can happen to it.
            shared.interfaces.lock().insert(key, interface);
            Ok(key)
        })?;
        added.map(|key| (key, channel)).map_err(|error| Failure::Socket(shared::failure(error)))
    }

    /// Removes an interface, and waits until that is done.
    pub(crate) fn remove(&self, key: InterfaceKey) {
        let shared = Arc::clone(&self.shared);
        // Where the socket was closed it is gone already.
        let _ = self.with(move |socket| remove(socket, key, &shared));
    }

    /// The same without waiting.
    pub(crate) fn let_go(&self, key: InterfaceKey) {
        let shared = Arc::clone(&self.shared);
        self.order(move |socket| remove(socket, key, &shared));
    }

    /// Runs `task` on the thread of the socket and gives what it gives.
    pub(crate) fn with<R: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Socket) -> R + Send + 'static,
    ) -> Result<R, Failure> {
        let (answer, result) = mpsc::channel();
        self.order(move |socket| {
            // Whoever asked waits for it.
            let _ = answer.send(task(socket));
        });
        // The thread drops what it did not come to when it ends.
        result.recv().map_err(|_| Failure::Closed)
    }

    fn order(&self, task: impl FnOnce(&mut Socket) + Send + 'static) {
        if self.tasks.send(Box::new(task)).is_ok() {
            self.waker.wake();
        }
    }

    /// The next event, waited for at most so long.
    pub(crate) fn next_event(&self, time: Duration) -> Result<Option<Happened>, Failure> {
        let mut events = self.shared.events.lock();
        if events.is_empty() {
            if self.is_over() {
                return Err(Failure::Closed);
            }
            events = wait(&self.shared.happened, events, time);
        }
        Ok(events.pop_front())
    }

    /// Whether it was closed, or cannot be served any more.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Acquire)
    }

    /// Takes all links down, removes the socket file, and waits until that is done.
    pub(crate) fn close(&self) {
        if !self.process.is_current() {
            return;
        }
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.lock().take() {
            // A panic there was reported by the thread itself.
            let _ = thread.join();
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.close();
    }
}

fn remove(socket: &mut Socket, key: InterfaceKey, shared: &Shared) {
    // An interface that is gone is what is wanted.
    let _ = socket.remove_interface(key);
    if let Some(interface) = shared.interfaces.lock().remove(&key) {
        interface.channel.close();
    }
}

fn serve(mut socket: Socket, stop: &AtomicBool, tasks: &Receiver<Task>, shared: &Shared) {
    while !stop.load(Ordering::Relaxed) {
        tasks.try_iter().for_each(|task| task(&mut socket));
        match socket.poll(None) {
            Ok(None) => {}
            Ok(Some(event)) => shared.handle(event, socket.address()),
            Err(error) => {
                let told = Told { reason: shared::failure(error), advice: None };
                shared.log("failed", None, told, None, None);
                break;
            }
        }
    }
    drop(socket);
    shared.is_over.store(true, Ordering::Release);
    shared.interfaces.lock().drain().for_each(|(_, interface)| interface.channel.close());
    shared.happened.notify_all();
}

impl Shared {
    fn handle(&self, event: Event, address: &SocketAddress) {
        let told: Told = shared::tell(&event, address).into();
        let interface = |key| self.interfaces.lock().get(&key).cloned();
        match event {
            Event::Connected { interface: key, link } => {
                let peer = Some(link.peer.clone());
                let found = interface(key);
                let name = found.as_ref().map(|found| found.name);
                if let Some(found) = found {
                    found.channel.connected(link);
                }
                self.log("connected", name, told, None, peer);
            }
            Event::Disconnected { interface: key, reason } => {
                let end = End::from(&reason);
                let breach = end.breach.clone();
                let found = interface(key);
                let name = found.as_ref().map(|found| found.name);
                if let Some(found) = found {
                    found.channel.disconnected(end);
                }
                self.log("disconnected", name, told, breach, None);
            }
            Event::ConnectFailed { interface: key, .. } => {
                let found = interface(key);
                let name = found.as_ref().map(|found| found.name);
                if let Some(found) = found {
                    found.channel.failed(told.clone());
                }
                self.log("connect_failed", name, told, None, None);
            }
            Event::SurplusQueues { interface: key, .. } => {
                self.log("surplus_queues", interface(key).map(|found| found.name), told, None, None);
            }
            Event::Left { interface: key, peer, .. } => {
                self.masters_failed(&told);
                self.log("left", key.and_then(interface).map(|found| found.name), told, None, Some(peer));
            }
            Event::Refused { reason, peer } => {
                let breach = match &reason {
                    memif::Refusal::Breach(breach) => End::of(breach).breach,
                    _ => None,
                };
                self.masters_failed(&told);
                self.log("refused", None, told, breach, Some(peer));
            }
            Event::AcceptFailed { .. } => {
                self.masters_failed(&told);
                self.log("accept_failed", None, told, None, None);
            }
            Event::AcceptResumed => self.log("accept_resumed", None, told, None, None),
            _ => {}
        }
    }

    /// Whoever waits for a slave is to hear what became of one.
    fn masters_failed(&self, told: &Told) {
        for interface in self.interfaces.lock().values().filter(|interface| interface.name.0 == Role::Master) {
            interface.channel.failed(told.clone());
        }
    }

    fn log(
        &self,
        kind: &'static str,
        interface: Option<(Role, u32)>,
        told: Told,
        breach: Option<String>,
        peer: Option<Peer>,
    ) {
        let mut events = self.events.lock();
        if events.len() == MOST_EVENTS {
            events.pop_front();
        }
        events.push_back(Happened { kind, interface, told, breach, peer, time: SystemTime::now() });
        self.happened.notify_all();
    }
}

/// The sockets that are open, to be closed when the interpreter ends. Held by threads that are attached to the
/// interpreter alone, so that nobody forks meanwhile.
static OPEN: Lock<Vec<Weak<Control>>> = Lock::new(Vec::new());

/// Remembers a socket until it is gone.
pub(crate) fn close_in_the_end(_py: Python<'_>, control: &Arc<Control>) {
    open_ones().push(Arc::downgrade(control));
}

fn open_ones() -> MutexGuard<'static, Vec<Weak<Control>>> {
    let mut open = OPEN.lock();
    open.retain(|control| control.strong_count() > 0);
    open
}

/// Closes every socket of this process, so that peers are told, socket files go and waits end.
#[pyfunction]
fn close_all(py: Python<'_>) {
    let open: Vec<_> = open_ones().iter().filter_map(Weak::upgrade).collect();
    let own = open.iter().filter(|control| control.process.is_current());
    exit::end(py, || own.for_each(|control| control.close()));
    // Those of the process that this one was forked from are left as they are.
    open.into_iter().filter(|control| !control.process.is_current()).for_each(std::mem::forget);
}

/// Has the interpreter close all sockets when it ends.
pub(crate) fn close_at_exit(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let close = wrap_pyfunction!(close_all, module)?;
    module.py().import("atexit")?.call_method1("register", (close,))?;
    Ok(())
}
