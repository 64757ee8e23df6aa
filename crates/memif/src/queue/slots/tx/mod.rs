//! Sending, slot by slot.

mod allocate;

use std::sync::Arc;

use super::{BufferRef, Held, Ring, swap};
use crate::config::Role;
use crate::error::{Breach, SendError};
use crate::queue::notify::notify;
use crate::queue::{LinkShared, QueueShared};
use crate::ring::{RingMemory, TxCursor};
use crate::shm::{Addresses, MappedRing, Regions, fault_count};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

/// One slot as our side knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Slave: the buffer of the slot. Master: what the slave posted there last, with no capacity before it did.
    buffer: BufferRef,
    /// Slave: the offset that the descriptor holds.
    written: u32,
}

/// The sending half of a queue pair, as slots. Used by one thread at a time.
///
/// Slots are allocated, filled by their user, and sent in the order of their numbers, in as many calls as one likes.
/// What the peer sees are whole packets.
pub struct TxSlots {
    pub(super) ring: Ring,
    addresses: Addresses,
    /// Keeps every address valid.
    regions: Regions,
    link: Arc<LinkShared>,
    shared: Arc<QueueShared>,
    role: Role,
    mask: u16,
    cursor: TxCursor,
    /// Next slot to allocate.
    next: u16,
    /// Next slot to send.
    sent: u16,
    /// The end of the last whole packet that was sent.
    whole: u16,
    /// Packets and bytes up to there that are not published.
    packets: usize,
    bytes: u64,
    /// Bytes per buffer by our settings.
    buffer_size: u32,
    /// As master empty before the first buffer was found posted, and then the memory that was allocated at first.
    table: Vec<Entry>,
    /// Master: the words by which each buffer was posted. Slave: empty.
    posted: Box<[(u64, u64)]>,
    faults: usize,
    empty: Empty,
}

/// Calls of [`TxSlots::allocate`] in a row that found no room.
#[derive(Clone, Copy, Debug, Default)]
struct Empty {
    count: u16,
    /// The next slot to allocate then.
    at: u16,
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

    pub(in crate::queue) fn new(
        ring: MappedRing,
        cursor: TxCursor,
        shared: Arc<QueueShared>,
        link: Arc<LinkShared>,
        regions: Regions,
        buffers: &[BufferRef],
        buffer_size: u32,
    ) -> Self {
        let role = link.role;
        let size = usize::from(cursor.size());
        let mut table = Vec::with_capacity(size);
        if role == Role::Slave {
            let entry = |buffer: &BufferRef| Entry { buffer: *buffer, written: buffer.offset };
            table.extend(buffers.iter().map(entry));
        }
        Self {
            addresses: Addresses::of(&regions),
            regions,
            role,
            link,
            shared,
            mask: ring.mask(),
            ring: super::ring(ring),
            next: cursor.published(),
            sent: cursor.published(),
            whole: cursor.published(),
            cursor,
            packets: 0,
            bytes: 0,
            buffer_size,
            // No bytes at all, which is what the table begins with, too.
            posted: match role {
                Role::Master => vec![(0, 0); size].into(),
                Role::Slave => Box::default(),
            },
            table,
            faults: 0,
            empty: Empty::default(),
        }
    }

    /// Keeps every address of the link valid, after this value, too.
    #[must_use]
    pub fn keeper(&self) -> super::Keeper {
        super::Keeper(Arc::clone(&self.link))
    }

    /// Start and length of every region of the link.
    pub fn regions(&self) -> impl Iterator<Item = (*mut u8, u64)> {
        self.addresses.iter()
    }

    /// Slots of the ring.
    #[must_use]
    pub fn ring_size(&self) -> u16 {
        self.cursor.size()
    }

