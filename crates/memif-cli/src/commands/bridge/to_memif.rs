//! From the kernel to the peer: queues of the device into transmit queues.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use memif::{SendError, TxBatch, TxQueue};
use tun_rs::{SyncDevice, VirtioNetHdr};

use super::device::{BURST, Device, cannot_wait, is_gone};
use super::live::Live;
use super::offload::cut::{Cut, Unknown};
use super::offload::{HEADER, Offloads, Room};
use super::stop::{Failure, Order};
use super::tally::{Flow, Reason};
use crate::endpoint::record::Tap;
use crate::packet::Framing;

/// How long a full ring is left alone at first, and at last: nothing signals a free slot.
const SHORTEST: Duration = Duration::from_micros(10);
const LONGEST: Duration = Duration::from_millis(1);

/// Why the queues are not served any more.
enum Ended {
    /// The reason comes as an event.
    LinkDown,
    DeviceGone,
}

/// What a look at the queues found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The kernel has nothing more.
    Nothing,
    /// The kernel may have more.
    More,
    /// The ring is full.
    Full,
}

/// A transmit queue and the queues of the device that it empties.
struct Lane<'d> {
    from: Vec<&'d SyncDevice>,
    tx: TxQueue,
    /// What found the ring full. What is behind it stays with the kernel: its queue is bounded, and what it has no
    /// room for it drops and counts itself.
    taken: Taken,
}

/// Runs until the link is down, the order to end, or the device is gone.
pub(super) fn run(
    device: &Device,
    queues: Vec<(Vec<usize>, TxQueue)>,
    order: &Order,
    failure: &Failure,
    live: &Live,
    tap: Option<&Tap>,
) -> Flow {
    let mut flow = Flow::default();
    let mut lanes: Vec<Lane<'_>> = queues
        .into_iter()
        .map(|(from, tx)| Lane {
            from: from.iter().filter_map(|at| device.queues().get(*at)).collect(),
            tx,
            taken: Taken::new(device.framing(), device.offloads()),
        })
        .collect();
    if let Err(error) = serve(&mut lanes, order, &mut flow, live, tap) {
        match error {
            Stopped::By(Ended::LinkDown) => {}
            Stopped::By(Ended::DeviceGone) => failure.tell(device.gone()),
            Stopped::CannotWait(error) => failure.tell(cannot_wait(error)),
        }
    }
    flow.dropped.add(Reason::NoLink, lanes.iter().map(|lane| lane.taken.cut.left(lane.taken.len)).sum());
    live.publish(&flow);
    flow
}

/// What ends a thread before it is told to end.
enum Stopped {
    By(Ended),
    CannotWait(io::Error),
}

fn serve(
    lanes: &mut [Lane<'_>],
    order: &Order,
    flow: &mut Flow,
    live: &Live,
    tap: Option<&Tap>,
) -> Result<(), Stopped> {
    let mut fds = Vec::new();
    let mut pause = SHORTEST;
    loop {
        let (mut more, mut full, before) = (false, false, flow.packets);
        for lane in lanes.iter_mut() {
            let found = lane.pass_on(flow, tap).map_err(Stopped::By)?;
            more |= found == Found::More;
            full |= found == Found::Full;
        }
        live.publish(flow);
        if more {
            continue;
        }
        // A lane whose ring is full holds up no other one.
        let idle = lanes.iter().filter(|lane| lane.taken.is_done());
        let idle = idle.flat_map(|lane| lane.from.iter().map(|queue| (*queue).as_fd()));
        let ordered = order.wait_readable(idle, full.then_some(pause), &mut fds).map_err(Stopped::CannotWait)?;
        if ordered {
            return Ok(());
        }
        // A ring that takes some now and then is emptied.
        pause = if full && flow.packets == before { (pause * 2).min(LONGEST) } else { SHORTEST };
    }
}

impl Lane<'_> {
    /// Passes on what the kernel has, up to a burst of each of its queues.
    fn pass_on(&mut self, flow: &mut Flow, tap: Option<&Tap>) -> Result<Found, Ended> {
        let mut all = Found::Nothing;
        for from in &self.from {
            match burst(from, &mut self.tx, &mut self.taken, flow, tap)? {
                Found::Nothing => {}
                Found::More => all = Found::More,
                Found::Full => return Ok(Found::Full),
            }
        }
        Ok(all)
    }
}

