//! Received packets that are kept beyond their batch.

use super::packet::Packet;
use super::spares::{Kept, KeptSegments};
use super::tx_batch::TxBatch;
use crate::config::Role;
use crate::error::{KeepError, SendError};

impl<'b> Packet<'b> {
    /// Keeps the packet beyond its batch, without a copy: for as long as a program wants, which gives it back by
    /// dropping it, in any order and from any thread. In its place the peer gets one of the
    /// [spare buffers](crate::InterfaceConfig::spare_buffers) of the queue for each segment.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use memif::{InterfaceConfig, Socket};
    /// # let mut socket = Socket::builder("@memif-doc-keep").open()?;
    /// # let master = socket.add_interface(InterfaceConfig::master(0))?;
    ///
    /// let slave = socket.add_interface(InterfaceConfig::slave(0).spare_buffers(64))?;
    /// # let mut there = socket.wait_connected(master, Duration::from_secs(10))?;
    /// let mut here = socket.wait_connected(slave, Duration::from_secs(10))?;
    /// # there.tx[0].send(b"to be kept")?;
    /// # assert!(here.rx[0].wait(Some(Duration::from_secs(10)))?);
    /// let mut kept = Vec::new();
    /// for packet in &mut here.rx[0].recv(64)? {
    ///     match packet.keep() {
    ///         Ok(packet) => kept.push(packet),
    ///         Err(not_kept) => println!("{} bytes were not kept: {not_kept}", not_kept.packet.len()),
    ///     }
    /// }
    /// assert_eq!(kept[0].to_vec(), b"to be kept");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Every [`KeepError`], with the packet, which can be copied.
    pub fn keep(self) -> Result<KeptPacket, NotKept<'b>> {
        let scan = self.scan;
        let segments = self.raw_segments().map(|segment| (segment.slot, segment.length));
        let kept = match &scan.spares {
            Some(spares) => spares.keep(&scan.core, self.segment_count(), segments).ok_or(KeepError::NoSpare),
            None if scan.core.role == Role::Master => Err(KeepError::Master),
            None => Err(KeepError::NoSpares),
        };
        match kept {
            Ok(kept) => Ok(KeptPacket { kept, bytes: self.bytes }),
            Err(error) => Err(NotKept { error, packet: self }),
        }
    }
}

/// A received packet that a program has kept, see [`Packet::keep`]. Dropping it gives its buffers back.
///
/// Its place and length are private and were checked. The bytes are in memory that the peer has, too: one that obeys
/// does not write there until they are posted again, a hostile one can at any moment. So there is no way to a `&[u8]`
/// or to `Bytes` without a copy, which is [`to_vec`](Self::to_vec) (`Bytes::from(packet.to_vec())`); engines that copy
/// by address, such as RDMA, get it by [`SharedSlice::as_ptr`](crate::SharedSlice::as_ptr).
///
/// It outlives its queue and its link, whose memory it keeps mapped: all of it, which a peer that comes and goes can
/// make many links' worth of. Drop or copy what is kept when a link ends, unless you keep little. Where the buffers lie
/// in memory of the caller ([`Memory::File`](crate::Memory::File), [`Memory::Mapped`](crate::Memory::Mapped)), the next
/// link has its buffers in the same bytes and overwrites what is still kept of the one before.
pub struct KeptPacket {
    kept: Kept,
    bytes: u32,
}

impl KeptPacket {
    /// Bytes of the packet, at least 1.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a packet has at least one byte")]
    pub fn len(&self) -> usize {
        self.bytes as usize
    }

    /// The packet's segments in order, each in one buffer.
    #[must_use]
    pub fn segments(&self) -> KeptSegments<'_> {
        self.kept.segments()
    }

    /// Copies from byte `offset` of the packet on, as many bytes as there are and as there is room for. Returns how
    /// many.
    pub fn read(&self, offset: usize, to: &mut [u8]) -> usize {
        let (mut skip, mut done) = (offset, 0);
        for segment in self.segments() {
            done += segment.read(skip, to.get_mut(done..).unwrap_or_default());
            skip = skip.saturating_sub(segment.len());
        }
        done
    }

    /// A copy of the whole packet in memory of its own.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        let copied = self.read(0, &mut bytes);
        bytes.truncate(copied);
        bytes
    }
}

impl TxBatch<'_> {
    /// Adds a copy of a packet that was kept: one copy, shared memory to shared memory.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_kept(&mut self, packet: &KeptPacket) -> Result<(), SendError> {
        self.push_with(packet.len(), |writer| {
            packet.segments().fold(0, |at, segment| at + writer.write_shared_at(at, segment));
        })
    }
}

impl std::fmt::Debug for KeptPacket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeptPacket")
            .field("len", &self.len())
            .field("segments", &self.kept.count())
            .finish_non_exhaustive()
    }
}

/// Why a packet was not kept, and the packet.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotKept<'b> {
    /// Why.
    pub error: KeepError,
    /// The packet, still there.
    pub packet: Packet<'b>,
}

impl From<NotKept<'_>> for KeepError {
    fn from(not_kept: NotKept<'_>) -> Self {
        not_kept.error
    }
}
