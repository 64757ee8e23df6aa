//! One interface over all its links: whether it has one, what became of them, and what its queues counted.

use std::collections::BTreeMap;

use memif::{Counters, DisconnectReason, Link, QueueView, Role, RxQueue, Side, TxQueue};

use super::counting::Direction;
use super::text::{Labels, cut};

/// Characters of a peer's names that are passed on.
const LONGEST_NAME: usize = 64;

/// Which interface it is, among all of this process.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Of {
    pub(crate) socket: String,
    pub(crate) id: u32,
    role: &'static str,
}

impl Of {
    /// The interface of that role and number on that socket.
    pub(crate) fn new(socket: impl ToString, id: u32, role: Role) -> Self {
        let role = match role {
            Role::Slave => "slave",
            Role::Master => "master",
        };
        Self { socket: socket.to_string(), id, role }
    }

    /// The labels that all of its samples have.
    pub(super) fn labels(&self) -> Labels {
        Labels::default().with("socket", &self.socket).with("interface", self.id).with("role", self.role)
    }
}

/// What happened to a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Connected,
    /// This side ended it.
    Local,
    /// This side ended it, since the peer broke the protocol.
    Breach,
    /// The peer said that it ends it.
    Peer,
    /// The peer closed without a word.
    Hangup,
}

impl Change {
    pub(super) const ALL: [Self; 5] = [Self::Connected, Self::Local, Self::Breach, Self::Peer, Self::Hangup];

    /// Whether the link is up or down since then, and why.
    pub(super) fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Connected => ("up", "connected"),
            Self::Local => ("down", "local"),
            Self::Breach => ("down", "breach"),
            Self::Peer => ("down", "peer"),
            Self::Hangup => ("down", "hangup"),
        }
    }
}

impl From<&DisconnectReason> for Change {
    fn from(reason: &DisconnectReason) -> Self {
        match reason {
            DisconnectReason::Breach(_) => Self::Breach,
            DisconnectReason::Hangup => Self::Hangup,
            other if other.by() == Side::Local => Self::Local,
            _ => Self::Peer,
        }
    }
}

/// The other end, by its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) app: String,
    pub(super) interface: String,
}

/// An interface. Its counts never shrink, whatever becomes of its links.
#[derive(Debug, Default)]
pub(super) struct Interface {
    peer: Option<Named>,
    changes: [u64; Change::ALL.len()],
    queues: BTreeMap<(Direction, u8), Queue>,
}

/// A queue of that number over all links.
#[derive(Debug, Default)]
struct Queue {
    /// What was counted on links of which nothing is left.
    past: Counters,
    /// The queue on links that somebody may have still, the newest last.
    views: Vec<QueueView>,
}

/// How a queue stands.
#[derive(Clone, Debug)]
pub(super) struct QueueState {
    pub(super) direction: Direction,
    pub(super) index: u8,
    pub(super) counters: Counters,
    /// Slots, and how many of them are in use, while there is a link that has the queue.
    pub(super) ring: Option<(u32, u32)>,
}

/// How an interface stands.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) peer: Option<Named>,
    pub(super) changes: [u64; Change::ALL.len()],
    pub(super) queues: Vec<QueueState>,
}

impl Interface {
    /// A link is up.
    pub(super) fn link_up(&mut self, link: &Link) {
        self.fold();
        let name = |name: &memif::Name| cut(&name.to_string(), LONGEST_NAME);
        self.peer = Some(Named { app: name(&link.peer.app_name), interface: name(&link.peer.interface_name) });
        self.count(Change::Connected);
        self.take(Direction::Rx, link.rx.iter().map(|queue| (queue.index(), RxQueue::view(queue))));
        self.take(Direction::Tx, link.tx.iter().map(|queue| (queue.index(), TxQueue::view(queue))));
    }

    /// The link, if there is one, is down.
    pub(super) fn link_down(&mut self, change: Change) {
        if self.peer.take().is_some() {
            self.count(change);
        }
    }

