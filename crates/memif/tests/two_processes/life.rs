//! Links that come and go: start orders, deaths in traffic, admin state, settings that change, reasons.

use serde_json::{Value, json};
use testkit::Address;

use crate::end::{At, End, Pair, exchange, load, some, spell, text};

/// Rounds of killing per side.
const ROUNDS: usize = 4;

fn stream(key: u64) -> Value {
    let mut order = load(0, &[16, 64, 1500, 3000]);
    order["do"] = json!("stream");
    order["key"] = json!(key);
    order
}

/// Traffic runs both ways until `packets` have come at both ends.
pub(crate) fn under_way(pair: &mut Pair, packets: u64) {
    for (end, key) in [(&mut pair.master, pair.at_master), (&mut pair.slave, pair.at_slave)] {
        end.call(stream(key));
    }
    for end in [&mut pair.master, &mut pair.slave] {
        end.call(json!({"do": "streamed", "packets": packets}));
    }
}

/// The survivor ends its stream and is told the reason. What its queues carried.
pub(crate) fn survivor_goes_on(survivor: &mut End, key: u64) -> Value {
    // Everything that it received was whole and in order; the rest is told by the queues.
    let ended = survivor.call(json!({"do": "ended"}));
    assert_eq!(ended["link_down"], true, "{ended}");
    assert_eq!(survivor.disconnected(key), "closed by the peer without a reason");
    assert_eq!(survivor.details(key)["link_up"], false);
    ended
}

/// The slave dies by SIGKILL in traffic, again and again; the master serves the next one.
pub(crate) fn slave_killed_in_traffic() {
    let address = Address::fresh();
    let mut pair = Pair::at(&address, json!({"rx": 2}), json!({"tx": 2}));
    for round in 0..ROUNDS {
        under_way(&mut pair, 2000 << round);
        let Pair { mut master, slave, at_master, .. } = pair;
        slave.kill();
        survivor_goes_on(&mut master, at_master);
        let mut slave = End::at(&address);
        let at_slave = slave.add(json!({"role": "slave", "tx": 2}));
        pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
    }
    pair.finish();
}

/// The master dies by SIGKILL in traffic, again and again, and leaves its socket file; the slave finds the next one.
pub(crate) fn master_killed_in_traffic() {
    let address = Address::fresh();
    let mut pair = Pair::at(&address, json!({"rx": 2}), json!({"tx": 2}));
    for round in 0..ROUNDS {
        under_way(&mut pair, 2000 << round);
        let Pair { master, mut slave, at_slave, .. } = pair;
        master.kill();
        survivor_goes_on(&mut slave, at_slave);
        assert!(address.path().exists(), "the dead master's file");
        let mut master = End::at(&address);
        let at_master = master.add(json!({"role": "master", "rx": 2}));
        pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
    }
    pair.finish();
    assert!(!address.path().exists(), "a master that ends removes its file");
}

/// Either side may start first, also before the directory of the socket exists.
pub(crate) fn either_side_starts_first() {
    for slave_first in [true, false] {
        let directory = std::env::temp_dir().join(format!("memif-start-{}", testkit::seqsock::unique()));
        let address = Address::Path(directory.join("memif.sock"));
        let (mut master, mut slave) = (End::at(&address), End::at(&address));
        let (at_master, at_slave);
        if slave_first {
            at_slave = slave.add(json!({"role": "slave"}));
            slave.fails_with(at_slave, "socket does not exist");
            let error = master.fails(json!({"do": "add", "config": {"role": "master"}}));
            assert!(error.contains("does not exist: create it"), "{error}");
            std::fs::create_dir(&directory).expect("a directory");
            slave.fails_with(at_slave, "socket does not exist");
            at_master = master.add(json!({"role": "master"}));
        } else {
            std::fs::create_dir(&directory).expect("a directory");
            at_master = master.add(json!({"role": "master"}));
            assert_eq!(master.details(at_master)["link_up"], false);
            at_slave = slave.add(json!({"role": "slave"}));
        }
        let mut pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
        pair.finish();
        std::fs::remove_dir(&directory).expect("an empty directory: the socket file is gone");
    }
}

