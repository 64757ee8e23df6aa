//! The thread that receives, records, and passes on.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memif::{ForwardError, Link, RecvError, RxMode, RxQueue, SendError, TxQueue};

use super::tally::{Flow, Reason};
use crate::endpoint::record::{Lane, Tap};
use crate::error::Error;

/// Packets that are received together; they get one time.
const BURST: usize = 256;
/// Bursts of the longest ring: so many are taken where nothing may come after them.
const RING: usize = 16_384 / BURST;
/// How long a thread that polls goes on before it looks whether there is an order for it.
const POLL_SLICE: Duration = Duration::from_millis(10);
/// The first and the longest pause before a full ring is looked at again.
const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(1);

/// The two ends of a tap; of a capture that passes nothing on there is the first alone.
pub(super) const ENDS: usize = 2;

/// What the thread is told.
enum Order {
    /// A link of that end came up.
    Attach(usize, Side),
    /// The last packets are to be taken.
    End,
}

/// A link of one end.
struct Side {
    rx: Vec<Receive>,
    tx: Vec<Transmit>,
    tap: Tap,
}

struct Receive {
    queue: RxQueue,
    /// Packets that it dropped, as far as they are counted.
    dropped: u64,
}

struct Transmit {
    queue: TxQueue,
    /// A packet that found the ring full.
    kept: Vec<u8>,
}

/// What was found on a queue; of several, the most counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    Nothing,
    /// The ring that its packets go to is full.
    Full,
    Some,
}

/// The link is down; the reason comes as an event.
struct LinkDown;

impl From<RecvError> for LinkDown {
    fn from(_: RecvError) -> Self {
        Self
    }
}

/// A thread that serves the links of up to two ends.
#[derive(Debug)]
pub(super) struct Tapper {
    thread: JoinHandle<()>,
    orders: Orders,
}

/// Tells the thread what to do.
#[derive(Clone, Debug)]
pub(super) struct Orders {
    orders: Sender<Order>,
    /// One byte for each order, so that the thread can sleep for packets and for orders at once.
    bell: Arc<PipeWriter>,
}

/// What the thread is to do.
pub(super) struct Plan {
    /// Whether packets of one end go to the other.
    pub(super) via: bool,
    /// What became of the packets that each end received.
    pub(super) flows: [Arc<Flow>; ENDS],
    /// When it is over.
    pub(super) until: Option<Instant>,
    /// Is called when it is.
    pub(super) over: Box<dyn Fn() + Send>,
}

impl Tapper {
    pub(super) fn start(plan: Plan) -> Result<Self, Error> {
        let failed = |source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limits of processes and open files (ulimit -u, ulimit -n)",
            source,
        };
        let (ears, bell) = io::pipe().map_err(failed)?;
        let (orders, queue) = mpsc::channel();
        let mut serving = Serving { plan, sides: [None, None], orders: queue, ears, ending: false };
        let thread = thread::Builder::new().name("capture".to_owned()).spawn(move || serving.run()).map_err(failed)?;
        Ok(Self { thread, orders: Orders { orders, bell: Arc::new(bell) } })
    }

    /// For who has a link for it.
    pub(super) fn orders(&self) -> Orders {
        self.orders.clone()
    }

    /// Waits until what has come is taken. The links are down then.
    pub(super) fn finish(self) {
        self.orders.tell(Order::End);
        // A panic there was reported by the thread itself.
        let _ = self.thread.join();
    }
}

impl Orders {
    /// Serves the queues of a link from now on. What is left of it keeps it up until the caller lets go of it.
    pub(super) fn attach(&self, end: usize, link: &mut Link, tap: Tap) {
        let rx = mem::take(&mut link.rx).into_iter().map(|queue| Receive { queue, dropped: 0 });
        let tx = mem::take(&mut link.tx).into_iter().map(|queue| Transmit { queue, kept: Vec::new() });
        self.tell(Order::Attach(end, Side { rx: rx.collect(), tx: tx.collect(), tap }));
    }

