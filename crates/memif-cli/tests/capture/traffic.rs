//! Packets that pass.

use testkit::{Address, Descriptor, SlaveLink, SlavePlan};

use super::util::{Directory, abstract_name, master, memif};
use super::{capture, data, read, tap};

pub(crate) fn all_write_the_same() {
    let directory = Directory::new();
    let (left, right) = (abstract_name(), abstract_name());
    let file = |name: &str| directory.text(name);
    let mut responder = master(&left, &format!("--write {}", file("responder")));
    let tap = tap(&left, &right, &format!("-w {}", file("tap")));
    memif(&format!("ping 192.168.1.2 --socket {right} --count 20 --interval 0 --size 3000 --write {}", file("ping")))
        .finish()
        .code(0)
        .says("42 packets, 42 written to");
    tap.terminate();
    let tapped = tap.finish().code(0).says("42 packets, 42 written to");
    assert!(tapped.out.contains("21 packets"), "{tapped:#?}");
    responder.expect("link down");
    responder.terminate();
    responder.finish().code(0).says("42 written to");

    let [pinged, tapped, answered] = ["ping", "tap", "responder"].map(|name| read(directory.path(name)));
    assert_eq!(pinged.packets.len(), 42, "requests, replies, and a question with its answer");
    assert!(data(&pinged) == data(&tapped) && data(&pinged) == data(&answered), "the same bytes in the same order");
    let directions = |read: &super::Read| read.packets.iter().map(|packet| packet.direction).collect::<Vec<_>>();
    let (out_in, in_out) = ([2, 1].repeat(21), [1, 2].repeat(21));
    assert_eq!(directions(&pinged), out_in);
    assert_eq!(directions(&answered), in_out);
    // As its first interface sees it, whose peer is the responder.
    assert_eq!(directions(&tapped), out_in);
    for read in [pinged, tapped, answered] {
        assert!(read.complete && read.link_type == 1, "{read:?}");
    }
}

/// Sends for a moment, as a slave.
pub(crate) fn generator(socket: &str, options: &str) -> String {
    format!("bench throughput --part generator --socket {socket} --seconds 0.5 {options}")
}

pub(crate) fn all_queues() {
    let directory = Directory::new();
    let socket = abstract_name();
    let capture = capture(&socket, &format!("-w {}", directory.text("a")));
    // It spreads its packets over all queues.
    memif(&generator(&socket, "--queues 3 --rate 1000")).finish();
    capture.terminate();
    capture.finish().code(0).says(" 0 missed");
    let read = read(directory.path("a"));
    assert!(read.complete && read.interfaces == 3, "{read:?}");
    for queue in 0..3 {
        assert!(read.packets.iter().any(|packet| packet.queue == queue && packet.direction == 1), "queue {queue}");
    }
}

pub(crate) fn any_two_roles() {
    for (first, second) in [("slave", "master"), ("master", "slave"), ("master", "master"), ("slave", "slave")] {
        let directory = Directory::new();
        let (left, right) = (abstract_name(), abstract_name());
        let other = |role| if role == "slave" { "master" } else { "slave" };
        let mut responder = memif(&format!("responder --role {} --socket {left}", other(first)));
        responder.expect("192.168.1.2");
        let options = format!("--role {first} --via {right} --via-role {second} -w {}", directory.text("a"));
        let mut tap = memif(&format!("capture --socket {left} {options}"));
        tap.expect("capturing on");
        let role = other(second);
        memif(&format!("ping 192.168.1.2 --role {role} --socket {right} --count 5 --interval 0")).finish().code(0);
        tap.terminate();
        tap.finish().code(0);
        assert!(read(directory.path("a")).packets.len() >= 12);
    }
}

pub(crate) fn peer_comes_back() {
    let directory = Directory::new();
    let (left, right) = (abstract_name(), abstract_name());
    let mut tap = memif(&format!("capture --socket {left} --via {right} -w {}", directory.text("a")));
    for _ in 0..2 {
        let responder = master(&left, "");
        // It waits for the link of the other side, too.
        tap.expect("slave interface 0");
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {right} --interval 0.01"));
        ping.expect("icmp_seq=3");
        ping.kill();
        tap.expect("link down");
        drop(responder);
        tap.expect("link down");
        // Nobody is there: what is asked meanwhile goes nowhere.
        memif(&format!("ping 192.168.1.2 --socket {right} --timeout 0.2")).finish().code(1);
        tap.expect("link down");
    }
    tap.terminate();
    tap.finish().code(0).says("dropped (no link on the other side: ");
    let read = read(directory.path("a"));
    assert!(read.complete && read.packets.len() >= 12, "{read:?}");
    assert_eq!(read.interfaces, 2, "the queues are the same");
}

pub(crate) fn raw_ip() {
    let directory = Directory::new();
    let socket = abstract_name();
    let mut responder = master(&socket, &format!("--mode ip --write {}", directory.text("a")));
    memif(&format!("ping 192.168.1.2 --mode ip --socket {socket} --count 3 --interval 0")).finish().code(0);
    responder.expect("link down");
    responder.terminate();
    responder.finish().code(0);
    let read = read(directory.path("a"));
    assert_eq!((read.link_type, read.interfaces, read.packets.len()), (101, 1, 6));
    assert_eq!(read.packets.iter().map(|packet| packet.direction).collect::<Vec<_>>(), [1, 2, 1, 2, 1, 2]);
}

pub(crate) fn wrong_descriptors() {
    let directory = Directory::new();
    let address = Address::fresh();
    for (name, more) in [("plain", ""), ("tap", " --via @nobody-comes")] {
        let socket = address.path().display().to_string();
        let capture = capture(&socket, &format!("-w {}{more}", directory.text(name)));
        let mut peer = SlaveLink::connect(&address, &SlavePlan::default());
        let tx = &mut peer.tx[0];
        for _ in 0..3 {
            tx.put(Descriptor { region: 99, length: 64, ..Descriptor::default() });
        }
        tx.publish();
        tx.wait_drained();
        capture.terminate();
        capture.finish().code(0).says("0 packets, 0 written").says(", 0 missed, 3 dropped");
    }
}