/// Down and up again, by each side, several times: cursors start afresh, and both ends know the reason.
pub(crate) fn admin_down_and_up() {
    let mut pair = Pair::new(json!({}), json!({"ring": 64}));
    for _ in 0..3 {
        pair.exchange(&some());
        pair.slave.admin(pair.at_slave, false);
        assert_eq!(pair.master.disconnected(pair.at_master), "disconnected by the peer: interface is down");
        assert_eq!(pair.slave.disconnected(pair.at_slave), "disconnected here: interface is down");
        for (end, key) in [(&mut pair.master, pair.at_master), (&mut pair.slave, pair.at_slave)] {
            assert_eq!(end.call(json!({"do": "queues_down", "key": key})), true);
        }
        assert_eq!(pair.slave.details(pair.at_slave)["admin_up"], false);
        pair.slave.admin(pair.at_slave, true);
        pair.connected();
        pair.exchange(&some());

        pair.master.admin(pair.at_master, false);
        assert_eq!(pair.slave.disconnected(pair.at_slave), "disconnected by the peer: interface is down");
        assert_eq!(pair.master.disconnected(pair.at_master), "disconnected here: interface is down");
        // While the master is down it refuses, and says why.
        pair.slave.fails_with(pair.at_slave, "interface id 0 is down");
        assert_eq!(pair.master.refused(), "interface id 0 is down");
        pair.master.admin(pair.at_master, true);
        pair.connected();
    }
    pair.exchange(&some());
    pair.finish();
}

/// A reason crosses to the other end, at most 95 bytes of it; removing an interface and closing a socket have theirs.
pub(crate) fn reasons_cross() {
    let mut pair = Pair::new(json!({}), json!({}));
    let long = "x".repeat(200);
    for (reason, arrives) in [("maintenance at noon", "maintenance at noon"), (&*long, &long[..95])] {
        for by_master in [true, false] {
            let Pair { master, slave, at_master, at_slave } = &mut pair;
            let mut ends = [(master, *at_master), (slave, *at_slave)];
            if !by_master {
                ends.reverse();
            }
            let [(one, key), (other, there)] = ends;
            one.call(json!({"do": "disconnect", "key": key, "reason": reason}));
            let here = one.call(json!({"do": "reason", "key": key}));
            assert_eq!(
                (text(&here["by"]), text(&here["text"])),
                ("local".into(), format!("disconnected here: {reason}"))
            );
            let told = other.call(json!({"do": "reason", "key": there}));
            assert_eq!(
                (text(&told["by"]), text(&told["text"])),
                ("peer".into(), format!("disconnected by the peer: {arrives}"))
            );
            pair.connected();
            pair.exchange(&some());
        }
    }
    let Pair { mut master, mut slave, at_master, at_slave } = pair;
    slave.call(json!({"do": "remove", "key": at_slave}));
    assert_eq!(master.disconnected(at_master), "disconnected by the peer: interface removed");
    let at_slave = slave.add(json!({"role": "slave"}));
    let mut pair = Pair { master, slave, at_master, at_slave };
    pair.connected();
    pair.exchange(&some());
    pair.master.call(json!({"do": "close"}));
    assert_eq!(pair.slave.disconnected(at_slave), "disconnected by the peer: socket closed");
    pair.finish();
}