    fn tell(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // The thread may be at its end, and both pipes with it.
            let _ = (&*self.bell).write_all(&[0]);
        }
    }
}

struct Serving {
    plan: Plan,
    sides: [Option<Side>; ENDS],
    orders: Receiver<Order>,
    ears: PipeReader,
    ending: bool,
}

impl Serving {
    fn run(&mut self) {
        let mut pause = SHORTEST;
        while !self.ending {
            let found = self.serve_all();
            self.look_at_clock();
            if found == Found::Full {
                self.wait(Some(pause));
                pause = (pause * 2).min(LONGEST);
            } else {
                pause = SHORTEST;
                if found == Found::Nothing {
                    self.wait(None);
                }
            }
            self.obey();
        }
        for _ in 0..RING {
            if self.serve_all() != Found::Some {
                break;
            }
        }
    }

    /// Takes what lies on all queues, up to a burst of each.
    fn serve_all(&mut self) -> Found {
        (0..ENDS).map(|end| self.serve(end)).max().unwrap_or(Found::Nothing)
    }

    /// Does what it is told.
    fn obey(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(order) => self.do_as_told(order),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.ending = true;
                    return;
                }
            }
        }
    }

    fn do_as_told(&mut self, order: Order) {
        // Its byte is there or about to be; without one the pipe is closed.
        let _ = (&self.ears).read(&mut [0]);
        match order {
            Order::End => self.ending = true,
            Order::Attach(end, side) => {
                for _ in 0..RING {
                    if self.serve(end) != Found::Some {
                        break;
                    }
                }
                if let Some(place) = self.sides.get_mut(end) {
                    *place = Some(side);
                }
            }
        }
    }

    /// Ends it when its time is over.
    fn look_at_clock(&mut self) {
        if self.plan.until.is_some_and(|until| Instant::now() >= until) {
            self.plan.until = None;
            (self.plan.over)();
        }
    }

    /// Sleeps until there is something to do; for no longer than `pause`, if there is one.
    fn wait(&mut self, pause: Option<Duration>) {
        let left = self.plan.until.map(|until| until.saturating_duration_since(Instant::now()));
        let mut queues: Vec<&mut RxQueue> = Vec::new();
        let [first, second] = &mut self.sides;
        let full = |side: &Option<Side>| {
            let side = side.as_ref();
            side.is_some_and(|side| side.tx.iter().any(|tx| !tx.kept.is_empty()))
        };
        // Nothing more comes from where packets wait for the other side.
        let (first_waits, second_waits) = (full(second), full(first));
        for (side, waits) in [(first, first_waits), (second, second_waits)] {
            queues.extend(side.iter_mut().filter(|_| !waits).flat_map(|side| &mut side.rx).map(|rx| &mut rx.queue));
        }
        let polling = queues.iter().any(|queue| queue.mode() == RxMode::Polling);
        let limits = [left, pause, polling.then_some(POLL_SLICE)];
        let limit = limits.into_iter().flatten().min();
        if !queues.is_empty() {
            // The end of a link shows when it is served.
            let _ = RxQueue::wait_any_or(&mut queues, Some(self.ears.as_fd()), limit);
            return;
        }
        let order = match limit {
            None => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(limit) => self.orders.recv_timeout(limit),
        };
        match order {
            Ok(order) => self.do_as_told(order),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.ending = true,
        }
    }

    /// Takes what lies on the queues of an end, up to a burst of each.
    fn serve(&mut self, end: usize) -> Found {
        let [first, second] = &mut self.sides;
        let (side, other) = if end == 0 { (first, second) } else { (second, first) };
        let Some(Side { rx, tap, .. }) = side else { return Found::Nothing };
        let Some(flow) = self.plan.flows.get(end) else { return Found::Nothing };
        let mut all = Found::Nothing;
        let mut down = false;
        for (at, rx) in rx.iter_mut().enumerate() {
            let found = if self.plan.via {
                let tx = other.as_mut().map(|other| &mut other.tx).filter(|tx| !tx.is_empty());
                let tx = tx.and_then(|tx| {
                    let queues = tx.len();
                    tx.get_mut(at % queues)
                });
                rx.pass_on(end, at, tx, tap, flow)
            } else {
                rx.take(at, tap)
            };
            match found {
                Ok(found) => all = all.max(found),
                Err(LinkDown) => down = true,
            }
        }
        if down {
            *side = None;
        }
        all
    }
}

