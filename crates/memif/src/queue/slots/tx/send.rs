//! How filled slots are sent.

use std::sync::Arc;

use crate::config::Role;
use crate::error::{Breach, SendError};
use crate::queue::buffers::BufferRef;
use crate::queue::memory::MemoryCheck;
use crate::queue::notify::notify;
use crate::queue::slots::held::Held;
use crate::queue::slots::keeper::Keeper;
use crate::queue::tx_core::TxCore;
use crate::queue::{InUse, LinkShared, QueueShared};
use crate::ring::{OutOfRange, RingMemory};
use crate::shm::{BufferTable, Entry};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

/// The sending half of a queue pair, as slots. Used by one thread at a time.
///
/// Slots are allocated, filled by their user, and sent in the order of their numbers, in as many calls as one likes.
/// What the peer sees are whole packets.
pub struct TxSlots {
    pub(in crate::queue::slots) core: TxCore,
    pub(super) link: Arc<LinkShared>,
    pub(super) shared: Arc<QueueShared>,
    /// Next slot to allocate.
    pub(super) next: u16,
    /// Next slot to send.
    pub(super) sent: u16,
    /// The end of the last whole packet that was sent.
    pub(super) whole: u16,
    /// Packets and bytes up to there that are not published.
    pub(super) packets: usize,
    pub(super) bytes: u64,
    /// Bytes per buffer by our settings.
    pub(super) buffer_size: u32,
    /// Slave: where the data of each slot's descriptor begins, which is anywhere in its buffer. Empty until there are
    /// tables. Master: empty.
    pub(super) written: Box<[usize]>,
    memory: MemoryCheck,
    #[expect(dead_code, reason = "only to be dropped")]
    in_use: InUse,
    pub(super) empty: Empty,
}

/// Calls of [`TxSlots::allocate`] in a row that found no room.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Empty {
    pub(super) count: u16,
    /// The next slot to allocate then.
    pub(super) at: u16,
}

/// What a call of [`TxSlots::allocate`] brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Slots handed out.
    pub slots: u16,
    /// Packets that they are for.
    pub packets: u16,
}

/// A filled buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Number of its slot.
    pub index: u16,
    /// Its first byte of data. Compared, never followed.
    pub data: *const u8,
    /// Bytes of data.
    pub len: u32,
    /// Whether the packet goes on in the next buffer.
    pub next: bool,
}

/// A buffer that is not the next one to send, or whose data does not lie in its slot's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the next buffer to send, or its data lies elsewhere")]
pub struct BadBuffer;

