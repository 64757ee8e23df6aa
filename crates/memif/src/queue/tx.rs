//! Sending.

use std::sync::Arc;

use super::buffers::BufferRow;
#[cfg(all(test, not(loom)))]
use super::buffers::slot_offset;
use super::memory::MemoryCheck;
use super::notify::notify;
use super::silence::Silence;
use super::tx_core::{Room, TxCore};
use crate::config::{InterfaceConfig, MAX_PACKET_SIZE, Role};
use crate::counters::Counters;
use crate::error::SendError;
use crate::queue::{InUse, LinkShared, QueueParts, QueueShared};
use crate::ring::{OutOfRange, TxCursor};
use crate::wire::ring::FLAG_NEXT;

/// The sending half of a queue pair: packets go in.
///
/// Movable to a thread of its own, used by one thread at a time. Stays valid when its link goes down; every call
/// then says so, and a later connection brings new queues.
pub struct TxQueue {
    pub(super) core: TxCore,
    pub(super) shared: Arc<QueueShared>,
    pub(super) link: Arc<LinkShared>,
    pub(super) max_packet: u32,
    /// Longest packet that one descriptor may hold.
    pub(super) max_single: u32,
    pub(super) chaining: bool,
    pub(super) memory: MemoryCheck,
    /// How long the peer has freed nothing of a full ring.
    silence: Silence,
    #[cfg_attr(not(feature = "raw"), expect(dead_code, reason = "only to be dropped"))]
    in_use: InUse,
    /// Buffers that go back empty with the next store of the cursor.
    empty: u64,
}

/// Where a packet goes: consecutive slots.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) first: u16,
    pub(super) slots: u16,
}

impl Place {
    /// The slot after them.
    #[inline]
    pub(super) fn end(self) -> u16 {
        self.first.wrapping_add(self.slots)
    }
}

impl TxQueue {
    /// A queue on a ring that was checked. A slave has a row of buffers.
    pub(crate) fn new(
        config: &InterfaceConfig,
        link: &Arc<LinkShared>,
        parts: QueueParts,
        shared: Arc<QueueShared>,
        in_use: &InUse,
        row: Option<BufferRow>,
    ) -> Self {
        let cursor = TxCursor::new(link.role, parts.log2);
        let max_packet = match link.role {
            Role::Slave => config.packet_limit(u32::from(cursor.size())),
            // The slave's buffers decide what a ring carries.
            Role::Master => {
                let most = config.max_packet.unwrap_or(MAX_PACKET_SIZE);
                if config.chaining { most } else { most.min(config.buffer_size) }
            }
        };
        // A slave's buffers are as long as the longest descriptor that is sent.
        let mut core = TxCore::new(&link.regions, parts.ring, cursor, row, config.buffer_size);
        if config.prefault && !config.manual {
            core.make();
        }
        Self {
            core,
            shared,
            link: Arc::clone(link),
            max_packet,
            max_single: max_packet.min(config.buffer_size),
            chaining: config.chaining,
            memory: MemoryCheck::default(),
            silence: Silence::default(),
            in_use: in_use.clone(),
            empty: 0,
        }
    }

    /// The ring as slots, for bindings. A queue of an interface that is [`manual`](InterfaceConfig::manual) is good for
    /// this alone; of another interface it is one that was not sent on.
    #[cfg(feature = "raw")]
    #[must_use]
    pub fn into_slots(self) -> super::slots::TxSlots {
        let Self { core, shared, link, in_use, .. } = self;
        super::slots::TxSlots::new(core, shared, link, in_use)
    }

    /// Number of the queue, from 0.
    #[must_use]
    pub fn index(&self) -> u8 {
        self.shared.name.index
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> usize {
        usize::from(self.core.cursor.size())
    }

    /// Longest packet that this queue can send, in bytes: by its settings, and by what the ring carries. As master that
    /// is what the buffers hold together, or the longest of them without chains, as the slave posted them last. Where
    /// it has posted none yet, just after the link came up, or one of no use, our own
    /// [`buffer_size`](InterfaceConfig::buffer_size) counts.
    #[must_use]
    pub fn max_packet(&self) -> usize {
        self.carries(self.max_packet) as usize
    }

    /// The same where it is less than `limit`.
    fn carries(&self, limit: u32) -> u32 {
        let limit = limit.min(self.max_packet);
        match self.core.role {
            Role::Slave => limit,
            Role::Master => self.core.carries(self.chaining, limit),
        }
    }

    /// Whether the link is up.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        !self.link.is_down()
    }

