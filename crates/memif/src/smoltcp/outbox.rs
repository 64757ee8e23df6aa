//! Frames that go: a batch that stays open from one to the next.

use super::DeviceConfig;
use super::error::{DeviceError, LinkError};
use crate::error::SendError;
use crate::queue::{Aside, TxBatch, TxQueue};

/// Frames after which a batch is published though the stack goes on, so that the peer need not wait for all of a long
/// turn.
const MOST_OPEN: usize = 64;
/// Frames whose room is kept for replies. By the buffers that are there: as master those of the slave, which may be
/// shorter than what this side would send in one.
const REPLIES: u16 = 2;

/// The transmit queue of a device, and the batch that is open on it.
#[derive(Debug)]
pub(super) struct Outbox {
    tx: TxQueue,
    open: Aside,
    /// The frame that the stack writes. Its own memory: a peer could change what lies in the ring while the stack sums
    /// it up.
    frame: Vec<u8>,
    /// Bytes of the longest frame, for which there is room or none.
    longest: usize,
    /// Slots that are kept for replies at least, see [`has_room_for_reply`](Self::has_room_for_reply).
    kept: u16,
    /// Whether a frame waits for room since this was set to `false`.
    pub(super) blocked: bool,
    /// Frames that the stack wrote, ever.
    pub(super) made: u64,
    /// Those of them that were not sent.
    pub(super) lost: u64,
    /// Why there will be no room.
    pub(super) failed: Option<LinkError>,
}

impl Outbox {
    pub(super) fn new(config: &DeviceConfig, tx: TxQueue) -> Result<Self, DeviceError> {
        let longest = config.frame();
        let kept = slots_to_keep(config, &tx)?;
        let frame = Vec::with_capacity(longest);
        Ok(Self { tx, open: Aside::default(), frame, longest, kept, blocked: false, made: 0, lost: 0, failed: None })
    }

    /// Goes on with another queue.
    pub(super) fn attach(&mut self, config: &DeviceConfig, tx: TxQueue) -> Result<(), DeviceError> {
        self.kept = slots_to_keep(config, &tx)?;
        // What was not published goes with the queue that it was written on.
        self.lost += std::mem::take(&mut self.open).packets() as u64;
        self.tx = tx;
        self.failed = None;
        Ok(())
    }

    /// Whether the stack may send of its own accord: there is room for a frame, and for two more behind it.
    ///
    /// Those are for replies. A frame is received only while there is room for one, since a stack that cannot answer
    /// would lose what it has to say. So two ends that sent as much as they can could each wait for the other to
    /// receive, for ever. With what each keeps back that cannot be: receiving frees a frame's room on the peer's ring
    /// for each that it takes on the own, so together the two rings never have less room than one end keeps.
    pub(super) fn has_room(&mut self) -> bool {
        self.tx.is_connected() && self.look(REPLIES, self.kept)
    }

    /// Whether there is room for the reply to a frame. To what a peer left behind that is gone nothing can be sent, and
    /// it is received all the same.
    pub(super) fn has_room_for_reply(&mut self) -> bool {
        !self.tx.is_connected() || self.look(0, 0) || !self.tx.is_connected()
    }

    fn look(&mut self, more: u16, least: u16) -> bool {
        let mut batch = TxBatch::take_up(&mut self.tx, self.open);
        let room = batch.has_room(self.longest, more, least);
        self.open = batch.put_aside();
        match room {
            Ok(room) => {
                self.blocked |= !room;
                room
            }
            Err(error @ SendError::TooLong { .. }) => {
                self.failed = Some(LinkError::TooLong(error));
                false
            }
            // The link is down, which the other queue tells when it has given all that came.
            Err(_) => false,
        }
    }

    /// Adds the frame of `len` bytes that `write` writes.
    pub(super) fn add<R>(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        self.frame.clear();
        self.frame.resize(len, 0);
        let written = write(&mut self.frame);
        self.made += 1;
        let mut batch = TxBatch::take_up(&mut self.tx, self.open);
        if batch.push(&self.frame).is_err() {
            self.lost += 1;
        }
        self.open = batch.put_aside();
        if self.open.packets() >= MOST_OPEN {
            self.publish();
        }
        written
    }

    /// Publishes the batch.
    pub(super) fn publish(&mut self) {
        let open = std::mem::take(&mut self.open);
        if open.packets() > 0 && TxBatch::take_up(&mut self.tx, open).commit() == 0 {
            self.lost += open.packets() as u64;
        }
    }

    pub(super) fn queue(&self) -> &TxQueue {
        &self.tx
    }
}

/// Slots of a ring that are kept for replies: two frames.
fn slots_to_keep(config: &DeviceConfig, tx: &TxQueue) -> Result<u16, DeviceError> {
    let (frame, carries, slots) = (config.frame(), tx.max_packet(), tx.ring_size());
    if frame > carries {
        return Err(DeviceError::TooLong { mtu: config.mtu, frame, carries });
    }
    let each = tx.slots_of(frame);
    match u16::try_from(2 * each) {
        Ok(kept) if 4 * each <= slots => Ok(kept),
        _ => Err(DeviceError::Ring { frame, slots, needed: (4 * each).next_power_of_two() }),
    }
}
