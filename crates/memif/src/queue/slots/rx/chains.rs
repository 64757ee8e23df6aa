//! Received packets of several buffers.

use super::{Entry, RxSlots, Tally};
use crate::config::{MAX_PACKET_SIZE, Role};
use crate::error::{Breach, RecvError};
use crate::queue::slots::{BufferRef, Slot};
use crate::ring::RingMemory;
use crate::wire::ring::DescriptorHead;

impl RxSlots {
    /// Reads a chain to its end, each descriptor once, into the table. Returns whether it has an end.
    #[cold]
    pub(super) fn check_chain(&mut self, head: DescriptorHead, tally: &mut Tally) -> Result<bool, RecvError> {
        self.fill_table();
        let start = self.next;
        let mut head = head;
        let mut at = start;
        let mut bytes: u32 = 0;
        let mut bad: u16 = 0;
        loop {
            bytes = bytes.saturating_add(head.length);
            let place = match self.role {
                Role::Master => self.locate::<true>(at, head)?,
                Role::Slave => self.locate::<false>(at, head)?,
            };
            bad += u16::from(place.is_none() || bytes > MAX_PACKET_SIZE);
            // Of no use where there is none: the chain is left out then.
            let offset = place.map_or(0, |place| place.offset);
            let role = self.role;
            if let Some(entry) = self.table.get_mut(usize::from(at & self.mask)) {
                entry.length = head.length;
                entry.next = head.has_next();
                if role == Role::Master {
                    entry.buffer = BufferRef { region: head.region, offset, capacity: head.length };
                }
            }
            self.chained += u16::from(head.has_next());
            at = at.wrapping_add(1);
            if !head.has_next() {
                break;
            }
            if at == self.seen {
                // Peers publish whole packets; the rest of this one may still come.
                if at.wrapping_sub(start) == self.size {
                    let queue = self.shared.name;
                    return Err(self.fail(Breach::EndlessChain { queue, slot: start }));
                }
                for i in 0..at.wrapping_sub(start) {
                    let at = usize::from(start.wrapping_add(i) & self.mask);
                    if let Some(entry) = self.table.get_mut(at) {
                        entry.next = false;
                    }
                }
                self.chained = self.chained.saturating_sub(at.wrapping_sub(start));
                self.unfinished = Some(self.seen);
                return Ok(false);
            }
            head = DescriptorHead::from_word(self.ring.load_word(at, 0));
        }
        self.checked = at;
        // Parts may be empty, a packet is not: masters give buffers back so that they have no use for.
        bad += u16::from(bytes == 0 && bad == 0);
        if bad > 0 {
            self.next = at;
            self.skip(start, at.wrapping_sub(start), tally);
            tally.bad += u64::from(bad - 1);
        }
        Ok(true)
    }

    /// Hands out the next slot of a chain that was checked. Returns whether it did, which is always.
    #[cold]
    pub(super) fn hand_out_chained(&mut self, give: &mut impl FnMut(Slot), tally: &mut Tally) -> bool {
        let index = self.next;
        self.next = index.wrapping_add(1);
        let Some(entry) = self.table.get(usize::from(index & self.mask)) else { return false };
        let offset = match self.role {
            Role::Master => entry.buffer.offset,
            Role::Slave => entry.posted_offset,
        };
        let (len, next) = (entry.length, entry.next);
        // The chain was found with these very numbers, which are ours and did not change since.
        let found = self.addresses.find(entry.buffer.region, offset, len.max(1));
        let Some(data) = found else {
            debug_assert!(false, "a part of a chain has left its region");
            return false;
        };
        tally.packets += u64::from(!next);
        tally.bytes += u64::from(len);
        give(Slot { index, data, len, next });
        true
    }

    /// An entry for each slot, from here on. Allocates nothing.
    pub(super) fn fill_table(&mut self) {
        self.table.resize(usize::from(self.size), Entry::default());
    }
}
