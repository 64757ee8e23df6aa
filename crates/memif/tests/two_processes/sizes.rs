//! Ring sizes, buffer sizes and packet lengths.

use serde_json::json;
use testkit::Address;

use crate::end::{At, End, Pair, exchange, load};

/// More packets than a cursor counts to, each way at once, through every size of ring.
pub(crate) fn every_ring_size_past_the_wrap_of_its_cursors() {
    let address = Address::fresh();
    let (mut master, mut slave) = (End::at(&address), End::at(&address));
    for log2 in 0..=14u64 {
        let at_master = master.add(json!({"role": "master", "id": log2}));
        let at_slave = slave.add(json!({"role": "slave", "id": log2, "ring": 1 << log2}));
        master.connected(at_master);
        slave.connected(at_slave);
        exchange(At(&mut master, at_master), At(&mut slave, at_slave), &load(70_000, &[16, 60, 64, 100, 200]));
        let details = slave.details(at_slave);
        assert_eq!((&details["rx"][0]["ring"], &details["tx"][0]["packets"]), (&json!(1 << log2), &json!(70_000)));
        slave.call(json!({"do": "remove", "key": at_slave}));
        master.call(json!({"do": "remove", "key": at_master}));
    }
    slave.finish();
    master.finish();
}

/// Chains over buffers of every kind of size, up to the longest packet, and chains that fill a ring exactly.
pub(crate) fn chains_over_any_buffer_size() {
    let sizes: &[(u64, u64, &[usize])] = &[
        (100, 1024, &[16, 99, 100, 101, 199, 200, 201, 9000, 65_535]),
        (1500, 64, &[1499, 1500, 1501, 2999, 3000, 3001, 9000, 65_535]),
        (2048, 1024, &[2048, 2049, 4096, 4097, 9000, 65_535]),
        // 32 buffers of 2048 take a packet of 65,535 bytes and no byte more: the whole ring is one chain.
        (2048, 32, &[65_535, 64, 63_489, 2049, 65_535]),
        (4096, 16, &[65_535, 61_440, 64]),
        (9000, 32, &[9000, 9001, 65_535, 64]),
        (65_535, 4, &[65_535, 9000, 64]),
    ];
    for (buffer, ring, lengths) in sizes {
        let slave = json!({"buffer": buffer, "ring": ring});
        let mut pair = Pair::new(json!({"buffer": buffer}), slave);
        pair.exchange(&load(300, lengths));
        pair.finish();
    }
}

/// The two ends need not be set alike: each cuts what it sends at its own buffer size, within what the slave posts.
pub(crate) fn ends_with_different_buffer_sizes() {
    for (master, slave) in [(2048, 4096), (65_535, 2048), (300, 65_535), (2048, 257)] {
        let mut pair = Pair::new(json!({"buffer": master}), json!({"buffer": slave, "ring": 512}));
        pair.exchange(&load(500, &[64, 1500, 2048, 2049, 4097, 9000]));
        pair.finish();
    }
}

/// More than 4 GiB of buffers lie in several regions.
pub(crate) fn more_than_four_gib_of_buffers() {
    let slave = json!({"buffer": 65_000, "ring": 16_384, "rx": 3, "tx": 3});
    let mut pair = Pair::new(json!({"buffer": 65_000, "rx": 3, "tx": 3}), slave);
    pair.exchange(&load(40, &[64, 9000, 65_000, 65_535]));
    let details = pair.master.details(pair.at_master);
    assert!(details["regions"].as_array().expect("regions").len() >= 2, "{details}");
    pair.finish();
}
