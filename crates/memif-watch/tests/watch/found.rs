//! Rings, directions, regions and packets of ordinary links.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use memif::{InterfaceConfig, Memory, Socket};
use memif_watch::{CacheLine, Layout, Link, RingDirection};
use testkit::{Address, Descriptor, FileKind, Ring, SharedFile, eventually};

use super::scanned;

const LINES: [CacheLine; 2] = [CacheLine::Of64, CacheLine::Of128];

/// Rings side by side as VPP, DPDK and libmemif place them, and a buffer for each slot behind.
pub(super) fn packed(s2m: u64, m2s: u64, log2: u8) -> (SharedFile, Vec<Ring>) {
    packed_for(CacheLine::Of64, s2m, m2s, log2)
}

fn packed_for(line: CacheLine, s2m: u64, m2s: u64, log2: u8) -> (SharedFile, Vec<Ring>) {
    let line = line.bytes() as u64;
    let stride = testkit::ring::ring_bytes_for(line, log2);
    let rings_end = (s2m + m2s) * stride;
    let file = SharedFile::create(FileKind::Sealed, rings_end + ((s2m + m2s) << log2) * 2048);
    let rings: Vec<Ring> = (0..s2m + m2s).map(|k| Ring::with_line(line, &file, k * stride, log2)).collect();
    let mut buffer = u32::try_from(rings_end).unwrap();
    for ring in &rings {
        ring.initialise();
        for slot in 0..ring.size() {
            ring.set_descriptor(slot, Descriptor { flags: 0, region: 0, length: 2048, offset: buffer, metadata: 0 });
            buffer += 2048;
        }
    }
    (file, rings)
}

pub(super) fn packed_rings() {
    for line in LINES {
        packed_rings_for(line);
    }
}

fn packed_rings_for(line: CacheLine) {
    let sizes = [
        (1, 1, 0),
        (1, 1, 1),
        (1, 1, 2),
        (1, 1, 3),
        (1, 1, 4),
        (1, 1, 10),
        (1, 1, 14),
        (2, 2, 8),
        (8, 8, 4),
        (1, 0, 8),
    ];
    for (s2m, m2s, log2) in sizes {
        let (file, made) = packed_for(line, s2m, m2s, log2);
        let link = scanned(&file);
        assert_eq!((link.layout(), link.problem()), (Layout::Packed, None));
        assert_eq!(link.cache_line(), Some(line), "{s2m} {m2s} {log2}");
        assert_eq!(link.directions_known(), (s2m, m2s) == (1, 1));
        assert_eq!(link.memory_size(), file.size());
        let found: Vec<_> =
            link.rings().iter().map(|ring| (ring.direction, ring.index, ring.size, ring.offset)).collect();
        let expected: Vec<_> = (0..s2m)
            .map(|index| (RingDirection::S2m, index))
            .chain((0..m2s).map(|index| (RingDirection::M2s, index)))
            .zip(&made)
            .map(|((direction, index), ring)| (direction, u16::try_from(index).unwrap(), ring.size(), ring.offset()))
            .collect();
        assert_eq!(found, expected, "{s2m} {m2s} {log2}");

        let ring = link.rings()[0];
        made[0].set_head(7);
        made[0].set_tail(5);
        made[0].set_flags(1);
        let cursors = link.cursors(&ring).unwrap();
        assert_eq!((cursors.head, cursors.tail, cursors.is_masked()), (7, 5, true));
        let mut descriptors = Vec::new();
        link.descriptors(&ring, 65_535, 3, &mut descriptors).unwrap();
        let slots: Vec<u32> = descriptors.iter().map(|descriptor| descriptor.offset).collect();
        let expected: Vec<u32> =
            [65_535, 0, 1].iter().take(descriptors.len()).map(|slot| made[0].descriptor(*slot).offset).collect();
        assert_eq!((slots, descriptors.len()), (expected, 3.min(usize::from(ring.size))));
    }
}

pub(super) fn directions() {
    for (s2m, m2s, log2) in [(2, 2, 6), (1, 2, 6), (3, 1, 6), (1, 7, 6), (5, 4, 6), (3, 2, 10)] {
        let (file, rings) = packed(s2m, m2s, log2);
        let (sends, receives) = rings.split_at(usize::try_from(s2m).unwrap());
        for ring in sends {
            // Some sent and taken, and one that is full of packets of a length.
            ring.set_head(100);
            ring.set_tail(100);
        }
        sends[0].set_tail(36);
        for slot in 36..100 {
            sends[0].set_descriptor(slot, Descriptor { length: 64, ..sends[0].descriptor(slot) });
        }
        for ring in receives {
            ring.set_head(ring.size());
        }
        let link = scanned(&file);
        let count = |direction| link.rings().iter().filter(|ring| ring.direction == direction).count() as u64;
        assert_eq!((count(RingDirection::S2m), count(RingDirection::M2s)), (s2m, m2s));
        assert!(!link.directions_known());
    }
}

/// A slave and a master of the library in this process, and a packet each way.
struct Both {
    slave: memif::Link,
    master: memif::Link,
    _sockets: [Socket; 2],
    link: Link,
}

impl Both {
    fn new(slave: InterfaceConfig, master: InterfaceConfig) -> Self {
        let ids = || memif_watch::scan().unwrap().links.iter().map(Link::id).collect::<BTreeSet<_>>();
        let before = ids();
        let address = Address::fresh();
        let mut masters = Socket::builder(address.path()).open().unwrap();
        let mut slaves = Socket::builder(address.path()).open().unwrap();
        let time = Duration::from_secs(100);
        let master_key = masters.add_interface(master).unwrap();
        let slave_key = slaves.add_interface(slave).unwrap();
        let (master, slave) = std::thread::scope(|scope| {
            let master = scope.spawn(|| masters.wait_connected(master_key, time).unwrap());
            let slave = slaves.wait_connected(slave_key, time).unwrap();
            (master.join().unwrap(), slave)
        });
        let host = memif_watch::scan().unwrap();
        let new = |link: &&Link| !before.contains(&link.id());
        let link = host.links_of(std::process::id()).find(new).expect("the link in a scan").clone();
        Self { slave, master, _sockets: [masters, slaves], link }
    }

