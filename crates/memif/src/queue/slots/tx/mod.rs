//! Sending, slot by slot.

use std::sync::Arc;

use super::{BufferRef, Held, Ring, Slot, swap};
use crate::config::Role;
use crate::error::{Breach, SendError};
use crate::link::{LinkShared, QueueShared};
use crate::queue::notify::notify;
use crate::ring::{OutOfRange, RingMemory, TxCursor};
use crate::shm::{Addresses, MappedRing, Regions, fault_count, prefetch};
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

/// One slot as our side knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Slave: the buffer of the slot. Master: what the slave posted, with no capacity where that broke the rules.
    buffer: BufferRef,
    /// Slave: the offset that the descriptor holds.
    written: u32,
    /// Allocated and of no use: goes back empty.
    void: bool,
}

/// The sending half of a queue pair, as slots. Used by one thread at a time.
///
/// Slots are allocated, filled by their user, and sent in the order of their numbers, in as many calls as one likes. What the
/// peer sees are whole packets.
pub struct TxSlots {
    pub(super) ring: Ring,
    addresses: Addresses,
    /// Keeps every address valid.
    regions: Regions,
    link: Arc<LinkShared>,
    shared: Arc<QueueShared>,
    role: Role,
    mask: u16,
    /// `next` is the next slot to allocate.
    cursor: TxCursor,
    /// Next slot to send.
    sent: u16,
    /// The end of the last whole packet that was sent.
    whole: u16,
    /// Packets and bytes up to there that are not published.
    packets: usize,
    bytes: u64,
    /// Bytes per buffer by our settings.
    buffer_size: u32,
    /// Slots marked as void.
    voids: u16,
    /// As master empty before the first buffer was found posted, and then the memory that was allocated at first.
    table: Vec<Entry>,
    /// Master: the words by which each buffer was posted. Slave: empty.
    posted: Box<[(u64, u64)]>,
    faults: usize,
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
            let entry =
                |buffer: &BufferRef| Entry { buffer: *buffer, written: buffer.offset, void: false };
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
            sent: cursor.published(),
            whole: cursor.published(),
            cursor,
            packets: 0,
            bytes: 0,
            buffer_size,
            voids: 0,
            // No bytes at all, which is what the table begins with, too.
            posted: match role {
                Role::Master => vec![(0, 0); size].into(),
                Role::Slave => Box::default(),
            },
            table,
            faults: 0,
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

