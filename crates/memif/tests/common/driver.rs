//! The library's socket in a thread of its own, so that a test can play the peer in a straight line.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use memif::{
    Breach, ConnectError, Details, DisconnectReason, Event, InterfaceConfig, InterfaceKey, Link, Peer, Socket,
    SocketAddress, SocketBuilder, SocketWaker,
};
use testkit::Address;
use testkit::patience::STEP;

type Job = Box<dyn FnOnce(&mut Socket) + Send>;

/// The address in the library's words.
pub(crate) fn socket_address(address: &Address) -> SocketAddress {
    match address {
        Address::Path(path) => SocketAddress::Path(path.clone()),
        Address::Abstract(name) => SocketAddress::Abstract(name.clone()),
    }
}

/// A socket of the library with its thread.
#[derive(Debug)]
pub(crate) struct Driver {
    jobs: Option<Sender<Job>>,
    waker: SocketWaker,
    events: Receiver<Result<Event, String>>,
    held: VecDeque<Event>,
    thread: Option<JoinHandle<()>>,
    thread_id: i32,
}

impl Driver {
    /// Opens a socket with settings that suit tests: retries after 20 ms at most.
    pub(crate) fn open(address: &Address) -> Self {
        Self::open_with(address, |builder| builder)
    }

    /// Opens a socket with other settings.
    pub(crate) fn open_with(address: &Address, settings: impl FnOnce(SocketBuilder) -> SocketBuilder) -> Self {
        let builder = Socket::builder(socket_address(address)).retry_period(Duration::from_millis(20));
        let socket = settings(builder).open().expect("opening a socket");
        Self::of(socket)
    }

    /// Puts a socket into a thread.
    pub(crate) fn of(socket: Socket) -> Self {
        let waker = socket.waker();
        let (jobs, inbox) = channel::<Job>();
        let (outbox, events) = channel();
        let (tell, told) = channel();
        let thread = std::thread::Builder::new()
            .name("driver".to_owned())
            .spawn(move || {
                let _ = tell.send(rustix::thread::gettid().as_raw_nonzero().get());
                serve(socket, &inbox, &outbox);
            })
            .expect("a thread");
        let thread_id = told.recv().expect("a thread id");
        Self { jobs: Some(jobs), waker, events, held: VecDeque::new(), thread: Some(thread), thread_id }
    }

