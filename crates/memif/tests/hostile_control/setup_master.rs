//! Rows C10 to C17 against a master: regions and rings.

use std::sync::Arc;

use memif::{Breach, InterfaceConfig, Limits};
use testkit::ring::ring_bytes;
use testkit::wiremsg::Message;
use testkit::{FileKind, Layout, ScriptedSlave, SharedFile, SlaveLink, SlavePlan};

use crate::common::{MasterRig, Rig, assert_queues_down, cross};

pub(crate) fn c10_master_region_index_and_count() {
    let mut limits = Limits::default();
    limits.regions = 3;
    let mut rig = MasterRig::with(InterfaceConfig::master(0).limits(limits));
    for index in [1, 2, 255, 256, 0xffff] {
        let breach = rig.refused(|script| script.region("ADD_REGION 0").index = index);
        assert_eq!(breach, Breach::RegionIndex { found: index, expected: 0 });
    }
    let apart = SlavePlan { layout: Layout::RingsApart, ..rig.plan.clone() };
    for index in [0, 2, 0x100] {
        let breach = rig.refused_as(&apart, |script| script.region("ADD_REGION 1").index = index).0;
        assert_eq!(breach, Breach::RegionIndex { found: index, expected: 1 });
    }
    // One more than allowed.
    let more = |script: &mut testkit::Script, count: u16| {
        let step = script.step("ADD_REGION 0").clone();
        for index in (1..count).rev() {
            let mut step = step.clone();
            step.label = format!("ADD_REGION {index}");
            if let Message::AddRegion(region) = &mut step.message {
                region.index = index;
            }
            script.insert_after("ADD_REGION 0", step);
        }
    };
    let plan = rig.plan.clone();
    let breach = rig.refused_as(&plan, |script| more(script, 4));
    assert_eq!((breach.0, breach.1.as_str()), (Breach::TooManyRegions(3).into(), "ADD_REGION 3"));
    rig.finish();
    // 256 regions are possible, 257 are not.
    let mut rig = MasterRig::new();
    let mut peer = SlaveLink::try_connect(&rig.address, &plan, |script| more(script, 256)).expect("256 regions");
    let mut link = rig.driver.connected(rig.key);
    cross(&mut link, &mut peer);
    assert_eq!(rig.driver.details(rig.key).regions.len(), 256);
    drop(peer);
    rig.disconnected(link);
    let breach = rig.refused_as(&plan, |script| more(script, 257)).0;
    assert_eq!(breach, Breach::TooManyRegions(256));
    rig.finish();
}

pub(crate) fn c11_master_region_size() {
    let mut limits = Limits::default();
    limits.region_size = 8 << 20;
    limits.total_size = 12 << 20;
    let mut rig = MasterRig::with(InterfaceConfig::master(0).limits(limits));
    for size in [0, (8 << 20) + 1, 1 << 40, u64::MAX] {
        let breach = rig.refused(|script| {
            let file = SharedFile::create(FileKind::Sealed, size.min(1 << 30));
            script.region("ADD_REGION 0").size = size;
            script.step("ADD_REGION 0").fds = vec![Arc::new(file.duplicate())];
        });
        match breach {
            memif::Refusal::Breach(Breach::RegionSize { index: 0, size: found, limit }) => {
                assert_eq!((found, limit), (size, 8 << 20));
            }
            other => panic!("{size} bytes: {other:?}"),
        }
    }
    // Each within its limit, the sum is not.
    let apart = SlavePlan { layout: Layout::RingsApart, ..rig.plan.clone() };
    let breach = rig.refused_as(&apart, |script| {
        for label in ["ADD_REGION 0", "ADD_REGION 1"] {
            let file = SharedFile::create(FileKind::Sealed, 7 << 20);
            script.region(label).size = 7 << 20;
            script.step(label).fds = vec![Arc::new(file.duplicate())];
        }
    });
    assert!(
        matches!(breach.0, memif::Refusal::Breach(Breach::RegionSize { index: 1, limit, .. }) if limit <= 12 << 20),
        "{breach:?}"
    );
    assert_eq!(breach.1, "ADD_REGION 1");
    rig.finish();
}

