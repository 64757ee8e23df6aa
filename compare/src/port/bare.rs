//! The limit: the barest ring that fits memif's memory layout. Region of rings and buffers, descriptors of 16 bytes,
//! two cursors of 16 bits, one store per burst; the payload is written and read as everybody else does. What is
//! missing is every check, every counter, chains, signals and the control channel.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU16, Ordering};

use super::{Got, Port, Result, io_error};
use crate::job::{Job, Role};
use crate::shared::Mapping;

const HEAD: usize = 6;
const TAIL: usize = 64;
const HEADER: usize = 128;
const DESCRIPTOR: usize = 16;

/// Bytes of memory for rings and buffers, one queue each way.
pub(crate) fn bytes(log2: u8, stride: usize) -> usize {
    buffers(log2) + 2 * (stride << log2)
}

fn ring(log2: u8) -> usize {
    HEADER + (DESCRIPTOR << log2)
}

fn buffers(log2: u8) -> usize {
    (2 * ring(log2)).next_multiple_of(4096)
}

/// Both directions of the bare ring.
pub(crate) struct Bare {
    tx: Side,
    rx: Side,
}

/// One ring as one side sees it. Cursors count from zero at both ends, whoever has which field.
struct Side {
    memory: std::sync::Arc<Mapping>,
    /// Offset of the ring.
    ring: usize,
    /// Field that this side writes, field that the other one writes.
    mine: usize,
    theirs: usize,
    /// Next slot.
    next: u16,
    /// What the other side's cursor was when last looked at.
    seen: u16,
    mask: u16,
}

impl Bare {
    pub(crate) fn open(job: &Job, stride: usize) -> Result<Self> {
        let path = job.memory.as_ref().ok_or("no memory for the bare ring")?;
        let memory = std::sync::Arc::new(Mapping::open(path).map_err(io_error("mapping memory"))?);
        let log2 = job.log2_ring;
        if job.queues != 1 || job.size > stride || memory.len() < bytes(log2, stride) {
            return Err("the bare ring has one queue and no chains".to_owned());
        }
        let side = |m2s: bool| {
            // The slave moves head, the master tail.
            let (mine, theirs) = if job.role == Role::Slave { (HEAD, TAIL) } else { (TAIL, HEAD) };
            Side {
                memory: memory.clone(),
                ring: if m2s { ring(log2) } else { 0 },
                mine,
                theirs,
                next: 0,
                seen: 0,
                mask: ((1u32 << log2) - 1) as u16,
            }
        };
        let (s2m, m2s) = (side(false), side(true));
        let bare = match job.role {
            Role::Slave => Self { tx: s2m, rx: m2s },
            Role::Master => Self { tx: m2s, rx: s2m },
        };
        if job.role == Role::Slave {
            for slot in 0..2usize << log2 {
                let at = ring_of(slot, log2) + HEADER + (slot & ((1 << log2) - 1)) * DESCRIPTOR;
                let offset = (buffers(log2) + slot * stride) as u64;
                // SAFETY: `at` is one of the descriptors, inside the mapping and aligned; the other end only starts
                // when both are ready.
                unsafe { memory.start().add(at + 8).cast::<u64>().write_volatile(offset) };
            }
        }
        Ok(bare)
    }
}

fn ring_of(slot: usize, log2: u8) -> usize {
    if slot >> log2 == 0 { 0 } else { ring(log2) }
}

impl Side {
    #[inline]
    fn cursor(&self, field: usize) -> &AtomicU16 {
        // SAFETY: both fields are even offsets in the ring's header, which is inside the mapping (checked when it was
        // opened) and stays mapped as long as `self.memory`.
        unsafe { AtomicU16::from_ptr(self.memory.start().add(self.ring + field).cast()) }
    }

    /// Publishes everything before `next`.
    #[inline]
    fn publish(&self) {
        self.cursor(self.mine).store(self.next, Ordering::Release);
    }

