//! Who writes what, who keeps what alive, and what is handed out (M15 to M17).

use memif::{InterfaceConfig, Memory};
use testkit::ring::ring_bytes;
use testkit::traffic::packet;
use testkit::wiremsg::Message;
use testkit::{Census, Ring, SlaveLink};

use crate::common::{MasterRig, Parts, PeerEnd, Rig, SlaveRig, cross, cross_lengths, receive, send};

pub(crate) fn m15_master_writes_only_its_own() {
    let mut rig = MasterRig::new();
    let plan = rig.plan.clone();
    let memory = testkit::SlaveMemory::new(&plan);
    // Everything that is not cursor, flags or descriptor has a pattern before the master maps it.
    let rings: Vec<Ring> = memory.s2m.iter().chain(&memory.m2s).map(|r| r.ring.clone()).collect();
    for ring in &rings {
        ring.fill_padding(0x5a);
    }
    let region = memory.regions[0].clone();
    let buffers_at = 2 * ring_bytes(plan.log2);
    let buffers_len = usize::try_from(region.size() - buffers_at).unwrap();
    region.write(buffers_at, &vec![0xee; buffers_len]);
    let slave = testkit::ScriptedSlave::connect(&rig.address);
    let name = slave.run(&plan, &testkit::Script::new(&plan, &memory)).unwrap();
    let mut peer = SlaveLink::established(slave, &plan, memory, name);
    let mut link = rig.driver.connected(rig.key);
    assert_eq!(region.read(buffers_at, buffers_len), vec![0xee; buffers_len], "after CONNECTED");
    // The scripted slave checks that region, offset and length in S2M slots stay, and region and offset in M2S slots.
    for (slot, len) in (0u16..).zip([1, 63, 64, 65, 1000, 2047, 2048]) {
        send(&mut link.tx[0], &packet(1, 1, len));
        assert_eq!(peer.rx[0].wait(), packet(1, 1, len));
        let place = peer.rx[0].place(slot);
        let rest = region.read(u64::from(place.offset) + len as u64, 2048 - len);
        assert!(rest.iter().all(|b| *b == 0xee), "bytes behind a packet of {len} were written");
    }
    let heads = (peer.tx[0].ring.head(), peer.rx[0].ring.head());
    let before = region.read(buffers_at, 256 * 2048);
    for _ in 0..100 {
        peer.tx[0].send(&packet(2, 2, 2048));
        assert_eq!(receive(&mut link.rx[0]), packet(2, 2, 2048));
    }
    let (s2m, m2s) = (peer.tx[0].ring.head(), peer.rx[0].ring.head());
    assert_eq!((s2m, m2s), (heads.0 + 100, heads.1), "heads are the slave's");
    let after = region.read(buffers_at, 256 * 2048);
    let changed = before.iter().zip(&after).filter(|(a, b)| a != b).count();
    assert!(changed <= 100 * 2048, "{changed} bytes of S2M buffers changed");
    let mut expected = before;
    for slot in 0..100 {
        let at = usize::from(heads.0.wrapping_add(slot) % 256) * 2048;
        expected[at..at + 2048].copy_from_slice(&packet(2, 2, 2048));
    }
    assert!(expected == after, "the master wrote into S2M buffers");
    cross(&mut link, &mut peer);
    for ring in &rings {
        assert!(ring.padding().iter().all(|b| *b == 0x5a), "padding of a ring was written");
    }
    drop((peer, region, rings));
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn m15_slave_writes_only_its_own() {
    let mut rig = SlaveRig::new();
    let (mut link, mut peer) = rig.link();
    // The first packet writes the descriptors of the ring that the slave sends on.
    cross(&mut link, &mut peer);
    let rings = [peer.rx[0].ring.clone(), peer.tx[0].ring.clone()];
    for ring in &rings {
        ring.fill_padding(0x5a);
    }
    let region = peer.regions[0].clone();
    // Buffers of the ring that the slave sends on: bytes behind a packet stay.
    for len in [1, 63, 64, 65, 1000, 2047, 2048] {
        let slot = peer.rx[0].taken();
        let offset = peer.rx[0].ring.descriptor(slot).offset;
        region.write(u64::from(offset), &[0xee; 2048]);
        send(&mut link.tx[0], &packet(1, 1, len));
        assert_eq!(peer.rx[0].wait(), packet(1, 1, len));
        let rest = region.read(u64::from(offset) + len as u64, 2048 - len);
        assert!(rest.iter().all(|b| *b == 0xee), "bytes behind a packet of {len} were written");
    }
    // Buffers that it posts belong to the master until they come back, and their bytes stay as they are afterwards.
    let tails = (peer.rx[0].ring.tail(), peer.tx[0].ring.tail());
    for _ in 0..100 {
        let slot = peer.tx[0].tail();
        let posted = peer.tx[0].ring.descriptor(slot);
        peer.tx[0].send(&packet(2, 2, 2048));
        assert_eq!(receive(&mut link.rx[0]), packet(2, 2, 2048));
        assert_eq!(region.read(u64::from(posted.offset), 2048), packet(2, 2, 2048));
        assert_eq!(peer.tx[0].ring.descriptor(slot), posted, "posted again as it was");
    }
    let now = (peer.rx[0].ring.tail(), peer.tx[0].ring.tail());
    assert_eq!(now, (tails.0, tails.1 + 100), "tails are the master's");
    cross(&mut link, &mut peer);
    for ring in &rings {
        assert!(ring.padding().iter().all(|b| *b == 0x5a), "padding of a ring was written");
    }
    drop((peer, region, rings));
    rig.disconnected(link);
    rig.finish();
}

pub(crate) fn m16_master_teardown_under_a_batch() {
    teardown_under_a_batch(MasterRig::new());
}

pub(crate) fn m16_slave_teardown_under_a_batch() {
    teardown_under_a_batch(SlaveRig::new());
}

fn teardown_under_a_batch(mut rig: impl Rig) {
    let (mut link, mut peer) = rig.link();
    for sequence in 0..10 {
        peer.send(0, &packet(1, sequence, 9000));
    }
    let mappings = rig.parts().surroundings.quiet().mapping_count();
    {
        let mut rx = link.rx.remove(0);
        let mut tx = link.tx.remove(0);
        drop(link);
        let mut batch = rx.recv(64).unwrap();
        let mut out = tx.reserve().unwrap();
        let mut packets = (&mut batch).into_iter();
        let first = packets.next().unwrap();
        // The peer goes, the library takes the link down, and the socket forgets it.
        drop(peer);
        let Parts { driver, key, .. } = rig.parts();
        driver.disconnected(key);
        assert_eq!(first.to_vec(), packet(1, 0, 9000), "a packet still lent");
        for (sequence, packet_) in (1..).zip(packets) {
            assert_eq!(packet_.to_vec(), packet(1, sequence, 9000));
        }
        out.push(&packet(1, 1, 3000)).unwrap();
        out.commit();
        drop(batch);
        assert!(rx.recv(1).is_err() && tx.send(&[1]).is_err(), "the link is down");
        assert!(Census::now().mapping_count() > mappings, "the queues keep the mapping");
    }
    rig.after_link();
    rig.settle();
    // The socket itself goes first.
    let (mut link, peer) = rig.link();
    rig.parts().driver.call(|_| ());
    drop(rig);
    assert!(link.rx[0].recv(1).is_err() && link.tx[0].send(&[1]).is_err());
    assert!(peer.end().is_some() || !peer.is_up());
}

pub(crate) fn m17_slave_hands_out_clean_memory() {
    for memory in [Memory::OneRegion, Memory::RingsApart] {
        let config = InterfaceConfig::slave(0).ring_size(256).rx_queues(2).memory(memory);
        let mut rig = SlaveRig::with(config);
        for _ in 0..2 {
            let (mut link, mut peer) = rig.link();
            // The first one is the decoy, which no message names (D5).
            let mut rings: Vec<(u16, u64, u64)> = vec![(0, 0, ring_bytes(0))];
            for message in &peer.said {
                if let Message::AddRing(ring) = message {
                    let at = u64::from(ring.offset);
                    rings.push((ring.region, at, at + ring_bytes(ring.log2)));
                }
            }
            for (index, region) in (0u16..).zip(peer.regions.iter()) {
                let bytes = region.read(0, usize::try_from(region.size()).unwrap());
                for (at, byte) in (0u64..).zip(&bytes) {
                    let in_ring = rings.iter().any(|(r, from, to)| *r == index && (*from..*to).contains(&at));
                    assert!(*byte == 0 || in_ring, "byte {at} of region {index} is {byte:#x}");
                }
            }
            for ring in peer.rx.iter().map(|q| &q.ring).chain(peer.tx.iter().map(|q| &q.ring)) {
                assert!(ring.padding().iter().all(|b| *b == 0), "padding of a ring");
                assert!((0..ring.size()).all(|slot| ring.descriptor(slot).metadata == 0), "metadata");
            }
            // The next link must not find what crossed this one.
            cross_lengths(&mut link, &mut peer, 3, &[2048, 9000]);
            drop(peer);
            rig.driver.disconnected(rig.key);
            rig.down();
        }
        rig.finish();
    }
}
