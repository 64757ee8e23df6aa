//! The thread that serves one link.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use memif::{Link, RecvError, RxMode, RxQueue, SendError, TxQueue};

use super::engine::Responder;
use super::tally::{Board, Tally};
use crate::endpoint::record::Tap;
use crate::error::Error;
use crate::packet::Addresses;

/// Packets that are looked at before their answers are handed over.
const BURST: usize = 256;
/// Bytes of the largest packet.
const MAX_PACKET: usize = memif::MAX_PACKET_SIZE as usize;
/// How long the answers of one burst wait for a peer that takes none, before they are dropped.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a thread that polls goes on before it looks whether there is an order for it.
const POLL_SLICE: Duration = Duration::from_millis(10);

/// What a thread is told while it serves.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// How a receive queue is to learn of packets.
    RxMode(u8, RxMode),
    /// The addresses to answer for from now on.
    Addresses(Addresses),
}

/// What a thread has of a link.
struct Queues {
    rx: Vec<RxQueue>,
    tx: Vec<TxQueue>,
    tap: Option<Tap>,
}

/// A thread that serves one link until it goes down.
#[derive(Debug)]
pub(crate) struct Worker {
    thread: JoinHandle<()>,
    orders: Sender<Order>,
    /// One byte for each order, so that the thread can sleep for packets and for orders at once.
    bell: PipeWriter,
    board: Arc<Board>,
}

impl Worker {
    /// Starts the thread, which takes the queues of the link. What is left of that keeps the link up until the caller
    /// has said why it is given up, where there is no thread.
    ///
    /// With `tap`, packets that come and go are recorded.
    pub(crate) fn start(link: &mut Link, responder: Responder, tap: Option<Tap>) -> Result<Self, Error> {
        let failed = |source| Error::System {
            what: "cannot start a thread".to_owned(),
            advice: "raise the limits of processes and open files (ulimit -u, ulimit -n), or serve fewer interfaces",
            source,
        };
        let (ears, bell) = io::pipe().map_err(failed)?;
        let (orders, queue) = mpsc::channel();
        let board = Arc::new(Board::default());
        let inbox = Inbox { orders: queue, ears };
        let public = Arc::clone(&board);
        let queues = Queues { rx: mem::take(&mut link.rx), tx: mem::take(&mut link.tx), tap };
        let thread = thread::Builder::new()
            .name("responder".to_owned())
            .spawn(move || serve(queues, responder, &inbox, &public))
            .map_err(failed)?;
        Ok(Self { thread, orders, bell, board })
    }

    /// Tells the thread something. It obeys soon; if it has ended, nobody does.
    pub(crate) fn tell(&mut self, order: Order) {
        if self.orders.send(order).is_ok() {
            // The thread may be at its end, and both pipes with it.
            let _ = self.bell.write_all(&[0]);
        }
    }

    /// The counts so far.
    pub(crate) fn tally(&self) -> Tally {
        self.board.read()
    }

    /// Where the thread puts its counts up.
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// What is left of it when its link is down: nobody gives it orders any more.
    pub(crate) fn leave(self) -> Leaving {
        let Self { thread, board, .. } = self;
        Leaving { thread, board }
    }
}

/// A thread whose link went down, and which is about to end. It has no descriptors.
#[derive(Debug)]
pub(crate) struct Leaving {
    thread: JoinHandle<()>,
    board: Arc<Board>,
}

impl Leaving {
    /// The counts so far.
    pub(crate) fn tally(&self) -> Tally {
        self.board.read()
    }

    /// Whether the thread has ended, and its counts are the last.
    pub(crate) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end, which the end of the link brings about, and gives the last counts.
    pub(crate) fn join(self) -> Tally {
        // A panic there was reported by the thread itself; what it had put up still counts.
        let _ = self.thread.join();
        self.board.read()
    }
}

/// Where orders arrive.
struct Inbox {
    orders: Receiver<Order>,
    ears: PipeReader,
}

