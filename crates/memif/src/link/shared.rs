//! What the queues of a link, and the driver of its socket, share.

use std::os::fd::{AsFd, OwnedFd};
#[cfg(feature = "raw")]
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};

use super::interrupt::{drain, is_signalled, signal};
use super::signals::{DriverSignals, FIRST_REPEAT, nanoseconds};
use super::standing::Standing;
use crate::config::Role;
use crate::counters::{CounterCells, QueueDetails, RegionDetails};
use crate::error::{Breach, Direction, QueueName};
use crate::ring::{Left, RingMemory};
use crate::shm::{Decoy, MappedRing, Regions};
use crate::wire::ring::FLAG_MASK_INT;

/// Longest time between repeats to a receiver that reads them and makes no progress.
const LAST_REPEAT: Duration = Duration::from_millis(1024);
/// Longest time between two looks whether a receiver has read its signal: it may be halted in a debugger.
const LAST_LOOK: Duration = Duration::from_millis(16);
/// Packets per signal: VPP in interrupt mode takes at most this many for each and forgets the rest (V11).
pub(crate) const PACKETS_PER_SIGNAL: u16 = 256;

/// One link, shared by its queues and the driver.
#[derive(Debug)]
pub(crate) struct LinkShared {
    pub(crate) role: Role,
    pub(crate) regions: Regions,
    standing: Standing,
    fault: OnceLock<Breach>,
    /// Ours alone, so that no peer can drain it: readable for good once the link is down.
    down_event: OwnedFd,
    /// The connection while the driver has it: once it lets go, the peer is to see that at once.
    #[cfg(feature = "raw")]
    control: OnceLock<Weak<OwnedFd>>,
    /// Slave: what a peer with more queues than the link sends to.
    decoy: Option<Decoy>,
    signals: DriverSignals,
    pub(crate) rx: Vec<Arc<QueueShared>>,
    pub(crate) tx: Vec<Arc<QueueShared>>,
}

impl LinkShared {
    pub(super) fn new(
        role: Role,
        regions: Regions,
        signals: &DriverSignals,
        down_event: OwnedFd,
        decoy: Option<Decoy>,
        rx: Vec<Arc<QueueShared>>,
        tx: Vec<Arc<QueueShared>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            role,
            regions,
            standing: Standing::default(),
            fault: OnceLock::new(),
            down_event,
            #[cfg(feature = "raw")]
            control: OnceLock::new(),
            decoy,
            signals: signals.clone(),
            rx,
            tx,
        })
    }

    /// Whether the link is down.
    #[inline]
    pub(crate) fn is_down(&self) -> bool {
        !self.standing.is_up()
    }

    /// Whether it went down because the peer left, so that receivers still take what that published before.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.standing.has_leftovers()
    }

    /// Whether the peer left and the application of a binding was not told: to it the link is up.
    #[cfg(feature = "raw")]
    pub(crate) fn is_untold(&self) -> bool {
        self.standing.is_untold()
    }

    /// The application of a binding is told now, if the peer left.
    #[cfg(feature = "raw")]
    pub(crate) fn tell(&self) {
        self.standing.tell();
    }

    /// Looks whether the peer is gone, of which the driver may not know yet. One system call at most.
    #[cfg(feature = "raw")]
    pub(crate) fn peer_is_gone(&self) -> bool {
        let Some(control) = self.control.get() else { return false };
        // Where the driver let go of it, it ended the link.
        control.upgrade().is_none_or(|control| crate::sys::hung_up(&control))
    }

    /// Readable once the link is down.
    pub(crate) fn down_event(&self) -> &OwnedFd {
        &self.down_event
    }

    /// Takes the link down for a breach that a queue found, and tells the driver. The first breach counts.
    /// Returns the breach that did, which is another one when the peer took its memory away: then everything
    /// reads as zero, and what follows from that is no news.
    pub(crate) fn fail(&self, breach: Breach) -> Breach {
        let breach = if self.regions.any_gone() { Breach::MemoryGone } else { breach };
        let first = self.fault.get_or_init(|| breach).clone();
        self.shut();
        self.signals.call_attention();
        first
    }

    /// Takes the link down: every call on its queues says so from now on, and sleepers wake.
    pub(crate) fn shut(&self) {
        if self.standing.shut() {
            self.wake_sleepers();
        }
    }

    /// Takes the link down because the peer left. Receivers first take what it published before.
    fn leave(&self) {
        if self.standing.leave() {
            self.wake_sleepers();
        }
    }

    fn wake_sleepers(&self) {
        let _ = rustix::io::write(&self.down_event, &1u64.to_ne_bytes());
    }

    /// Makes sure that the driver repeats signals while this link's receivers lag.
    #[inline]
    pub(crate) fn want_repeat(&self) {
        self.signals.arm_repeat();
    }
}

/// The driver's hold on a link.
#[derive(Clone, Debug)]
pub(crate) struct LinkHandle(pub(super) Arc<LinkShared>);

impl LinkHandle {
    /// Takes the link down. Once is enough, more does no harm.
    pub(crate) fn shut(&self) {
        self.0.shut();
    }

    /// The same because the peer closed, or said so, and did nothing that is forbidden.
    pub(crate) fn leave(&self) {
        self.0.leave();
    }

    /// Whether the peer left and receivers still take what it published before.
    pub(crate) fn has_leftovers(&self) -> bool {
        self.0.has_leftovers()
    }

    /// The connection that the link belongs to.
    #[cfg(feature = "raw")]
    pub(crate) fn set_control(&self, control: Weak<OwnedFd>) {
        let _ = self.0.control.set(control);
    }

