//! One end each.

use std::time::Duration;

use memif::{InterfaceConfig, Socket};
use serde_json::Value;

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
            "type packet_bytes offered_packets sent_packets outages without_link_ms duration_ms \
             packets_per_second bits_per_second",
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
    let mut socket = Socket::builder(&name).open().unwrap();
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
    let finished = sink.finish().code(1);
    let finished = finished.complains("2 packets found the ring full, or no link, at their time: not sent");
    let received = reports(&finished);
    let received = only(&received, "bench_throughput");
    let field = |name| number(received, name);
    assert_eq!((field("received_packets"), field("sent_packets")), (5, 7));
    assert_eq!((field("corrupted_packets"), field("missing_packets")), (2, 2));
    assert_eq!(field("lost_packets"), 4);
}

/// A peer that drops the generator's last packet, which says how many there were, and keeps the link up: VPP between
/// two interfaces whose rings are full. The sink gives up waiting, and says so.
pub(crate) fn end_that_is_lost() {
    for mode in ["polling", "adaptive"] {
        let name = abstract_name();
        let mut socket = Socket::builder(&name).open().unwrap();
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
    echo.expect_complaint(&format!("waiting for a slave on {socket}"));
    for arguments in ["latency --size 64,1500", "latency --rate 1000", "ndr --return", "setup"] {
        let arguments = format!("bench {arguments} --part generator --socket {socket} --json --seconds 0.05");
        let finished = memif(&arguments).finish();
        let found = reports(&finished);
        // On a busy machine there may be no rate without loss.
        let code = if arguments.contains("ndr") { no_rate_code(&found) } else { 0 };
        finished.code(code);
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
    let mut echo = memif(&format!("bench interfaces --part echo --role master --socket {socket} {count}"));
    echo.expect_complaint(&format!("waiting for a slave on {socket}"));
    let found = memif(&format!("bench interfaces --part generator --socket {socket} {count} --seconds 0.1 --json"));
    let found = reports(&found.finish().code(0));
    let report = only(&found, "bench_interfaces");
    assert!(report["other_end"].is_null());
    has_times(&report["round_trip"]);
    echo.terminate();
    echo.finish().code(0);
}

/// The exit status that goes with what `ndr` found.
pub(crate) fn no_rate_code(found: &[Value]) -> i32 {
    let rates = found.iter().filter(|report| report["type"] == "bench_ndr");
    let mut rates = rates.map(|report| report["packets_per_second"].as_f64().unwrap());
    i32::from(!rates.all(|rate| rate > 0.0))
}

/// A peer that takes a ring full of packets, and no more.
pub(crate) fn no_rate() {
    let name = abstract_name();
    let mut socket = Socket::builder(&name).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let ndr = memif(&format!("bench ndr --part generator --socket {name} --seconds 0.02 --json"));
    let _link = socket.wait_connected(key, Duration::from_secs(60)).unwrap();
    let finished = ndr.finish();
    let found = reports(&finished);
    assert_eq!(only(&found, "bench_ndr")["packets_per_second"], 0.0);
    assert_eq!(no_rate_code(&found), 1);
    finished.code(1).complains("no rate");
}

/// One after the other over one link, which is all one run to a sink of ours.
pub(crate) fn several_sizes() {
    let socket = abstract_name();
    let sink = memif(&format!("bench --part sink --role master --socket {socket} --json"));
    let generator =
        memif(&format!("bench --part generator --socket {socket} --seconds 0.1 --size 64,1500,imix --json"));
    let sent = reports(&generator.finish().code(0));
    let sent: Vec<_> = sent.iter().filter(|report| report["type"] == "bench_generator").collect();
    let sizes: Vec<_> = sent.iter().map(|report| &report["packet_bytes"]).collect();
    assert_eq!(sizes, [&Value::from(64), &Value::from(1500), &Value::Null]);
    let received = reports(&sink.finish().code(0));
    let received = only(&received, "bench_throughput");
    let sum: u64 = sent.iter().map(|report| number(report, "sent_packets")).sum();
    assert_eq!((number(received, "sent_packets"), number(received, "received_packets")), (sum, sum));
    assert_eq!(received["missing_packets"], 0);
}

/// The link stays after the generator has told what it sent, until its time is over or a signal comes.
pub(crate) fn linger() {
    for (work, told) in [("throughput", "bench_generator"), ("ndr", "\"bench_ndr\"")] {
        let name = abstract_name();
        let mut socket = Socket::builder(&name).open().unwrap();
        let [stays, goes] = [0, 1].map(|id| socket.add_interface(InterfaceConfig::master(id)).unwrap());
        let bench = format!("bench {work} --part generator --socket {name} --seconds 0.02 --json --id");
        let mut staying = memif(&format!("{bench} 0 --linger 3600"));
        let link = socket.wait_connected(stays, Duration::from_secs(60)).unwrap();
        staying.expect(told);
        // Another one that has all its life after that.
        let going = memif(&format!("{bench} 1"));
        let other = socket.wait_connected(goes, Duration::from_secs(60)).unwrap();
        while other.tx[0].is_connected() {
            socket.poll(Some(Duration::from_secs(60))).unwrap();
        }
        going.finish();
        assert!(link.tx[0].is_connected(), "{work}");
        staying.interrupt();
        while link.tx[0].is_connected() {
            socket.poll(Some(Duration::from_secs(60))).unwrap();
        }
        staying.finish();
    }
}

pub(crate) fn no_echo() {
    let name = abstract_name();
    let mut socket = Socket::builder(&name).open().unwrap();
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