/// Passes on what is left of the packet taken last and what the kernel has in one queue, up to a burst, with one signal
/// at its end. What finds the ring full is kept.
fn burst(
    from: &SyncDevice,
    tx: &mut TxQueue,
    taken: &mut Taken,
    flow: &mut Flow,
    tap: Option<&Tap>,
) -> Result<Found, Ended> {
    let queue = usize::from(tx.index());
    let mut pending = Pending::default();
    let mut batch = tx.reserve().map_err(|_| Ended::LinkDown)?;
    let mut found = Ok(Found::More);
    for _ in 0..BURST {
        if batch.len() >= BURST {
            break;
        }
        if taken.is_done() {
            match taken.take(from) {
                Ok(Ok(())) => {}
                Ok(Err(Unknown)) => flow.dropped.add(Reason::UnknownOffload, 1),
                Err(error) => {
                    found = if is_gone(&error) { Err(Ended::DeviceGone) } else { Ok(Found::Nothing) };
                    break;
                }
            }
        }
        match taken.push(&mut batch, &mut pending, flow, tap.map(|tap| (tap, queue))) {
            Ok(()) => {}
            Err(SendError::Full) => {
                flow.waits += 1;
                found = Ok(Found::Full);
                break;
            }
            Err(_) => {
                found = Err(Ended::LinkDown);
                break;
            }
        }
    }
    pending.sent(batch.commit(), flow);
    found
}

/// What was taken from the kernel, and how far it went to the peer.
struct Taken {
    framing: Framing,
    /// Bytes before each packet.
    header: usize,
    buffer: Room,
    len: usize,
    cut: Cut,
}

impl Taken {
    fn new(framing: Framing, offloads: Offloads) -> Self {
        let header = if offloads.tcp { HEADER } else { 0 };
        Self { framing, header, buffer: Room::new(), len: 0, cut: Cut::whole(&[]) }
    }

    /// Whether all of it went.
    fn is_done(&self) -> bool {
        self.cut.is_done()
    }

    /// Takes the next packet. By the system call itself, as packets are given to the kernel.
    fn take(&mut self, from: &SyncDevice) -> io::Result<Result<(), Unknown>> {
        let room = self.buffer.whole().get_mut(HEADER - self.header..).unwrap_or_default();
        self.len = rustix::io::read(from, room)?.saturating_sub(self.header);
        let header =
            if self.header == 0 { VirtioNetHdr::default() } else { VirtioNetHdr::decode(self.buffer.whole())? };
        let framing = self.framing;
        Ok(Cut::new(&header, self.packet(), framing).map(|cut| self.cut = cut))
    }

    /// Adds its frames to a batch, from the first on that did not go yet. They are recorded before the peer has them,
    /// so that an answer comes behind them.
    fn push(
        &mut self,
        batch: &mut TxBatch<'_>,
        pending: &mut Pending,
        flow: &mut Flow,
        tap: Option<(&Tap, usize)>,
    ) -> Result<(), SendError> {
        let packet = self.buffer.packet().get_mut(..self.len).unwrap_or_default();
        while let Some((head, payload)) = self.cut.frame(packet) {
            let len = head.len() + payload.len();
            let pushed = if payload.is_empty() {
                batch.push(head)
            } else {
                batch.push_with(len, |frame| {
                    frame.write_at(0, head);
                    frame.write_at(head.len(), payload);
                })
            };
            match pushed {
                Ok(()) => {
                    pending.add(len);
                    if let Some((tap, queue)) = tap {
                        tap.sent(queue).parts([head, payload]);
                    }
                }
                Err(SendError::TooLong { .. } | SendError::Empty) => flow.dropped.add(Reason::TooLong, 1),
                Err(error) => return Err(error),
            }
            self.cut.advance(self.len);
        }
        Ok(())
    }

    fn packet(&mut self) -> &mut [u8] {
        self.buffer.packet().get_mut(..self.len).unwrap_or_default()
    }
}

/// Packets of a batch that is not committed yet.
#[derive(Default)]
struct Pending {
    packets: u64,
    bytes: u64,
}

impl Pending {
    fn add(&mut self, len: usize) {
        self.packets += 1;
        self.bytes += len as u64;
    }

    /// Counts them: a batch goes as a whole, or not at all when the link is down.
    fn sent(self, packets: usize, flow: &mut Flow) {
        let Self { packets: all, bytes } = self;
        if packets == 0 {
            flow.dropped.add(Reason::NoLink, all);
        } else {
            flow.pass(all, bytes);
        }
    }
}
