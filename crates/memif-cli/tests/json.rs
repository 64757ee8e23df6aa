//! `--json`: one object per line and nothing else on standard output, with the documented fields.

mod util;

use std::io::Write as _;

use serde_json::Value;
use util::reports::{has_fields, only, reports};
use util::{abstract_name, command, memif, piped};

#[test]
fn ping_and_responder_report_everything() {
    let socket = abstract_name();
    let mut responder = memif(&format!("responder --json --role master --socket {socket} --id 3 --ip6 fd00::2"));
    responder.expect("\"interface\"");
    let finished =
        memif(&format!("--json ping 192.168.1.2 --socket {socket} --id 3 --count 3 --interval 0 --size 100"))
            .finish()
            .code(0);
    assert_eq!(finished.err, "");
    let ping = reports(&finished);
    has_fields(only(&ping, "interface"), "type interface_id role socket ip ip6 addresses mac");
    let connected = only(&ping, "connected");
    has_fields(connected, "type interface_id peer rx_queues tx_queues");
    has_fields(&connected["peer"], "app_name interface_name pid uid gid");
    assert_eq!(connected["interface_id"], 3);
    assert_eq!(connected["peer"]["pid"], responder.pid());
    let replies: Vec<_> = ping.iter().filter(|report| report["type"] == "reply").collect();
    assert_eq!(replies.len(), 3);
    for (at, reply) in replies.iter().enumerate() {
        has_fields(reply, "type from sequence icmp_bytes time_to_live round_trip_ms duplicate icmp_checksum_ok");
        assert_eq!(reply["sequence"], at + 1);
        assert_eq!((&reply["icmp_bytes"], &reply["duplicate"]), (&108.into(), &false.into()));
        assert!(reply["round_trip_ms"].as_f64().is_some_and(|time| time > 0.0), "{reply}");
    }
    let statistics = ping.last().expect("a line");
    has_fields(
        statistics,
        "type target transmitted_packets received_packets duplicate_packets corrupted_packets \
         wrong_icmp_checksum_packets icmp_errors incomplete_packets loss_percent duration_ms round_trip_min_ms \
         round_trip_avg_ms round_trip_max_ms round_trip_mdev_ms",
    );
    assert_eq!(statistics["type"], "ping_statistics");
    assert_eq!(statistics["received_packets"], 3);
    assert_eq!(statistics["loss_percent"], 0.0);

    responder.expect("\"disconnected\"");
    responder.terminate();
    let responder = reports(&responder.finish().code(0));
    let interface = only(&responder, "interface");
    assert_eq!(interface["socket"], socket.as_str());
    assert_eq!((&interface["role"], &interface["ip"]), (&"master".into(), &"192.168.1.2".into()));
    assert_eq!(interface["ip6"], "fd00::2");
    has_fields(only(&responder, "disconnected"), "type interface_id by reason");
    assert_eq!(only(&responder, "disconnected")["by"], "peer");
    let counts = responder.last().expect("a line");
    has_fields(
        counts,
        "type interface_id received_packets answered_echo_requests answered_arp_requests \
         answered_neighbour_solicitations kept_fragments dropped_packets dropped_packets_by_reason",
    );
    assert_eq!(counts["type"], "responder_statistics");
    assert_eq!((&counts["answered_echo_requests"], &counts["dropped_packets"]), (&3.into(), &0.into()));
    assert_eq!(counts["dropped_packets_by_reason"]["icmp_checksum"], 0);
}

