//! The socket, and how its caller waits for what the driver reports.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use super::driver::Driver;
use super::event::{Event, Link};
use super::key::InterfaceKey;
use super::options::Options;
use crate::address::SocketAddress;
use crate::error::{SocketError, WaitError};
use crate::sys::EventFd;
use crate::terms::Role;

/// Turns of a poll that does not wait, or not any more, while they stop at a limit of theirs. After a message of a
/// handshake there is mostly nothing more to read, and the second turn finds that out. Who has more than that comes
/// back.
const LAST_TURNS: u32 = 2;

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
/// let mut socket = Socket::builder("@memif-doc-socket").open()?;
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
///
/// It can be moved to another thread, and belongs to one at a time ([`Send`], not [`Sync`]): nothing in it is locked.
pub struct Socket {
    pub(super) driver: Driver,
}

/// Ends a [`Socket::poll`] from any thread, or from a signal handler. Calls add up to one.
#[derive(Clone, Debug)]
pub struct SocketWaker(EventFd);

impl SocketWaker {
    /// Makes the current `poll`, or else the next one, return. One write to a descriptor, which does not wait.
    pub fn wake(&self) {
        self.0.set();
    }
}

impl Socket {
    pub(super) fn open(
        address: SocketAddress,
        listener: Option<OwnedFd>,
        options: Options,
    ) -> Result<Self, SocketError> {
        Ok(Self { driver: Driver::open(address, listener, options)? })
    }

    /// Waits for the next event, at most that long; `None` waits without limit, zero does what is to be done and
    /// does not wait.
    ///
    /// Gives `None` when the time is over or a [`SocketWaker`] was called, and not for a signal: the kernel does not
    /// tell a handler of the program from a stop and a continue (Ctrl-Z and `fg`), which must not end a loop of `while
    /// let Some(event)`. A handler that is to end the wait calls a waker.
    ///
    /// # Errors
    /// [`SocketError::Io`] when the kernel refuses to wait, which no peer can bring about.
    pub fn poll(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Option<Event>, SocketError> {
        // A time too far away to be told is no limit.
        let deadline = timeout.into().and_then(|timeout| Instant::now().checked_add(timeout));
        let mut over = false;
        let mut last_turns = 0;
        let result = loop {
            if let Some(event) = self.driver.events.pop() {
                break Ok(Some(event));
            }
            if self.driver.waits.take_woken() || over {
                break Ok(None);
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // At least one turn, however short the time.
            match self.driver.turn(left) {
                Ok(()) if left == Some(Duration::ZERO) => {
                    last_turns += 1;
                    over = !self.driver.unfinished || last_turns >= LAST_TURNS;
                }
                Ok(()) => {}
                Err(error) => break Err(error),
            }
        };
        match result {
            // The caller asks for the next one before its loop waits.
            Ok(Some(_)) => self.driver.leave(),
            _ => self.driver.leave_to_loop(),
        }
        result
    }

    /// Waits until the interface is connected, at most that long (without limit for `None`). All other events are kept
    /// for [`poll`](Self::poll).
    ///
    /// A link that was handed out before does not count: wait once per connection.
    ///
    /// # Errors
    /// [`WaitError::TimedOut`] with the reason of the last failed attempt, [`WaitError::Woken`] when a [`SocketWaker`]
    /// was called, [`WaitError::Socket`] when there is no such interface.
    pub fn wait_connected(
        &mut self,
        interface: InterfaceKey,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Link, WaitError> {
        self.driver.interfaces.get(interface)?;
        let deadline = timeout.into().and_then(|timeout| Instant::now().checked_add(timeout));
        let mut last = None;
        let mut over = false;
        let result = loop {
            match self.driver.events.take_connected(interface, &mut last) {
                Some(link) => break Ok(link),
                None if self.driver.waits.take_woken() => break Err(WaitError::Woken),
                None if over => break Err(WaitError::TimedOut { last }),
                None => {}
            }
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // At least one turn, however short the time.
            over = left == Some(Duration::ZERO);
            if let Err(error) = self.driver.turn(left) {
                break Err(error.into());
            }
        };
        self.driver.leave_to_loop();
        result
    }

    /// The interface of that role and id.
    #[must_use]
    pub fn find(&self, role: Role, id: u32) -> Option<InterfaceKey> {
        self.driver.interfaces.find(role, id)
    }

    /// A handle that ends [`poll`](Self::poll) from any thread.
    #[must_use]
    pub fn waker(&self) -> SocketWaker {
        SocketWaker(self.driver.waits.waker())
    }
}

impl AsFd for Socket {
    /// Readable whenever [`poll`](Socket::poll) has something to do or to give. For loops of either kind: told by
    /// level, or by edge (`EPOLLET`) where `poll(Some(Duration::ZERO))` is called until it gives `None` each time. That
    /// does a bounded amount of work, and makes the descriptor readable anew where there is more.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.driver.waits.descriptor(!self.driver.events.is_empty()).as_fd()
    }
}

impl AsRawFd for Socket {
    /// The descriptor of [`as_fd`](AsFd::as_fd), for loops that take numbers. It is the socket's and goes with it.
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("address", &self.driver.address)
            .field("interfaces", &self.driver.interfaces.len())
            .field("connections", &self.driver.connections.len())
            .field("listening", &self.driver.listener.is_on())
            .finish_non_exhaustive()
    }
}
