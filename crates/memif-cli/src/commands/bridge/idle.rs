//! No link: what the kernel still sends is dropped, and the end of the device is noticed.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::device::{Device, cannot_wait, is_gone};
use super::live::Live;
use super::offload::MAX_PACKET;
use super::stop::{Failure, Order};
use super::tally::{Flow, Reason};
use crate::error::Error;

/// How often is looked who else has queues of the device, while packets come or ours are aside.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until the order to end. Without a carrier the kernel sends nothing new; what it sent before is as lost as on a
/// cable that is pulled out, and not kept for the next peer. Where others use the device, too, it has a carrier, and
/// our queues get out of the way of theirs.
pub(super) fn run(device: &Device, order: &Order, failure: &Failure, live: &Live) -> Flow {
    let mut flow = Flow::default();
    if let Err(error) = watch(device, order, &mut flow, live) {
        failure.tell(error);
    }
    live.publish(&flow);
    flow
}

fn watch(device: &Device, order: &Order, flow: &mut Flow, live: &Live) -> Result<(), Error> {
    let mut buffer = vec![0; MAX_PACKET];
    let mut fds = Vec::new();
    let mut looked: Option<Instant> = None;
    loop {
        let aside = device.is_aside();
        let came = !aside && discard(device, &mut buffer, flow)?;
        live.publish(flow);
        if (aside || came) && looked.is_none_or(|looked| looked.elapsed() >= LOOK) {
            device.withdraw()?;
            looked = Some(Instant::now());
            continue;
        }
        let queues = if aside { &[] } else { device.queues() };
        let time = aside.then_some(LOOK);
        if order.wait_readable(queues.iter().map(AsFd::as_fd), time, &mut fds).map_err(cannot_wait)? {
            return Ok(());
        }
    }
}

/// Drops what the kernel sent; whether there was anything.
fn discard(device: &Device, buffer: &mut [u8], flow: &mut Flow) -> Result<bool, Error> {
    let mut came = false;
    for queue in device.queues() {
        loop {
            match queue.recv(buffer) {
                Ok(_) => flow.dropped.add(Reason::NoLink, 1),
                Err(error) if is_gone(&error) => return Err(device.gone()),
                Err(_) => break,
            }
            came = true;
        }
    }
    Ok(came)
}
