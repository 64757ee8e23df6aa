//! From the kernel to the peer: some queues of the device into one transmit queue.

use std::os::fd::AsFd;

use memif::{SendError, TxQueue};
use tun_rs::SyncDevice;

use super::device::{Device, is_gone};
use super::stop::{Failure, Order};
use super::tally::{Flow, Reason};
use super::{BURST, MAX_PACKET};

/// Why the queues are not served any more.
enum Ended {
    /// The reason comes as an event.
    LinkDown,
    DeviceGone,
}

/// Runs until the link is down, the order to end, or the device is gone.
pub(super) fn run(
    device: &Device,
    mine: Vec<usize>,
    mut tx: TxQueue,
    order: &Order,
    failure: &Failure,
) -> Flow {
    let mut flow = Flow::default();
    let mine: Vec<&SyncDevice> = mine.iter().filter_map(|at| device.queues().get(*at)).collect();
    let mut buffer = vec![0; MAX_PACKET];
    let mut fds = Vec::with_capacity(mine.len() + 1);
    loop {
        let mut more = false;
        for from in &mine {
            match burst(from, &mut tx, &mut buffer, &mut flow) {
                Ok(full) => more |= full,
                Err(Ended::LinkDown) => return flow,
                Err(Ended::DeviceGone) => {
                    failure.tell(device.gone());
                    return flow;
                }
            }
        }
        if more {
            continue;
        }
        match order.wait_readable(mine.iter().map(|queue| queue.as_fd()), &mut fds) {
            Ok(false) => {}
            Ok(true) => return flow,
            Err(error) => {
                failure.tell(super::cannot_wait(error));
                return flow;
            }
        }
    }
}

/// Passes on what the kernel has, up to a burst, with one signal at its end. Returns whether there may be more.
///
/// A full ring is waited for, and packets meanwhile stay with the kernel: its queue is bounded, and what it has no room
/// for it drops and counts itself.
fn burst(
    from: &SyncDevice,
    tx: &mut TxQueue,
    buffer: &mut [u8],
    flow: &mut Flow,
) -> Result<bool, Ended> {
    let mut pending = Pending::default();
    let mut batch = tx.reserve().map_err(|_| Ended::LinkDown)?;
    let mut more = Ok(true);
    for _ in 0..BURST {
        let len = match from.recv(buffer) {
            Ok(len) => len,
            Err(error) => {
                more = if is_gone(&error) { Err(Ended::DeviceGone) } else { Ok(false) };
                break;
            }
        };
        let Some(packet) = buffer.get(..len) else { continue };
        match batch.push(packet) {
            Ok(()) => pending.add(len),
            Err(SendError::Full) => {
                flow.waits += 1;
                pending.sent(batch.commit(), flow);
                // Nothing signals a free slot: this looks again after short pauses.
                let sent = tx.send_wait(packet);
                pending.add(len);
                pending.sent(usize::from(sent.is_ok()), flow);
                batch = tx.reserve().map_err(|_| Ended::LinkDown)?;
            }
            Err(SendError::TooLong { .. } | SendError::Empty) => {
                flow.drop_some(Reason::TooLong, 1);
            }
            Err(_) => {
                pending.add(len);
                more = Err(Ended::LinkDown);
                break;
            }
        }
    }
    pending.sent(batch.commit(), flow);
    more
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
            flow.drop_some(Reason::NoLink, all);
        } else {
            flow.packets += all;
            flow.bytes += bytes;
        }
    }
}