impl Inbox {
    fn obey(&self, queues: &mut Queues, responder: &mut Responder) {
        while let Ok(order) = self.orders.try_recv() {
            // Its byte is there or about to be; without one the pipe is closed.
            let _ = (&self.ears).read(&mut [0]);
            match order {
                Order::RxMode(queue, mode) => {
                    if let Some(rx) = queues.rx.get_mut(usize::from(queue)) {
                        rx.set_mode(mode);
                    }
                }
                Order::Addresses(addresses) => responder.readdress(addresses),
            }
        }
    }
}

fn serve(mut queues: Queues, mut responder: Responder, inbox: &Inbox, board: &Board) {
    let mut scratch = vec![0; MAX_PACKET];
    loop {
        let polling = queues.rx.iter().any(|rx| rx.mode() == RxMode::Polling);
        let slice = polling.then_some(POLL_SLICE);
        // The end of the link is no news here: its reason comes as an event.
        if RxQueue::wait_any_or(&mut queues.rx, Some(inbox.ears.as_fd()), slice).is_err() {
            return;
        }
        inbox.obey(&mut queues, &mut responder);
        let served = serve_once(&mut queues, &mut responder, &mut scratch);
        board.publish(&responder.tally());
        if served.is_err() {
            return;
        }
    }
}

/// Answers up to a burst of each queue.
fn serve_once(served: &mut Queues, responder: &mut Responder, scratch: &mut [u8]) -> Result<(), LinkDown> {
    // An answer leaves by the queue with the number of the one it came by, as far as there are as many.
    let queues = served.tx.len().max(1);
    for (at, rx) in served.rx.iter_mut().enumerate() {
        let tx = served.tx.get_mut(at % queues).ok_or(LinkDown)?;
        burst(rx, (at % queues, tx), served.tap.as_ref().map(|tap| (tap, at)), responder, scratch)?;
    }
    Ok(())
}

/// Why a link cannot be served any more. The details come as an event.
struct LinkDown;

impl From<RecvError> for LinkDown {
    fn from(_: RecvError) -> Self {
        Self
    }
}

impl From<SendError> for LinkDown {
    fn from(_: SendError) -> Self {
        Self
    }
}

/// Answers what lies on one receive queue, up to a burst.
fn burst(
    rx: &mut RxQueue,
    (to, tx): (usize, &mut TxQueue),
    tap: Option<(&Tap, usize)>,
    responder: &mut Responder,
    scratch: &mut [u8],
) -> Result<(), LinkDown> {
    let mut batch = rx.recv(BURST)?;
    if batch.is_empty() {
        return Ok(());
    }
    let now = Instant::now();
    let deadline = now + PATIENCE;
    let mut out = tx.reserve()?;
    for packet in &mut batch {
        let len = packet.copy_to(scratch);
        let Some(bytes) = scratch.get_mut(..len) else { continue };
        if let Some((tap, from)) = tap {
            tap.received(from).packet(bytes);
        }
        let verdict = responder.answer(now, bytes);
        let mut unsent = false;
        for answer in responder.answers(verdict, bytes) {
            match out.push(answer) {
                Ok(()) => {
                    record(tap, to, answer);
                    continue;
                }
                Err(SendError::Full) => {}
                // The peer sends longer packets than it offers room for.
                Err(SendError::TooLong { .. }) => {
                    unsent = true;
                    break;
                }
                Err(error) => return Err(error.into()),
            }
            // No peer signals room: hand over what there is, then wait a little.
            out.commit();
            match tx.send_timeout(answer, deadline.saturating_duration_since(Instant::now())) {
                Ok(()) => record(tap, to, answer),
                Err(SendError::Full | SendError::TooLong { .. }) => unsent = true,
                Err(error) => return Err(error.into()),
            }
            out = tx.reserve()?;
            if unsent {
                break;
            }
        }
        if unsent {
            responder.unanswered();
        }
    }
    out.commit();
    Ok(())
}

fn record(tap: Option<(&Tap, usize)>, to: usize, answer: &[u8]) {
    if let Some((tap, _)) = tap {
        tap.sent(to).packet(answer);
    }
}
