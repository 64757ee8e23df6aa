//! One end each.

use std::time::Duration;

use memif::{InterfaceConfig, Socket};

use crate::both::{has_times, number};
use crate::util::reports::{has_fields, only, reports};
use crate::util::{abstract_name, memif};

pub(crate) fn sink_and_generator() {
    for (sink, generator) in [("master", "slave"), ("slave", "master")] {
        let socket = abstract_name();
        let other = memif(&format!("bench --part sink --role {sink} --socket {socket} --json"));
        let own = memif(&format!(
            "bench --part generator --role {generator} --socket {socket} --seconds 0.2 --size 300 --json"
        ));
        let sent = reports(&own.finish().code(0));
        let received = reports(&other.finish().code(0));
        let sent = only(&sent, "bench_generator");
        has_fields(
            sent,
            "type packet_bytes offered_packets sent_packets duration_ms packets_per_second bits_per_second",
        );
        only(&received, "connected");
        let received = only(&received, "bench_throughput");
        assert_eq!(sent["sent_packets"], received["received_packets"]);
        assert_eq!(sent["sent_packets"], received["sent_packets"]);
        assert_eq!(received["lost_packets"], 0);
        let bits = received["bits_per_second"].as_f64().unwrap();
        let packets = received["packets_per_second"].as_f64().unwrap();
        assert!((bits / packets - 2400.0).abs() < 0.01, "{received}");
    }
}

/// A peer by hand: what it sends is wrong in every way that a sink must see.
pub(crate) fn changed_packets() {
    let name = abstract_name();
    let mut socket = Socket::builder(name.parse().unwrap()).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let sink = memif(&format!("bench --part sink --socket {name} --json"));
    let mut link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
    let tx = &mut link.tx[0];
    tx.send_wait(&packet(0)).unwrap();
    tx.send_wait(&packet(1)).unwrap();
    // Two are left out, one is changed, one is cut.
    tx.send_wait(&packet(4)).unwrap();
    let mut changed = packet(5);
    changed[60] ^= 0x10;
    tx.send_wait(&changed).unwrap();
    tx.send_wait(&packet(6)[..63]).unwrap();
    // The last of the queue says that nine were due, of which seven were sent.
    let mut last = packet(7);
    last.extend_from_slice(&9_u64.to_le_bytes());
    last[56..64].copy_from_slice(&((0x454e_4421 << 32) | 72_u64).to_le_bytes());
    tx.send_wait(&last).unwrap();
    let received = reports(&sink.finish().code(1));
    let received = only(&received, "bench_throughput");
    let field = |name| number(received, name);
    assert_eq!((field("received_packets"), field("sent_packets")), (5, 7));
    assert_eq!((field("corrupted_packets"), field("missing_packets")), (2, 2));
    assert_eq!(field("lost_packets"), 4);
}

/// A peer that drops the generator's last packet, which says how many there were, and keeps the link up: VPP between two interfaces
/// whose rings are full. The sink gives up waiting, and says so.
pub(crate) fn end_that_is_lost() {
    for mode in ["polling", "adaptive"] {
        let name = abstract_name();
        let mut socket = Socket::builder(name.parse().unwrap()).open().unwrap();
        let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
        let sink = memif(&format!(
            "bench --part sink --socket {name} --rx-mode {mode} --seconds 0.1 --connect-timeout 2 --json"
        ));
        let mut link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
        for number in 0..3 {
            link.tx[0].send_wait(&packet(number)).unwrap();
        }
        let finished = sink.finish().code(1).complains("nothing came for 2 s");
        let received = reports(&finished);
        let received = only(&received, "bench_throughput");
        assert_eq!(number(received, "received_packets"), 3);
        assert!(received["sent_packets"].is_null() && received["lost_packets"].is_null());
    }
}

/// A packet as the generator makes them, as far as a sink looks.
fn packet(number: u64) -> Vec<u8> {
    let mut packet = vec![7_u8; 64];
    packet[48..56].copy_from_slice(&number.to_le_bytes());
    packet[56..64].copy_from_slice(&((0x6d65_6d69 << 32) | 64_u64).to_le_bytes());
    packet
}

pub(crate) fn echo_serves_all() {
    let socket = abstract_name();
    let mut echo = memif(&format!("bench --part echo --role master --socket {socket} --json"));
    echo.expect("bench_link");
    for arguments in ["latency --size 64,1500", "latency --rate 1000", "ndr --return", "setup"] {
        let arguments =
            format!("bench {arguments} --part generator --socket {socket} --json --seconds 0.05");
        let found = reports(&memif(&arguments).finish().code(0));
        let kind = arguments.split_whitespace().nth(1).unwrap();
        assert!(found.iter().any(|report| report["type"] == format!("bench_{kind}")), "{found:?}");
    }
    echo.expect("bench_echo");
    echo.terminate();
    echo.finish().code(0);
}

pub(crate) fn echo_of_many() {
    let socket = abstract_name();
    let count = "--count 20 --id 7";
    let echo =
        memif(&format!("bench interfaces --part echo --role master --socket {socket} {count}"));
    let found = memif(&format!(
        "bench interfaces --part generator --socket {socket} {count} --seconds 0.1 --json"
    ));
    let found = reports(&found.finish().code(0));
    let report = only(&found, "bench_interfaces");
    assert!(report["other_end"].is_null());
    has_times(&report["round_trip"]);
    echo.terminate();
    echo.finish().code(0);
}

pub(crate) fn no_echo() {
    let name = abstract_name();
    let mut socket = Socket::builder(name.parse().unwrap()).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let bench = format!("bench latency --part generator --socket {name} --connect-timeout 1");
    let asker = memif(&bench);
    let _link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
    asker.finish().code(2).complains("none of our packets came back").complains("macswap");
    let _gone = socket.poll(Some(Duration::from_secs(60))).unwrap();
    let sink = memif(&format!("bench --part sink --socket {name} --connect-timeout 0.2"));
    let _link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
    sink.finish().code(2).complains("no packet came").complains("txonly");
}