/// Why a received buffer was not queued for sending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Enqueue {
    /// No slot is free.
    #[error("the ring is full")]
    Full,
    /// We are the master, or the buffer is of another link or region.
    #[error("the buffers cannot change places")]
    Foreign,
    /// The link is down.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl TxSlots {
    /// Bytes that a master may send beyond the end of a posted buffer, where no other buffer of the ring lies.
    pub const LONGER: u32 = 64;

    /// The slots of a queue that was not sent on.
    pub(in crate::queue) fn new(
        mut core: TxCore,
        shared: Arc<QueueShared>,
        link: Arc<LinkShared>,
        in_use: InUse,
    ) -> Self {
        let (next, buffer_size) = (core.cursor.published(), core.max_segment);
        // Of what a slave posted all may be used, and not what a queue takes of it.
        core.max_segment = u32::MAX;
        if core.role == Role::Master {
            core.forget();
        }
        let mut slots = Self {
            core,
            link,
            shared,
            next,
            sent: next,
            whole: next,
            packets: 0,
            bytes: 0,
            buffer_size,
            written: Box::default(),
            memory: MemoryCheck::default(),
            in_use,
            empty: Empty::default(),
        };
        if slots.core.is_made() {
            slots.note_written();
        }
        slots
    }

    /// Makes the tables, see [`TxCore::make`].
    #[cold]
    pub(super) fn make(&mut self) {
        self.core.make();
        self.note_written();
    }

    /// Slave: notes that each descriptor names the start of its buffer.
    fn note_written(&mut self) {
        if self.core.role == Role::Slave {
            self.written = (0..self.core.buffers.count()).map(|at| self.core.buffers.address(at)).collect();
        }
    }

    /// Keeps every address of the link valid, after this value, too.
    #[must_use]
    pub fn keeper(&self) -> Keeper {
        Keeper(Arc::clone(&self.link))
    }

    /// Start and length of every region of the link.
    pub fn regions(&self) -> impl Iterator<Item = (*mut u8, u64)> {
        self.core.regions.iter()
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> u16 {
        self.core.cursor.size()
    }

    /// Whether the link is up, as far as the user was told, and its memory there.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] or [`SendError::Breach`].
    #[inline]
    pub(super) fn check_link(&mut self) -> Result<(), SendError> {
        if self.link.is_down() && !self.link.is_untold() {
            return Err(SendError::Disconnected);
        }
        if self.memory.is_gone(&self.core.regions) {
            return Err(SendError::Breach(self.link.fail(Breach::MemoryGone)));
        }
        Ok(())
    }

    /// Sends one buffer, as [`send_all`](Self::send_all) does.
    ///
    /// # Errors
    /// [`BadBuffer`].
    #[inline]
    pub fn send(&mut self, index: u16, data: *const u8, len: u32, next: bool) -> Result<(), BadBuffer> {
        let part = Part { index, data, len, next };
        if self.send_all(std::iter::once(part)) == 1 { Ok(()) } else { Err(BadBuffer) }
    }

    /// Sends buffers: each is to be the next one that was allocated, filled with `len` bytes, with `next` where its
    /// packet goes on in the buffer after it. A slave's data may start anywhere in its buffer; a master's starts where
    /// it was handed out, and may be [a little longer](Self::LONGER) than the buffer that was posted. Returns how many
    /// were sent: the first that is not like that ends it.
    ///
    /// The peer sees nothing before [`publish`](Self::publish).
    #[inline]
    pub fn send_all(&mut self, parts: impl IntoIterator<Item = Part>) -> u16 {
        // What changes with every packet lies in registers.
        let (mut sent, mut whole) = (self.sent, self.whole);
        let (mut packets, mut bytes) = (self.packets, self.bytes);
        let Self { core, written, next, .. } = self;
        let (next, role) = (*next, core.role);
        let mut done = 0;
        for part in parts {
            if core.at(part.index ^ sent) != 0 || sent == next {
                break;
            }
            let at = core.at(sent);
            let Part { data, len, .. } = part;
            let Entry { bytes: buffer, region, .. } = core.buffers.entry(at);
            let spare = buffer.len().checked_sub(len as usize);
            if role == Role::Slave {
                let moved = data.addr().wrapping_sub(buffer.as_ptr().addr());
                if spare.is_none_or(|spare| moved > spare) {
                    break;
                }
                if let Some(written) = written.get_mut(at)
                    && *written != data.addr()
                {
                    // Beyond 4 GiB only where a caller's own region ends there.
                    let moved = u32::try_from(moved).ok();
                    let Some(offset) = moved.and_then(|moved| core.buffers.offset(at).checked_add(moved)) else {
                        break;
                    };
                    core.ring.store_word(sent, 1, offset_to_word(offset));
                    *written = data.addr();
                }
            } else if spare.is_none() && !may_be_longer(core, at, len) {
                break;
            }
            let flags = if part.next { FLAG_NEXT } else { 0 };
            core.ring.store_word(sent, 0, DescriptorHead { flags, region, length: len }.to_word());
            sent = sent.wrapping_add(1);
            bytes += u64::from(len);
            if !part.next {
                whole = sent;
                packets += 1;
            }
            done += 1;
        }
        (self.sent, self.whole, self.packets, self.bytes) = (sent, whole, packets, bytes);
        done
    }

    /// Whether sending makes sense: to be asked before [`send`](Self::send).
    ///
    /// # Errors
    /// [`SendError::Disconnected`], [`SendError::Breach`].
    #[inline]
    pub fn ready(&mut self) -> Result<(), SendError> {
        self.check_link()
    }

    /// Shows the peer all whole packets that were sent, with one store, and signals if it asked for that: at most one
    /// write per 256 packets.
    #[inline]
    pub fn publish(&mut self) {
        if self.packets == 0 {
            return;
        }
        self.core.cursor.publish(self.whole, &self.core.ring);
        let packets = std::mem::take(&mut self.packets);
        let counters = &self.shared.counters;
        counters.packets.add(packets as u64);
        counters.bytes.add(std::mem::take(&mut self.bytes));
        notify(&self.core.ring, &self.shared, &self.link, packets);
    }

    /// Puts the buffer of a received packet into the next free slot of a slave, and that slot's buffer in its place.
    /// The slot counts as allocated. Returns its number.
    ///
    /// # Errors
    /// [`Enqueue`].
    #[inline]
    pub fn enqueue(&mut self, from: Held<'_>) -> Result<u16, Enqueue> {
        self.check_link()?;
        if self.core.role != Role::Slave {
            return Err(Enqueue::Foreign);
        }
        let index = self.next;
        if self.core.cursor.free(index) == 0 {
            self.core.refresh().map_err(|overrun| self.fail(overrun))?;
            if self.core.cursor.free(index) == 0 {
                return Err(Enqueue::Full);
            }
        }
        let (Held { table, at }, slot) = (from, self.core.at(index));
        if !table.swap(at, &self.core.buffers, slot) && !self.enqueue_first(table, at, slot) {
            return Err(Enqueue::Foreign);
        }
        self.next = index.wrapping_add(1);
        Ok(index)
    }

    /// Exchanges buffers where that was in vain for want of tables. Returns whether it did.
    #[cold]
    fn enqueue_first(&mut self, table: &BufferTable, at: usize, slot: usize) -> bool {
        if self.core.is_made() {
            return false;
        }
        self.make();
        table.swap(at, &self.core.buffers, slot)
    }

    /// A buffer of a slave that is allocated and not sent. `None` as master, and for any other slot.
    pub fn held(&mut self, index: u16) -> Option<Held<'_>> {
        self.held_at(index).map(|at| Held { table: &self.core.buffers, at })
    }

    /// Where the table has it.
    fn held_at(&self, index: u16) -> Option<usize> {
        let inside = index.wrapping_sub(self.sent) < self.next.wrapping_sub(self.sent);
        (self.core.role == Role::Slave && inside).then(|| self.core.at(index))
    }

    /// Lets the buffers of two allocated slots of this queue change places. Returns whether they did.
    pub fn swap(&mut self, left: u16, right: u16) -> bool {
        let (Some(one), Some(two)) = (self.held_at(left), self.held_at(right)) else { return false };
        self.core.buffers.swap(one, &self.core.buffers, two)
    }

    /// Panics unless the positions are in order and every mark is where it may be.
    #[cfg(all(test, not(loom)))]
    pub(in crate::queue::slots) fn check(&self) {
        let own = self.core.cursor.published();
        let from_own = |at: u16| at.wrapping_sub(own);
        let (whole, sent) = (from_own(self.whole), from_own(self.sent));
        let (next, limit) = (from_own(self.next), from_own(self.core.cursor.limit()));
        assert!(whole <= sent && sent <= next && next <= limit && limit <= self.ring_size());
    }

    /// Takes an allocation back: makes that slot, which was allocated and not sent, the next one to allocate. Returns
    /// whether it is; it is already where nothing behind it was allocated.
    pub fn set_next(&mut self, index: u16) -> bool {
        let next = self.next;
        if index.wrapping_sub(self.sent) > next.wrapping_sub(self.sent) {
            return false;
        }
        self.next = index;
        true
    }

    #[cold]
    pub(super) fn fail(&self, overrun: OutOfRange) -> SendError {
        SendError::Breach(self.link.fail(overrun.of(self.shared.name)))
    }
}

