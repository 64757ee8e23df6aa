//! No link: what the kernel still sends is dropped, and the end of the device is noticed.

use std::os::fd::AsFd;

use super::device::{Device, MAX_PACKET, cannot_wait, is_gone};
use super::stop::{Failure, Order};
use super::tally::{Flow, Reason};

/// Runs until the order to end. Without a carrier the kernel sends nothing new; what it sent before is as lost as on a
/// cable that is pulled out, and not kept for the next peer.
pub(super) fn run(device: &Device, order: &Order, failure: &Failure) -> Flow {
    let mut flow = Flow::default();
    let mut buffer = vec![0; MAX_PACKET];
    let mut fds = Vec::new();
    loop {
        for queue in device.queues() {
            loop {
                match queue.recv(&mut buffer) {
                    Ok(_) => flow.dropped.add(Reason::NoLink, 1),
                    Err(error) if is_gone(&error) => {
                        failure.tell(device.gone());
                        return flow;
                    }
                    Err(_) => break,
                }
            }
        }
        match order.wait_readable(device.queues().iter().map(AsFd::as_fd), None, &mut fds) {
            Ok(false) => {}
            Ok(true) => return flow,
            Err(error) => {
                failure.tell(cannot_wait(error));
                return flow;
            }
        }
    }
}
