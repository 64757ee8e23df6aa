//! What packets start with, and how receivers learn of them.

use serde_json::{Value, json};
use testkit::Address;

use crate::end::{End, Pair, load, number, some};

/// All modes carry packets.
pub(crate) fn ethernet_ip_and_punt_inject() {
    for mode in ["ethernet", "ip", "punt/inject"] {
        let mut pair = Pair::new(json!({"mode": mode}), json!({"mode": mode}));
        assert_eq!(pair.master.details(pair.at_master)["mode"], mode);
        pair.exchange(&some());
        pair.finish();
    }
}

/// Ends with different modes are told so, and connect once they agree.
pub(crate) fn modes_that_differ() {
    for (ours, theirs) in [("ip", "ethernet"), ("ethernet", "ip"), ("ip", "punt/inject")] {
        let address = Address::fresh();
        let (mut master, mut slave) = (End::at(&address), End::at(&address));
        let at_master = master.add(json!({"role": "master", "mode": ours}));
        let at_slave = slave.add(json!({"role": "slave", "mode": theirs}));
        let words = format!("mode mismatch: {theirs}, not {ours}");
        assert_eq!(master.refused(), words);
        slave.fails_with(at_slave, &format!("refused by the master: {words}"));
        slave.call(json!({"do": "reconfigure", "key": at_slave, "config": {"role": "slave", "mode": ours}}));
        let mut pair = Pair { master, slave, at_master, at_slave };
        pair.connected();
        pair.exchange(&some());
        pair.finish();
    }
}

fn ping_pong(pair: &mut Pair, packets: u64, sizes: &[usize]) -> (Value, Value) {
    let order = |what: &str, key: u64| {
        let mut order = load(packets, sizes);
        order["do"] = json!(what);
        order["key"] = json!(key);
        order
    };
    let Pair { master, slave, at_master, at_slave } = pair;
    slave.begin(&order("echo", *at_slave));
    master.begin(&order("ping", *at_master));
    let first = (master.end().expect("pings"), slave.end().expect("echoes"));
    // The other way round: the master forwards, too.
    master.begin(&order("echo", *at_master));
    slave.begin(&order("ping", *at_slave));
    let (slave_counts, master_counts) = (slave.end().expect("pings"), master.end().expect("echoes"));
    for (here, there) in [(&first.0, &first.1), (&master_counts, &slave_counts)] {
        assert_eq!((&here["rx"], &here["tx"]), (&there["tx"], &there["rx"]), "counters of both ends");
    }
    assert_eq!(master_counts["rx"][0], 2 * packets);
    (master_counts, slave_counts)
}

/// One packet under way at a time, forwarded from shared memory to shared memory: with every packet both receivers run
/// dry and wait again. No wake-up is lost in any pairing of modes, and nobody signals who is asked not to.
pub(crate) fn receive_modes_in_all_pairings() {
    let modes = ["interrupt", "adaptive", "polling"];
    for at_master in modes {
        for at_slave in modes {
            let mut pair = Pair::new(json!({"rx_mode": at_master}), json!({"rx_mode": at_slave}));
            let (master, slave) = ping_pong(&mut pair, 300, &[64, 1500, 5000]);
            for (mode, receiver, sender) in [(at_master, &master, &slave), (at_slave, &slave, &master)] {
                let (wake_ups, signals) = (number(&receiver["wake_ups"]), number(&sender["signals"]));
                match mode {
                    "polling" => assert_eq!((wake_ups, signals), (0, 0), "nobody signals a poller"),
                    // Every packet was signalled; some were found before the receiver slept.
                    "interrupt" => assert!(signals >= 600, "{signals} signals for 600 packets"),
                    _ => {}
                }
                assert!(wake_ups <= signals, "{wake_ups} wake-ups by {signals} signals");
            }
            pair.finish();
        }
    }
}

/// A burst both ways through waiting threads in every mode.
pub(crate) fn receive_modes_under_load() {
    for mode in ["interrupt", "adaptive", "polling"] {
        let mut pair = Pair::new(json!({"rx_mode": mode}), json!({"rx_mode": mode, "ring": 64}));
        let mut load = load(10_000, &[16, 64, 1500, 3000]);
        load["threads"] = json!(0);
        pair.exchange(&load);
        pair.finish();
    }
}
