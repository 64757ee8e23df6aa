//! One interface, as the thread of its socket and its users see it: whether there is a link, whose queues they are, and
//! what came of the links before.
//!
//! Each direction has a lock of its own, which whoever receives or sends has while it waits, and the state has one that
//! is held for moments. Taken in this order: a direction, then the state; never both directions. Who has a direction
//! while attached to the interpreter took it without a wait, waits for nothing until it is free again, and runs nothing
//! of Python's meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar};
use std::time::{Duration, Instant};

use memif::{Counters, Link, Peer, QueueView, RecvError, RxQueue, SendError, TxQueue};

use crate::errors::{End, Failure, Told};
use crate::locks::{Lock, Turn, wait};
use crate::packets::Packets;
use crate::readiness::Readiness;
use crate::recording::Tap;

/// Ends of links that are remembered, for users who come late.
const ENDS: usize = 8;
/// How long a user waits for the thread of the socket to say why a link ended.
const PATIENCE: Duration = Duration::from_secs(1);

/// One interface.
#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) receiver: Turn<Receiver>,
    pub(crate) transmitter: Turn<Transmitter>,
    state: Lock<State>,
    changed: Condvar,
    /// Memory for packets, between two calls.
    spare: Lock<Option<Packets>>,
}

/// The receive queues of the link that is received from: the present one, or one that ended and of which that was not
/// told yet.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) link: u64,
    pub(crate) queues: Vec<RxQueue>,
    pub(crate) readiness: Option<Arc<Readiness>>,
    pub(crate) tap: Option<Tap>,
    /// What a look at the ring met that could not wait for more to be known of it.
    pub(crate) met: Option<RecvError>,
}

/// The same for sending.
#[derive(Debug, Default)]
pub(crate) struct Transmitter {
    pub(crate) link: u64,
    pub(crate) queues: Vec<TxQueue>,
    pub(crate) tap: Option<Tap>,
    /// As of a receiver.
    pub(crate) met: Option<SendError>,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the last link, from 1.
    link: u64,
    is_up: bool,
    is_closed: bool,
    peer: Option<Peer>,
    /// Keeps the link up also while nobody has its queues.
    in_use: Option<Link>,
    /// Queues that nobody took yet.
    rx: Option<Vec<RxQueue>>,
    tx: Option<Vec<TxQueue>>,
    /// Links up to this one may go without a word: their user asked for the next.
    known: u64,
    ends: VecDeque<(u64, End)>,
    failure: Option<Told>,
    readiness: Option<Arc<Readiness>>,
    views: (Vec<QueueView>, Vec<QueueView>),
    /// Of links before: received, sent.
    before: (Counters, Counters),
}

/// The queues of a link, its number, and the descriptor that is to tell of them.
pub(crate) type Taken = (u64, Vec<RxQueue>, Option<Arc<Readiness>>);

impl Channel {
    // ---- for the thread of the socket

    /// A link came up.
    pub(crate) fn connected(&self, mut link: Link) {
        let mut state = self.state.lock();
        if state.is_closed {
            return;
        }
        state.count();
        state.link += 1;
        state.is_up = true;
        state.failure = None;
        state.peer = Some(link.peer.clone());
        state.views = (link.rx.iter().map(RxQueue::view).collect(), link.tx.iter().map(TxQueue::view).collect());
        state.rx = Some(std::mem::take(&mut link.rx));
        state.tx = Some(std::mem::take(&mut link.tx));
        state.in_use = Some(link);
        if let Some(readiness) = &state.readiness {
            readiness.tell(true);
        }
        self.changed.notify_all();
    }

    /// The link went down.
    pub(crate) fn disconnected(&self, end: End) {
        let mut state = self.state.lock();
        state.is_up = false;
        state.in_use = None;
        if state.ends.len() == ENDS {
            state.ends.pop_front();
        }
        let link = state.link;
        state.failure = Some(Told { reason: end.reason.clone(), advice: None });
        state.ends.push_back((link, end));
        self.changed.notify_all();
    }

    /// There is no link yet, and that is why.
    pub(crate) fn failed(&self, told: Told) {
        self.state.lock().failure = Some(told);
    }