    /// Does something with the socket, in its thread.
    #[track_caller]
    pub(crate) fn call<R: Send + 'static>(&self, job: impl FnOnce(&mut Socket) -> R + Send + 'static) -> R {
        let (answer, wait) = channel();
        let job: Job = Box::new(move |socket| {
            let _ = answer.send(job(socket));
        });
        self.jobs.as_ref().expect("a thread").send(job).expect("the socket's thread is gone");
        self.waker.wake();
        match wait.recv_timeout(STEP) {
            Ok(result) => result,
            Err(error) => panic!("the socket's thread does not answer: {error}"),
        }
    }

    /// Adds an interface.
    #[track_caller]
    pub(crate) fn add(&self, config: InterfaceConfig) -> InterfaceKey {
        self.call(|socket| socket.add_interface(config)).expect("adding an interface")
    }

    /// How an interface stands.
    #[track_caller]
    pub(crate) fn details(&self, key: InterfaceKey) -> Details {
        self.call(move |socket| socket.details(key)).expect("details")
    }

    /// Admin up or down.
    #[track_caller]
    pub(crate) fn set_admin_up(&self, key: InterfaceKey, up: bool) {
        self.call(move |socket| socket.set_admin_up(key, up)).expect("admin");
    }

    /// The next event that `pick` wants; others are kept.
    #[track_caller]
    pub(crate) fn event<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Result<T, Event>) -> T {
        for _ in 0..self.held.len() {
            let event = self.held.pop_front().expect("an event");
            match pick(event) {
                Ok(found) => return found,
                Err(event) => self.held.push_back(event),
            }
        }
        let end = Instant::now() + STEP;
        loop {
            match self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Ok(event)) => match pick(event) {
                    Ok(found) => return found,
                    Err(event) => self.held.push_back(event),
                },
                Ok(Err(error)) => panic!("poll failed while waiting for {what}: {error}"),
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no event in time: {what}; others: {:?}", self.held)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the socket's thread is gone: {what}")
                }
            }
        }
    }

    /// The next event, whatever it is, if one comes within `time`.
    #[track_caller]
    pub(crate) fn next_event(&mut self, time: Duration) -> Option<Event> {
        if let Some(event) = self.held.pop_front() {
            return Some(event);
        }
        match self.events.recv_timeout(time) {
            Ok(event) => Some(event.expect("poll")),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the socket's thread is gone"),
        }
    }

    /// The next link of an interface.
    #[track_caller]
    pub(crate) fn connected(&mut self, key: InterfaceKey) -> Link {
        self.event("Connected", |event| match event {
            Event::Connected { interface, link } if interface == key => Ok(link),
            other => Err(other),
        })
    }

    /// Why the link of an interface went down.
    #[track_caller]
    pub(crate) fn disconnected(&mut self, key: InterfaceKey) -> DisconnectReason {
        self.event("Disconnected", |event| match event {
            Event::Disconnected { interface, reason } if interface == key => Ok(reason),
            other => Err(other),
        })
    }

    /// The breach that took the link of an interface down.
    #[track_caller]
    pub(crate) fn breached(&mut self, key: InterfaceKey) -> Breach {
        match self.disconnected(key) {
            DisconnectReason::Breach(breach) => breach,
            other => panic!("down because of {other:?}, not a breach"),
        }
    }

    /// Why the next attempt to connect failed.
    #[track_caller]
    pub(crate) fn connect_failed(&mut self, key: InterfaceKey) -> ConnectError {
        self.event("ConnectFailed", |event| match event {
            Event::ConnectFailed { interface, error, .. } if interface == key => Ok(error),
            other => Err(other),
        })
    }

    /// Why the next peer was refused.
    #[track_caller]
    pub(crate) fn refused(&mut self) -> (memif::Refusal, Peer) {
        self.event("Refused", |event| match event {
            Event::Refused { reason, peer } => Ok((reason, peer)),
            other => Err(other),
        })
    }

    /// Forgets events that came until now.
    pub(crate) fn forget_events(&mut self) {
        self.collect();
        self.held.clear();
    }

    /// Events that came until now and that nobody asked for.
    pub(crate) fn pending(&mut self) -> &VecDeque<Event> {
        self.collect();
        &self.held
    }

    /// Takes everything that the socket has to tell, also what it would tell one call after the other.
    fn collect(&mut self) {
        let more = self.call(|socket| {
            let (mut events, mut quiet) = (Vec::new(), 0);
            // A waker ends a poll, too: only the second silence is one.
            while quiet < 2 {
                match socket.poll(Some(Duration::ZERO)).expect("poll") {
                    Some(event) => events.push(event),
                    None => quiet += 1,
                }
            }
            events
        });
        while let Ok(event) = self.events.try_recv() {
            self.held.push_back(event.expect("poll"));
        }
        self.held.extend(more);
    }

    /// Nanoseconds of processor time that the socket's thread has taken so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let path = format!("/proc/self/task/{}/schedstat", self.thread_id);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let nanoseconds = text.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Duration::from_nanos(nanoseconds)
    }

    /// Fails when the socket's thread takes more than half a core while nothing happens.
    #[track_caller]
    pub(crate) fn assert_idle(&self) {
        self.call(|_| ());
        let (before, window) = (self.cpu_time(), Duration::from_millis(200));
        std::thread::sleep(window);
        let taken = self.cpu_time() - before;
        assert!(taken < window / 2, "the idle socket took {taken:?} of {window:?}");
    }
}

fn serve(mut socket: Socket, inbox: &Receiver<Job>, outbox: &Sender<Result<Event, String>>) {
    loop {
        loop {
            match inbox.try_recv() {
                Ok(job) => job(&mut socket),
                Err(std::sync::mpsc::TryRecvError::Empty) => break,
                Err(std::sync::mpsc::TryRecvError::Disconnected) => return,
            }
        }
        match socket.poll(None) {
            Ok(Some(event)) => {
                let _ = outbox.send(Ok(event));
            }
            Ok(None) => {}
            Err(error) => {
                let _ = outbox.send(Err(error.to_string()));
                return;
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.jobs.take());
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the socket's thread panicked");
        }
    }
}