/// Whether `len` bytes of a master, more than the slave posted in that slot, lie in the region and in no other buffer.
///
/// VPP as a slave sends parts that are a little longer than the buffers that it posts, and programs send them back
/// slot by slot (V15). Slots that were sent and not posted again count, too: their packets may not be read yet.
#[cold]
fn may_be_longer(core: &TxCore, at: usize, len: u32) -> bool {
    let buffer = |at| BufferRef {
        region: core.buffers.region(at),
        offset: core.buffers.offset(at),
        capacity: core.buffers.len(at),
    };
    let BufferRef { region, offset, capacity } = buffer(at);
    if !core.regions.contains(region, offset, len) || len - capacity > TxSlots::LONGER {
        return false;
    }
    let start = u64::from(offset) + u64::from(capacity);
    let end = u64::from(offset) + u64::from(len);
    let apart = |other: BufferRef| {
        let from = u64::from(other.offset);
        other.region != region || end <= from || from + u64::from(other.capacity) <= start
    };
    // What broke the rules, or was never posted, is no buffer.
    let known = (0..core.buffers.count()).map(buffer).filter(|buffer| buffer.capacity > 0);
    known.chain(unread(core)).all(apart)
}

/// What was posted since the last look. Compared, and read again when it is to be used.
fn unread(core: &TxCore) -> impl Iterator<Item = BufferRef> {
    let count = core.ring.load_head().wrapping_sub(core.cursor.limit());
    let count = if count <= core.cursor.size() { count } else { 0 };
    (0..count).map(|i| {
        let index = core.cursor.limit().wrapping_add(i);
        let head = DescriptorHead::from_word(core.ring.load_word(index, 0));
        let offset = offset_from_word(core.ring.load_word(index, 1));
        BufferRef { region: head.region, offset, capacity: head.length }
    })
}

impl std::fmt::Debug for TxSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxSlots")
            .field("queue", &self.shared.name)
            .field("ring_size", &self.ring_size())
            .field("allocated", &self.next.wrapping_sub(self.sent))
            .finish_non_exhaustive()
    }
}