    /// How it stands now.
    pub(super) fn state(&mut self) -> State {
        self.fold();
        let up = self.peer.is_some();
        let queues = self.queues.iter().map(|((direction, index), queue)| {
            let details: Vec<_> = queue.views.iter().map(QueueView::details).collect();
            let counters = details.iter().fold(queue.past, |sum, details| add(sum, details.counters));
            let last = details.last().filter(|_| up);
            let ring = last.map(|details| (details.ring_size, details.used_slots));
            QueueState { direction: *direction, index: *index, counters, ring }
        });
        State { peer: self.peer.clone(), changes: self.changes, queues: queues.collect() }
    }

    fn take(&mut self, direction: Direction, views: impl Iterator<Item = (u8, QueueView)>) {
        for (index, view) in views {
            self.queues.entry((direction, index)).or_default().views.push(view);
        }
    }

    fn count(&mut self, change: Change) {
        if let Some(count) = self.changes.get_mut(change as usize) {
            *count += 1;
        }
    }

    /// Lets go of what nobody counts with any more, and of the memory that it holds.
    fn fold(&mut self) {
        for queue in self.queues.values_mut() {
            for view in queue.views.extract_if(.., |view| view.is_over()) {
                queue.past = add(queue.past, view.details().counters);
            }
        }
    }
}

fn add(mut sum: Counters, more: Counters) -> Counters {
    sum.packets += more.packets;
    sum.bytes += more.bytes;
    sum.ring_full += more.ring_full;
    sum.bad_descriptors += more.bad_descriptors;
    sum.dropped += more.dropped;
    sum.resyncs += more.resyncs;
    sum.wake_ups += more.wake_ups;
    sum.signals += more.signals;
    sum
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use memif::{InterfaceConfig, Socket};

    use super::*;

    #[test]
    fn every_change_has_its_own_count() {
        for (at, change) in Change::ALL.into_iter().enumerate() {
            assert_eq!(change as usize, at, "{change:?}");
        }
    }

    /// The sockets of both ends of a link.
    type Pair = (Socket, Socket);

    /// A link: its slave, and its master.
    fn connect(name: &str) -> (Pair, Link, Link) {
        let address = format!("@memif-metrics-{name}-{}", std::process::id());
        let mut master = Socket::builder(address.as_str()).open().unwrap();
        let mut slave = Socket::builder(address.as_str()).open().unwrap();
        let key = master.add_interface(InterfaceConfig::master(0)).unwrap();
        let own = slave.add_interface(InterfaceConfig::slave(0)).unwrap();
        let (here, there) = std::thread::scope(|scope| {
            let there = scope.spawn(|| master.wait_connected(key, Duration::from_secs(60)).unwrap());
            (slave.wait_connected(own, Duration::from_secs(60)).unwrap(), there.join().unwrap())
        });
        ((master, slave), here, there)
    }

    #[test]
    fn counts_go_on_where_the_last_link_ended() {
        let mut interface = Interface::default();
        for links in 1..=3 {
            let (pair, mut slave, mut master) = connect("links");
            interface.link_up(&slave);
            slave.tx[0].send(&[0; 60]).unwrap();
            let state = interface.state();
            let [rx, tx] = &state.queues[..] else { panic!("{state:?}") };
            assert_eq!((tx.counters.packets, tx.counters.bytes, rx.counters.packets), (links, 60 * links, 0));
            assert_eq!((tx.ring, rx.ring), (Some((1024, 1)), Some((1024, 0))));
            assert_eq!(master.rx[0].recv(1).unwrap().packets().count(), 1);
            assert_eq!(interface.state().queues[1].ring, Some((1024, 0)));
            interface.link_down(Change::Peer);
            // Once is enough.
            interface.link_down(Change::Local);
            drop((slave, master, pair));
            let state = interface.state();
            assert!(state.peer.is_none() && state.queues.iter().all(|queue| queue.ring.is_none()), "{state:?}");
            assert!(interface.queues.values().all(|queue| queue.views.is_empty()), "memory of a dead link is held");
            assert_eq!(state.changes, [links, 0, 0, links, 0]);
        }
    }

    #[test]
    fn peers_names_are_cut() {
        let (pair, mut slave, master) = connect("names");
        slave.peer.app_name = memif::Name::lossy(&[0xff; 31]);
        let mut interface = Interface::default();
        interface.link_up(&slave);
        let name = interface.state().peer.unwrap().app;
        assert!(name.chars().count() <= LONGEST_NAME, "{name}");
        drop((pair, master));
    }
}
