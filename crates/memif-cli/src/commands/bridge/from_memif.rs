//! From the peer to the kernel: receive queues into queues of the device.

use memif::{RecvError, RxQueue};
use rustix::io::Errno;
use tun_rs::SyncDevice;

use super::device::{BURST, Device, MAX_PACKET, is_gone};
use super::live::Live;
use super::stop::Failure;
use super::tally::{Flow, Reason};

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

/// Runs until the link is down or the device is gone. Waits as the receive mode of the queues says.
pub(super) fn run(device: &Device, mut queues: Vec<RxQueue>, failure: &Failure, live: &Live) -> Flow {
    let mut flow = Flow::default();
    let mut buffer = vec![0; MAX_PACKET];
    let ended = loop {
        if let Err(ended) = serve(device, &mut queues, &mut buffer, &mut flow) {
            break ended;
        }
        live.publish(&with_malformed(flow, &queues));
    };
    if matches!(ended, Ended::DeviceGone) {
        failure.tell(device.gone());
    }
    with_malformed(flow, &queues)
}

/// With what the queues dropped themselves.
fn with_malformed(mut flow: Flow, queues: &[RxQueue]) -> Flow {
    flow.dropped.add(Reason::Malformed, queues.iter().map(|rx| rx.counters().dropped).sum());
    flow
}

/// Waits for packets and passes on up to a burst of each queue.
fn serve(device: &Device, queues: &mut [RxQueue], buffer: &mut [u8], flow: &mut Flow) -> Result<(), Ended> {
    RxQueue::wait_any(queues, None)?;
    let into = device.queues();
    for rx in queues {
        if let Some(to) = into.get(usize::from(rx.index()) % into.len().max(1)) {
            burst(rx, to, buffer, flow)?;
        }
    }
    Ok(())
}

fn burst(rx: &mut RxQueue, to: &SyncDevice, buffer: &mut [u8], flow: &mut Flow) -> Result<(), Ended> {
    for packet in &mut rx.recv(BURST)? {
        let len = packet.copy_to(buffer);
        let Some(bytes) = buffer.get(..len) else { continue };
        match to.send(bytes) {
            Ok(_) => flow.pass(len),
            Err(error) if is_gone(&error) => return Err(Ended::DeviceGone),
            Err(error) => flow.dropped.add(
                match Errno::from_io_error(&error) {
                    Some(Errno::IO) => Reason::DeviceDown,
                    Some(Errno::INVAL) => Reason::Refused,
                    _ => Reason::NoMemory,
                },
                1,
            ),
        }
    }
    Ok(())
}
