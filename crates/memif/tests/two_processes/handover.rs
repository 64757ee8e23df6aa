//! Unknown ids on demand, and sockets that somebody else opened.

use serde_json::json;
use testkit::{Address, SeqListener, SeqSocket};

use crate::end::{At, End, Pair, exchange, some};
use crate::helper::hand_over;

/// A master without interfaces makes them as slaves ask for ids, or refuses in its own words.
pub(crate) fn unknown_ids_on_demand() {
    let address = Address::fresh();
    let mut master = End::with(&address, json!({"ask": true}));
    let mut slave = End::with(&address, json!({"app": "asking slave"}));
    for (id, mode) in [(7, "ethernet"), (4_000_000, "ip")] {
        let at_slave = slave.add(json!({"role": "slave", "id": id, "mode": mode}));
        let request = master.call(json!({"do": "request"}));
        assert_eq!((&request["id"], &request["mode"]), (&json!(id), &json!(mode)));
        assert_eq!((&request["app"], &request["pid"]), (&json!("asking slave"), &json!(slave.pid())));
        let config = json!({"role": "master", "mode": mode});
        let at_master = master.call(json!({"do": "accept", "config": config})).as_u64().expect("a key");
        master.connected(at_master);
        slave.connected(at_slave);
        exchange(At(&mut master, at_master), At(&mut slave, at_slave), &some());
        // From now on it is an interface as any other.
        slave.call(json!({"do": "disconnect", "key": at_slave, "reason": "once more"}));
        master.connected(at_master);
        slave.connected(at_slave);
        exchange(At(&mut master, at_master), At(&mut slave, at_slave), &some());
    }
    let refused = slave.add(json!({"role": "slave", "id": 8}));
    let request = master.call(json!({"do": "request"}));
    assert_eq!(request["id"], 8);
    master.call(json!({"do": "refuse", "reason": "no port 8 here"}));
    slave.fails_with(refused, "refused by the master: no port 8 here");
    slave.call(json!({"do": "remove", "key": refused}));
    slave.finish();
    // Who is gone cannot be accepted any more.
    let mut slave = End::at(&address);
    slave.add(json!({"role": "slave", "id": 9}));
    while master.call(json!({"do": "request"}))["id"] != 9 {}
    slave.kill();
    let error = master.fails(json!({"do": "accept", "config": {"role": "master"}}));
    assert!(error.contains("the connection that asked is gone"), "{error}");
    master.finish();
}

/// Both ends of a socket pair, handed to two processes: a link without any address.
pub(crate) fn a_pair_of_sockets() {
    let nowhere = Address::fresh();
    let (mut master, mut slave) = (End::at(&nowhere), End::at(&nowhere));
    let at_master = master.add(json!({"role": "master", "id": 3, "rx": 2, "tx": 2}));
    let (one, other) = SeqSocket::pair();
    slave.uses_sockets_of_the_test();
    master.uses_sockets_of_the_test();
    hand_over(&mut slave, &one);
    hand_over(&mut master, &other);
    drop((one, other));
    master.call(json!({"do": "adopt"}));
    let config = json!({"role": "slave", "id": 3, "rx": 2, "tx": 2});
    let at_slave = slave.call(json!({"do": "add", "config": config, "connected": true})).as_u64().expect("a key");
    let mut pair = Pair { master, slave, at_master, at_slave };
    pair.connected();
    pair.exchange(&some());
    // When it ends, nothing connects again by the address.
    pair.master.call(json!({"do": "disconnect", "key": at_master, "reason": "over"}));
    assert_eq!(pair.slave.disconnected(at_slave), "disconnected by the peer: over");
    pair.master.disconnected(at_master);
    // The master listens there all the time: a second slave finds it at once, the first one does not try.
    let Pair { mut master, mut slave, .. } = pair;
    master.connects_by_itself();
    slave.connects_by_itself();
    let at_master_too = master.add(json!({"role": "master", "id": 4}));
    let at_slave_too = slave.add(json!({"role": "slave", "id": 4}));
    let mut pair = Pair { master, slave, at_master: at_master_too, at_slave: at_slave_too };
    pair.connected();
    pair.exchange(&some());
    assert_eq!(pair.slave.details(at_slave)["link_up"], false);
    assert_eq!(pair.slave.call(json!({"do": "quiet"})), true, "it tried to connect again");
    pair.finish();
}

/// A connection that another program accepted.
pub(crate) fn a_connection_accepted_elsewhere() {
    let address = Address::fresh_abstract();
    let listener = SeqListener::bind(&address);
    let (mut master, mut slave) = (End::at(&Address::fresh()), End::at(&address));
    let at_master = master.add(json!({"role": "master", "id": 11}));
    let at_slave = slave.add(json!({"role": "slave", "id": 11}));
    let mut pair = Pair { master, slave, at_master, at_slave };
    pair.master.uses_sockets_of_the_test();
    for _ in 0..2 {
        let accepted = listener.accept();
        hand_over(&mut pair.master, &accepted);
        drop(accepted);
        pair.master.call(json!({"do": "adopt"}));
        pair.connected();
        pair.exchange(&some());
        pair.slave.call(json!({"do": "disconnect", "key": at_slave, "reason": "again"}));
        pair.master.disconnected(at_master);
    }
    pair.finish();
}

/// A listener as a service manager hands it over: it is used, restarted on, and its file stays.
pub(crate) fn a_listener_opened_elsewhere() {
    let address = Address::fresh();
    let listener = SeqListener::bind(&address);
    let mut slave = End::at(&address);
    let at_slave = slave.add(json!({"role": "slave", "id": 1}));
    for _ in 0..2 {
        let mut master = End::start();
        hand_over(&mut master, &listener.duplicate());
        master.uses_sockets_of_the_test();
        // The address is for slaves then; nothing is bound at it.
        master.open(&Address::fresh(), json!({"listener": true}));
        let at_master = master.add(json!({"role": "master", "id": 1}));
        master.connected(at_master);
        slave.connected(at_slave);
        exchange(At(&mut master, at_master), At(&mut slave, at_slave), &some());
        master.finish();
        slave.disconnected(at_slave);
        assert!(address.path().exists(), "the file of a listener that was handed over");
    }
    slave.finish();
    // What is no listener is refused.
    let mut master = End::start();
    hand_over(&mut master, &SeqSocket::pair().0);
    let error = master.fails(json!({"do": "open", "address": "@unused", "listener": true}));
    assert!(error.contains("a listening SOCK_SEQPACKET Unix socket"), "{error}");
}