    /// What the queue has counted so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters.read()
    }

    pub(super) fn count_full(&self, error: &SendError) {
        if *error == SendError::Full {
            self.shared.counters.ring_full.add(1);
        }
    }

    /// Finds slots for `len` bytes from `next` on, all or none. Says with an error, too, from which slot on the next
    /// packet goes: buffers of no use before it go back empty.
    #[inline(never)]
    pub(super) fn place(&mut self, next: u16, len: usize) -> Result<Place, (u16, SendError)> {
        if len == 0 {
            return Err((next, SendError::Empty));
        }
        let longest = if self.chaining { self.max_packet } else { self.max_packet.min(self.core.max_segment) };
        let limit = longest as usize;
        if len > limit {
            return Err((next, SendError::TooLong { len, max: self.max_packet() }));
        }
        let shortest = if self.chaining { 1 } else { len };
        match self.core.find_room(next, len, shortest, u16::MAX) {
            Ok(Room::Useless(_)) if !self.core.is_made() => {
                self.core.make();
                self.place(next, len)
            }
            // Nor would any other do: handed back, the same would come again, as fast as they go.
            Ok(Room::Useless(_)) if !self.chaining && self.exceeds_buffers(len) => {
                Err((next, SendError::TooLong { len, max: self.max_packet() }))
            }
            Ok(Room::Useless(slots)) => self.place_behind(next, slots, len, shortest),
            other => self.judge(next, len, other),
        }
    }

    /// As [`place`](Self::place), where the buffer of the last of the next `slots` slots is of no use. It goes back
    /// empty, and with it what was taken for this packet.
    #[cold]
    fn place_behind(
        &mut self,
        next: u16,
        mut slots: u16,
        len: usize,
        shortest: usize,
    ) -> Result<Place, (u16, SendError)> {
        let (size, published) = (self.core.cursor.size(), self.core.cursor.published());
        let mut first = next;
        let result = loop {
            self.hand_back_empty(first, first.wrapping_add(slots));
            first = first.wrapping_add(slots);
            // A slave that posts useless ones as fast as they go back must not hold us here.
            if first.wrapping_sub(next) >= size {
                break Err((first, SendError::Full));
            }
            match self.core.find_room(first, len, shortest, u16::MAX) {
                Ok(Room::Useless(more)) => slots = more,
                other => break self.judge(first, len, other),
            }
        };
        if self.core.cursor.published() != published {
            // A slave that sleeps would not post them again, and no room would ever come.
            notify(&self.core.ring, &self.shared, &self.link, 1);
        }
        result
    }

    /// What room, or none, from `first` on means for a packet.
    #[inline]
    fn judge(&mut self, first: u16, len: usize, room: Result<Room, OutOfRange>) -> Result<Place, (u16, SendError)> {
        match room {
            Ok(Room::Slots(slots)) => Ok(Place { first, slots }),
            Ok(Room::Short | Room::TooSmall) if self.is_too_long(len) => {
                Err((first, SendError::TooLong { len, max: self.max_packet() }))
            }
            Ok(_) => Err((first, self.found_full())),
            Err(overrun) => Err((first, self.fail(overrun))),
        }
    }

    /// There is no room. Where the peer has freed none for a while, looks whether it is gone.
    #[cold]
    fn found_full(&mut self) -> SendError {
        let silent = self.silence.is_due(u64::from(self.core.cursor.limit()));
        if silent && self.link.look_at_peer() { SendError::Disconnected } else { SendError::Full }
    }

    /// Whether all buffers together are too few for a packet for which there is no room. Without chains others may be
    /// posted in place of those that go back.
    #[cold]
    fn is_too_long(&self, len: usize) -> bool {
        self.chaining && self.exceeds_buffers(len)
    }

    /// Whether the buffers cannot hold so many bytes: all of them, or each without chains.
    #[cold]
    fn exceeds_buffers(&self, len: usize) -> bool {
        u32::try_from(len).is_ok_and(|len| self.carries(len) < len)
    }

    #[cold]
    fn hand_back_empty(&mut self, first: u16, end: u16) {
        let mut slot = first;
        while slot != end {
            self.core.write_descriptor(slot, 0, 0);
            slot = slot.wrapping_add(1);
        }
        self.empty += 1;
        if self.core.cursor.published() == first {
            // No packet waits before them. Published now, they are not met again by the next send.
            self.publish(end);
        }
    }

    /// Publishes everything up to a slot.
    #[inline]
    pub(super) fn publish(&mut self, to: u16) {
        self.core.cursor.publish(to, &self.core.ring);
        if self.empty > 0 {
            self.shared.counters.bad_descriptors.add(std::mem::take(&mut self.empty));
        }
    }

    /// Takes back what a batch that is not committed would have given back.
    #[inline]
    pub(super) fn roll_back(&mut self) {
        self.empty = 0;
    }

    #[cold]
    pub(super) fn fail(&self, overrun: OutOfRange) -> SendError {
        SendError::Breach(self.link.fail(overrun.of(self.shared.name)))
    }

    /// Writes the descriptors of a packet of `len` bytes whose buffers are filled.
    pub(super) fn finish(&self, place: Place, len: usize) {
        let mut left = len;
        for i in 0..place.slots {
            let slot = place.first.wrapping_add(i);
            let length = self.core.capacity(slot).min(u32::try_from(left).unwrap_or(u32::MAX));
            left -= length as usize;
            self.core.write_descriptor(slot, if left > 0 { FLAG_NEXT } else { 0 }, length);
        }
    }

    /// As much of a place as so many bytes take, at least one of them.
    pub(super) fn cut(&self, place: Place, len: usize) -> Place {
        let mut left = len;
        let taken = (0..place.slots).take_while(|at| {
            let before = left;
            left = left.saturating_sub(self.core.capacity(place.first.wrapping_add(*at)) as usize);
            before > 0
        });
        Place { first: place.first, slots: u16::try_from(taken.count()).unwrap_or(place.slots) }
    }
}

impl std::fmt::Debug for TxQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxQueue")
            .field("index", &self.index())
            .field("ring_size", &self.ring_size())
            .field("connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
impl TxQueue {
    /// Where a slot's buffer lies in its region.
    pub(super) fn slot_offset(&self, slot: u16) -> u32 {
        slot_offset(&self.core.buffers, self.core.row, self.core.at(slot))
    }

    /// The eventfd that this queue signals through.
    pub(crate) fn shared_interrupt(&self) -> Arc<std::os::fd::OwnedFd> {
        Arc::clone(&self.shared.interrupt)
    }
}
