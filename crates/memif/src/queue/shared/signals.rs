//! What queues ask of the driver of their socket: a look at a breach, and signals that are repeated.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

/// Time after which the signal to a lagging receiver is repeated first.
pub(super) const FIRST_REPEAT: Duration = Duration::from_millis(1);

/// What the queues of every link of a socket need from its driver. Both descriptors are in the driver's epoll set.
#[derive(Clone, Debug)]
pub(crate) struct DriverSignals(Arc<Timer>);

#[derive(Debug)]
struct Timer {
    /// An eventfd. A queue that found a breach writes it, and the last one of a link.
    attention: Arc<OwnedFd>,
    /// A timerfd. Armed by a sender whose receiver may need another signal, and by the driver.
    repeat: Arc<OwnedFd>,
    /// [`IDLE`], [`SLOW`] or [`FAST`].
    state: AtomicU8,
    /// For [`SLOW`]: when it expires, in nanoseconds since `start`. Driver only.
    expiry: AtomicU64,
    start: Instant,
}

/// The timer is not on its way.
const IDLE: u8 = 0;
/// It is, for receivers that made no progress.
const SLOW: u8 = 1;
/// It expires within [`FIRST_REPEAT`].
const FAST: u8 = 2;

impl DriverSignals {
    /// Both not blocking: an eventfd and a timerfd of the monotonic clock.
    pub(crate) fn new(attention: Arc<OwnedFd>, repeat: Arc<OwnedFd>) -> Self {
        let (state, expiry) = (AtomicU8::new(IDLE), AtomicU64::new(0));
        Self(Arc::new(Timer { attention, repeat, state, expiry, start: Instant::now() }))
    }

    /// Makes sure that the timer expires within a millisecond. A system call only when it is not on its way,
    /// hence at most one per millisecond. A failure costs a repeated signal, not a packet.
    #[inline]
    pub(crate) fn arm_repeat(&self) {
        if self.0.state.swap(FAST, Ordering::SeqCst) != FAST {
            self.set(FIRST_REPEAT);
        }
    }

    /// A queue found a breach, or the last one is gone.
    pub(super) fn call_attention(&self) {
        crate::sys::raise(&self.0.attention);
    }

    /// For the driver, when the timer has expired and before it asks the links with
    /// [`LinkShared::repeat_signals`](super::LinkShared::repeat_signals): a sender that finds the timer still on its
    /// way has marked its queue before, and one that comes later arms it again.
    pub(crate) fn repeat_expired(&self) {
        self.0.state.store(IDLE, Ordering::SeqCst);
    }

    /// For the driver: the timer is to expire after `delay` at the latest.
    pub(super) fn arm_slow(&self, delay: Duration) {
        let timer = &*self.0;
        let expiry = self.now().saturating_add(nanoseconds(delay));
        let from = match timer.state.compare_exchange(IDLE, SLOW, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => IDLE,
            Err(state) => state,
        };
        if from == FAST || (from == SLOW && timer.expiry.load(Ordering::Relaxed) <= expiry) {
            return;
        }
        timer.expiry.store(expiry, Ordering::Relaxed);
        self.set(delay);
        // A sender may have armed it for a shorter time between the two.
        if timer.state.load(Ordering::SeqCst) == FAST {
            self.set(FIRST_REPEAT);
        }
    }

    fn set(&self, delay: Duration) {
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: zero, it_value: Timespec::try_from(delay).unwrap_or(zero) };
        let _ = timerfd_settime(&*self.0.repeat, TimerfdTimerFlags::empty(), &once);
    }

    /// Nanoseconds since the socket was opened.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(self.0.start.elapsed())
    }
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
