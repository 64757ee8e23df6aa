//! A batch of received packets.

use super::packet::Packet;
use super::rx::RxQueue;
use super::rx_scan::RxScan;

/// Packets that were on the ring at one moment. Dropping it gives the slots of the packets taken back to the
/// peer with one store; packets that were not taken stay on the ring for the next batch.
#[must_use = "packets that are not taken stay on the ring"]
pub struct RxBatch<'q> {
    queue: &'q mut RxQueue,
}

impl<'q> RxBatch<'q> {
    /// What the queue's last scan found.
    #[inline]
    pub(super) fn new(queue: &'q mut RxQueue) -> Self {
        Self { queue }
    }
}

impl RxBatch<'_> {
    /// Takes the packets one by one, as a loop over `&mut batch` does.
    pub fn packets(&mut self) -> Packets<'_> {
        self.into_iter()
    }

    /// Packets not taken yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.scan.left()
    }

    /// Whether no packet is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'b> IntoIterator for &'b mut RxBatch<'_> {
    type Item = Packet<'b>;
    type IntoIter = Packets<'b>;

    #[inline]
    fn into_iter(self) -> Packets<'b> {
        let scan = &self.queue.scan;
        let packets = Packets { scan, taken: scan.taken.get(), bytes: scan.taken_bytes.get() };
        // Until it is dropped: with an iterator that is forgotten, packets are lost and none comes twice.
        scan.take_all();
        packets
    }
}

impl std::fmt::Debug for RxBatch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RxBatch").field("left", &self.len()).finish_non_exhaustive()
    }
}

impl Drop for RxBatch<'_> {
    #[inline]
    fn drop(&mut self) {
        self.queue.release();
    }
}

/// Iterator over a batch. A packet that it returned is taken.
pub struct Packets<'b> {
    scan: &'b RxScan,
    /// Packets taken and their bytes. Here and not in the scan, so that they lie in registers.
    taken: usize,
    bytes: u64,
}

impl<'b> Iterator for Packets<'b> {
    type Item = Packet<'b>;

    #[inline]
    fn next(&mut self) -> Option<Packet<'b>> {
        let packet = self.scan.packet(self.taken)?;
        self.taken += 1;
        self.bytes += u64::from(packet.bytes);
        Some(packet)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.scan.count.saturating_sub(self.taken);
        (left, Some(left))
    }
}

impl Drop for Packets<'_> {
    #[inline]
    fn drop(&mut self) {
        self.scan.taken.set(self.taken);
        self.scan.taken_bytes.set(self.bytes);
    }
}

impl ExactSizeIterator for Packets<'_> {}
impl std::iter::FusedIterator for Packets<'_> {}

impl std::fmt::Debug for Packets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packets").field("left", &self.len()).finish_non_exhaustive()
    }
}
