//! An `rtrb` ring within one process: what threads would take that need no second process.

use rtrb::{Consumer, Producer, RingBuffer};

use super::{Got, Port, Result};
use crate::job::Job;

/// Bytes of the one kind of packet.
const SIZE: usize = 64;
type Packet = [u8; SIZE];

pub(crate) struct Threads {
    tx: Producer<Packet>,
    rx: Consumer<Packet>,
}

impl Threads {
    /// Both ends.
    pub(crate) fn open(job: &Job) -> Result<(Self, Self)> {
        if job.size != SIZE {
            return Err(format!("packets of {SIZE} bytes only"));
        }
        let (there, from_here) = RingBuffer::new(1 << job.log2_ring);
        let (back, from_there) = RingBuffer::new(1 << job.log2_ring);
        Ok((Self { tx: there, rx: from_there }, Self { tx: back, rx: from_here }))
    }
}

impl Port for Threads {
    #[inline]
    fn send(&mut self, payload: &[u8], count: usize) -> Result<usize> {
        let packet: &Packet = payload.try_into().map_err(|_| "a packet of another size")?;
        let room = match self.tx.write_chunk_uninit(count) {
            Ok(room) => room,
            Err(rtrb::chunks::ChunkError::TooFewSlots(0)) => return Ok(0),
            Err(rtrb::chunks::ChunkError::TooFewSlots(some)) => {
                self.tx.write_chunk_uninit(some).map_err(|e| e.to_string())?
            }
        };
        Ok(room.fill_from_iter(std::iter::repeat(*packet)))
    }

    #[inline]
    fn receive(&mut self, scratch: &mut [u8], count: usize) -> Result<Got> {
        let count = self.rx.slots().min(count);
        if count == 0 {
            return Ok(Got::default());
        }
        let chunk = self.rx.read_chunk(count).map_err(|e| e.to_string())?;
        let (first, second) = chunk.as_slices();
        for packet in first.iter().chain(second) {
            scratch[..SIZE].copy_from_slice(packet);
            // Every packet is copied, not only the last.
            std::hint::black_box(&mut *scratch);
        }
        chunk.commit_all();
        Ok(Got { packets: count, bytes: count * SIZE })
    }

    #[inline]
    fn echo(&mut self, _: &mut [u8], count: usize) -> Result<usize> {
        let count = self.rx.slots().min(count);
        if count == 0 {
            return Ok(0);
        }
        let room = self.tx.write_chunk_uninit(count).map_err(|e| e.to_string())?;
        let chunk = self.rx.read_chunk(count).map_err(|e| e.to_string())?;
        Ok(room.fill_from_iter(chunk))
    }
}
