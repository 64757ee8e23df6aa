//! One queue as other threads see it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use super::asked::Asked;
use super::interrupt::drain;
use super::signals::{FIRST_REPEAT, nanoseconds};
use crate::config::{CacheLine, Role};
use crate::counters::{CounterCells, QueueDetails};
use crate::error::{Direction, QueueName};
use crate::ring::{DeferredSignal, RingMemory};
use crate::shm::MappedRing;
use crate::sys::{is_signalled, signal};
use crate::wire::ring::FLAG_MASK_INT;

/// Longest time between repeats to a receiver that reads them and makes no progress.
const LAST_REPEAT: Duration = Duration::from_millis(1024);
/// Longest time between two looks whether a receiver has read its signal: it may be halted in a debugger.
const LAST_LOOK: Duration = Duration::from_millis(16);
/// Packets per signal: VPP in interrupt mode takes at most this many for each and forgets the rest (V11).
pub(crate) const PACKETS_PER_SIGNAL: u16 = 256;

/// What is fixed of a queue when its link comes up.
#[derive(Debug)]
pub(crate) struct QueueParts {
    pub(crate) name: QueueName,
    pub(crate) ring: MappedRing,
    pub(crate) log2: u8,
    pub(crate) region: u16,
    pub(crate) offset: u32,
    pub(crate) interrupt: Arc<OwnedFd>,
    pub(crate) buffer_size: u32,
}

/// One queue as other threads see it: its counters, its ring, and for senders whether the receiver lags.
#[derive(Debug)]
pub(crate) struct QueueShared {
    pub(crate) name: QueueName,
    pub(crate) counters: CounterCells,
    pub(crate) interrupt: Arc<OwnedFd>,
    role: Role,
    ring: MappedRing,
    log2: u8,
    region: u16,
    offset: u32,
    buffer_size: u32,
    /// Receive: whether signals are asked for all the time.
    asked: Asked,
    /// Receive: the signal that the driver reported last, see [`DeferredSignal`].
    deferred: DeferredSignal,
    /// Transmit: published and signalled; the receiver may need to hear it again.
    lagging: AtomicBool,
    /// Transmit, driver only: the peer's cursor at the last look.
    seen: AtomicU16,
    /// Transmit, driver only: nanoseconds between the next repeat and the one after it, zero before the first look
    /// at a lagging receiver, and when the next is due.
    pause: AtomicU64,
    due: AtomicU64,
    /// Transmit, driver only: nanoseconds from a look that finds the signal unread to the next.
    look: AtomicU64,
}

impl QueueShared {
    pub(crate) fn new(role: Role, parts: &QueueParts) -> Arc<Self> {
        Arc::new(Self {
            name: parts.name,
            counters: CounterCells::default(),
            interrupt: Arc::clone(&parts.interrupt),
            role,
            ring: parts.ring.clone(),
            log2: parts.log2,
            region: parts.region,
            offset: parts.offset,
            buffer_size: parts.buffer_size,
            asked: Asked::default(),
            deferred: DeferredSignal::default(),
            lagging: AtomicBool::new(false),
            seen: AtomicU16::new(0),
            pause: AtomicU64::new(0),
            due: AtomicU64::new(0),
            look: AtomicU64::new(0),
        })
    }

    /// Whether the receiver tells its sender not to signal.
    pub(crate) fn is_masked(&self) -> bool {
        self.ring.load_flags() & FLAG_MASK_INT != 0
    }

    /// The cache line that the ring is laid out for.
    pub(crate) fn line(&self) -> CacheLine {
        self.ring.line()
    }

    /// For a slave: the cache line of its master, as far as what that wrote to the ring tells.
    pub(crate) fn line_of_master(&self) -> Option<CacheLine> {
        self.ring.line_of_master()
    }

    /// Receive, for the queue: it is in adaptive mode from now on, or not. Returns whether it asks for signals all the
    /// time, see [`ask_for_signals`](Self::ask_for_signals).
    pub(crate) fn set_adaptive(&self, adaptive: bool) -> bool {
        self.asked.set_adaptive(adaptive)
    }

