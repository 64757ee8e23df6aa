//! Where the slave's memory lies.

use memif::InterfaceConfig;
use serde_json::{Value, json};
use testkit::{eventually, shared::huge_pages_left};

use crate::end::{Pair, some};

fn crosses(memory: &str, regions: usize, sealed_only: bool) {
    let slave = json!({"memory": memory, "ring": 64, "rx": 2, "tx": 2, "memory_size": 8 << 20});
    let mut pair = Pair::new(json!({"rx": 2, "tx": 2, "sealed_only": sealed_only}), slave);
    // The memory of a caller is used again by later connections.
    for _ in 0..3 {
        pair.exchange(&some());
        let details = pair.master.details(pair.at_master);
        let found = details["regions"].as_array().map(Vec::len);
        assert_eq!(found, Some(regions), "{memory}: {details}");
        assert_eq!(pair.slave.details(pair.at_slave)["regions"], details["regions"]);
        pair.slave.call(json!({"do": "disconnect", "key": pair.at_slave, "reason": "once more"}));
        pair.connected();
    }
    pair.exchange(&some());
    pair.finish();
}

/// Rings and buffers in one region, or apart.
pub(crate) fn one_region_or_rings_apart() {
    crosses("one", 1, true);
    crosses("apart", 2, true);
}

/// Buffers in files of the caller, with every kind of seal; a master that insists on seals refuses the others.
pub(crate) fn files_of_the_caller() {
    for (memory, sealed) in [("sealed", true), ("sealable", true), ("unsealable", false), ("tmpfs", false)] {
        crosses(memory, 2, false);
        if sealed {
            crosses(memory, 2, true);
            continue;
        }
        let mut pair = Pair::new(json!({}), json!({"memory": memory, "ring": 64}));
        let config: Value = json!({"role": "master", "sealed_only": true});
        pair.master.call(json!({"do": "reconfigure", "key": pair.at_master, "config": config}));
        pair.slave.call(json!({"do": "disconnect", "key": pair.at_slave, "reason": "once more"}));
        pair.slave.fails_with(pair.at_slave, "refused by the master: region 1 is not sealed against shrinking");
        assert_eq!(pair.master.refused(), "region 1 is not sealed against shrinking");
        let config: Value = json!({"role": "master"});
        pair.master.call(json!({"do": "reconfigure", "key": pair.at_master, "config": config}));
        pair.connected();
        pair.exchange(&some());
        pair.finish();
    }
}

/// Memory of the library on huge pages, made ahead or not. They are free again when the link is gone.
pub(crate) fn own_huge_pages() {
    let before = huge_pages_left();
    let can_bind = InterfaceConfig::slave(0).numa_node(Some(0)).validate().is_ok();
    for (memory, prefault, node) in [("one", false, None), ("apart", true, None), ("one", false, can_bind.then_some(0))]
    {
        let slave = json!({
            "memory": memory, "huge": true, "prefault": prefault, "node": node, "ring": 1024,
        });
        let mut pair = Pair::new(json!({"prefault": prefault, "sealed_only": true}), slave);
        pair.exchange(&some());
        let details = pair.master.details(pair.at_master);
        let sizes: Vec<_> = details["regions"].as_array().unwrap().iter().map(|r| r[1].as_u64()).collect();
        // The rings, and the places of those that are not there, lie on usual pages.
        assert_eq!(sizes, [Some(0x92_000), Some(6 << 20)], "{details}");
        assert_eq!(huge_pages_left(), before - 3);
        pair.finish();
        eventually("the huge pages are free again", || (huge_pages_left() == before).then_some(()));
    }
}

/// All pages made before the link comes up, in every kind of memory, at either end or both.
pub(crate) fn prefaulted() {
    for (memory, at_slave, at_master) in [
        ("one", true, true),
        ("apart", true, false),
        ("one", false, true),
        ("sealable", true, true),
        ("tmpfs", true, true),
    ] {
        let slave = json!({"memory": memory, "ring": 64, "prefault": at_slave});
        let mut pair = Pair::new(json!({"prefault": at_master}), slave);
        pair.exchange(&some());
        pair.finish();
    }
}

/// Buffers on huge pages.
pub(crate) fn huge_pages() {
    crosses("huge", 2, false);
}
