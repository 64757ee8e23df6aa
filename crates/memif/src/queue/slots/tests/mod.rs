//! Slots of both roles joined in one process, without a socket.

mod exchange;
mod hostile;
mod leftovers;
mod property;
mod send_all;
mod traffic;

use super::{Received, RxSlots, Slot, TxSlots};
use crate::config::InterfaceConfig;
use crate::counters::Counters;
use crate::link::{Connected, LinkHandle};
use crate::queue::tests::Pair;
use crate::shm::{MappedRing, Regions};
use crate::wire::ring::DescriptorHead;

const S2M: usize = 0;
const M2S: usize = 1;

/// One end of a link.
struct End {
    rx: RxSlots,
    tx: TxSlots,
    regions: Regions,
    handle: LinkHandle,
}

/// Both ends, and another view of both rings to lie through.
struct Bed {
    slave: End,
    master: End,
    rings: Vec<MappedRing>,
}

impl Bed {
    fn new(slave: InterfaceConfig, master: InterfaceConfig) -> Self {
        let Pair { master, slave, rings } = Pair::new(slave.manual(), master.manual());
        let mut bed = Self { slave: End::new(slave), master: End::new(master), rings };
        bed.slave.rx.refill(u16::MAX, 0, None).unwrap();
        bed
    }

    /// The same settings at both ends.
    fn sized(ring_size: u32, buffer_size: u32) -> Self {
        let sized = |config: InterfaceConfig| config.ring_size(ring_size).buffer_size(buffer_size);
        Self::new(sized(InterfaceConfig::slave(0)), sized(InterfaceConfig::master(0)))
    }

    /// Sender and receiver of either direction.
    fn direction(&mut self, ring: usize) -> (&mut End, &mut End) {
        match ring {
            S2M => (&mut self.slave, &mut self.master),
            _ => (&mut self.master, &mut self.slave),
        }
    }
}

impl End {
    fn new(mut link: Connected) -> Self {
        let (rx, tx) = (link.rx.remove(0), link.tx.remove(0));
        let regions = rx.scan.core.regions.clone();
        Self { regions, rx: rx.into_slots(), tx: tx.into_slots(), handle: link.handle }
    }

    /// Region and offset of bytes that were handed out. Panics where they are not all in one region.
    fn place(&self, data: *const u8, len: u32) -> (u16, u32) {
        let inside = |(start, size): (*mut u8, u64)| {
            let offset = data.addr().checked_sub(start.addr())? as u64;
            (offset + u64::from(len.max(1)) <= size).then_some(offset)
        };
        let found = self.rx.regions().enumerate().find_map(|(region, mapping)| {
            inside(mapping).map(|offset| (region as u16, u32::try_from(offset).unwrap()))
        });
        found.unwrap_or_else(|| panic!("{data:?} and {len} bytes lie in no region"))
    }

    fn read(&self, slot: &Slot) -> Vec<u8> {
        let (region, offset) = self.place(slot.data, slot.len);
        let mut bytes = vec![0; slot.len as usize];
        self.regions.slice(region, offset, slot.len).unwrap().read(0, &mut bytes);
        bytes
    }

    fn write(&self, data: *const u8, bytes: &[u8]) {
        let (region, offset) = self.place(data, bytes.len() as u32);
        let slice = self.regions.slice(region, offset, bytes.len() as u32).unwrap();
        assert_eq!(slice.write(0, bytes), bytes.len());
    }

    fn allocate(&mut self, packets: u16, size: u32) -> Vec<Slot> {
        let mut slots = Vec::new();
        let done = self.tx.allocate(packets, size, None, |slot| slots.push(slot)).unwrap();
        assert_eq!(usize::from(done.slots), slots.len());
        slots.iter().for_each(|slot| _ = self.place(slot.data, slot.len));
        self.tx.check();
        slots
    }

    /// Sends slots as they were handed out.
    fn send(&mut self, slots: &[Slot]) {
        for slot in slots {
            self.tx.send(slot.index, slot.data, slot.len, slot.next).unwrap();
        }
        self.tx.publish();
        self.tx.check();
    }

    /// Sends one packet. Returns whether there was room.
    fn send_packet(&mut self, bytes: &[u8]) -> bool {
        let slots = self.allocate(1, bytes.len() as u32);
        let mut at = 0;
        for slot in &slots {
            self.write(slot.data, &bytes[at..at + slot.len as usize]);
            at += slot.len as usize;
        }
        self.send(&slots);
        !slots.is_empty()
    }

    fn receive(&mut self, max: u16) -> (Vec<Slot>, bool) {
        let mut slots = Vec::new();
        let Received { count, more } = self.rx.receive(max, |slot| slots.push(slot)).unwrap();
        assert_eq!(usize::from(count), slots.len());
        slots.iter().for_each(|slot| _ = self.place(slot.data, slot.len));
        self.rx.check();
        (slots, more)
    }

    /// Receives everything as packets, and keeps the slots.
    fn packets(&mut self) -> Vec<Vec<u8>> {
        let (slots, _) = self.receive(u16::MAX);
        let mut packets = vec![];
        let mut packet = vec![];
        for slot in &slots {
            packet.extend(self.read(slot));
            if !slot.next {
                packets.push(std::mem::take(&mut packet));
            }
        }
        assert!(packet.is_empty(), "a chain without its end");
        packets
    }

    fn refill(&mut self, count: u16) {
        self.rx.refill(count, 0, None).unwrap();
        self.rx.check();
    }

    fn rx_counters(&self) -> Counters {
        self.handle.rx_details()[0].counters
    }

    fn tx_counters(&self) -> Counters {
        self.handle.tx_details()[0].counters
    }
}

fn head(flags: u16, region: u16, length: u32) -> u64 {
    DescriptorHead { flags, region, length }.to_word()
}