    /// Whether the link is up, as far as the user was told, and its memory there.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] or [`SendError::Breach`].
    #[inline]
    fn check_link(&mut self) -> Result<(), SendError> {
        if self.link.is_down() && !self.link.is_untold() {
            return Err(SendError::Disconnected);
        }
        let faults = fault_count();
        if faults != self.faults {
            self.faults = faults;
            if self.regions.any_gone() {
                return Err(SendError::Breach(self.link.fail(Breach::MemoryGone)));
            }
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
        let (next, mask, role) = (self.next, self.mask, self.role);
        let mut done = 0;
        for part in parts {
            if (part.index ^ sent) & mask != 0 || sent == next {
                break;
            }
            let at = usize::from(sent & mask);
            let Some(entry) = self.table.get_mut(at) else { break };
            let BufferRef { region, offset, capacity } = entry.buffer;
            let Part { data, len, .. } = part;
            if role == Role::Slave {
                if len > capacity {
                    break;
                }
                let Some(start) = self.addresses.find(region, offset, capacity) else { break };
                let moved = data.addr().wrapping_sub(start.addr());
                let Ok(moved) = u32::try_from(moved) else { break };
                if moved > capacity - len {
                    break;
                }
                // Beyond 4 GiB only where a caller's own region ends there.
                let Some(offset) = offset.checked_add(moved) else { break };
                if entry.written != offset {
                    self.ring.store_word(sent, 1, offset_to_word(offset));
                    entry.written = offset;
                }
            } else if len > capacity && !self.may_be_longer(at, len) {
                break;
            }
            let flags = if part.next { FLAG_NEXT } else { 0 };
            self.ring.store_word(sent, 0, DescriptorHead { flags, region, length: len }.to_word());
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
        self.cursor.publish(self.whole, &self.ring);
        let packets = std::mem::take(&mut self.packets);
        let counters = &self.shared.counters;
        counters.packets.add(packets as u64);
        counters.bytes.add(std::mem::take(&mut self.bytes));
        notify(&self.ring, &self.shared, &self.link, packets);
    }

    /// Puts the buffer of a received packet into the next free slot of a slave, and that slot's buffer in its place.
    /// The slot counts as allocated. Returns its number.
    ///
    /// # Errors
    /// [`Enqueue`].
    #[inline]
    pub fn enqueue(&mut self, from: Held<'_>) -> Result<u16, Enqueue> {
        self.check_link()?;
        if self.role != Role::Slave {
            return Err(Enqueue::Foreign);
        }
        if self.cursor.free(self.next) == 0 && self.refresh()? == 0 {
            return Err(Enqueue::Full);
        }
        let index = self.next;
        let at = usize::from(index & self.mask);
        let Some(entry) = self.table.get_mut(at) else { return Err(Enqueue::Full) };
        if !swap(from, Held { buffer: &mut entry.buffer, link: &self.link }) {
            return Err(Enqueue::Foreign);
        }
        self.next = index.wrapping_add(1);
        Ok(index)
    }

    /// A buffer of a slave that is allocated and not sent. `None` as master, and for any other slot.
    pub fn held(&mut self, index: u16) -> Option<Held<'_>> {
        let inside = index.wrapping_sub(self.sent) < self.next.wrapping_sub(self.sent);
        if self.role != Role::Slave || !inside {
            return None;
        }
        let entry = self.table.get_mut(usize::from(index & self.mask))?;
        Some(Held { buffer: &mut entry.buffer, link: &self.link })
    }

    /// Lets the buffers of two allocated slots of this queue change places. Returns whether they did.
    pub fn swap(&mut self, left: u16, right: u16) -> bool {
        let Some(one) = self.held(left).map(|held| *held.buffer) else { return false };
        let Some(two) = self.held(right).map(|held| *held.buffer) else { return false };
        if one.region != two.region {
            return false;
        }
        for (index, buffer) in [(left, two), (right, one)] {
            if let Some(held) = self.held(index) {
                *held.buffer = buffer;
            }
        }
        true
    }

    /// Panics unless the positions are in order and every mark is where it may be.
    #[cfg(all(test, not(loom)))]
    pub(in crate::queue::slots) fn check(&self) {
        // There from the start, so that filling it allocates nothing.
        assert!(self.table.capacity() >= usize::from(self.ring_size()));
        let own = self.cursor.published();
        let from_own = |at: u16| at.wrapping_sub(own);
        let (whole, sent) = (from_own(self.whole), from_own(self.sent));
        let (next, limit) = (from_own(self.next), from_own(self.cursor.limit()));
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

    /// Whether `len` bytes of a master, more than the slave posted in that slot, lie in the region and in no other
    /// buffer.
    ///
    /// VPP as a slave sends parts that are a little longer than the buffers that it posts, and programs send them back
    /// slot by slot (V15). Slots that were sent and not posted again count, too: their packets may not be read yet.
    #[cold]
    fn may_be_longer(&self, at: usize, len: u32) -> bool {
        let Some(BufferRef { region, offset, capacity }) = self.table.get(at).map(|entry| entry.buffer) else {
            return false;
        };
        let inside = self.addresses.find(region, offset, len).is_some();
        if !inside || len - capacity > Self::LONGER {
            return false;
        }
        let start = u64::from(offset) + u64::from(capacity);
        let end = u64::from(offset) + u64::from(len);
        let apart = |other: BufferRef| {
            let from = u64::from(other.offset);
            other.region != region || end <= from || from + u64::from(other.capacity) <= start
        };
        self.table.iter().all(|entry| apart(entry.buffer)) && self.unread().all(apart)
    }

    /// What was posted since the last look. Compared, and read again when it is to be used.
    fn unread(&self) -> impl Iterator<Item = BufferRef> {
        let count = self.ring.load_head().wrapping_sub(self.cursor.limit());
        let count = if usize::from(count) <= self.table.len() { count } else { 0 };
        (0..count).map(|i| {
            let index = self.cursor.limit().wrapping_add(i);
            let head = DescriptorHead::from_word(self.ring.load_word(index, 0));
            let offset = offset_from_word(self.ring.load_word(index, 1));
            BufferRef { region: head.region, offset, capacity: head.length }
        })
    }
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