    fn packets_are_seen(&mut self) {
        for (direction, queues) in [(RingDirection::S2m, &mut self.slave.tx), (RingDirection::M2s, &mut self.master.tx)]
        {
            for (index, queue) in queues.iter_mut().enumerate() {
                let packet = testkit::traffic::packet(7, index as u64, 5000);
                let ring = self.link.ring(direction, u16::try_from(index).unwrap()).unwrap();
                let before = self.link.cursors(ring).unwrap().sent(direction);
                queue.send(&packet).unwrap();
                let cursors = self.link.cursors(ring).unwrap();
                let slots = cursors.sent(direction).wrapping_sub(before);
                assert_eq!(ring.in_flight(&cursors), Some(slots));
                let (mut descriptors, mut seen) = (Vec::new(), Vec::new());
                self.link.descriptors(ring, before, slots, &mut descriptors).unwrap();
                for descriptor in &descriptors {
                    self.link.buffer(descriptor.region, descriptor.offset, descriptor.length, &mut seen).unwrap();
                }
                assert!(seen == packet, "{descriptors:?}");
                let more: Vec<bool> = descriptors.iter().map(|descriptor| descriptor.has_next()).collect();
                assert_eq!(more, [true, true, false]);
            }
        }
    }
}

pub(super) fn own_library() {
    for line in LINES {
        own_library_for(line);
    }
}

fn own_library_for(line: CacheLine) {
    let slave = InterfaceConfig::slave(3).cache_line(Some(line)).ring_size(64).tx_queues(3).rx_queues(2);
    let mut both = Both::new(slave, InterfaceConfig::master(3).rx_queues(3).tx_queues(2));
    assert_eq!((both.link.layout(), both.link.directions_known()), (Layout::Spaced, true));
    assert_eq!(both.link.cache_line(), Some(line));
    let own = &both.link.ends()[0];
    assert_eq!((both.link.ends().len(), own.process.pid, own.is_both()), (1, std::process::id(), true));
    assert_eq!(both.link.other_end().as_str(), "there");
    assert!(both.link.socket().is_some());
    assert_eq!(both.link.still_there(), [std::process::id()]);
    let count = |direction| both.link.rings().iter().filter(|ring| ring.direction == direction).count();
    assert_eq!((count(RingDirection::S2m), count(RingDirection::M2s)), (3, 2));
    both.packets_are_seen();
    let Both { slave, master, _sockets: sockets, link } = both;
    drop((slave, master, sockets));
    eventually("an end of the link", || link.still_there().is_empty().then_some(()));
}

pub(super) fn buffers_apart() {
    const SIZE: u64 = 4 << 20;
    let given = || Memory::File { fd: Arc::new(FileKind::Unsealable.create(SIZE)), size: SIZE };
    for memory in [Memory::RingsApart, given()] {
        let slave = InterfaceConfig::slave(0).ring_size(64).memory(memory);
        let mut both = Both::new(slave, InterfaceConfig::master(0));
        let regions: Vec<_> = both.link.regions().iter().map(|region| (region.index, region.certain)).collect();
        assert_eq!(regions, [(0, true), (1, true)]);
        both.packets_are_seen();
    }
    // Two links of the same two ends.
    let slave = |memory| InterfaceConfig::slave(0).ring_size(64).memory(memory);
    let mut first = Both::new(slave(Memory::RingsApart), InterfaceConfig::master(0));
    let mut second = Both::new(slave(Memory::RingsApart), InterfaceConfig::master(0));
    let host = memif_watch::scan().unwrap();
    for both in [&mut first, &mut second] {
        both.link = host.link(both.link.id()).unwrap().clone();
        assert_eq!(both.link.regions().len(), 2);
        both.packets_are_seen();
    }
}

pub(super) fn small_rings() {
    for line in LINES {
        for size in [1, 2, 4, 8, 16] {
            let slave = InterfaceConfig::slave(0).cache_line(Some(line)).ring_size(size).tx_queues(2);
            let both = Both::new(slave, InterfaceConfig::master(0).rx_queues(2));
            let sizes: Vec<u32> = both.link.rings().iter().map(|ring| u32::from(ring.size)).collect();
            assert_eq!((sizes, both.link.cache_line()), (vec![size; 3], Some(line)));
        }
    }
}

pub(super) fn one_way() {
    for line in LINES {
        one_way_for(line);
    }
}

fn one_way_for(line: CacheLine) {
    for (sends, receives) in [(1, 0), (3, 0), (0, 1), (0, 2)] {
        let slave = InterfaceConfig::slave(0).ring_size(128).one_way(true).tx_queues(sends).rx_queues(receives);
        let master = InterfaceConfig::master(0).one_way(true).rx_queues(sends).tx_queues(receives);
        // One ring alone does not tell the master.
        let alone = sends + receives == 1;
        let mut both = Both::new(slave.cache_line(Some(line)), master.cache_line(alone.then_some(line)));
        assert_eq!(both.link.cache_line(), Some(line));
        let count = |direction| both.link.rings().iter().filter(|ring| ring.direction == direction).count();
        let counts = (count(RingDirection::S2m), count(RingDirection::M2s));
        assert_eq!(counts, (usize::from(sends), usize::from(receives)));
        assert!(both.link.rings().iter().all(|ring| ring.size == 128));
        both.packets_are_seen();
    }
}
