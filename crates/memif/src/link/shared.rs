//! What the queues of a link, and the driver of its socket, share.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};

use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};

use super::interrupt::signal;
use crate::config::Role;
use crate::counters::{CounterCells, QueueDetails, RegionDetails};
use crate::error::{Breach, Direction, QueueName};
use crate::ring::RingMemory;
use crate::shm::{MappedRing, Regions};
use crate::wire::ring::FLAG_MASK_INT;

/// Time after which signals to a lagging receiver are repeated.
pub(crate) const REPEAT_NANOSECONDS: i64 = 1_000_000;
/// Repeats without any progress of the receiver after which it is left alone until the next send.
const FRUITLESS_REPEATS: u8 = 16;

/// What the queues of every link of a socket need from its driver. Both descriptors are in the driver's epoll set.
#[derive(Clone, Debug)]
pub(crate) struct DriverSignals {
    /// An eventfd. A queue that found a breach writes it.
    attention: Arc<OwnedFd>,
    /// A timerfd. A sender whose receiver may need another signal arms it.
    repeat: Arc<OwnedFd>,
    /// Whether the timer is on its way.
    armed: Arc<AtomicBool>,
}

impl DriverSignals {
    /// Both not blocking: an eventfd and a timerfd of the monotonic clock.
    pub(crate) fn new(attention: Arc<OwnedFd>, repeat: Arc<OwnedFd>) -> Self {
        Self { attention, repeat, armed: Arc::new(AtomicBool::new(false)) }
    }

    /// Makes sure that the timer expires within a millisecond. A system call only when it is not on its way,
    /// hence at most one per millisecond. A failure costs a repeated signal, not a packet.
    #[inline]
    pub(crate) fn arm_repeat(&self) {
        if !self.armed.swap(true, Ordering::SeqCst) {
            let once = Itimerspec {
                it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
                it_value: Timespec { tv_sec: 0, tv_nsec: REPEAT_NANOSECONDS },
            };
            let _ = timerfd_settime(&*self.repeat, TimerfdTimerFlags::empty(), &once);
        }
    }

    /// For the driver, when the timer has expired and before it asks the links with
    /// [`LinkHandle::repeat_signals`]: a sender that finds the timer still on its way has marked its queue
    /// before, and one that comes later arms it again.
    pub(crate) fn repeat_expired(&self) {
        self.armed.store(false, Ordering::SeqCst);
    }
}

/// One link, shared by its queues and the driver.
#[derive(Debug)]
pub(crate) struct LinkShared {
    pub(crate) role: Role,
    pub(crate) regions: Regions,
    down: AtomicBool,
    fault: OnceLock<Breach>,
    /// Ours alone, so that no peer can drain it: readable for good once the link is down.
    down_event: OwnedFd,
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
        rx: Vec<Arc<QueueShared>>,
        tx: Vec<Arc<QueueShared>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            role,
            regions,
            down: AtomicBool::new(false),
            fault: OnceLock::new(),
            down_event,
            signals: signals.clone(),
            rx,
            tx,
        })
    }

    /// Whether the link is down.
    #[inline]
    pub(crate) fn is_down(&self) -> bool {
        self.down.load(Ordering::Acquire)
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
        let _ = rustix::io::write(&*self.signals.attention, &1u64.to_ne_bytes());
        first
    }

    /// Takes the link down: every call on its queues says so from now on, and sleepers wake.
    pub(crate) fn shut(&self) {
        if !self.down.swap(true, Ordering::AcqRel) {
            let _ = rustix::io::write(&self.down_event, &1u64.to_ne_bytes());
            // For callers who wait for the rings' eventfds in a loop of their own. The peer may swallow this.
            for queue in &self.rx {
                signal(&*queue.interrupt);
            }
        }
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

    /// The breach that a queue found, if one did.
    pub(crate) fn fault(&self) -> Option<Breach> {
        self.0.fault.get().cloned()
    }

    /// Repeats signals to receivers that lag. Returns whether it wants to be called again in a millisecond.
    pub(crate) fn repeat_signals(&self) -> bool {
        // Every queue is asked: no short cut.
        !self.0.is_down() && self.0.tx.iter().fold(false, |again, queue| queue.repeat() | again)
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

    /// The eventfd of a receive queue.
    pub(crate) fn rx_interrupt(&self, index: u8) -> Option<Arc<OwnedFd>> {
        self.0.rx.get(usize::from(index)).map(|queue| Arc::clone(&queue.interrupt))
    }

    /// Packets that a receive queue has handed out.
    pub(crate) fn rx_packets(&self, index: u8) -> u64 {
        self.0.rx.get(usize::from(index)).map_or(0, |queue| queue.counters.packets.get())
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

/// One queue as other threads see it: its counters, its ring, and for senders how far it published.
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
    /// Transmit: our cursor as last published.
    published: AtomicU16,
    /// Transmit: published and signalled; the receiver may need to hear it again.
    lagging: AtomicBool,
    /// Transmit, driver only: the peer's cursor at the last repeat, and repeats since it moved.
    seen: AtomicU16,
    repeats: AtomicU8,
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
            published: AtomicU16::new(0),
            lagging: AtomicBool::new(false),
            seen: AtomicU16::new(0),
            repeats: AtomicU8::new(0),
        })
    }

    /// Notes what a sender just published and signalled.
    #[inline]
    pub(crate) fn note_published(&self, cursor: u16) {
        self.published.store(cursor, Ordering::Relaxed);
        self.lagging.store(true, Ordering::SeqCst);
    }

    /// Signals once more if the receiver wants signals and has not taken everything. Returns whether to come back.
    fn repeat(&self) -> bool {
        if !self.lagging.swap(false, Ordering::SeqCst) {
            return false;
        }
        if self.ring.load_flags() & FLAG_MASK_INT != 0 {
            return false;
        }
        let published = self.published.load(Ordering::Relaxed);
        let (cursor, taken) = match self.role {
            Role::Slave => {
                let tail = self.ring.load_tail();
                (tail, tail == published)
            }
            // Taken slots show only as buffers posted again.
            Role::Master => {
                let head = self.ring.load_head();
                (head, head == published.wrapping_add(1 << self.log2))
            }
        };
        if taken {
            return false;
        }
        if self.seen.swap(cursor, Ordering::Relaxed) != cursor {
            self.repeats.store(0, Ordering::Relaxed);
        } else if self.repeats.fetch_add(1, Ordering::Relaxed) >= FRUITLESS_REPEATS {
            // Some slaves never post the last buffers again, and some receivers are down: no timer for ever.
            self.repeats.store(0, Ordering::Relaxed);
            return false;
        }
        if signal(&*self.interrupt) {
            self.counters.signals.add_shared(1);
        }
        self.lagging.store(true, Ordering::SeqCst);
        true
    }

    fn details(&self) -> QueueDetails {
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
