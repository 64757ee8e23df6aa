//! Sleeping until packets come, or until slots are free.

use std::borrow::BorrowMut;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::pauses::{LOOKS as LOOKS_BEFORE_PAUSES, Pauses};
use super::rx::RxQueue;
use super::several::{each, each_mut};
use super::sleep::sleep;
use crate::config::RxMode;
use crate::error::RecvError;
use crate::queue::{LinkShared, PEER_GONE};

/// The one bounded sleep after the mask was cleared. A foreign sender without a fence may have read the old mask
/// just before; its store of the cursor is visible long before this is over, and the ring is looked at again.
pub(super) const FIRST_SLEEP: Duration = Duration::from_millis(1);
/// Batches without a sleep in between after which packets come so fast that the peer need not signal them.
const UNSLEPT: u32 = 16;
/// Looks at the rings between two at the clock, which costs more than a look.
const LOOKS: u32 = 32;

impl RxQueue {
    /// Waits until a packet is on the ring, at most for `timeout` (for ever with `None`). Returns whether one is.
    /// The batch after it can still be empty, when the packet is one that is dropped.
    ///
    /// In [`RxMode::Polling`] this looks at the ring all the time, in [`RxMode::Interrupt`] it sleeps at once, and
    /// in [`RxMode::Adaptive`] it looks for a little while, if that brought packets lately, and then sleeps.
    ///
    /// It ends when the peer closes its socket or dies, whether or not anybody polls the [`Socket`](crate::Socket): at
    /// once where it sleeps, within 64 ms where it looks all the time. The reason comes as
    /// [`Event::Disconnected`](crate::Event::Disconnected) when the socket is polled. No signal to the process ends it,
    /// neither a stop nor a handler; [`wait_any_or`](Self::wait_any_or) takes a descriptor that does.
    ///
    /// # Errors
    /// As [`recv`](Self::recv). A link that goes down ends every wait, with `true` where the peer left packets.
    pub fn wait(&mut self, timeout: impl Into<Option<Duration>>) -> Result<bool, RecvError> {
        Ok(wait(std::slice::from_mut(self), None, timeout.into())?.is_some())
    }

