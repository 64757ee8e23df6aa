//! Traffic through the queues of links, each packet checked to the last byte and for its place in the sequence, and the
//! counters of the queues compared with what really went through.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use memif::{Counters, RecvError, RxQueue, SendError, TxQueue};
use testkit::patience::{Patience, STEP};
use testkit::traffic::{InOrder, packet};

/// What goes through each queue.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// Packets per queue.
    pub(crate) packets: u64,
    /// Their lengths, over and over again; at least 16.
    pub(crate) sizes: Vec<usize>,
    /// Most packets per batch.
    pub(crate) batch: u64,
    /// How the queues are served.
    pub(crate) style: Style,
}

/// How queues are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// That many threads look at their share of the queues, in turn.
    Look(usize),
    /// A thread per queue, which waits as a program would: for packets, and for free slots.
    Wait,
}

/// A receive queue and the stream that it carries.
pub(crate) struct RxLane<'l> {
    queue: &'l mut RxQueue,
    before: Counters,
    order: InOrder,
}

/// A transmit queue and the stream that it carries.
pub(crate) struct TxLane<'l> {
    queue: &'l mut TxQueue,
    before: Counters,
    stream: u32,
    sent: u64,
    bytes: u64,
    pending: Option<Vec<u8>>,
}

/// Packets and bytes of one queue.
pub(crate) type Count = (u64, u64);

/// What went through, queue by queue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    /// Received.
    pub(crate) rx: Vec<Count>,
    /// Sent.
    pub(crate) tx: Vec<Count>,
    /// The link went down before all was done.
    pub(crate) link_down: bool,
}

/// Looks from outside while a load runs.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Ends the load early.
    pub(crate) stop: AtomicBool,
    /// Packets received so far.
    pub(crate) received: AtomicU64,
}

impl<'l> RxLane<'l> {
    pub(crate) fn new(queue: &'l mut RxQueue, stream: u32) -> Self {
        let before = queue.counters();
        Self { queue, before, order: InOrder::of(stream) }
    }

    /// Takes what is there, at most 64 packets.
    fn step(&mut self, scratch: &mut Vec<u8>) -> Result<u64, RecvError> {
        let mut taken = 0;
        for packet in &mut self.queue.recv(64)? {
            scratch.resize(packet.len(), 0);
            assert_eq!(packet.copy_to(scratch), packet.len());
            self.order.take(scratch);
            taken += 1;
        }
        Ok(taken)
    }

    fn counted(&self) -> Count {
        let (now, before) = (self.queue.counters(), self.before);
        let count = (now.packets - before.packets, now.bytes - before.bytes);
        assert_eq!(count, (self.order.count(), self.order.bytes), "counters of rx {}", self.queue.index());
        let lost = (now.bad_descriptors, now.dropped, now.resyncs);
        assert_eq!(lost, (before.bad_descriptors, before.dropped, before.resyncs), "losses");
        count
    }
}

impl<'l> TxLane<'l> {
    pub(crate) fn new(queue: &'l mut TxQueue, stream: u32) -> Self {
        let before = queue.counters();
        Self { queue, before, stream, sent: 0, bytes: 0, pending: None }
    }

    /// Sends what fits, at most one batch.
    fn step(&mut self, load: &Load) -> Result<u64, SendError> {
        // Batches of every length.
        let most = (1 + self.sent % load.batch).min(load.packets - self.sent);
        let mut batch = self.queue.reserve()?;
        let (mut count, mut bytes) = (0, 0);
        while count < most {
            let packet = self.pending.take().unwrap_or_else(|| load.packet(self.stream, self.sent + count));
            match batch.push(&packet) {
                Ok(()) => {
                    count += 1;
                    bytes += packet.len() as u64;
                }
                Err(SendError::Full) => {
                    self.pending = Some(packet);
                    break;
                }
                Err(SendError::Disconnected) => return Err(SendError::Disconnected),
                Err(error) => panic!("packet of {} bytes: {error}", packet.len()),
            }
        }
        let committed = batch.commit() as u64;
        if committed == 0 && count > 0 && !self.queue.is_connected() {
            return Err(SendError::Disconnected);
        }
        assert_eq!(committed, count, "packets of a batch");
        self.sent += count;
        self.bytes += bytes;
        Ok(count)
    }

    fn counted(&self) -> Count {
        let (now, before) = (self.queue.counters(), self.before);
        let count = (now.packets - before.packets, now.bytes - before.bytes);
        assert_eq!(count, (self.sent, self.bytes), "counters of tx {}", self.queue.index());
        count
    }
}

impl Load {
    fn packet(&self, stream: u32, sequence: u64) -> Vec<u8> {
        let at = usize::try_from(sequence % self.sizes.len() as u64).expect("an index");
        packet(stream, sequence, self.sizes[at])
    }