    /// Receive: whether the queue asks for signals all the time while it is adaptive.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.asked.is_waited_for()
    }

    /// Receive: somebody waits for the signals of this queue, on whatever thread. In adaptive mode its sender is asked
    /// for them from now on. Returns whether that is news: packets that came before were not signalled.
    pub(crate) fn ask_for_signals(&self) -> bool {
        let news = self.asked.wait_for();
        if news {
            self.ring.store_flags(0);
            // As in `RxQueue::set_masked`.
            self.ring.full_fence();
        }
        news
    }

    /// Receive: the signal that was reported and may be left to the driver.
    pub(crate) fn deferred(&self) -> &DeferredSignal {
        &self.deferred
    }

    /// Receive, for the driver before it sleeps: takes a signal that a receive call left. Returns whether something
    /// came since that call looked at the ring, of which no signal may tell any more.
    pub(crate) fn take_deferred(&self) -> bool {
        let Some(seen) = self.deferred.take() else { return false };
        if drain(&*self.interrupt) {
            self.counters.wake_ups.add_shared(1);
        }
        // After the signal was taken, so that a packet whose signal it was is seen.
        let cursor = match self.role {
            Role::Master => self.ring.load_head(),
            Role::Slave => self.ring.load_tail(),
        };
        cursor != seen
    }

    /// Notes that a sender just published and signalled.
    #[inline]
    pub(crate) fn note_published(&self) {
        self.lagging.store(true, Ordering::SeqCst);
    }

    /// Signals once more if the receiver wants signals, has read the last one and has not taken everything.
    /// `now` in nanoseconds. Returns when to come back.
    pub(crate) fn repeat(&self, now: u64) -> Option<Duration> {
        if !self.lagging.swap(false, Ordering::SeqCst) {
            return None;
        }
        if self.is_masked() {
            return None;
        }
        // Our own cursor as the ring has it. A peer that rewrites it changes only how often it is signalled.
        let (head, tail) = (self.ring.load_head(), self.ring.load_tail());
        let (cursor, outstanding) = match self.role {
            Role::Slave => (tail, head.wrapping_sub(tail)),
            // Taken slots show only as buffers posted again.
            Role::Master => (head, tail.wrapping_add(1 << self.log2).wrapping_sub(head)),
        };
        let first = nanoseconds(FIRST_REPEAT);
        let mut pause = self.pause.load(Ordering::Relaxed);
        let mut due = self.due.load(Ordering::Relaxed);
        let moved = self.seen.swap(cursor, Ordering::Relaxed) != cursor || pause == 0;
        let unread = is_signalled(&*self.interrupt);
        // A slave may keep its last buffers for itself, for ever. Whoever read a signal that came after all of them
        // takes that many.
        let kept = self.role == Role::Master && outstanding <= PACKETS_PER_SIGNAL;
        if outstanding == 0 || (kept && !moved && !unread) {
            self.pause.store(0, Ordering::Relaxed);
            return None;
        }
        self.lagging.store(true, Ordering::SeqCst);
        if moved {
            (pause, due) = (first, now);
        }
        let mut look = nanoseconds(LAST_LOOK);
        if unread {
            // A second signal would merge with it.
            look = if moved { first } else { self.look.load(Ordering::Relaxed).min(look) };
            self.look.store(look.saturating_mul(2), Ordering::Relaxed);
        } else if due <= now {
            if signal(&self.interrupt) {
                self.counters.signals.add_shared(1);
            }
            due = now.saturating_add(pause);
            look = look.min(pause);
            pause = pause.saturating_mul(2).min(nanoseconds(LAST_REPEAT));
        } else {
            look = look.min(due - now);
        }
        self.pause.store(pause, Ordering::Relaxed);
        self.due.store(due, Ordering::Relaxed);
        Some(Duration::from_nanos(look.max(first)))
    }

    pub(crate) fn details(&self) -> QueueDetails {
        let (head, tail) = (self.ring.load_head(), self.ring.load_tail());
        let size = 1_u16 << self.log2;
        let ahead = head.wrapping_sub(tail);
        // A slave sends by moving head; what it receives are slots that head has posted and tail has left behind.
        let used = match (self.role, self.name.direction) {
            (Role::Slave, Direction::Tx) | (Role::Master, Direction::Rx) => ahead,
            (Role::Slave, Direction::Rx) | (Role::Master, Direction::Tx) => size.wrapping_sub(ahead),
        };
        QueueDetails {
            index: self.name.index,
            ring_size: size.into(),
            cache_line: self.ring.line(),
            used_slots: used.min(size).into(),
            buffer_size: self.buffer_size,
            region: self.region,
            offset: self.offset,
            head,
            tail,
            flags: self.ring.load_flags(),
            counters: self.counters.read(),
        }
    }
}

impl AsFd for QueueShared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.interrupt.as_fd()
    }
}