pub(crate) fn c12_master_ring_index_and_count() {
    // Up to three rings from the slave, up to two to it.
    let mut rig = MasterRig::with(InterfaceConfig::master(0).rx_queues(3).tx_queues(2));
    let plan = SlavePlan { s2m: 2, m2s: 2, ..rig.plan.clone() };
    for (label, expected) in [("ADD_RING S2M 0", 0), ("ADD_RING S2M 1", 1), ("ADD_RING M2S 1", 1)] {
        for index in [0, 1, 2, 254, 255, 0x100, 0xffff] {
            if index == expected {
                continue;
            }
            let (breach, at, _) = rig.refused_as(&plan, |script| script.ring(label).index = index);
            assert!(
                matches!(breach, memif::Refusal::Breach(Breach::RingIndex { found, expected: e, .. }) if found == index && e == expected)
                    || matches!(breach, memif::Refusal::Breach(Breach::TooManyRings { .. })) && index >= 2,
                "{label} with index {index}: {breach:?}"
            );
            assert_eq!(at, label);
        }
    }
    let many = SlavePlan { s2m: 4, m2s: 2, ..rig.plan.clone() };
    let (breach, at, _) = rig.refused_as(&many, |_| ());
    assert!(matches!(breach, memif::Refusal::Breach(Breach::TooManyRings { limit: 3, .. })), "{breach:?}");
    assert_eq!(at, "ADD_RING S2M 3");
    let many = SlavePlan { s2m: 2, m2s: 3, ..rig.plan.clone() };
    let (breach, at, _) = rig.refused_as(&many, |_| ());
    assert!(matches!(breach, memif::Refusal::Breach(Breach::TooManyRings { limit: 2, .. })), "{breach:?}");
    assert_eq!(at, "ADD_RING M2S 2");
    // HELLO says the same whatever is possible: highest indices.
    let slave = ScriptedSlave::connect(&rig.address);
    let hello = &slave.hello;
    assert_eq!((hello.max_region, hello.max_s2m_ring, hello.max_m2s_ring), (255, 255, 255));
    assert_eq!(hello.max_log2, 14);
    drop(slave);
    rig.driver.forget_events();
    // As many as allowed work, all of them.
    rig.plan = SlavePlan { s2m: 3, m2s: 2, ..rig.plan.clone() };
    rig.finish();
}

pub(crate) fn c13_master_ring_size() {
    let mut rig = MasterRig::new();
    for log2 in [15, 16, 31, 32, 63, 64, 255] {
        for (label, direction) in [("ADD_RING S2M 0", "S2M"), ("ADD_RING M2S 0", "M2S")] {
            let breach = rig.refused(|script| script.ring(label).log2 = log2);
            assert_eq!(breach, Breach::RingSize { direction, index: 0, log2 });
        }
    }
    // The smallest and the largest size are good. A ring of one slot takes no chains.
    for log2 in [0, 14] {
        let plan = SlavePlan { log2, ..rig.plan.clone() };
        let (mut link, mut peer) = rig.link_as(&plan);
        crate::common::cross_lengths(&mut link, &mut peer, 20, &[64, 2048]);
        drop(peer);
        rig.driver.disconnected(rig.key);
    }
    rig.finish();
}

pub(crate) fn c14_master_private_header_and_flags() {
    let mut rig = MasterRig::new();
    for size in [1, 8, 64, 0xffff] {
        for label in ["ADD_RING S2M 0", "ADD_RING M2S 0"] {
            let breach = rig.refused(|script| script.ring(label).private_header = size);
            assert_eq!(breach, Breach::PrivateHeader(size));
        }
    }
    for flags in [2, 3, 0x8000, 0xffff, 0xfffe] {
        let breach = rig.refused(|script| script.ring("ADD_RING S2M 0").flags = flags);
        assert_eq!(breach, Breach::RingFlags(flags));
    }
    rig.finish();
}