    /// Runs until all packets of all queues are through, the link is down, or it is stopped.
    pub(crate) fn run(&self, mut rx: Vec<RxLane<'_>>, mut tx: Vec<TxLane<'_>>, watch: &Watch) -> Report {
        let link_down = AtomicBool::new(false);
        std::thread::scope(|scope| match self.style {
            Style::Wait => {
                for lane in &mut rx {
                    scope.spawn(|| self.receive_waiting(lane, watch, &link_down));
                }
                for lane in &mut tx {
                    scope.spawn(|| self.send_waiting(lane, &link_down));
                }
            }
            Style::Look(threads) => {
                let mut shares: Vec<(Vec<&mut RxLane<'_>>, Vec<&mut TxLane<'_>>)> = Vec::new();
                shares.resize_with(threads.max(1), Default::default);
                let count = shares.len();
                for (index, lane) in rx.iter_mut().enumerate() {
                    shares[index % count].0.push(lane);
                }
                for (index, lane) in tx.iter_mut().enumerate() {
                    shares[index % count].1.push(lane);
                }
                for (rx, tx) in shares {
                    scope.spawn(|| self.look(rx, tx, watch, &link_down));
                }
            }
        });
        Report {
            rx: rx.iter().map(RxLane::counted).collect(),
            tx: tx.iter().map(TxLane::counted).collect(),
            link_down: link_down.into_inner(),
        }
    }

    fn look(&self, mut rx: Vec<&mut RxLane<'_>>, mut tx: Vec<&mut TxLane<'_>>, watch: &Watch, link_down: &AtomicBool) {
        let (mut patience, mut scratch) = (Patience::default(), Vec::new());
        while !watch.stop.load(Ordering::Relaxed) {
            let mut moved = 0;
            let mut left = false;
            for lane in tx.iter_mut().filter(|lane| lane.sent < self.packets) {
                match lane.step(self) {
                    Ok(count) => moved += count,
                    Err(error) => {
                        return gone(matches!(error, SendError::Disconnected), &error, link_down);
                    }
                }
                left |= lane.sent < self.packets;
            }
            for lane in rx.iter_mut().filter(|lane| lane.order.count() < self.packets) {
                match lane.step(&mut scratch) {
                    Ok(count) => {
                        watch.received.fetch_add(count, Ordering::Relaxed);
                        moved += count;
                    }
                    Err(error) => {
                        return gone(matches!(error, RecvError::Disconnected), &error, link_down);
                    }
                }
                left |= lane.order.count() < self.packets;
            }
            if !left {
                return;
            }
            if moved > 0 {
                patience = Patience::default();
            } else {
                assert!(patience.more(), "nothing moves: {}", state(&rx, &tx));
            }
        }
    }

    fn receive_waiting(&self, lane: &mut RxLane<'_>, watch: &Watch, link_down: &AtomicBool) {
        let mut scratch = Vec::new();
        while lane.order.count() < self.packets && !watch.stop.load(Ordering::Relaxed) {
            let result = lane.queue.wait(Some(STEP)).and_then(|there| {
                assert!(there, "rx {} waits in vain after {:?}", lane.queue.index(), lane.queue.counters());
                lane.step(&mut scratch)
            });
            match result {
                Ok(count) => drop(watch.received.fetch_add(count, Ordering::Relaxed)),
                Err(error) => {
                    return gone(matches!(error, RecvError::Disconnected), &error, link_down);
                }
            }
        }
    }

    fn send_waiting(&self, lane: &mut TxLane<'_>, link_down: &AtomicBool) {
        while lane.sent < self.packets {
            let result = match lane.step(self) {
                Ok(0) => {
                    let packet = lane.pending.take().expect("a packet that did not fit");
                    let result = lane.queue.send_timeout(&packet, STEP);
                    assert_ne!(result, Err(SendError::Full), "tx {} is full", lane.queue.index());
                    result.map(|()| {
                        lane.sent += 1;
                        lane.bytes += packet.len() as u64;
                    })
                }
                other => other.map(drop),
            };
            if let Err(error) = result {
                return gone(matches!(error, SendError::Disconnected), &error, link_down);
            }
        }
    }
}

fn gone(expected: bool, error: &dyn std::error::Error, link_down: &AtomicBool) {
    assert!(expected, "{error}");
    link_down.store(true, Ordering::Relaxed);
}

fn state(rx: &[&mut RxLane<'_>], tx: &[&mut TxLane<'_>]) -> String {
    let rx: Vec<_> = rx.iter().map(|l| (l.queue.index(), l.order.count(), l.queue.counters())).collect();
    let tx: Vec<_> = tx.iter().map(|l| (l.queue.index(), l.sent, l.queue.counters())).collect();
    format!("rx {rx:?}, tx {tx:?}")
}
