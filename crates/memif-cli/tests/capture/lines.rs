//! A line for each packet.

use super::util::reports::{has_fields, reports};
use super::util::{abstract_name, master, memif};

pub(crate) fn each_packet_has_a_line() {
    let (left, right) = (abstract_name(), abstract_name());
    let _responder = master(&left, "");
    let mut tap = memif(&format!("capture --socket {left} --via {right} icmp and host 192.168.1.2"));
    tap.expect_complaint("connected to");
    memif(&format!("ping 192.168.1.2 --socket {right} --count 3 --interval 0")).finish().code(0);
    // They come at once, not at the end.
    for _ in 0..3 {
        let request = tap.expect("echo request");
        assert!(request.contains(" Out ") && request.contains("192.168.1.1 > 192.168.1.2"), "{request}");
        let reply = tap.expect("echo reply");
        assert!(reply.contains(" In ") && reply.contains("192.168.1.2 > 192.168.1.1"), "{reply}");
    }
    tap.terminate();
    let finished = tap.finish().code(0).complains("8 packets, 6 chosen by the filter, 6 told of");
    assert_eq!(finished.out.lines().count(), 6, "nothing but packets: {finished:#?}");
}

pub(crate) fn packets_in_json() {
    let (left, right) = (abstract_name(), abstract_name());
    let _responder = master(&left, "");
    let mut tap = memif(&format!("capture --json --socket {left} --via {right} icmp"));
    tap.expect("\"connected\"");
    memif(&format!("ping 192.168.1.2 --socket {right} --count 2 --interval 0")).finish().code(0);
    tap.expect("echo reply");
    tap.terminate();
    let all = reports(&tap.finish().code(0));
    let packets: Vec<_> = all.iter().filter(|report| report["type"] == "packet").collect();
    assert_eq!(packets.len(), 4);
    for (packet, direction) in packets.iter().zip(["out", "in"].repeat(2)) {
        has_fields(packet, "type time_nanoseconds interface queue direction length_bytes captured_bytes line");
        assert_eq!((&packet["direction"], &packet["length_bytes"]), (&direction.into(), &98.into()));
    }
}