#[test]
fn commands_are_answered_with_objects() {
    for options in ["", "--interactive"] {
        let socket = abstract_name();
        // Any option of an interface would make one, so this has the default socket; nothing is made there.
        let socket_option = if options.is_empty() { String::new() } else { format!("--socket {socket}") };
        let (mut responder, mut commands) = piped(&format!("responder --json {options} {socket_option}"));
        let mut type_line = |line: &str| writeln!(commands, "{line}").expect("it reads");
        type_line("shwo");
        type_line("");
        type_line(&"x".repeat(10_000));
        type_line("help");
        type_line("ip-set 0 10.0.0.1");
        if options.is_empty() {
            type_line("exit");
            let told = reports(&responder.finish().code(0));
            let kinds: Vec<_> = told.iter().filter_map(|told| told["type"].as_str()).collect();
            assert_eq!(kinds, ["rejected", "rejected", "help", "done", "rejected", "done"]);
            has_fields(&told[0], "type command message");
            assert_eq!(told[0]["command"], "shwo");
            assert!(told[1]["command"].is_null());
            has_fields(&told[2], "type text");
            has_fields(&told[5], "type command");
            assert_eq!(told[5]["command"], "exit");
            continue;
        }
        for line in ["conn 0 1", "conn 1 1", "ip-set 0 fd00::9", "rx-mode 0 0 interrupt", "show"] {
            type_line(line);
        }
        responder.expect("{\"type\":\"done\",\"command\":\"show\"}");
        memif(&format!("ping 192.168.1.2 --socket {socket} --id 7 --connect-timeout 0.3")).finish().code(2);
        responder.expect("\"refused\"");
        memif(&format!("ping 192.168.1.2 --socket {socket} --count 3 --interval 0")).finish().code(0);
        responder.expect("\"disconnected\"");
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.01"));
        ping.expect("icmp_seq=1");
        type_line("del 0");
        responder.expect("\"command\":\"del 0\"");
        drop(commands);
        let finished = responder.finish().code(0);
        assert_eq!(finished.err, "");
        let told = reports(&finished);
        let of = |kind: &str| told.iter().filter(|report| report["type"] == kind).collect::<Vec<_>>();
        assert_eq!((of("interface").len(), of("done").len(), of("rejected").len()), (2, 7, 3));
        has_fields(of("interface")[0], "type interface_id role socket ip ip6 addresses mac");
        let details = of("details");
        assert_eq!(details.len(), 2);
        assert_eq!((&details[0]["ip6"], &details[0]["link_up"]), (&"fd00::9".into(), &false.into()));
        assert_eq!(details[1]["interface_id"], 1);
        assert_eq!(of("connected").len(), 2);
        assert_eq!(of("disconnected")[1]["by"], "local");
        // At once, and at the end how often it came since. The ping may come back and be refused, too, after the del.
        let mut refused = of("refused");
        refused.retain(|report| report["reason"] == "unmatched interface id 7");
        assert!(refused[0]["count"] == 1 && refused.len() <= 2, "{refused:?}");
        // Both interfaces in show, one on its end, the other at the end of the program.
        let statistics = of("responder_statistics");
        assert_eq!(statistics.len(), 4);
        assert!(statistics[2]["answered_echo_requests"].as_u64() > Some(3), "{statistics:?}");
        assert_eq!(statistics[3]["interface_id"], 1);
    }
}

#[test]
fn failures_are_reported_at_both_ends() {
    let socket = abstract_name();
    let mut responder = memif(&format!("responder --json --role master --socket {socket}"));
    responder.expect("\"interface\"");
    let finished = memif(&format!("ping 192.168.1.2 --json --socket {socket} --id 9 --connect-timeout 0.3"))
        .finish()
        .code(2)
        .complains("unmatched interface id 9");
    let ping = reports(&finished);
    let failed = only(&ping, "connect_failed");
    has_fields(failed, "type interface_id reason advice retry_in_ms count");
    assert!(failed["advice"].as_str().is_some_and(|advice| advice.contains("--id")));
    let error = ping.last().expect("a line");
    has_fields(error, "type message exit_status");
    assert_eq!((&error["type"], &error["exit_status"]), (&"error".into(), &2.into()));

    let refused: Value = serde_json::from_str(&responder.expect("\"refused\"")).expect("one JSON object");
    has_fields(&refused, "type reason advice peer count");
    assert_eq!(refused["reason"], "unmatched interface id 9");
    responder.kill();
}

#[test]
fn losses_have_no_times() {
    let socket = abstract_name();
    let _responder = memif(&format!("responder --role master --mode ip --socket {socket}"));
    let finished =
        memif(&format!("ping 192.168.1.9 --json --mode ip --socket {socket} --count 1 --timeout 0.2")).finish().code(1);
    let reports = reports(&finished);
    let statistics = only(&reports, "ping_statistics");
    assert_eq!(statistics["loss_percent"], 100.0);
    assert!(statistics["round_trip_avg_ms"].is_null());
}

#[test]
fn demo_reports_both_ends() {
    let finished = memif("demo --json").finish().code(0);
    let reports = reports(&finished);
    let details: Vec<_> = reports.iter().filter(|report| report["type"] == "details").collect();
    assert_eq!(details.len(), 2);
    for (at, (details, role)) in details.iter().zip(["slave", "master"]).enumerate() {
        has_fields(
            details,
            "type index interface_id ip ip6 interface_name app_name role mode socket secret_set link_up last_reason peer \
             surplus_queues rx_queues tx_queues regions",
        );
        assert_eq!((&details["index"], &details["role"]), (&at.into(), &role.into()));
        has_fields(
            &details["rx_queues"][0],
            "index ring_size_slots buffer_size_bytes region offset_bytes head tail flags packets bytes \
             ring_full_packets bad_descriptors dropped_packets resyncs wake_ups signals",
        );
        has_fields(&details["regions"][0], "index size_bytes");
    }
    assert_eq!(only(&reports, "ping_statistics")["received_packets"], 20);
    let throughput = only(&reports, "throughput");
    has_fields(
        throughput,
        "type packet_bytes sent_packets received_packets duration_ms packets_per_second bits_per_second",
    );
    assert_eq!(throughput["sent_packets"], throughput["received_packets"]);
    assert_eq!(only(&reports, "responder_statistics")["answered_echo_requests"], 20);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut demo = command("demo --json");
    demo.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut demo = demo.spawn().expect("memif starts");
    drop(demo.stdout.take());
    let output = demo.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
