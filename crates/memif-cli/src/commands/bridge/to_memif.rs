//! From the kernel to the peer: queues of the device into transmit queues.

use std::os::fd::AsFd;
use std::time::Duration;

use memif::{SendError, TxQueue};
use tun_rs::SyncDevice;

use super::device::{BURST, Device, MAX_PACKET, cannot_wait, is_gone};
use super::live::Live;
use super::stop::{Failure, Order};
use super::tally::{Flow, Reason};

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
    /// A packet that found the ring full. What is behind it stays with the kernel: its queue is bounded, and what it
    /// has no room for it drops and counts itself.
    kept: Vec<u8>,
}

/// Runs until the link is down, the order to end, or the device is gone.
pub(super) fn run(
    device: &Device,
    queues: Vec<(Vec<usize>, TxQueue)>,
    order: &Order,
    failure: &Failure,
    live: &Live,
) -> Flow {
    let mut flow = Flow::default();
    let mut lanes: Vec<Lane<'_>> = queues
        .into_iter()
        .map(|(from, tx)| Lane {
            from: from.iter().filter_map(|at| device.queues().get(*at)).collect(),
            tx,
            kept: Vec::new(),
        })
        .collect();
    if let Err(error) = serve(&mut lanes, order, &mut flow, live) {
        match error {
            Stopped::By(Ended::LinkDown) => {}
            Stopped::By(Ended::DeviceGone) => failure.tell(device.gone()),
            Stopped::CannotWait(error) => failure.tell(cannot_wait(error)),
        }
    }
    let kept = lanes.iter().filter(|lane| !lane.kept.is_empty()).count();
    flow.dropped.add(Reason::NoLink, kept as u64);
    flow
}

/// What ends a thread before it is told to end.
enum Stopped {
    By(Ended),
    CannotWait(std::io::Error),
}

fn serve(lanes: &mut [Lane<'_>], order: &Order, flow: &mut Flow, live: &Live) -> Result<(), Stopped> {
    let mut buffer = vec![0; MAX_PACKET];
    let mut fds = Vec::new();
    let mut pause = SHORTEST;
    loop {
        let (mut more, mut full) = (false, false);
        for lane in lanes.iter_mut() {
            let found = lane.pass_on(&mut buffer, flow).map_err(Stopped::By)?;
            more |= found == Found::More;
            full |= found == Found::Full;
        }
        live.publish(flow);
        if more {
            continue;
        }
        // A lane whose ring is full holds up no other one.
        let idle = lanes.iter().filter(|lane| lane.kept.is_empty());
        let idle = idle.flat_map(|lane| lane.from.iter().map(|queue| (*queue).as_fd()));
        let ordered = order.wait_readable(idle, full.then_some(pause), &mut fds).map_err(Stopped::CannotWait)?;
        if ordered {
            return Ok(());
        }
        pause = if full { (pause * 2).min(LONGEST) } else { SHORTEST };
    }
}

impl Lane<'_> {
    /// Passes on what the kernel has, up to a burst of each of its queues.
    fn pass_on(&mut self, buffer: &mut [u8], flow: &mut Flow) -> Result<Found, Ended> {
        if !self.kept.is_empty() {
            match self.tx.send(&self.kept) {
                Ok(()) => flow.pass(self.kept.len()),
                Err(SendError::Full) => return Ok(Found::Full),
                Err(_) => return Err(Ended::LinkDown),
            }
            self.kept.clear();
        }
        let mut all = Found::Nothing;
        for from in &self.from {
            match burst(from, &mut self.tx, buffer, &mut self.kept, flow)? {
                Found::Nothing => {}
                Found::More => all = Found::More,
                Found::Full => return Ok(Found::Full),
            }
        }
        Ok(all)
    }
}

/// Passes on what the kernel has in one queue, up to a burst, with one signal at its end. What finds the ring full is
/// kept.
fn burst(
    from: &SyncDevice,
    tx: &mut TxQueue,
    buffer: &mut [u8],
    kept: &mut Vec<u8>,
    flow: &mut Flow,
) -> Result<Found, Ended> {
    let mut pending = Pending::default();
    let mut batch = tx.reserve().map_err(|_| Ended::LinkDown)?;
    let mut found = Ok(Found::More);
    for _ in 0..BURST {
        let len = match from.recv(buffer) {
            Ok(len) => len,
            Err(error) => {
                found = if is_gone(&error) { Err(Ended::DeviceGone) } else { Ok(Found::Nothing) };
                break;
            }
        };
        let Some(packet) = buffer.get(..len) else { continue };
        match batch.push(packet) {
            Ok(()) => pending.add(len),
            Err(SendError::Full) => {
                flow.waits += 1;
                kept.extend_from_slice(packet);
                found = Ok(Found::Full);
                break;
            }
            Err(SendError::TooLong { .. } | SendError::Empty) => {
                flow.dropped.add(Reason::TooLong, 1);
            }
            Err(_) => {
                pending.add(len);
                found = Err(Ended::LinkDown);
                break;
            }
        }
    }
    pending.sent(batch.commit(), flow);
    found
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
    fn sent(&mut self, packets: usize, flow: &mut Flow) {
        let Self { packets: all, bytes } = std::mem::take(self);
        if packets == 0 {
            flow.dropped.add(Reason::NoLink, all);
        } else {
            flow.packets += all;
            flow.bytes += bytes;
        }
    }
}