pub(crate) fn c15_master_ring_place() {
    let mut rig = MasterRig::new();
    let size = testkit::SlaveMemory::new(&rig.plan).regions[0].size();
    let ring = ring_bytes(rig.plan.log2);
    let last = u32::try_from(size - ring).unwrap();
    for (label, direction) in [("ADD_RING S2M 0", "S2M"), ("ADD_RING M2S 0", "M2S")] {
        for region in [1, 2, 255, 0xffff] {
            let (breach, at, _) = {
                let plan = rig.plan.clone();
                rig.refused_as(&plan, |script| script.ring(label).region = region)
            };
            assert_eq!(breach, Breach::RingRegion { direction, index: 0, region });
            assert!(at == label || at == "CONNECT", "{at}");
        }
        for offset in [1, 2, 4, 12, last + 8, last + 16, u32::MAX, u32::MAX - 7, 0x8000_0000] {
            let breach = rig.refused(|script| script.ring(label).offset = offset);
            assert!(
                matches!(breach, memif::Refusal::Breach(Breach::RingPlace { direction: d, index: 0, offset: o, .. })
                    if d == direction && o == u64::from(offset)),
                "{label} at {offset}: {breach:?}"
            );
        }
        // A ring that would end behind its region only because it is announced larger than it is (V1).
        let breach = rig.refused(|script| {
            script.ring(label).log2 = 14;
            script.ring(label).offset = last - (last % 16);
        });
        assert!(matches!(breach, memif::Refusal::Breach(Breach::RingPlace { .. })), "{breach:?}");
    }
    // Overlaps: equal, by half, by one slot, and the header of one inside the other.
    let second = u32::try_from(ring).unwrap();
    for offset in [0, 8, 128, (second / 2) & !7, second - 8] {
        let breach = rig.refused(|script| script.ring("ADD_RING M2S 0").offset = offset);
        assert!(
            matches!(breach, memif::Refusal::Breach(Breach::RingOverlap { offset: o, .. }) if o == u64::from(offset)
                || o == 0),
            "M2S at {offset}: {breach:?}"
        );
    }
    // VPP lays its rings out for the negotiated size and announces the configured one (V1): they overlap.
    let plan = SlavePlan { log2: 4, announced_log2: Some(8), ..rig.plan.clone() };
    let breach = rig.refused_as(&plan, |_| ()).0;
    assert!(matches!(breach, memif::Refusal::Breach(Breach::RingOverlap { .. })), "{breach:?}");
    // Multiples of 8 that are no multiples of 16 or 64 are good.
    let plan = rig.plan.clone();
    let slave = ScriptedSlave::connect(&rig.address);
    let memory = odd_memory(&plan);
    let script = testkit::Script::new(&plan, &memory);
    let name = slave.run(&plan, &script).expect("a ring at an odd multiple of 8");
    let mut peer = SlaveLink::established(slave, &plan, memory, name);
    let mut link = rig.driver.connected(rig.key);
    cross(&mut link, &mut peer);
    drop((peer, script));
    rig.disconnected(link);
    rig.finish();
}

/// Memory whose rings lie 8 bytes further than usual.
fn odd_memory(plan: &SlavePlan) -> testkit::SlaveMemory {
    let mut memory = testkit::SlaveMemory::new(plan);
    let file = &memory.regions[0];
    let bigger = SharedFile::create(FileKind::Sealed, file.size() + 64);
    let mut shift = 8;
    for ring in memory.s2m.iter_mut().chain(&mut memory.m2s) {
        ring.ring = testkit::Ring::new(&bigger, ring.ring.offset() + shift, plan.log2);
        ring.ring.initialise();
        shift += 16;
        for place in &mut ring.places {
            place.offset += 64;
        }
    }
    memory.regions = Arc::new(vec![bigger]);
    memory
}