    /// It was closed here, or its socket was.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.count();
        state.is_closed = true;
        state.is_up = false;
        (state.rx, state.tx, state.in_use) = (None, None, None);
        self.changed.notify_all();
    }

    // ---- for users

    pub(crate) fn is_up(&self) -> bool {
        self.state.lock().is_up
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().is_closed
    }

    pub(crate) fn peer(&self) -> Option<Peer> {
        let state = self.state.lock();
        state.peer.clone().filter(|_| state.is_up)
    }

    /// Why there is no link.
    pub(crate) fn failure(&self) -> Option<Told> {
        let state = self.state.lock();
        state.failure.clone().filter(|_| !state.is_up)
    }

    /// Waits for a link, at most so long. The links before it end without a word from then on.
    pub(crate) fn wait(&self, time: Duration) -> Result<Option<()>, Failure> {
        let end = Instant::now() + time;
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return Err(Failure::Closed);
            }
            if state.is_up {
                state.known = state.link - 1;
                return Ok(Some(()));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            state = wait(&self.changed, state, left);
        }
    }

    /// The queues of the next link to receive from, and its number.
    pub(crate) fn take_rx(&self) -> Result<Taken, Failure> {
        let mut state = self.state.lock();
        match state.rx.take() {
            Some(queues) => Ok((state.link, queues, state.readiness.clone())),
            None => Err(state.why_not()),
        }
    }

    /// The same to send on.
    pub(crate) fn take_tx(&self) -> Result<(u64, Vec<TxQueue>), Failure> {
        let mut state = self.state.lock();
        match state.tx.take() {
            Some(queues) => Ok((state.link, queues)),
            None => Err(state.why_not()),
        }
    }

    /// Whether the user of that link asked for a later one.
    pub(crate) fn is_known(&self, link: u64) -> bool {
        self.state.lock().known >= link
    }

    /// Whether a link came up that nobody receives from yet.
    pub(crate) fn has_news(&self) -> bool {
        self.state.lock().rx.is_some()
    }

    /// Why that link ended. The data path may know of it before the thread of the socket does.
    pub(crate) fn end(&self, link: u64) -> End {
        let until = Instant::now() + PATIENCE;
        let mut state = self.state.lock();
        loop {
            if let Some((_, end)) = state.ends.iter().find(|(ended, _)| *ended == link) {
                return end.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.is_closed || state.link > link || left.is_zero() {
                return End::unknown();
            }
            state = wait(&self.changed, state, left);
        }
    }

    /// The descriptor, made if need be, and whether it was.
    pub(crate) fn readiness(&self) -> rustix::io::Result<(Arc<Readiness>, bool)> {
        let mut state = self.state.lock();
        if let Some(readiness) = &state.readiness {
            return Ok((Arc::clone(readiness), false));
        }
        let readiness = Arc::new(Readiness::new()?);
        readiness.tell(state.rx.is_some());
        state.readiness = Some(Arc::clone(&readiness));
        Ok((readiness, true))
    }

    /// What was received and sent on all links so far.
    pub(crate) fn counters(&self) -> (Counters, Counters) {
        self.state.lock().sum()
    }

    pub(crate) fn take_memory(&self) -> Packets {
        self.spare.lock().take().unwrap_or_else(Packets::new)
    }

    pub(crate) fn give_memory(&self, packets: Packets) {
        if packets.is_small() {
            *self.spare.lock() = Some(packets);
        }
    }
}

impl State {
    fn why_not(&self) -> Failure {
        if self.is_closed { Failure::Closed } else { Failure::NotConnected(self.failure.clone()) }
    }

    fn sum(&self) -> (Counters, Counters) {
        let add = |before: Counters, views: &[QueueView]| {
            views.iter().map(|view| view.details().counters).fold(before, |sum, counters| plus(&sum, &counters))
        };
        (add(self.before.0, &self.views.0), add(self.before.1, &self.views.1))
    }

    /// Adds up what the queues of the present link have counted, and lets go of them.
    fn count(&mut self) {
        let (rx, tx) = (std::mem::take(&mut self.views.0), std::mem::take(&mut self.views.1));
        for (sum, views) in [(&mut self.before.0, rx), (&mut self.before.1, tx)] {
            for view in views {
                *sum = plus(sum, &view.details().counters);
            }
        }
    }
}

fn plus(a: &Counters, b: &Counters) -> Counters {
    let mut sum = *a;
    sum.packets += b.packets;
    sum.bytes += b.bytes;
    sum.ring_full += b.ring_full;
    sum.bad_descriptors += b.bad_descriptors;
    sum.dropped += b.dropped;
    sum.resyncs += b.resyncs;
    sum.wake_ups += b.wake_ups;
    sum.signals += b.signals;
    sum
}
