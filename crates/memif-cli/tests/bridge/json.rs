//! `memif bridge --json`.

use testkit::Namespace;

use crate::bed::{TAP, bridge, ping};
use crate::util::Directory;
use crate::util::memif;
use crate::util::reports::{has_fields, only, reports};

pub(crate) fn events_and_statistics() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut bridge = bridge(&namespace, &format!("--json --socket {socket} --role master --id 4"));
    bridge.expect("\"interface\"");
    // Refused first: the wrong id.
    memif(&format!("ping 192.168.1.2 --socket {socket} --id 5 --connect-timeout 0.3")).finish().code(2);
    bridge.expect("\"refused\"");
    let responder = memif(&format!("responder --socket {socket} --id 4"));
    bridge.expect("\"connected\"");
    namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    ping(&namespace, "-c 20 -i 0.01 192.168.1.2");
    responder.terminate();
    bridge.expect("\"disconnected\"");
    bridge.terminate();
    let finished = bridge.finish().code(0);
    assert_eq!(finished.err, "");
    let told = reports(&finished);

    let interface = only(&told, "interface");
    has_fields(interface, "type interface_id role socket ip ip6 addresses mac device");
    assert_eq!((&interface["interface_id"], &interface["role"]), (&4.into(), &"master".into()));
    assert!(interface["ip"].is_null());
    let device = &interface["device"];
    has_fields(device, "name kind created mtu_bytes queues");
    assert_eq!((&device["name"], &device["kind"]), (&TAP.into(), &"tap".into()));
    assert_eq!((&device["created"], &device["mtu_bytes"]), (&true.into(), &1500.into()));
    let refused = told.iter().find(|report| report["type"] == "refused").expect("a refusal");
    assert_eq!(refused["reason"], "unmatched interface id 5");
    assert_eq!(only(&told, "connected")["interface_id"], 4);
    assert_eq!(only(&told, "disconnected")["by"], "peer");

    let counts = told.last().expect("a line");
    has_fields(counts, "type interface_id device to_memif from_memif");
    assert_eq!(counts["type"], "bridge_statistics");
    assert_eq!((&counts["interface_id"], &counts["device"]), (&4.into(), &TAP.into()));
    for way in ["to_memif", "from_memif"] {
        let flow = &counts[way];
        has_fields(flow, "packets bytes dropped_packets dropped_packets_by_reason ring_full_waits");
        has_fields(
            &flow["dropped_packets_by_reason"],
            "no_link too_long malformed device_down refused no_memory unknown_offload",
        );
        // Requests or replies of 98 bytes, and ARP.
        assert!(flow["packets"].as_u64() > Some(20), "{flow}");
        assert!(flow["bytes"].as_u64() > Some(20 * 98), "{flow}");
        assert_eq!(
            flow["dropped_packets"].as_u64(),
            flow["dropped_packets_by_reason"]
                .as_object()
                .map(|reasons| reasons.values().filter_map(serde_json::Value::as_u64).sum())
        );
    }

    // A slave without a master tells why it has no link.
    let namespace = Namespace::new();
    let mut alone = crate::bed::bridge(&namespace, &format!("--json --socket {}", directory.text("no.sock")));
    alone.expect("\"connect_failed\"");
    alone.terminate();
    let told = reports(&alone.finish().code(0));
    assert_eq!(only(&told, "bridge_statistics")["from_memif"]["packets"], 0);
}