    /// Waits as [`wait`](Self::wait) does until one of several queues has a packet, or the peer of one is gone. Returns
    /// the place of one that has: the next behind the one that the last such wait gave. `None` when the time is over.
    ///
    /// The queues may be of one link or of several: a slice of queues, or of references to them. Where one of them is
    /// down every wait ends at once, so take those out that are not [connected](Self::is_connected).
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// use memif::{Link, RxQueue};
    /// # #[allow(dead_code)]
    /// # fn serve(left: &mut Link, right: &mut Link) -> Result<(), memif::RecvError> {
    /// let mut queues: Vec<&mut RxQueue> = left.rx.iter_mut().chain(&mut right.rx).collect();
    /// while let Some(at) = RxQueue::wait_any(&mut queues, Duration::from_secs(1))? {
    ///     for packet in &mut queues[at].recv(64)? {
    ///         println!("queue {at}: {} bytes", packet.len());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Self::recv), when the link of one of them is down and no peer that left has left packets on any.
    /// [`RecvError::NoQueue`] where there is none: nothing would ever end that wait.
    pub fn wait_any<Q: BorrowMut<Self>>(
        queues: &mut [Q],
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<usize>, RecvError> {
        wait(queues, None, timeout.into())
    }

    /// Waits as [`wait_any`](Self::wait_any) does, also for the end of a peer; being readable, `other` ends the sleep
    /// with `None`. So a thread that serves queues can be given something else to do.
    ///
    /// `other` is looked at in sleeps only: with a queue in [`RxMode::Polling`] it is not, so give a time limit there.
    ///
    /// # Errors
    /// As [`wait_any`](Self::wait_any).
    pub fn wait_any_or<Q: BorrowMut<Self>>(
        queues: &mut [Q],
        other: Option<BorrowedFd<'_>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<usize>, RecvError> {
        wait(queues, other, timeout.into())
    }
}

fn wait<Q: BorrowMut<RxQueue>>(
    queues: &mut [Q],
    other: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> Result<Option<usize>, RecvError> {
    let found = wait_for_one(queues, other, timeout)?;
    if queues.len() > 1
        && let Some(found) = found
    {
        for (at, queue) in each_mut(queues).enumerate() {
            queue.served = at == found;
        }
    }
    Ok(found)
}

fn wait_for_one<Q: BorrowMut<RxQueue>>(
    queues: &mut [Q],
    other: Option<BorrowedFd<'_>>,
    timeout: Option<Duration>,
) -> Result<Option<usize>, RecvError> {
    if queues.is_empty() {
        return Err(RecvError::NoQueue);
    }
    if let Some(found) = look(queues)? {
        return Ok(Some(found));
    }
    let polling = each(queues).any(|queue| queue.mode == RxMode::Polling);
    // A wait of a busy link ends here, and asks no clock.
    if (polling || each(queues).any(|queue| queue.may_spin() && queue.spin.pays()))
        && let Some(found) = look_often(queues)?
    {
        return Ok(Some(found));
    }
    let start = Instant::now();
    let deadline = Deadline::from(start, timeout);
    if polling {
        return look_until(queues, deadline);
    }
    if each(queues).any(RxQueue::may_spin) {
        if let Some(found) = spin(queues, start, deadline)? {
            return Ok(Some(found));
        }
        if deadline.is_over() {
            // Whoever waits for no time at all never sleeps, and is to hear of the end as well.
            each_mut(queues).for_each(RxQueue::found_nothing);
            return Ok(None);
        }
    }
    let found = loop {
        let mut first_sleep = false;
        for queue in each_mut(queues) {
            first_sleep |= queue.mode == RxMode::Adaptive && !queue.fall_asleep();
            queue.take_signal();
        }
        // The last look comes after both: a packet whose signal was just taken, or was never written, is seen here.
        if let Some(found) = look(queues)? {
            break found;
        }
        let until = if first_sleep { deadline.min(Deadline::after(Some(FIRST_SLEEP))) } else { deadline };
        let stormy = !each(queues).all(RxQueue::listens);
        let until = if stormy { until.min(Deadline::after(Some(FIRST_SLEEP))) } else { until };
        // More descriptors than the process may have open, for one. Looking again is all that is left.
        let other_is_readable = sleep(queues, other, until.left().as_ref()).unwrap_or_else(|_| {
            std::thread::sleep(FIRST_SLEEP);
            false
        });
        each_mut(queues).for_each(|queue| queue.unslept = 0);
        if let Some(found) = look(queues)? {
            break found;
        }
        if other_is_readable || deadline.is_over() {
            return Ok(None);
        }
    };
    each_mut(queues).for_each(RxQueue::slept);
    Ok(Some(found))
}

impl RxQueue {
    /// Whether a wait may look at the ring for a while first. Who sleeps already since an earlier wait goes on
    /// sleeping.
    pub(super) fn may_spin(&self) -> bool {
        self.mode == RxMode::Adaptive && !self.asleep
    }

    /// Adaptive: has the peer signal. Returns whether it has been asked to for so long that a sleep needs no limit.
    pub(super) fn fall_asleep(&mut self) -> bool {
        if self.masked {
            self.set_masked(false);
            self.cleared = Some(Instant::now());
        } else if self.cleared.is_some_and(|at| at.elapsed() >= FIRST_SLEEP) {
            // The look at the ring that comes next is late enough.
            self.cleared = None;
        }
        self.asleep = true;
        self.cleared.is_none()
    }

    /// A wait that went to sleep, or was about to, has found something.
    pub(super) fn slept(&mut self) {
        if self.mode == RxMode::Adaptive {
            self.asleep = false;
            // Where a sleep is next again, the mask stays clear: see `wake`.
            if self.spin.pays() {
                self.mask();
            }
        }
    }

    /// Adaptive, for a batch with packets while the mask is clear: tells the peer not to signal, as packets are to be
    /// looked for from now on.
    ///
    /// Not if each packet is slept for. To set the mask and to clear it again are two stores, but the limit of the
    /// sleep after that is a timer that comes before all others of the processor: 1.70 times interrupt mode for a round
    /// trip on one processor, 1.05 without.
    #[cold]
    pub(super) fn wake(&mut self) {
        self.asleep = false;
        self.unslept = self.unslept.saturating_add(1);
        if self.spin.pays() || self.unslept >= UNSLEPT {
            self.mask();
        }
    }

    /// Takes the signal that ended the last sleep. Not as soon as it came, but before the next sleep: a packet is then
    /// answered one system call earlier, and the call falls into the time in which the answer is under way.
    pub(super) fn take_signal(&mut self) {
        if self.untaken.take() {
            crate::queue::drain(&*self.shared.interrupt);
        }
    }
}

/// The first of the queues that has a packet, from the one on that comes behind what the last wait found: none keeps
/// the others from being served.
fn find<Q: BorrowMut<RxQueue>>(queues: &[Q]) -> Option<usize> {
    let start = match queues {
        [_] => 0,
        _ => each(queues).position(|queue| queue.served).map_or(0, |last| last + 1),
    };
    let (before, behind) = queues.split_at_checked(start)?;
    let found = each(behind).position(RxQueue::has_work).map(|at| start + at);
    found.or_else(|| each(before).position(RxQueue::has_work))
}

/// The next of the queues that has a packet.
pub(super) fn look<Q: BorrowMut<RxQueue>>(queues: &mut [Q]) -> Result<Option<usize>, RecvError> {
    if !each(queues).all(RxQueue::is_connected) {
        return look_for_leftovers(queues).map(Some);
    }
    for queue in each_mut(queues) {
        queue.check_memory()?;
    }
    Ok(find(queues))
}

/// Where a link is down: the first of the queues that has packets that the peer left.
#[cold]
fn look_for_leftovers<Q: BorrowMut<RxQueue>>(queues: &mut [Q]) -> Result<usize, RecvError> {
    for (at, queue) in each_mut(queues).enumerate() {
        if queue.is_connected() {
            queue.check_memory()?;
            continue;
        }
        match queue.leftovers() {
            Ok(_) => return Ok(at),
            Err(RecvError::Disconnected) => {}
            Err(breach) => return Err(breach),
        }
    }
    Err(RecvError::Disconnected)
}

/// Looks for a moment. The queue that has a packet learns that it paid; the call that receives it checks the rest.
fn look_often<Q: BorrowMut<RxQueue>>(queues: &mut [Q]) -> Result<Option<usize>, RecvError> {
    for _ in 0..LOOKS {
        if let Some(at) = find(queues) {
            each_mut(queues).skip(at).take(1).for_each(|queue| queue.spin.brought_one());
            return Ok(Some(at));
        }
        std::hint::spin_loop();
    }
    each_mut(queues).for_each(RxQueue::found_nothing);
    look(queues)
}

/// Looks all the time.
fn look_until<Q: BorrowMut<RxQueue>>(queues: &mut [Q], until: Deadline) -> Result<Option<usize>, RecvError> {
    while !until.is_over() {
        if let Some(found) = look_often(queues)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Looks for as long as the queues that may spin expect something of it, in a wait that began at `start`.
fn spin<Q: BorrowMut<RxQueue>>(
    queues: &mut [Q],
    start: Instant,
    deadline: Deadline,
) -> Result<Option<usize>, RecvError> {
    let spinning = each_mut(queues).filter(|queue| queue.may_spin());
    let time = spinning.map(|queue| queue.spin.time(start)).max().unwrap_or_default();
    if time.is_zero() {
        return Ok(None);
    }
    if let Some(found) = look_until(queues, deadline.min(Deadline::from(start, Some(time))))? {
        return Ok(Some(found));
    }
    let now = Instant::now();
    for queue in each_mut(queues).filter(|queue| queue.may_spin()) {
        queue.spin.was_in_vain(now.saturating_duration_since(start), now);
    }
    Ok(None)
}

/// A moment, or never.
#[derive(Clone, Copy, Debug)]
struct Deadline(Option<Instant>);

impl Deadline {
    fn after(time: Option<Duration>) -> Self {
        Self::from(Instant::now(), time)
    }

    /// Never, also where the clock does not reach that far.
    fn from(start: Instant, time: Option<Duration>) -> Self {
        Self(time.and_then(|time| start.checked_add(time)))
    }

    fn min(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Self(Some(a.min(b))),
            (a, b) => Self(a.or(b)),
        }
    }

    fn is_over(self) -> bool {
        self.0.is_some_and(|at| Instant::now() >= at)
    }

    /// Time left, as `poll` wants it.
    fn left(self) -> Option<Timespec> {
        let left = self.0?.saturating_duration_since(Instant::now());
        Timespec::try_from(left).ok()
    }
}

/// Waits for something that nothing signals: sleeps that double from 10 microseconds to 1 millisecond.
#[derive(Debug)]
pub(super) struct Patience {
    deadline: Deadline,
    pauses: Pauses,
    looks: u32,
}

impl Patience {
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        Self { deadline: Deadline::after(timeout), pauses: Pauses::default(), looks: 0 }
    }

    /// Returns `false` when the time is over. The end of the link, or of its peer, ends the sleep.
    pub(super) fn wait(&mut self, link: &LinkShared) -> bool {
        if self.looks < LOOKS_BEFORE_PAUSES {
            self.looks += 1;
            std::hint::spin_loop();
            return self.looks > 1 || !self.deadline.is_over();
        }
        if self.deadline.is_over() {
            return false;
        }
        let until = self.deadline.min(Deadline::after(Some(self.pauses.get())));
        // Where there is no descriptor for it, the end is found a millisecond later.
        let down = link.down_event().ok().map(|down| PollFd::new(down, PollFlags::IN));
        let control = link.control().map(|control| PollFd::new(control, PEER_GONE));
        let fds = match (control, down) {
            (Some(control), Some(down)) => Some([control, down]),
            (Some(one), None) | (None, Some(one)) => Some([one.clone(), one]),
            (None, None) => None,
        };
        if let Some(mut fds) = fds {
            let _ = poll(&mut fds, until.left().as_ref());
            if link.control().is_some() && !fds[0].revents().is_empty() {
                link.lost_peer();
            }
        } else {
            std::thread::sleep(self.pauses.get());
        }
        self.pauses.grow();
        true
    }
}
