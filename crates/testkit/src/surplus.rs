//! A queue of a DPDK server that the slave brought no ring for: it takes region 0, offset 0 and one slot for its ring
//! (D5).

use std::sync::Arc;

use crate::master::MasterLink;
use crate::ring::{Descriptor, Ring};
use crate::shared::SharedFile;

/// Such a queue, for both directions. The two have cursors of their own, as two queues do.
#[derive(Debug)]
pub struct SurplusQueue {
    /// What it takes for its ring.
    pub ring: Ring,
    regions: Arc<Vec<SharedFile>>,
    /// The cursor of the receiving one.
    taken: u16,
}

impl SurplusQueue {
    /// A queue of the server at that end of a link.
    #[must_use]
    pub fn of(link: &MasterLink) -> Self {
        let ring = Ring::new(&link.regions[0], 0, 0);
        Self { ring, regions: Arc::clone(&link.regions), taken: 0 }
    }

    fn buffer(&self, descriptor: Descriptor) -> &SharedFile {
        self.regions.get(usize::from(descriptor.region)).expect("a region that exists")
    }

    /// What it receives: nothing where head is at its cursor, and then it writes nothing either.
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let head = self.ring.head();
        if head == self.taken {
            return None;
        }
        let found = self.ring.descriptor(self.taken);
        let length = usize::try_from(found.length).expect("a length");
        let packet = self.buffer(found).read(u64::from(found.offset), length);
        self.taken = self.taken.wrapping_add(1);
        self.ring.set_tail(self.taken);
        Some(packet)
    }

    /// Sends a packet into what tail and head leave free. Tail is written in any case. False when there is no room.
    pub fn send(&mut self, packet: &[u8]) -> bool {
        let tail = self.ring.tail();
        let free = self.ring.head().wrapping_sub(tail);
        if free > 0 {
            self.fill(tail, packet);
        }
        self.ring.set_tail(if free > 0 { tail.wrapping_add(1) } else { tail });
        free > 0
    }

    /// The start of a chain for which there are too few buffers, as DPDK's newer versions leave it: written and not
    /// published.
    pub fn send_start_of_chain(&mut self, start: &[u8]) {
        let tail = self.ring.tail();
        if self.ring.head() != tail {
            self.fill(tail, start);
        }
    }

    fn fill(&self, cursor: u16, bytes: &[u8]) {
        let found = self.ring.descriptor(cursor);
        self.buffer(found).write(u64::from(found.offset), bytes);
        let length = u32::try_from(bytes.len()).expect("a length");
        self.ring.set_descriptor(cursor, Descriptor { flags: 0, length, ..found });
    }
}
