//! The sleep of a wait: until a signal comes, or whoever was to send it is gone.

use std::borrow::BorrowMut;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::rx::RxQueue;
use super::several::{each, each_mut};
use crate::queue::{LinkShared, PEER_GONE};

/// Signals in a row without any packet after which the eventfd is not listened to in a sleep, which is short then: a
/// peer that only signals costs a thousand looks a second and not a core.
const FRUITLESS_SIGNALS: u32 = 64;
/// Nanoseconds of a time-out from which on a millisecond more is no matter.
const ROUGH: u32 = 100_000_000;
/// Queues that one sleep handles without memory of its own.
const FEW: usize = 8;

impl RxQueue {
    /// Whether signals are listened to: not in a storm.
    pub(super) fn listens(&self) -> bool {
        self.fruitless < FRUITLESS_SIGNALS
    }

    /// Notes a sleep that is over, and whether a signal was seen where they are listened to.
    pub(super) fn note_sleep(&mut self, signalled: bool) {
        let listened = self.listens();
        self.untaken.set(listened && signalled);
        // What is not listened to is taken at once, to see whether the storm goes on.
        self.note_signal(if listened { signalled } else { crate::queue::drain(&*self.shared.interrupt) });
    }

    /// Notes whether a sleep was ended by a signal that is still to be taken, or saw one that was.
    fn note_signal(&mut self, signalled: bool) {
        if signalled {
            self.shared.counters.wake_ups.add(1);
            self.fruitless = self.fruitless.saturating_add(1).min(FRUITLESS_SIGNALS);
        } else {
            // A quiet moment does not make up for a storm.
            self.fruitless = self.fruitless.saturating_sub(1);
        }
    }
}

/// Sleeps until a signal comes, a link goes down, its peer is gone, `other` is readable or the time is over. A link
/// whose peer is gone is down then. The signals are left to be taken. Returns whether `other` is readable.
///
/// # Errors
/// The kernel refuses to wait, as where there are more descriptors than the process may have open. Nothing was noted.
pub(super) fn sleep<Q: BorrowMut<RxQueue>>(
    queues: &mut [Q],
    other: Option<BorrowedFd<'_>>,
    left: Option<&Timespec>,
) -> rustix::io::Result<bool> {
    // Its time-out counts milliseconds, rounded up, which is much for a short one.
    let exact = left.is_some_and(|left| left.tv_sec == 0 && left.tv_nsec < ROUGH.into());
    if let ([queue], None) = (&mut *queues, other)
        && let queue = (*queue).borrow_mut()
        && !exact
        && queue.listens()
        && let Some(slept) = queue.sleep_alone(left)
    {
        let signalled = slept?;
        queue.note_sleep(signalled);
        return Ok(false);
    }
    sleep_together(queues, other, left)
}

fn sleep_together<Q: BorrowMut<RxQueue>>(
    queues: &mut [Q],
    other: Option<BorrowedFd<'_>>,
    left: Option<&Timespec>,
) -> rustix::io::Result<bool> {
    // Room on the stack for a few queues, as there are mostly; all of it asks for nothing at first.
    let nothing = PollFd::new(queues[0].borrow().scan.link.down_event()?, PollFlags::empty());
    let mut few = std::array::from_fn::<_, { 3 * FEW + 1 }, _>(|_| nothing.clone());
    let mut many = Vec::new();
    let fds: &mut [PollFd<'_>] = if queues.len() <= FEW {
        &mut few
    } else {
        many.resize(3 * queues.len() + 1, nothing);
        &mut many
    };
    // First the queues by their order, then their links, which are down when somebody said so or the peer is gone.
    let mut used = queues.len();
    for (fd, queue) in fds.iter_mut().zip(each(queues)) {
        if queue.listens() {
            *fd = PollFd::new(&queue.shared.interrupt, PollFlags::IN);
        }
    }
    for link in links(queues) {
        fds[used] = PollFd::new(link.down_event()?, PollFlags::IN);
        used += 1;
        if let Some(control) = link.control() {
            fds[used] = PollFd::new(control, PEER_GONE);
            used += 1;
        }
    }
    if let Some(other) = other {
        fds[used] = PollFd::from_borrowed_fd(other, PollFlags::IN);
        used += 1;
    }
    match poll(&mut fds[..used], left) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error),
    }
    let mut at = queues.len();
    for link in links(queues) {
        at += 1;
        if link.control().is_some() {
            if !fds[at].revents().is_empty() {
                link.lost_peer();
            }
            at += 1;
        }
    }
    // The other end being closed is for the caller to find out, too.
    let other = other.is_some() && !fds[used - 1].revents().is_empty();
    for (fd, queue) in fds.iter().zip(each(queues)) {
        queue.untaken.set(queue.listens() && !fd.revents().is_empty());
    }
    for queue in each_mut(queues) {
        queue.note_sleep(queue.untaken.get());
    }
    Ok(other)
}

/// The links of the queues. These stand link after link, mostly of one in all, so each link is asked for once.
fn links<Q: BorrowMut<RxQueue>>(queues: &[Q]) -> impl Iterator<Item = &LinkShared> {
    let of_one = queues.chunk_by(|one, next| Arc::ptr_eq(&one.borrow().scan.link, &next.borrow().scan.link));
    of_one.filter_map(|queues| queues.first()).map(|queue| &*queue.borrow().scan.link)
}
