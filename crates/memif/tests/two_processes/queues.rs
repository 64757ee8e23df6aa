//! Many queues, many interfaces.

use serde_json::{Value, json};
use testkit::Address;

use crate::end::{End, Pair, agree, compare_reports, load};

fn threads(mut load: Value, threads: u64) -> Value {
    load["threads"] = json!(threads);
    load
}

/// Different numbers of queues per direction, each queue in a thread of its own that waits for packets and for room.
pub(crate) fn queues_in_threads() {
    for (rx, tx) in [(3, 2), (1, 4), (5, 1), (0, 2), (2, 0)] {
        let mut pair = Pair::new(json!({"rx": rx, "tx": tx}), json!({"rx": tx, "tx": rx, "ring": 128}));
        pair.exchange(&threads(load(5000, &[16, 64, 1500, 3000]), 0));
        pair.finish();
    }
}

/// The slave brings fewer queues than the master would serve.
pub(crate) fn the_slave_brings_fewer_queues() {
    let mut pair = Pair::new(json!({"rx": 200, "tx": 100}), json!({"rx": 3, "tx": 2, "ring": 64}));
    let details = pair.slave.details(pair.at_slave);
    let count = |name: &str| details[name].as_array().expect("queues").len();
    assert_eq!((count("rx"), count("tx")), (3, 2));
    pair.exchange(&threads(load(3000, &[64, 3000]), 2));
    pair.finish();
}

/// 255 queues each way.
pub(crate) fn the_most_queues() {
    for log2 in [0, 1, 2] {
        let slave = json!({"rx": 255, "tx": 255, "ring": 1 << log2});
        let mut pair = Pair::new(json!({"rx": 255, "tx": 255}), slave);
        pair.exchange(&threads(load(60, &[16, 64, 1500, 2048]), 3));
        pair.finish();
    }
}

/// More slots in all than 16 bits count.
pub(crate) fn many_queues_with_large_rings() {
    for (queues, ring, packets) in [(9, 4096, 5000), (9, 16_384, 500)] {
        let slave = json!({"rx": queues, "tx": queues, "ring": ring});
        let mut pair = Pair::new(json!({"rx": queues, "tx": queues}), slave);
        pair.exchange(&threads(load(packets, &[16, 64, 200]), 3));
        pair.finish();
    }
}

/// 300 interfaces on one socket, with traffic on all of them at once.
pub(crate) fn three_hundred_interfaces_on_one_socket() {
    const COUNT: u64 = 300;
    let address = Address::fresh();
    let (mut master, mut slave) = (End::at(&address), End::at(&address));
    let config = |role: &str, id: u64| json!({"role": role, "id": id * 7, "ring": 16, "name": format!("{role}-{id}")});
    let there: Vec<u64> = (0..COUNT).map(|id| master.add(config("master", id))).collect();
    let here: Vec<u64> = (0..COUNT).map(|id| slave.add(config("slave", id))).collect();
    for (id, (there, here)) in (0..COUNT).zip(there.iter().zip(&here)) {
        assert_eq!(master.connected(*there)["name"], format!("slave-{id}"));
        assert_eq!(slave.connected(*here)["name"], format!("master-{id}"));
    }
    let order = |keys: &[u64]| {
        let mut order = load(100, &[16, 64, 1500, 3000]);
        order["do"] = json!("load");
        order["keys"] = json!(keys);
        order
    };
    master.begin(&order(&there));
    slave.begin(&order(&here));
    let (up, down) = (master.end().expect("a load"), slave.end().expect("a load"));
    assert_eq!(up["rx"].as_array().expect("queues").len() as u64, COUNT);
    compare_reports(&up, &down, 100);
    for (there, here) in there.iter().zip(&here) {
        agree(&master.details(*there), &slave.details(*here), master.pid(), slave.pid());
    }
    slave.finish();
    for there in there {
        master.disconnected(there);
    }
    master.finish();
}
