//! From the peer to the kernel: receive queues into queues of the device.

use memif::{Packet, RecvError, RxQueue};
use rustix::io::{Errno, write};
use tun_rs::SyncDevice;

use super::device::{BURST, Device, is_gone};
use super::live::Live;
use super::offload::MAX_PACKET;
use super::offload::join::{Joined, Joiner, Source};
use super::stop::Failure;
use super::tally::{Flow, Reason};
use crate::endpoint::record::Tap;

/// Bursts of a queue that are passed on before the next queue has its turn, and before nothing more is joined.
const BURSTS: usize = 4;

/// Why a queue is not served any more.
enum Ended {
    /// The reason comes as an event.
    LinkDown,
    DeviceGone,
}

impl From<RecvError> for Ended {
    fn from(_: RecvError) -> Self {
        Self::LinkDown
    }
}

impl Source for &Packet<'_> {
    fn len(&self) -> usize {
        Packet::len(self)
    }

    fn read(&self, offset: usize, to: &mut [u8]) {
        Packet::read(self, offset, to);
    }
}

impl Source for &[u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn read(&self, offset: usize, to: &mut [u8]) {
        let rest = self.get(offset..).unwrap_or_default();
        to.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    }
}

/// Where frames are recorded, if they are.
struct Recorded {
    tap: Option<Tap>,
    /// A frame, as it is passed on: the peer may write another one over it meanwhile.
    frame: Vec<u8>,
}

/// Runs until the link is down or the device is gone. Waits as the receive mode of the queues says.
pub(super) fn run(device: &Device, mut queues: Vec<RxQueue>, failure: &Failure, live: &Live, tap: Option<Tap>) -> Flow {
    let mut flow = Flow::default();
    let mut joiner = Joiner::new(device.framing(), device.offloads());
    let mut recorded = Recorded { tap, frame: Vec::new() };
    let ended = loop {
        if let Err(ended) = serve(device, &mut queues, &mut joiner, &mut flow, &mut recorded) {
            break ended;
        }
        live.publish(&with_malformed(flow, &queues));
    };
    if matches!(ended, Ended::DeviceGone) {
        failure.tell(device.gone());
    }
    let flow = with_malformed(flow, &queues);
    live.publish(&flow);
    flow
}

/// With what the queues dropped themselves.
fn with_malformed(mut flow: Flow, queues: &[RxQueue]) -> Flow {
    flow.dropped.add(Reason::Malformed, queues.iter().map(|rx| rx.counters().dropped).sum());
    flow
}

/// Waits for packets and passes on up to some bursts of each queue.
fn serve(
    device: &Device,
    queues: &mut [RxQueue],
    joiner: &mut Joiner,
    flow: &mut Flow,
    recorded: &mut Recorded,
) -> Result<(), Ended> {
    RxQueue::wait_any(queues, None)?;
    let into = device.queues();
    for rx in queues {
        if let Some(to) = into.get(usize::from(rx.index()) % into.len().max(1)) {
            let received = bursts(rx, to, joiner, flow, recorded);
            // Nothing is held back, whatever comes next.
            joiner.flush(|joined| pass_on(to, joined, flow))?;
            received?;
        }
    }
    Ok(())
}

fn bursts(
    rx: &mut RxQueue,
    to: &SyncDevice,
    joiner: &mut Joiner,
    flow: &mut Flow,
    recorded: &mut Recorded,
) -> Result<(), Ended> {
    let queue = usize::from(rx.index());
    for _ in 0..BURSTS {
        let mut batch = rx.recv(BURST)?;
        for packet in &mut batch {
            let Recorded { tap, frame } = &mut *recorded;
            let Some(tap) = tap else {
                joiner.add(&&packet, |joined| pass_on(to, joined, flow))?;
                continue;
            };
            frame.resize(packet.len().min(MAX_PACKET), 0);
            packet.read(0, frame);
            tap.received(queue).packet(frame);
            joiner.add(&frame.as_slice(), |joined| pass_on(to, joined, flow))?;
        }
        if batch.len() < BURST {
            break;
        }
    }
    Ok(())
}

/// Gives a packet to the kernel. By the system call itself: what the C library has of that name costs a program with
/// threads a tenth more, for cancellation.
fn pass_on(to: &SyncDevice, joined: Joined<'_>, flow: &mut Flow) -> Result<(), Ended> {
    match write(to, joined.bytes) {
        Ok(_) => flow.pass(joined.frames, joined.frame_bytes),
        Err(error) if is_gone(&error.into()) => return Err(Ended::DeviceGone),
        Err(error) => {
            let reason = match error {
                Errno::IO => Reason::DeviceDown,
                Errno::INVAL => Reason::Refused,
                _ => Reason::NoMemory,
            };
            flow.dropped.add(reason, joined.frames);
        }
    }
    Ok(())
}
