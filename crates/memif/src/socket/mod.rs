//! The driver: Unix sockets, one descriptor to wait for, timers, events.

mod api;
mod builder;
mod connection;
#[cfg(feature = "raw")]
mod driven;
mod event;
mod half_open;
mod interface;
mod listener;
mod looks;
mod master;
mod reconnect;
mod slave;
mod surplus;
#[cfg(test)]
mod tests;
mod timers;
mod trace;
mod turn;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub use builder::SocketBuilder;
#[cfg(feature = "raw")]
pub use driven::Report;
pub use event::{Details, DisconnectReason, Event, Link, Peer, Request, Side};

use crate::address::SocketAddress;
use crate::config::Role;
use crate::error::{ConnectError, SocketError, WaitError};
use crate::link::DriverSignals;
use crate::sys::{Closer, Epoll, EventFd, Interest, Ready, TimerFd};
use builder::Options;
use connection::Connection;
use half_open::HalfOpen;
use interface::Interface;
use listener::Listener;
use looks::Looks;
use reconnect::PathWatch;
use timers::Timers;
use trace::control_log;
use watch::Watch;

/// Tokens of the descriptors that every socket has. Those of connections and watched queues come behind.
const TOKEN_LISTENER: u64 = 0;
const TOKEN_TIMER: u64 = 1;
const TOKEN_WAKER: u64 = 2;
const TOKEN_PENDING: u64 = 3;
const TOKEN_ATTENTION: u64 = 4;
const TOKEN_REPEAT: u64 = 5;
const TOKEN_PATH: u64 = 6;
/// Those of a binding, eight at most.
#[cfg(feature = "raw")]
const TOKEN_OTHER: u64 = 8;
const TOKEN_FIRST: u64 = 16;

/// One control socket with any number of interfaces, of both roles.
///
/// A socket belongs to one thread at a time and may move between threads; its queues live their own lives on any
/// thread. Nothing happens behind the caller's back: handshakes, reconnection and the repetition of signals go on
/// inside [`poll`](Self::poll), so call it in a loop, or wait for [`AsFd`] in a loop of your own and call
/// `poll(Some(Duration::ZERO))` until it gives `None`. While nothing is to be done, nothing runs. One thing has threads
/// of its own, for as long as it takes: closing descriptors that a peer sent where it should not have.
///
/// Dropping a socket disconnects all links and removes its socket file.
///
/// ```
/// use std::time::Duration;
/// use memif::{InterfaceConfig, Socket};
///
/// // Both ends in one process, over an abstract socket.
/// let mut socket = Socket::builder("@memif-doc-socket".parse()?).open()?;
/// let master = socket.add_interface(InterfaceConfig::master(0))?;
/// let slave = socket.add_interface(InterfaceConfig::slave(0))?;
/// let mut left = socket.wait_connected(master, Duration::from_secs(10))?;
/// let mut right = socket.wait_connected(slave, Duration::from_secs(10))?;
/// let mut buffer = [0; 2048];
/// if let (Some(tx), Some(rx)) = (left.tx.first_mut(), right.rx.first_mut()) {
///     tx.send(b"hello")?;
///     assert_eq!(rx.recv_into(&mut buffer)?, Some(5));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Socket {
    /// Tells keys and requests of this socket from those of others.
    nonce: u64,
    options: Options,
    address: SocketAddress,
    epoll: Epoll,
    listener: Option<Listener>,
    /// Whether listening goes on without a master interface.
    always_listens: bool,
    timer: TimerFd,
    /// What the timer is set to.
    armed: Mutex<Option<Instant>>,
    waker: EventFd,
    woken: bool,
    /// Readable while events wait for `poll`, so that a foreign loop comes back.
    pending: EventFd,
    pending_set: AtomicBool,
    /// Whether somebody has the descriptor of this socket, so that it must tell the truth between calls.
    exposed: AtomicBool,
    attention: EventFd,
    repeat: TimerFd,
    signals: DriverSignals,
    interfaces: HashMap<u32, Interface>,
    ids: HashMap<(Role, u32), u32>,
    connections: HashMap<u64, Connection>,
    half_open: HalfOpen,
    /// Descriptors that the handshakes of slaves hold, and may hold.
    held: usize,
    most_held: usize,
    closer: Closer,
    watches: HashMap<u64, Watch>,
    /// Watches whose signals were reported and may be left to us.
    reported: Vec<u64>,
    /// Descriptors of a binding in the epoll set.
    #[cfg(feature = "raw")]
    others: u8,
    timers: Timers,
    looks: Looks,
    path_watch: PathWatch,
    events: VecDeque<Event>,
    ready: Vec<Ready>,
    next_token: u64,
    next_interface: u32,
}