    /// Whether the sender signalled a receive queue and nobody has taken that yet.
    pub(crate) fn rx_signalled(&self, index: u8) -> bool {
        let queue = self.0.rx.get(usize::from(index));
        queue.is_some_and(|queue| is_signalled(&*queue.interrupt))
    }

    /// The breach that a queue found, if one did.
    pub(crate) fn fault(&self) -> Option<Breach> {
        self.0.fault.get().cloned()
    }

    /// Repeats signals to receivers that lag. Returns whether it wants to be called again in a millisecond; for
    /// later it arms the timer itself.
    pub(crate) fn repeat_signals(&self) -> bool {
        if self.0.is_down() {
            return false;
        }
        let now = self.0.signals.now();
        let mut soon = false;
        // Every queue is asked: no short cut.
        for wait in self.0.tx.iter().filter_map(|queue| queue.repeat(now)) {
            if wait <= FIRST_REPEAT {
                soon = true;
            } else {
                self.0.signals.arm_slow(wait);
            }
        }
        soon
    }

    /// Whether the peer sends on more queues than the link has, see [`Decoy`].
    pub(crate) fn surplus_used(&self) -> bool {
        self.0.decoy.as_ref().is_some_and(Decoy::is_used)
    }

    /// Receive queues of the link.
    pub(crate) fn rx_count(&self) -> u8 {
        u8::try_from(self.0.rx.len()).unwrap_or(u8::MAX)
    }

    pub(crate) fn rx_details(&self) -> Vec<QueueDetails> {
        self.0.rx.iter().map(|queue| queue.details()).collect()
    }

    pub(crate) fn tx_details(&self) -> Vec<QueueDetails> {
        self.0.tx.iter().map(|queue| queue.details()).collect()
    }

    pub(crate) fn region_details(&self) -> Vec<RegionDetails> {
        (0..u16::try_from(self.0.regions.count()).unwrap_or(u16::MAX))
            .filter_map(|index| {
                let size = self.0.regions.get(index)?.len() as u64;
                Some(RegionDetails { index, size })
            })
            .collect()
    }

    /// The driver has reported the signal of a receive queue and will call [`take_left`](Self::take_left) before it
    /// sleeps.
    pub(crate) fn rx_reported(&self, index: u8) {
        if let Some(queue) = self.0.rx.get(usize::from(index)) {
            queue.left.report();
        }
    }

    /// Takes the signal of a receive queue if a receive call left it. Returns whether the queue is to be reported
    /// again.
    pub(crate) fn take_left(&self, index: u8) -> bool {
        let more = self.0.rx.get(usize::from(index)).is_some_and(|queue| queue.take_left());
        more && !self.rx_polls(index)
    }

    /// The eventfd of a receive queue.
    pub(crate) fn rx_interrupt(&self, index: u8) -> Option<Arc<OwnedFd>> {
        self.0.rx.get(usize::from(index)).map(|queue| Arc::clone(&queue.interrupt))
    }

    /// A transmit queue.
    #[cfg(test)]
    pub(crate) fn tx_queue(&self, index: usize) -> Arc<QueueShared> {
        Arc::clone(&self.0.tx[index])
    }

    /// Grows with everything that a receive queue hands out, parts of packets included.
    pub(crate) fn rx_progress(&self, index: u8) -> u64 {
        let queue = self.0.rx.get(usize::from(index));
        queue.map_or(0, |queue| queue.counters.packets.get().wrapping_add(queue.counters.bytes.get()))
    }

    /// Whether a receive queue tells its peer not to signal. The peer can write that word too, and spoils its own
    /// signals then.
    pub(crate) fn rx_polls(&self, index: u8) -> bool {
        let queue = self.0.rx.get(usize::from(index));
        queue.is_some_and(|queue| queue.ring.load_flags() & FLAG_MASK_INT != 0)
    }
}

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
    /// Receive: the signal that the driver reported last, see [`Left`].
    left: Left,
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
    pub(super) fn new(role: Role, parts: &QueueParts) -> Arc<Self> {
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
            left: Left::default(),
            lagging: AtomicBool::new(false),
            seen: AtomicU16::new(0),
            pause: AtomicU64::new(0),
            due: AtomicU64::new(0),
            look: AtomicU64::new(0),
        })
    }

    /// Receive: the signal that was reported and may be left to the driver.
    #[cfg(feature = "raw")]
    pub(crate) fn left(&self) -> &Left {
        &self.left
    }

    /// Receive, for the driver before it sleeps: takes a signal that a receive call left. Returns whether something
    /// came since that call looked at the ring, of which no signal may tell any more.
    fn take_left(&self) -> bool {
        let Some(seen) = self.left.take() else { return false };
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
        if self.ring.load_flags() & FLAG_MASK_INT != 0 {
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
            if signal(&*self.interrupt) {
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
        QueueDetails {
            index: self.name.index,
            ring_size: 1 << self.log2,
            buffer_size: self.buffer_size,
            region: self.region,
            offset: self.offset,
            head: self.ring.load_head(),
            tail: self.ring.load_tail(),
            flags: self.ring.load_flags(),
            counters: self.counters.read(),
        }
    }
}

/// The name of a queue.
pub(super) fn queue_name(direction: Direction, index: usize) -> QueueName {
    QueueName { direction, index: u8::try_from(index).unwrap_or(u8::MAX) }
}

/// A fresh eventfd of this process alone, or of this process and the peer that it is sent to.
pub(super) fn new_eventfd() -> std::io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

impl AsFd for QueueShared {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.interrupt.as_fd()
    }
}