    /// Slots that may be filled.
    #[inline]
    fn free(&mut self, wanted: usize) -> usize {
        let size = usize::from(self.mask) + 1;
        let free = |side: &Self| size - usize::from(side.next.wrapping_sub(side.seen));
        if free(self) < wanted {
            self.seen = self.cursor(self.theirs).load(Ordering::Acquire);
        }
        free(self).min(wanted)
    }

    /// Slots that are full.
    #[inline]
    fn full(&mut self, wanted: usize) -> usize {
        self.seen = self.cursor(self.theirs).load(Ordering::Acquire);
        usize::from(self.seen.wrapping_sub(self.next)).min(wanted)
    }

    #[inline]
    fn descriptor(&self, slot: u16) -> *mut u64 {
        let at = self.ring + HEADER + usize::from(slot & self.mask) * DESCRIPTOR;
        // SAFETY: the slot is masked, so this is a descriptor of the ring, inside the mapping.
        unsafe { self.memory.start().add(at).cast() }
    }

    /// The buffer of a slot.
    #[inline]
    fn buffer(&self, slot: u16) -> *mut u8 {
        // SAFETY: the descriptor's second word is the offset that the slave wrote for this slot and nobody changes; the
        // buffer is inside the mapping.
        unsafe { self.memory.start().add(*self.descriptor(slot).add(1) as usize) }
    }

    #[inline]
    fn length(&self, slot: u16) -> usize {
        // SAFETY: a descriptor of the ring, aligned. The other end wrote it before it moved its cursor, which was
        // loaded with acquire, and does not write it again before ours moves.
        (unsafe { *self.descriptor(slot) } >> 32) as usize
    }

    #[inline]
    fn set_length(&self, slot: u16, length: usize) {
        // SAFETY: as in `length`; the slot is ours until our cursor moves.
        unsafe { *self.descriptor(slot) = (length as u64) << 32 };
    }
}

/// Copies `len` bytes; those of small packets of usual sizes inline.
///
/// # Safety
/// Both pointers are good for `len` bytes that do not overlap.
#[inline]
unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: promised by the caller.
    unsafe {
        match len {
            64 => std::ptr::copy_nonoverlapping(from, to, 64),
            _ => std::ptr::copy_nonoverlapping(from, to, len),
        }
    }
}

impl Port for Bare {
    #[inline]
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        let count = self.tx.free(count);
        for _ in 0..count {
            let slot = self.tx.next;
            // SAFETY: the slot is ours, its buffer as long as the stride, which the payload does not exceed (checked
            // when the ring was opened: both ends have payloads of the same size).
            unsafe { copy(payload.as_ptr(), self.tx.buffer(slot), payload.len()) };
            self.tx.set_length(slot, payload.len());
            self.tx.next = slot.wrapping_add(1);
        }
        if count > 0 {
            self.tx.publish();
        }
        Ok(count)
    }

    #[inline]
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let mut got = Got { packets: self.rx.full(count), bytes: 0 };
        for _ in 0..got.packets {
            let slot = self.rx.next;
            let length = self.rx.length(slot);
            // SAFETY: the slot is ours; the other end is this program, and sends packets of the size of the job, which
            // fit buffer and scratch.
            unsafe { copy(self.rx.buffer(slot), scratch.as_mut_ptr(), length) };
            // Or the compiler keeps only the last copy.
            std::hint::black_box(&mut *scratch);
            got.bytes += length;
            self.rx.next = slot.wrapping_add(1);
        }
        if got.packets > 0 {
            self.rx.publish();
        }
        Ok(got)
    }

    #[inline]
    fn echo(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let full = self.rx.full(count);
        let count = if full == 0 { 0 } else { self.tx.free(full) };
        for _ in 0..count {
            let (from, to) = (self.rx.next, self.tx.next);
            let length = self.rx.length(from);
            // SAFETY: both slots are ours, their buffers different ones of one stride.
            unsafe { copy(self.rx.buffer(from), self.tx.buffer(to), length) };
            self.tx.set_length(to, length);
            self.rx.next = from.wrapping_add(1);
            self.tx.next = to.wrapping_add(1);
        }
        if count > 0 {
            self.tx.publish();
            self.rx.publish();
        }
        Ok(count)
    }
}