/// Names an interface of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceKey {
    socket: u64,
    number: u32,
}

/// Ends a [`Socket::poll`] from any thread. Calls add up to one.
#[derive(Clone, Debug)]
pub struct Waker(EventFd);

impl Waker {
    /// Makes the current `poll`, or else the next one, return.
    pub fn wake(&self) {
        self.0.set();
    }
}

impl Socket {
    /// Settings of a new socket at that address.
    pub fn builder(address: SocketAddress) -> SocketBuilder {
        SocketBuilder::new(address)
    }

    fn open(builder: SocketBuilder) -> Result<Self, SocketError> {
        let SocketBuilder { address, listener, options } = builder;
        address.validate()?;
        let epoll = Epoll::new().map_err(io("epoll"))?;
        let timer = TimerFd::new().map_err(io("timerfd"))?;
        let waker = EventFd::new().map_err(io("eventfd"))?;
        let pending = EventFd::new().map_err(io("eventfd"))?;
        let attention = EventFd::new().map_err(io("eventfd"))?;
        let repeat = TimerFd::new().map_err(io("timerfd"))?;
        let watched: [(&dyn AsFd, u64); 5] = [
            (&timer, TOKEN_TIMER),
            (&waker, TOKEN_WAKER),
            (&pending, TOKEN_PENDING),
            (&attention, TOKEN_ATTENTION),
            (&repeat, TOKEN_REPEAT),
        ];
        for (fd, token) in watched {
            epoll.add(fd.as_fd(), token, Interest::Read).map_err(io("epoll"))?;
        }
        let signals = DriverSignals::new(attention.shared(), repeat.shared());
        let mut socket = Self {
            nonce: RandomState::new().hash_one(0),
            always_listens: listener.is_some() || options.accept_unknown,
            options,
            address,
            epoll,
            listener: None,
            timer,
            armed: Mutex::default(),
            waker,
            woken: false,
            pending,
            pending_set: AtomicBool::new(false),
            exposed: AtomicBool::new(false),
            attention,
            repeat,
            signals,
            interfaces: HashMap::new(),
            ids: HashMap::new(),
            connections: HashMap::new(),
            half_open: HalfOpen::default(),
            held: 0,
            most_held: turn::most_held(),
            closer: Closer::default(),
            watches: HashMap::new(),
            reported: Vec::new(),
            #[cfg(feature = "raw")]
            others: 0,
            timers: Timers::default(),
            looks: Looks::default(),
            path_watch: PathWatch::default(),
            events: VecDeque::new(),
            ready: Vec::new(),
            next_token: TOKEN_FIRST,
            next_interface: 0,
        };
        match listener {
            Some(fd) => socket.listen_on(fd)?,
            None if socket.always_listens => socket.listen()?,
            None => {}
        }
        socket.leave();
        Ok(socket)
    }

    /// Waits for the next event, at most that long; `None` waits without limit, zero does what is to be done and
    /// does not wait.
    ///
    /// Gives `None` when the time is over, when a [`Waker`] was called, or when a signal handler ran.
    ///
    /// # Errors
    /// [`SocketError::Io`] when the kernel refuses to wait, which no peer can bring about.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<Option<Event>, SocketError> {
        // A time too far away to be told is no limit.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut over = false;
        let result = loop {
            if let Some(event) = self.events.pop_front() {
                break Ok(Some(event));
            }
            if std::mem::take(&mut self.woken) || over {
                break Ok(None);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // At least one turn, however short the time.
            match self.turn(left) {
                Ok(interrupted) => over = interrupted || left == Some(Duration::ZERO),
                Err(error) => break Err(error),
            }
        };
        self.leave();
        result
    }