impl Receive {
    /// Records up to a burst.
    fn take(&mut self, at: usize, tap: &Tap) -> Result<Found, LinkDown> {
        let mut batch = self.queue.recv(BURST)?;
        if batch.is_empty() {
            drop(batch);
            return Ok(self.dropped_alone(|| tap.received(at)));
        }
        let mut lane = tap.received(at);
        for packet in &mut batch {
            lane.copied(packet.len(), |room| packet.copy_to(room));
        }
        drop(batch);
        lane.dropped(self.newly_dropped());
        Ok(Found::Some)
    }

    /// Records up to a burst and passes it on to the queue of the other end, if that is there. What finds its ring full
    /// waits there, and what comes after it on the ring that it came by, as it would without a tap.
    fn pass_on(
        &mut self,
        end: usize,
        at: usize,
        mut to: Option<&mut Transmit>,
        tap: &Tap,
        flow: &Flow,
    ) -> Result<Found, LinkDown> {
        if let Some(tx) = &mut to
            && !tx.kept.is_empty()
        {
            match tx.queue.send(&tx.kept) {
                Ok(()) => flow.pass(1, tx.kept.len() as u64),
                Err(SendError::Full) => return Ok(Found::Full),
                Err(_) => flow.drop_packets(Reason::NoLink, 1),
            }
            tx.kept.clear();
        }
        let mut batch = self.queue.recv(BURST)?;
        // What comes from the first end goes in, and what comes from the second goes out to the first.
        let lane = || if end == 0 { tap.received(at) } else { tap.sent(at) };
        if batch.is_empty() {
            drop(batch);
            return Ok(self.dropped_alone(lane));
        }
        let mut lane = lane();
        let (mut sent, mut bytes, mut lost) = (0, 0, 0);
        let (mut kept, queue) = match to {
            Some(Transmit { queue, kept }) => (Some(kept), Some(queue)),
            None => (None, None),
        };
        let mut out = queue.and_then(|queue| queue.reserve().ok());
        for packet in &mut batch {
            let len = packet.len();
            lane.copied(len, |room| packet.copy_to(room));
            let Some(batch) = &mut out else {
                lost += 1;
                continue;
            };
            match batch.forward(packet) {
                Ok(()) => {
                    sent += 1;
                    bytes += len as u64;
                }
                Err(ForwardError { error: SendError::Full, packet }) => {
                    flow.wait();
                    if let Some(kept) = &mut kept {
                        packet.append_to(kept);
                    }
                    break;
                }
                Err(ForwardError { error: SendError::TooLong { .. }, .. }) => flow.drop_packets(Reason::TooLong, 1),
                Err(_) => lost += 1,
            }
        }
        match out.map_or(0, |batch| batch.commit()) {
            0 => flow.drop_packets(Reason::NoLink, lost + sent),
            _ => {
                flow.pass(sent, bytes);
                flow.drop_packets(Reason::NoLink, lost);
            }
        }
        drop(batch);
        lane.dropped(self.newly_dropped());
        Ok(Found::Some)
    }

    /// Counts packets that the queue dropped where there were no others.
    #[inline]
    fn dropped_alone<'t>(&mut self, lane: impl FnOnce() -> Lane<'t>) -> Found {
        match self.newly_dropped() {
            0 => Found::Nothing,
            dropped => {
                lane().dropped(dropped);
                Found::Some
            }
        }
    }

    /// Packets that the queue dropped since this was asked last.
    #[inline]
    fn newly_dropped(&mut self) -> u64 {
        let dropped = self.queue.counters().dropped;
        dropped - mem::replace(&mut self.dropped, dropped)
    }
}