    /// Whether the link is up and its memory there.
    ///
    /// # Errors
    /// [`SendError::Disconnected`] or [`SendError::Breach`].
    #[inline]
    fn check_link(&mut self) -> Result<(), SendError> {
        if self.link.is_down() {
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

    /// Takes slots for `packets` packets of `size` bytes each, chains where a packet is longer than a buffer, and hands their
    /// buffers out; the last of a chain is as long as is left. A packet is allocated whole or not at all, and never takes
    /// more slots than buffers of our own size would: callers count on that. A slave's buffers start at their beginning, or where
    /// `place` says: an offset into the region of the buffer.
    ///
    /// # Errors
    /// [`SendError::Disconnected`], [`SendError::Breach`]; [`SendError::TooLong`] when `place` names room outside the region,
    /// with what was handed out before still allocated.
    #[inline]
    pub fn allocate(
        &mut self,
        packets: u16,
        size: u32,
        mut place: Option<&mut dyn FnMut() -> u32>,
        mut give: impl FnMut(Slot),
    ) -> Result<Allocated, SendError> {
        self.check_link()?;
        let mut done = Allocated { slots: 0, packets: 0 };
        if size == 0 {
            return Ok(done);
        }
        let most = size.div_ceil(self.buffer_size);
        while done.packets < packets {
            if place.is_none() {
                let singles = self.allocate_singles(packets - done.packets, size, &mut give);
                done.slots += singles;
                done.packets += singles;
                if done.packets == packets {
                    break;
                }
            }
            let Some(slots) = self.find(size, most)? else { break };
            if self.role == Role::Slave
                && let Some(place) = &mut place
                && !self.choose(slots, place)
            {
                return Err(SendError::TooLong { len: size as usize, max: 0 });
            }
            let mut left = size;
            for _ in 0..slots {
                let index = self.cursor.next();
                let BufferRef { region, offset, capacity } = self.entry(index).buffer;
                let len = capacity.min(left);
                // All of the buffer was found inside when it was laid out, chosen or posted.
                let Some(data) = self.addresses.find(region, offset, len) else {
                    debug_assert!(false, "a buffer has left its region");
                    return Ok(done);
                };
                prefetch::to_write(data);
                left -= len;
                self.cursor.advance(1);
                give(Slot { index, data, len, next: left > 0 });
            }
            done.slots += slots;
            done.packets += 1;
        }
        if self.voids > 0 {
            self.return_voids();
        }
        Ok(done)
    }

    /// Hands out the next buffers for a packet each, as long as the peer is known to have freed them and they take it.
    /// Returns how many.
    #[inline]
    fn allocate_singles(&mut self, packets: u16, size: u32, give: &mut impl FnMut(Slot)) -> u16 {
        let most = packets.min(self.cursor.free());
        let start = self.cursor.next();
        let mut done = 0;
        while done < most {
            let index = start.wrapping_add(done);
            let BufferRef { region, offset, capacity } = self.entry(index).buffer;
            if capacity < size {
                break;
            }
            // All of the buffer was found inside when it was laid out or posted.
            let Some(data) = self.addresses.find(region, offset, size) else { break };
            prefetch::to_write(data);
            done += 1;
            give(Slot { index, data, len: size, next: false });
        }
        self.cursor.advance(done);
        done
    }

    /// Puts the next slots' buffers where `place` says. Returns whether all of that lies in the region.
    fn choose(&mut self, slots: u16, place: &mut dyn FnMut() -> u32) -> bool {
        (0..slots).all(|i| {
            let at = usize::from(self.cursor.next().wrapping_add(i) & self.mask);
            let Some(entry) = self.table.get_mut(at) else { return false };
            let BufferRef { region, capacity, .. } = entry.buffer;
            let offset = place();
            let inside = self.addresses.find(region, offset, capacity).is_some();
            if inside {
                entry.buffer.offset = offset;
            }
            inside
        })
    }

    /// How many slots from the cursor on take `size` bytes; `None` when not enough are free, or when `most` of them
    /// are too short, which then stay for shorter packets.
    ///
    /// Each turn of the loop looks at a slot for the first time in this call, and at `most` of them or at bad ones alone.
    #[inline]
    fn find(&mut self, size: u32, most: u32) -> Result<Option<u16>, SendError> {
        let mut room: u32 = 0;
        let mut slots: u16 = 0;
        while u32::from(slots) < most {
            if slots >= self.cursor.free() && self.refresh()? <= slots {
                return Ok(None);
            }
            let capacity = self.entry(self.cursor.next().wrapping_add(slots)).buffer.capacity;
            slots += 1;
            if capacity == 0 {
                self.void(slots);
                (room, slots) = (0, 0);
                continue;
            }
            room = room.saturating_add(capacity);
            if room >= size {
                return Ok(Some(slots));
            }
        }
        Ok(None)
    }

    #[inline]
    fn entry(&self, index: u16) -> Entry {
        self.table.get(usize::from(index & self.mask)).copied().unwrap_or_default()
    }

    /// Takes slots for nothing: a bad buffer, and those before it that are too short for the packet without it.
    #[cold]
    fn void(&mut self, slots: u16) {
        for _ in 0..slots {
            let index = self.cursor.next();
            if let Some(entry) = self.table.get_mut(usize::from(index & self.mask)) {
                self.voids += u16::from(!entry.void);
                entry.void = true;
            }
            self.cursor.advance(1);
        }
    }

    /// Sends slots of no use back empty, as far as they are next. Within a chain that its user made of two allocations
    /// they are parts of it.
    #[cold]
    fn return_voids(&mut self) {
        while self.sent != self.cursor.next() {
            let index = self.sent;
            let Some(entry) = self.table.get_mut(usize::from(index & self.mask)) else { break };
            if !entry.void {
                break;
            }
            entry.void = false;
            let BufferRef { region, capacity, .. } = entry.buffer;
            let bad = capacity == 0;
            let chained = index != self.whole;
            let flags = if chained { FLAG_NEXT } else { 0 };
            self.ring.store_word(index, 0, DescriptorHead { flags, region, length: 0 }.to_word());
            self.voids = self.voids.saturating_sub(1);
            self.sent = index.wrapping_add(1);
            if !chained {
                self.whole = self.sent;
            }
            self.shared.counters.bad_descriptors.add(u64::from(bad));
        }
        if self.packets == 0 && self.whole != self.cursor.published() {
            self.cursor.publish_to(self.whole, &self.ring);
        }
    }

    /// Loads the peer's cursor. As master, reads each newly posted descriptor, once, and checks it. Returns the free slots.
    #[inline]
    fn refresh(&mut self) -> Result<u16, SendError> {
        let mut index = self.cursor.limit();
        match self.cursor.refresh(&self.ring) {
            Ok(free) => {
                if self.role == Role::Master {
                    if self.table.is_empty() {
                        self.fill_table();
                    }
                    while index != self.cursor.limit() {
                        self.learn(index);
                        index = index.wrapping_add(1);
                    }
                }
                Ok(free)
            }
            Err(overrun) => Err(self.overrun(overrun)),
        }
    }

    /// Allocates nothing.
    #[cold]
    fn fill_table(&mut self) {
        self.table.resize(self.posted.len(), Entry::default());
    }

    #[cold]
    fn overrun(&self, overrun: OutOfRange) -> SendError {
        let OutOfRange { cursor, found, low, high } = overrun;
        let queue = self.shared.name;
        SendError::Breach(self.link.fail(Breach::Cursor { queue, cursor, found, low, high }))
    }

    /// Slaves post the same buffers again and again: what a slot had before is remembered, and the same words need no second
    /// check.
    #[inline]
    fn learn(&mut self, index: u16) {
        let words = (self.ring.load_word(index, 0), self.ring.load_word(index, 1));
        let at = usize::from(index & self.mask);
        let (Some(known), Some(entry)) = (self.posted.get_mut(at), self.table.get_mut(at)) else {
            return;
        };
        if *known == words {
            return;
        }
        *known = words;
        let head = DescriptorHead::from_word(words.0);
        let offset = offset_from_word(words.1);
        let inside = self.addresses.find(head.region, offset, head.length).is_some();
        let capacity = if inside { head.length } else { 0 };
        entry.buffer = BufferRef { region: head.region, offset, capacity };
    }

    /// Sends one buffer, as [`send_all`](Self::send_all) does.
    ///
    /// # Errors
    /// [`BadBuffer`].
    #[inline]
    pub fn send(
        &mut self,
        index: u16,
        data: *const u8,
        len: u32,
        next: bool,
    ) -> Result<(), BadBuffer> {
        let part = Part { index, data, len, next };
        if self.send_all(std::iter::once(part)) == 1 { Ok(()) } else { Err(BadBuffer) }
    }

    /// Sends buffers: each is to be the next one that was allocated, filled with `len` bytes, with `next` where its packet goes on
    /// in the buffer after it. A slave's data may start anywhere in its buffer; a master's starts where it was handed out.
    /// Returns how many were sent: the first that is not like that ends it.
    ///
    /// The peer sees nothing before [`publish`](Self::publish).
    #[inline]
    pub fn send_all(&mut self, parts: impl IntoIterator<Item = Part>) -> u16 {
        if self.voids == 0 {
            return self.send_next(parts);
        }
        let mut done = 0;
        for part in parts {
            self.return_voids();
            if self.send_next(std::iter::once(part)) == 0 {
                break;
            }
            done += 1;
        }
        done
    }

    /// As [`send_all`](Self::send_all), where no slot of no use is the next one. What changes with every packet lies in registers.
    #[inline]
    fn send_next(&mut self, parts: impl IntoIterator<Item = Part>) -> u16 {
        let (mut sent, mut whole) = (self.sent, self.whole);
        let (mut packets, mut bytes) = (self.packets, self.bytes);
        let (next, mask, role) = (self.cursor.next(), self.mask, self.role);
        let Self { ring, addresses, table, .. } = self;
        let mut done = 0;
        for part in parts {
            if (part.index ^ sent) & mask != 0 || sent == next {
                break;
            }
            let Some(entry) = table.get_mut(usize::from(sent & mask)) else { break };
            let BufferRef { region, offset, capacity } = entry.buffer;
            let Part { data, len, .. } = part;
            if len > capacity {
                break;
            }
            if role == Role::Slave {
                let Some(start) = addresses.find(region, offset, capacity) else { break };
                let moved = data.addr().wrapping_sub(start.addr());
                let Ok(moved) = u32::try_from(moved) else { break };
                if moved > capacity - len {
                    break;
                }
                // Beyond 4 GiB only where a caller's own region ends there.
                let Some(offset) = offset.checked_add(moved) else { break };
                if entry.written != offset {
                    ring.store_word(sent, 1, offset_to_word(offset));
                    entry.written = offset;
                }
            }
            let flags = if part.next { FLAG_NEXT } else { 0 };
            ring.store_word(sent, 0, DescriptorHead { flags, region, length: len }.to_word());
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

    /// Shows the peer all whole packets that were sent, with one store, and signals if it asked for that: at most one write
    /// per 256 packets.
    #[inline]
    pub fn publish(&mut self) {
        if self.packets == 0 {
            return;
        }
        self.cursor.publish_to(self.whole, &self.ring);
        let packets = std::mem::take(&mut self.packets);
        let counters = &self.shared.counters;
        counters.packets.add(packets as u64);
        counters.bytes.add(std::mem::take(&mut self.bytes));
        notify(&self.ring, &self.shared, &self.link, packets);
    }

    /// Puts the buffer of a received packet into the next free slot of a slave, and that slot's buffer in its place. The
    /// slot counts as allocated. Returns its number.
    ///
    /// # Errors
    /// [`Enqueue`].
    #[inline]
    pub fn enqueue(&mut self, from: Held<'_>) -> Result<u16, Enqueue> {
        self.check_link()?;
        if self.role != Role::Slave {
            return Err(Enqueue::Foreign);
        }
        if self.cursor.free() == 0 && self.refresh()? == 0 {
            return Err(Enqueue::Full);
        }
        let index = self.cursor.next();
        let at = usize::from(index & self.mask);
        let Some(entry) = self.table.get_mut(at) else { return Err(Enqueue::Full) };
        if !swap(from, Held { buffer: &mut entry.buffer, link: &self.link }) {
            return Err(Enqueue::Foreign);
        }
        self.cursor.advance(1);
        Ok(index)
    }

    /// A buffer of a slave that is allocated and not sent. `None` as master, and for any other slot.
    pub fn held(&mut self, index: u16) -> Option<Held<'_>> {
        let inside = index.wrapping_sub(self.sent) < self.cursor.next().wrapping_sub(self.sent);
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
    pub(super) fn check(&self) {
        // There from the start, so that filling it allocates nothing.
        assert!(self.table.capacity() >= usize::from(self.ring_size()));
        let own = self.cursor.published();
        let from_own = |at: u16| at.wrapping_sub(own);
        let (whole, sent) = (from_own(self.whole), from_own(self.sent));
        let (next, limit) = (from_own(self.cursor.next()), from_own(self.cursor.limit()));
        assert!(whole <= sent && sent <= next && next <= limit && limit <= self.ring_size());
        let marked = |i: &u16| self.entry(own.wrapping_add(*i)).void;
        let voids: Vec<u16> = (0..self.ring_size()).filter(marked).collect();
        assert!(voids.iter().all(|i| (sent..next).contains(i)), "{voids:?} of {sent} to {next}");
        assert_eq!(voids.len(), usize::from(self.voids));
    }

    /// Takes an allocation back: makes that slot, which was allocated and not sent, the next one to allocate. Returns
    /// whether it is; it is already where nothing behind it was allocated.
    pub fn set_next(&mut self, index: u16) -> bool {
        let next = self.cursor.next();
        if index.wrapping_sub(self.sent) > next.wrapping_sub(self.sent) {
            return false;
        }
        if self.voids > 0 {
            // They are met again.
            for i in 0..next.wrapping_sub(index) {
                let at = usize::from(index.wrapping_add(i) & self.mask);
                if let Some(entry) = self.table.get_mut(at) {
                    let void = u16::from(std::mem::take(&mut entry.void));
                    self.voids = self.voids.saturating_sub(void);
                }
            }
        }
        self.cursor.rewind(index);
        true
    }
}

impl std::fmt::Debug for TxSlots {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TxSlots")
            .field("queue", &self.shared.name)
            .field("ring_size", &self.ring_size())
            .field("allocated", &self.cursor.next().wrapping_sub(self.sent))
            .finish_non_exhaustive()
    }
}
