//! The driver on real sockets: both roles in one process, and scripted peers on the bare socket.

mod dropped;
mod edges;
mod events;
mod faces;
mod hanging_up;
mod hostile;
mod leaving;
mod listening;
mod loopback;
mod masters;
mod reconnect;
mod slaves;
mod watching;

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::held::HeldDescriptors;
use super::*;
use crate::address::SocketAddress;
use crate::config::{InterfaceConfig, Name};
use crate::error::{Breach, ConnectError, Refusal, SocketError, WaitError};
use crate::sys::{self, Received};
use crate::terms::Role;
use crate::wire::{AddRegion, AddRing, Disconnect, Hello, Init, MESSAGE_SIZE, Message, RingDirection, VERSION};

/// No test waits longer than this for anything.
const WATCHDOG: Duration = Duration::from_secs(120);

/// An abstract address that no other test has.
fn fresh_address() -> SocketAddress {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("memif-driver-test-{}-{number}", std::process::id());
    SocketAddress::Abstract(name.into_bytes())
}

fn open(address: &SocketAddress) -> Socket {
    Socket::builder(address.clone()).open().unwrap()
}

/// Polls until an event of that kind comes, and gives what the function makes of it.
#[track_caller]
fn expect<T>(socket: &mut Socket, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let deadline = Instant::now() + WATCHDOG;
    let mut seen = Vec::new();
    while Instant::now() < deadline {
        if let Some(event) = socket.poll(Some(Duration::from_millis(100))).unwrap() {
            seen.push(format!("{event:?}").chars().take(200).collect::<String>());
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }
    panic!("the event did not come, but these did: {seen:#?}");
}

#[track_caller]
fn expect_link(socket: &mut Socket, key: InterfaceKey) -> Link {
    expect(socket, |event| match event {
        Event::Connected { interface, link } if interface == key => Some(link),
        _ => None,
    })
}

#[track_caller]
fn expect_down(socket: &mut Socket, key: InterfaceKey) -> DisconnectReason {
    expect(socket, |event| match event {
        Event::Disconnected { interface, reason } if interface == key => Some(reason),
        _ => None,
    })
}

#[track_caller]
fn expect_failure(socket: &mut Socket, key: InterfaceKey) -> ConnectError {
    expect(socket, |event| match event {
        Event::ConnectFailed { interface, error, .. } if interface == key => Some(error),
        _ => None,
    })
}

/// A master and a slave that are connected, each on a socket of its own, run in turns.
struct Both {
    master: Socket,
    slave: Socket,
    master_key: InterfaceKey,
    slave_key: InterfaceKey,
}

impl Both {
    fn new(master: InterfaceConfig, slave: InterfaceConfig) -> Self {
        let address = fresh_address();
        let mut both = Self {
            master: open(&address),
            slave: open(&address),
            master_key: InterfaceKey { socket: 0, number: 0 },
            slave_key: InterfaceKey { socket: 0, number: 0 },
        };
        both.master_key = both.master.add_interface(master).unwrap();
        both.slave_key = both.slave.add_interface(slave).unwrap();
        both
    }

    /// The events of both sides until both functions are content.
    #[track_caller]
    fn run<A, B>(
        &mut self,
        mut master: impl FnMut(Event) -> Option<A>,
        mut slave: impl FnMut(Event) -> Option<B>,
    ) -> (A, B) {
        let (mut a, mut b) = (None, None);
        let deadline = Instant::now() + WATCHDOG;
        while Instant::now() < deadline {
            let wait = Some(Duration::from_millis(1));
            if let Some(event) = self.master.poll(wait).unwrap() {
                a = a.or_else(|| master(event));
            }
            if let Some(event) = self.slave.poll(wait).unwrap() {
                b = b.or_else(|| slave(event));
            }
            if a.is_some() && b.is_some() {
                break;
            }
        }
        (a.expect("the master's event"), b.expect("the slave's event"))
    }

    #[track_caller]
    fn links(&mut self) -> (Link, Link) {
        self.run(link, link)
    }

    /// Brings the link up, to stay so without its queues.
    fn up(&mut self) {
        let (master, slave) = self.links();
        master.keep_up();
        slave.keep_up();
    }
}

fn link(event: Event) -> Option<Link> {
    match event {
        Event::Connected { link, .. } => Some(link),
        _ => None,
    }
}

fn reason(event: Event) -> Option<DisconnectReason> {
    match event {
        Event::Disconnected { reason, .. } => Some(reason),
        _ => None,
    }
}

/// A peer that does what the test says.
struct Raw(OwnedFd);

impl Raw {
    /// Connects to a listener.
    fn connect(address: &SocketAddress) -> Self {
        Self(sys::connect(&sys::connect_address(address).unwrap()).unwrap())
    }

    fn send(&self, message: Message) {
        sys::send(&self.0, &message.emit(), None).unwrap();
    }

    fn send_fd(&self, message: Message, fd: &OwnedFd) {
        sys::send(&self.0, &message.emit(), Some(fd.as_fd())).unwrap();
    }

    /// The next message, or `None` at the end; the socket is driven meanwhile.
    #[track_caller]
    fn next(&self, socket: &mut Socket) -> Option<(Message, Vec<OwnedFd>)> {
        let deadline = Instant::now() + WATCHDOG;
        let mut bytes = [0; MESSAGE_SIZE];
        let mut kept = VecDeque::new();
        let result = loop {
            match sys::receive(&self.0, &mut bytes) {
                Received::Message { fds, .. } => {
                    break Some((Message::parse(&bytes).unwrap(), fds));
                }
                Received::Closed => break None,
                Received::Reset | Received::Failed(_) | Received::Empty => {}
            }
            kept.extend(socket.poll(Some(Duration::from_millis(1))).unwrap());
            assert!(Instant::now() < deadline, "no message came");
        };
        // What happened meanwhile is for the test to take.
        socket.driver.events.put_back(kept);
        result
    }

    #[track_caller]
    fn expect(&self, socket: &mut Socket, name: &str) -> Message {
        let (message, _) = self.next(socket).unwrap_or_else(|| panic!("end instead of {name}"));
        assert_eq!(message.name(), name, "{message:?}");
        message
    }

    #[track_caller]
    fn expect_refusal(&self, socket: &mut Socket, reason: &(impl Clone + Into<Refusal>)) {
        let expected: Refusal = reason.clone().into();
        let deadline = Instant::now() + WATCHDOG;
        while Instant::now() < deadline {
            match self.next(socket) {
                Some((Message::Disconnect(end), _)) => {
                    assert_eq!(end.reason.to_string(), expected.to_string());
                    assert!(self.next(socket).is_none(), "something came behind DISCONNECT");
                    return;
                }
                Some(_) => {}
                None => panic!("closed without a reason"),
            }
        }
        panic!("not refused");
    }
}

fn init(id: u32) -> Message {
    Message::Init(Init { version: VERSION, id, mode: 0, secret: [0; 24], name: Name::lossy(b"raw slave") })
}

fn hello() -> Message {
    Message::Hello(Hello {
        name: Name::lossy(b"raw master"),
        min_version: VERSION,
        max_version: VERSION,
        max_region: 255,
        max_m2s_ring: 255,
        max_s2m_ring: 255,
        max_log2_ring_size: 14,
    })
}

fn farewell(reason: &str) -> Message {
    Message::Disconnect(Disconnect { code: 0, reason: crate::wire::Text::lossy(reason.as_bytes()) })
}

fn is_readable(fd: impl AsFd) -> bool {
    let fd = fd.as_fd();
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap() > 0
}
