//! After the carrier came: until the kernel sends what it answers.

use std::time::{Duration, Instant};

use super::device::Device;
use super::stop::Order;

/// How long the kernel is left alone between two looks, at first and at last. Since Linux 6.8 the first look is enough:
/// the kernel does what is left to do before it answers.
const SHORTEST: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(10);
/// Who takes the carrier of a device away by hand, or keeps it dormant, gets its packets after this time.
const ENOUGH: Duration = Duration::from_secs(1);
/// What is waited when nothing can be seen: the device is in another network namespace.
const UNSEEN: Duration = Duration::from_millis(20);

/// Waits until answers of the kernel reach its queues of the device, which it opens some time after the carrier came
/// (up to a millisecond, and more on a busy machine). Packets wait on the ring meanwhile. A device that is down is not
/// waited for, and nothing is once the order to end is given.
pub(super) fn wait(device: &Device, order: &Order) {
    let begun = Instant::now();
    let mut pause = SHORTEST;
    let mut fds = Vec::new();
    while begun.elapsed() < ENOUGH {
        let last = match device.status() {
            Some(status) if status.operational || !status.up => return,
            Some(_) => false,
            None => true,
        };
        let time = if last { UNSEEN } else { pause };
        // A wait that fails is none; the look is repeated, not for long.
        if order.wait_readable(std::iter::empty(), Some(time), &mut fds).unwrap_or(true) || last {
            return;
        }
        pause = (pause * 2).min(LONGEST);
    }
}