pub(crate) fn c16_master_cookie() {
    let mut rig = MasterRig::new();
    for cookie in [0, 0x203e_031f, 0x03e3_1f21, u32::MAX] {
        for (direction, s2m) in [("S2M", true), ("M2S", false)] {
            let slave = ScriptedSlave::connect(&rig.address);
            let memory = testkit::SlaveMemory::new(&rig.plan);
            let script = testkit::Script::new(&rig.plan, &memory);
            let ring = if s2m { &memory.s2m[0] } else { &memory.m2s[0] };
            ring.ring.set_cookie(cookie);
            let refusal = slave.run(&rig.plan, &script).unwrap_err();
            assert_eq!(refusal.at, "CONNECT");
            drop((slave, memory, script));
            let (breach, _) = rig.agreed(&refusal);
            assert_eq!(breach, Breach::Cookie { direction, index: 0, found: cookie });
            rig.settle();
        }
    }
    rig.finish();
}

pub(crate) fn c17_master_order() {
    let mut rig = MasterRig::new();
    // CONNECT without rings, with and without a region.
    for labels in [&["ADD_RING S2M 0", "ADD_RING M2S 0"][..], &["ADD_REGION 0", "ADD_RING S2M 0", "ADD_RING M2S 0"]] {
        let breach = rig.refused(|script| {
            for label in labels {
                script.remove(label);
            }
        });
        assert_eq!(breach, Breach::NoRings);
    }
    // A ring whose region never comes.
    let breach = rig.refused(|script| {
        script.remove("ADD_REGION 0");
    });
    assert!(matches!(breach, memif::Refusal::Breach(Breach::RingRegion { region: 0, .. })), "{breach:?}");
    // One direction alone is a link for programs that say so.
    for (s2m, m2s, missing) in [(1, 0, "M2S"), (0, 1, "S2M")] {
        let plan = SlavePlan { s2m, m2s, ..rig.plan.clone() };
        let (breach, at, _) = rig.refused_as(&plan, |_| ());
        assert_eq!((breach, at.as_str()), (Breach::NoRingOneWay(missing).into(), "CONNECT"));
    }
    rig.finish();
    let mut rig = MasterRig::with(InterfaceConfig::master(0).one_way(true));
    for (s2m, m2s) in [(1, 0), (0, 1)] {
        let plan = SlavePlan { s2m, m2s, ..rig.plan.clone() };
        let (mut link, mut peer) = rig.link_as(&plan);
        cross(&mut link, &mut peer);
        drop(peer);
        rig.driver.disconnected(rig.key);
        assert_queues_down(link);
    }
    rig.finish();
}

pub(crate) fn c12_master_limits_of_a_link() {
    let mut limits = Limits::default();
    (limits.rings, limits.slots, limits.descriptors) = (5, 1100, 6);
    let config = InterfaceConfig::master(0).rx_queues(4).tx_queues(4).limits(limits);
    let mut rig = MasterRig::with(config);
    let quiet = rig.plan.clone();
    for (plan, breach, step) in [
        (SlavePlan { s2m: 3, m2s: 3, log2: 4, ..quiet.clone() }, Breach::LinkRings(5), "ADD_RING M2S 2"),
        (SlavePlan { s2m: 3, m2s: 2, log2: 8, ..quiet.clone() }, Breach::LinkSlots(1100), "ADD_RING M2S 1"),
        (
            SlavePlan { s2m: 3, m2s: 2, log2: 4, layout: Layout::RingsApart, ..quiet.clone() },
            Breach::LinkDescriptors(6),
            "ADD_RING M2S 1",
        ),
    ] {
        let (found, at, _) = rig.refused_as(&plan, |_| ());
        assert_eq!((found, at.as_str()), (breach.into(), step));
    }
    // As much as is allowed.
    rig.plan = SlavePlan { s2m: 3, m2s: 2, log2: 7, ..quiet };
    rig.finish();
}
