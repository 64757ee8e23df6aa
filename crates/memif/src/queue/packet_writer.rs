//! Writing a packet where it will be read.

use std::fmt;
use std::io;

use super::tx::{Place, TxQueue};
use crate::shm::SharedSlice;

/// Room for one packet in the buffers of a transmit queue.
pub struct PacketWriter<'w> {
    room: Room<'w>,
    len: usize,
    /// Where [`io::Write`] goes on.
    written: usize,
}

#[derive(Clone, Copy)]
enum Room<'w> {
    /// As long as the packet.
    One(SharedSlice<'w>),
    Chain(&'w TxQueue, Place),
}

impl<'w> PacketWriter<'w> {
    /// A packet in one buffer, of which `room` is as much as the packet takes.
    #[inline(always)]
    pub(super) fn of_one(room: SharedSlice<'w>, len: usize) -> Self {
        Self { room: Room::One(room), len, written: 0 }
    }

    /// A packet in the buffers of that place.
    #[inline(always)]
    pub(super) fn of_chain(queue: &'w TxQueue, place: Place, len: usize) -> Self {
        Self { room: Room::Chain(queue, place), len, written: 0 }
    }

    /// Bytes that were written by [`io::Write`].
    pub(super) fn written(&self) -> usize {
        self.written
    }
}

impl PacketWriter<'_> {
    /// Bytes of the packet, or the most that it may have.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a packet has at least one byte")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Calls `each` with all rooms of the packet, in their order: where in the packet one begins, and the room. For
    /// whoever copies by other means than [`write_at`](Self::write_at), see
    /// [`push_packet_with`](crate::TxBatch::push_packet_with).
    #[inline(always)]
    pub fn rooms(&mut self, mut each: impl FnMut(usize, SharedSlice<'_>)) {
        self.each_room(0, self.len, |room, skip, from, count| {
            if let Some(room) = room.get(skip, count) {
                each(from, room);
            }
        });
    }

    /// Writes from byte `offset` of the packet on, as many bytes as there are and as the packet has room for.
    /// Returns how many.
    #[inline(always)]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.len.saturating_sub(offset));
        self.each_room(offset, len, |room, at, from, count| {
            room.write(at, bytes.get(from..from + count).unwrap_or_default());
        })
    }

    /// Writes shared bytes from byte `offset` of the packet on, as [`write_at`](Self::write_at) does.
    #[inline(always)]
    pub fn write_shared_at(&mut self, offset: usize, bytes: SharedSlice<'_>) -> usize {
        let len = bytes.len().min(self.len.saturating_sub(offset));
        self.each_room(offset, len, |room, at, from, count| {
            if let (Some(to), Some(from)) = (room.get(at, count), bytes.get(from, count)) {
                from.copy_to(&to);
            }
        })
    }

    /// Calls `copy` with each room that holds some of `len` bytes from `offset` on: the room, where in it, which
    /// of the bytes, and how many.
    #[inline(always)]
    pub(super) fn each_room(
        &self,
        offset: usize,
        len: usize,
        mut copy: impl FnMut(SharedSlice<'_>, usize, usize, usize),
    ) -> usize {
        let (queue, place) = match self.room {
            Room::One(room) => {
                let count = room.len().saturating_sub(offset).min(len);
                if count > 0 {
                    copy(room, offset, 0, count);
                }
                return count;
            }
            Room::Chain(queue, place) => (queue, place),
        };
        let mut skip = offset;
        let mut done = 0;
        for i in 0..place.slots {
            if done == len {
                break;
            }
            let room = queue.core.room(place.first.wrapping_add(i));
            if skip >= room.len() {
                skip -= room.len();
                continue;
            }
            let count = (room.len() - skip).min(len - done);
            copy(room, skip, done, count);
            done += count;
            skip = 0;
        }
        done
    }
}

/// One behind the other, from the first byte on: as many as there is room for, then none.
impl io::Write for PacketWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.write_at(self.written, bytes);
        self.written += count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for PacketWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacketWriter").field("len", &self.len).finish_non_exhaustive()
    }
}