    /// Waits until the interface is connected, at most that long. All other events are kept for [`poll`](Self::poll).
    ///
    /// A link that was handed out before does not count: wait once per connection.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] with the reason of the last failed attempt, [`WaitError::Woken`] when a [`Waker`] was
    /// called, [`WaitError::Socket`] when there is no such interface.
    pub fn wait_connected(&mut self, interface: InterfaceKey, timeout: Duration) -> Result<Link, WaitError> {
        self.interface(interface)?;
        let deadline = Instant::now().checked_add(timeout);
        let mut last = None;
        let mut over = false;
        let result = loop {
            match self.take_connected(interface, &mut last) {
                Some(link) => break Ok(link),
                None if std::mem::take(&mut self.woken) => break Err(WaitError::Woken),
                None if over => break Err(WaitError::TimedOut { last }),
                None => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // At least one turn, however short the time.
            over = left == Some(Duration::ZERO);
            if let Err(error) = self.turn(left) {
                break Err(error.into());
            }
        };
        self.leave();
        result
    }

    /// Looks for a link of the interface among the events. From the start every time: a turn takes events back, too.
    fn take_connected(&mut self, wanted: InterfaceKey, last: &mut Option<ConnectError>) -> Option<Link> {
        let mut at = 0;
        while let Some(event) = self.events.get(at) {
            match event {
                Event::Connected { interface, .. } if *interface == wanted => match self.events.remove(at) {
                    Some(Event::Connected { link, .. }) => return Some(link),
                    _ => return None,
                },
                Event::ConnectFailed { interface, error, .. } if *interface == wanted => {
                    *last = Some(error.clone());
                    self.events.remove(at);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// The interface of that role and id.
    #[must_use]
    pub fn find(&self, role: Role, id: u32) -> Option<InterfaceKey> {
        let number = *self.ids.get(&(role, id))?;
        Some(InterfaceKey { socket: self.nonce, number })
    }

    /// A handle that ends [`poll`](Self::poll) from any thread.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(self.waker.clone())
    }

    /// To be called at the end of every public method: makes the one descriptor tell the truth, for whoever has it.
    fn leave(&mut self) {
        if !*self.exposed.get_mut() {
            return;
        }
        if self.events.is_empty() {
            self.unset_pending();
        } else if !std::mem::replace(self.pending_set.get_mut(), true) {
            self.pending.set();
        }
        self.set_timer();
    }

    /// To be called before a wait of our own, which events that wait already must not end.
    fn unset_pending(&mut self) {
        if std::mem::take(self.pending_set.get_mut()) {
            self.pending.clear();
        }
    }

    /// Arms the timer for whoever waits for the descriptor.
    fn set_timer(&self) {
        let next = self.timers.next();
        // Nothing panics while it is held.
        let mut armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        if next != *armed {
            let after = next.map(|next| next.saturating_duration_since(Instant::now()));
            if let Err(error) = self.timer.set(after) {
                control_log!(error, "timer: {error}");
            }
            *armed = next;
        }
    }

    fn interface(&self, key: InterfaceKey) -> Result<&Interface, SocketError> {
        let found = self.interfaces.get(&key.number).filter(|_| key.socket == self.nonce);
        found.ok_or(SocketError::NoSuchInterface)
    }

    fn interface_mut(&mut self, key: InterfaceKey) -> Result<&mut Interface, SocketError> {
        let nonce = self.nonce;
        let found = self.interfaces.get_mut(&key.number).filter(|_| key.socket == nonce);
        found.ok_or(SocketError::NoSuchInterface)
    }

    fn new_token(&mut self) -> u64 {
        let token = self.next_token;
        self.next_token += 1;
        token
    }
}

impl AsFd for Socket {
    /// Readable whenever [`poll`](Socket::poll) has something to do or to give.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // As long as nobody has it, it need not tell the truth, which takes system calls. From now on it must.
        if !self.exposed.swap(true, Ordering::Relaxed) {
            if !self.events.is_empty() && !self.pending_set.swap(true, Ordering::Relaxed) {
                self.pending.set();
            }
            self.set_timer();
        }
        self.epoll.as_fd()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        for connection in self.connections.values_mut() {
            connection.disconnect("socket closed");
            connection.flush();
            if let Some(up) = &connection.link {
                up.handle.shut();
            }
        }
        self.stop_listening();
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("address", &self.address)
            .field("interfaces", &self.interfaces.len())
            .field("connections", &self.connections.len())
            .field("listening", &self.listener.is_some())
            .finish_non_exhaustive()
    }
}

/// What the kernel said to that call.
fn io(operation: &'static str) -> impl Fn(std::io::Error) -> SocketError {
    move |source| SocketError::Io { operation, source }
}