/// Id, secret, queues and sizes change between connections, and with them the address.
pub(crate) fn settings_change_between_connections() {
    let (first, second) = (Address::fresh(), Address::fresh());
    let mut pair = Pair::at(&first, json!({"id": 1}), json!({"id": 1, "ring": 16}));
    pair.exchange(&some());
    let config = |role: &str, ring: u64| json!({"role": role, "id": 2, "secret": "now there is one", "ring": ring, "rx": 2, "tx": 2, "buffer": 4096});
    // A change leaves the present link alone.
    let at_master = json!({"do": "reconfigure", "key": pair.at_master, "config": config("master", 1024)});
    let at_slave = json!({"do": "reconfigure", "key": pair.at_slave, "config": config("slave", 256)});
    pair.master.call(at_master);
    pair.slave.call(at_slave);
    pair.exchange(&some());
    assert_eq!(pair.slave.details(pair.at_slave)["rx"][0]["ring"], 16);
    pair.slave.call(json!({"do": "disconnect", "key": pair.at_slave, "reason": "new settings"}));
    pair.connected();
    let details = pair.slave.details(pair.at_slave);
    assert_eq!(
        (&details["id"], &details["rx"][1]["ring"], &details["secret_set"]),
        (&json!(2), &json!(256), &json!(true))
    );
    pair.exchange(&some());

    // The listener moves at once, links stay; the next connection comes by the new path.
    pair.master.call(json!({"do": "set_address", "address": spell(&second)}));
    assert!(second.path().exists() && !first.path().exists(), "the socket file moves");
    pair.slave.call(json!({"do": "disconnect", "key": pair.at_slave, "reason": "new address"}));
    pair.slave.fails_with(pair.at_slave, "socket does not exist");
    pair.slave.call(json!({"do": "set_address", "address": spell(&second)}));
    pair.connected();
    pair.exchange(&some());
    pair.finish();
}

/// Only the right secret connects, and a wrong one is told from a missing one.
pub(crate) fn secrets() {
    let address = Address::fresh();
    let (mut master, mut slave) = (End::at(&address), End::at(&address));
    let secret = "just right, 23 bytes...";
    let at_master = master.add(json!({"role": "master", "secret": secret}));
    let at_slave = slave.add(json!({"role": "slave"}));
    assert_eq!(master.refused(), "secret required");
    slave.fails_with(at_slave, "refused by the master: secret required");
    for wrong in ["just right, 23 bytes..", "x", "Just right, 23 bytes..."] {
        let config = json!({"role": "slave", "secret": wrong});
        slave.call(json!({"do": "reconfigure", "key": at_slave, "config": config}));
        slave.fails_with(at_slave, "refused by the master: incorrect secret");
    }
    assert_eq!(master.details(at_master)["link_up"], false);
    let config = json!({"role": "slave", "secret": secret});
    slave.call(json!({"do": "reconfigure", "key": at_slave, "config": config}));
    master.connected(at_master);
    slave.connected(at_slave);
    exchange(At(&mut master, at_master), At(&mut slave, at_slave), &some());
    assert_eq!(master.details(at_master)["secret_set"], true);

    // A master without a secret takes any.
    let open = master.add(json!({"role": "master", "id": 1}));
    let at_open = slave.add(json!({"role": "slave", "id": 1, "secret": "whatever"}));
    master.connected(open);
    slave.connected(at_open);
    exchange(At(&mut master, open), At(&mut slave, at_open), &some());
    slave.finish();
    master.finish();
}

/// A second slave with the same id is refused, and the first one keeps its link.
pub(crate) fn second_slave_is_refused() {
    let address = Address::fresh();
    let mut pair = Pair::at(&address, json!({"id": 5}), json!({"id": 5}));
    let mut second = End::at(&address);
    let key = second.add(json!({"role": "slave", "id": 5}));
    second.fails_with(key, "refused by the master: interface id 5 already connected");
    assert_eq!(pair.master.refused(), "interface id 5 already connected");
    let unknown = second.add(json!({"role": "slave", "id": 6}));
    second.fails_with(unknown, "refused by the master: unmatched interface id 6");
    pair.exchange(&some());
    // It waits its turn.
    let Pair { mut master, slave, at_master, .. } = pair;
    slave.kill();
    master.disconnected(at_master);
    master.connected(at_master);
    second.connected(key);
    exchange(At(&mut master, at_master), At(&mut second, key), &some());
    second.finish();
    master.finish();
}
