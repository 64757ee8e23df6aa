//! A line on a terminal that says how far it is, told by a thread of its own: a terminal that takes nothing must not
//! delay a packet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::tally::LeftOut;
use crate::counts::real;
use crate::endpoint::metrics::Dropping;
use crate::output::progress::Progress;

/// How often the line changes.
const PERIOD: Duration = Duration::from_millis(500);

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct HowFar {
    pub(super) packets: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Whether there is a link.
    pub(super) sending: AtomicBool,
    left_out: [AtomicU64; LeftOut::REASONS],
}

impl HowFar {
    /// Renews what is known of packets that were left out.
    pub(super) fn leave_out(&self, left_out: &LeftOut) {
        for (copy, count) in self.left_out.iter().zip(left_out.counts()) {
            copy.store(count, Ordering::Relaxed);
        }
    }
}

impl Dropping for HowFar {
    fn dropped(&self) -> Vec<(String, u64)> {
        LeftOut::from_counts(self.left_out.each_ref().map(|count| count.load(Ordering::Relaxed))).named()
    }
}

/// The line. Dropping this takes it away.
#[derive(Debug)]
pub(super) struct Ticker {
    _ends: Option<mpsc::Sender<()>>,
}

impl Ticker {
    /// Starts to tell. Where there is no terminal, or no thread for it, nothing is told.
    pub(super) fn start(far: &Arc<HowFar>) -> Self {
        let progress = Progress::new();
        if !progress.is_shown() {
            return Self { _ends: None };
        }
        let (sender, receiver) = mpsc::channel::<()>();
        let far = Arc::clone(far);
        let tell = move || {
            let mut last = 0;
            while receiver.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
                let (packets, bytes) = (far.packets.load(Ordering::Relaxed), far.bytes.load(Ordering::Relaxed));
                let rate = real(packets - last) / PERIOD.as_secs_f64();
                last = packets;
                if far.sending.load(Ordering::Relaxed) {
                    progress.tell(&format!("{packets} packets sent, {bytes} bytes, {rate:.0} packets/s now"));
                } else {
                    progress.clear();
                }
            }
        };
        let started = thread::Builder::new().name("progress".to_owned()).spawn(tell);
        Self { _ends: started.is_ok().then_some(sender) }
    }
}
