//! A loop of the caller's own that is told of edges only: whatever a turn leaves, it hears of.

use rustix::event::epoll;

use super::*;

/// Watches the descriptor of a socket, edge-triggered.
struct Edges(OwnedFd);

impl Edges {
    fn of(socket: &Socket) -> Self {
        let edges = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let data = epoll::EventData::new_u64(0);
        epoll::add(&edges, socket, data, epoll::EventFlags::IN | epoll::EventFlags::ET).unwrap();
        Self(edges)
    }

    /// Waits for an edge.
    #[track_caller]
    fn wait(&self) {
        let mut space = [std::mem::MaybeUninit::uninit(); 4];
        let time = Timespec { tv_sec: WATCHDOG.as_secs().try_into().unwrap(), tv_nsec: 0 };
        let (events, _) = epoll::wait(&self.0, &mut space, Some(&time)).unwrap();
        assert!(!events.is_empty(), "there is work, and no edge");
    }

    /// Waits for an edge, then polls until there is nothing. The events.
    #[track_caller]
    fn turn(&self, socket: &mut Socket) -> Vec<Event> {
        self.wait();
        std::iter::from_fn(|| socket.poll(Some(Duration::ZERO)).unwrap()).collect()
    }
}

/// A master whose handshakes have time without end, so that no timer comes to help.
fn patient_master(address: &SocketAddress) -> (Socket, InterfaceKey) {
    let builder = Socket::builder(address.clone()).handshake_timeout(Duration::from_secs(86_400));
    let mut socket = builder.max_half_open(1000).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    (socket, key)
}

/// Runs a slave, and the loop until it has a link.
#[track_caller]
fn comes_in(master: &mut Socket, edges: &Edges, slave: Socket) {
    let (stop, over) = (slave.waker(), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            let mut slave = slave;
            while !over.load(Ordering::Relaxed) {
                slave.poll(Some(WATCHDOG)).unwrap();
            }
        });
        // Also should there be no edge.
        let _end = Finally(|| {
            over.store(true, Ordering::Relaxed);
            stop.wake();
        });
        while !edges.turn(master).iter().any(|event| matches!(event, Event::Connected { .. })) {}
    });
}

struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        self.0();
    }
}

fn patient_slave(address: &SocketAddress) -> Socket {
    let builder = Socket::builder(address.clone()).handshake_timeout(Duration::from_secs(86_400));
    let mut slave = builder.open().unwrap();
    slave.add_interface(InterfaceConfig::slave(0)).unwrap();
    // It has connected, and waits in the kernel behind the others.
    while slave.driver.connections.is_empty() {
        slave.poll(Some(Duration::ZERO)).unwrap();
    }
    slave
}

#[test]
fn an_honest_slave_comes_in_behind_silent_connections() {
    for silent in [0, 40] {
        let address = fresh_address();
        let (mut master, _) = patient_master(&address);
        let _silent: Vec<_> = (0..silent).map(|_| Raw::connect(&address)).collect();
        let slave = patient_slave(&address);
        let edges = Edges::of(&master);
        comes_in(&mut master, &edges, slave);
    }
}

/// Many that have messages at once, more than one turn is told of, and more from each than one turn reads.
#[test]
fn every_message_of_many_is_read() {
    let address = fresh_address();
    let (mut master, _) = patient_master(&address);
    let edges = Edges::of(&master);
    let peers: Vec<_> = (0..100).map(|_| Raw::connect(&address)).collect();
    while master.driver.half_open.len() < peers.len() {
        assert!(edges.turn(&mut master).is_empty());
    }
    // No interface has that id, which is said behind what is read.
    for peer in &peers {
        peer.send(init(77));
    }
    let mut refused = 0;
    while refused < peers.len() {
        let events = edges.turn(&mut master);
        refused += events.iter().filter(|event| matches!(event, Event::Refused { .. })).count();
    }
}

/// What is left when a wait ends otherwise is told, too.
#[test]
fn a_wait_that_ends_otherwise_leaves_nothing_untold() {
    for woken in [true, false] {
        let address = fresh_address();
        let (mut master, key) = patient_master(&address);
        let edges = Edges::of(&master);
        let _silent: Vec<_> = (0..40).map(|_| Raw::connect(&address)).collect();
        let slave = patient_slave(&address);
        edges.wait();
        if woken {
            master.waker().wake();
            assert!(master.poll(None).unwrap().is_none());
        } else {
            assert!(matches!(master.wait_connected(key, Duration::ZERO), Err(WaitError::TimedOut { .. })));
        }
        comes_in(&mut master, &edges, slave);
    }
}
