//! Both ends by one command.

use std::path::Path;

use serde_json::Value;

use crate::parts::no_rate_code;
use crate::util::memif;
use crate::util::processes::children;
use crate::util::reports::{has_fields, only, reports};

/// Fields of a sink for packets that did not come as they were sent.
pub(crate) const FAULTS: [&str; 6] = [
    "lost_packets",
    "missing_packets",
    "duplicate_packets",
    "reordered_packets",
    "reordered_over_queues_packets",
    "corrupted_packets",
];

/// What `memif bench` with those arguments reports.
pub(crate) fn bench(arguments: &str) -> Vec<Value> {
    let finished = memif(&format!("bench {arguments} --json")).finish().code(0);
    reports(&finished)
}

pub(crate) fn number(report: &Value, field: &str) -> u64 {
    report[field].as_u64().unwrap_or_else(|| panic!("no number {field} in {report}"))
}

pub(crate) fn has_times(report: &Value) {
    has_fields(report, "count min_ns mean_ns p50_ns p90_ns p99_ns p99_9_ns p99_99_ns max_ns histogram");
    let fields = ["min_ns", "p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns"];
    let times: Vec<_> = fields.iter().map(|field| number(report, field)).collect();
    assert!(times.is_sorted() && times[0] > 0, "{report}");
    let buckets = report["histogram"].as_array().expect("buckets");
    let sum: u64 = buckets.iter().map(|bucket| number(bucket, "packets")).sum();
    assert_eq!(sum, number(report, "count"), "{report}");
}

pub(crate) fn throughput_counts_every_packet() {
    let found = bench("--seconds 0.2");
    let link = only(&found, "bench_link");
    has_fields(
        link,
        "type work part role rx_mode ring_size_slots buffer_size_bytes huge_pages numa_node prefault queues burst_packets cpus threads duplex \
         thread_per_queue",
    );
    assert_eq!((&link["rx_mode"], &link["part"]), (&"polling".into(), &"both".into()));
    let report = only(&found, "bench_throughput");
    has_fields(
        report,
        "type from_role run packet_bytes sent_packets received_packets lost_packets missing_packets duplicate_packets \
         reordered_packets reordered_over_queues_packets corrupted_packets queues outages without_link_ms \
         measured_packets measured_ms packets_per_second bits_per_second",
    );
    assert_eq!(report["packet_bytes"], 64);
    assert_eq!(report["sent_packets"], report["received_packets"]);
    for none in FAULTS.into_iter().chain(["outages"]) {
        assert_eq!(report[none], 0, "{report}");
    }
    let queue = &report["queues"][0];
    has_fields(queue, "received_packets duplicate_packets reordered_packets");
    assert_eq!(queue["received_packets"], report["received_packets"]);
    let measured = number(report, "measured_packets");
    assert!(0 < measured && measured < number(report, "received_packets"), "{report}");
    let pps = report["packets_per_second"].as_f64().unwrap();
    let expected = measured as f64 * 1e3 / report["measured_ms"].as_f64().unwrap();
    assert!((pps - expected).abs() < 1.0, "{report}");
    assert!((report["bits_per_second"].as_f64().unwrap() - pps * 512.0).abs() < 1e3, "{report}");
}

pub(crate) fn throughput_in_every_setting() {
    for settings in [
        "--role master",
        "--threads",
        "--rx-mode interrupt",
        "--rx-mode adaptive --queues 3",
        // The slave's, whose master takes them.
        "--rx-queues 1 --tx-queues 3",
        "--role master --rx-queues 3 --tx-queues 1",
        "--mode ip --burst 1",
        "--burst 512 --ring-size 16",
        "--size 9000 --buffer-size 512",
        "--role master --size 65535",
        "--prefault",
    ] {
        let found = bench(&format!("--seconds 0.05 {settings}"));
        let report = only(&found, "bench_throughput");
        assert_eq!(report["sent_packets"], report["received_packets"], "{settings}");
        assert!(number(report, "received_packets") > 0, "{settings}");
        assert_eq!(report["corrupted_packets"], 0, "{settings}");
    }
    let found = bench("--seconds 0.05 --size 64,imix,1500");
    let sizes = found.iter().filter(|report| report["type"] == "bench_throughput");
    let sizes: Vec<_> = sizes.map(|report| &report["packet_bytes"]).collect();
    assert_eq!(sizes, [&Value::from(64), &Value::Null, &Value::from(1500)]);
}

pub(crate) fn throughput_on_huge_pages() {
    let found = bench("--seconds 0.05 --size 1500 --huge-pages --prefault");
    let link = only(&found, "bench_link");
    let placed = ["huge_pages", "numa_node", "prefault"].map(|field| link[field].clone());
    assert_eq!(placed, [Value::from(true), Value::Null, Value::from(true)]);
    let report = only(&found, "bench_throughput");
    assert!(number(report, "received_packets") > 0, "{report}");
    assert_eq!((&report["lost_packets"], &report["corrupted_packets"]), (&0.into(), &0.into()));
}

pub(crate) fn a_rate_is_kept() {
    // A busy machine may lose some: that is status 1, and not what this is about.
    let finished = memif("bench --seconds 0.2 --rate 10k --json").finish();
    let found = reports(&finished);
    let report = only(&found, "bench_throughput");
    let sent = number(report, "sent_packets");
    // A tenth is warm-up. A generator that falls behind sends fewer, never more.
    assert!(0 < sent && sent <= 2200, "{report}");
    let lost = number(report, "lost_packets");
    assert_eq!(finished.status.code(), Some(i32::from(lost > 0)), "{report}");
    assert_eq!(sent, number(report, "received_packets"), "{report}");
}

pub(crate) fn round_trips_one_in_flight() {
    for settings in ["", "--rx-mode interrupt", "--rx-mode adaptive --threads", "--role master"] {
        let found = bench(&format!("latency --seconds 0.2 {settings}"));
        let report = only(&found, "bench_latency");
        has_fields(
            report,
            "type packet_bytes run asked_per_second sent_packets received_packets lost_packets corrupted_packets \
             duration_ms received_per_second outages without_link_ms round_trip",
        );
        assert_eq!(report["asked_per_second"], Value::Null);
        assert_eq!(report["sent_packets"], report["received_packets"]);
        assert_eq!(report["lost_packets"], 0);
        has_times(&report["round_trip"]);
        assert_eq!(report["round_trip"]["count"], report["received_packets"]);
    }
    let text = memif("bench latency --seconds 0.05 --size 64,1500").finish().code(0);
    text.says("p99.99       max").says("64 bytes:").says("1500 bytes:");
}

pub(crate) fn round_trips_at_a_rate() {
    for settings in ["", "--rx-mode adaptive", "--size imix"] {
        let found = bench(&format!("latency --rate 2000 --seconds 0.2 {settings}"));
        let report = only(&found, "bench_latency");
        assert_eq!(report["asked_per_second"], 2000.0);
        // However late any of them was: all that were due were sent.
        assert_eq!((&report["sent_packets"], &report["lost_packets"]), (&400.into(), &0.into()));
        has_times(&report["round_trip"]);
    }
}

pub(crate) fn the_rate_without_loss() {
    for settings in ["", "--return", "--loss 5"] {
        let finished = memif(&format!("bench ndr --seconds 0.02 {settings} --json")).finish();
        let found = reports(&finished);
        // On a busy machine there may be no rate without loss.
        finished.code(no_rate_code(&found));
        let trials: Vec<_> = found.iter().filter(|report| report["type"] == "bench_ndr_trial").collect();
        has_fields(
            trials[0],
            "type packet_bytes asked_per_second offered_packets arrived_packets lost_packets duration_ms passed",
        );
        let ndr = only(&found, "bench_ndr");
        has_fields(ndr, "type packet_bytes allowed_loss_percent packets_per_second not_judged_per_second");
        // What was as fast as it goes is no rate that was asked for.
        assert_eq!(trials[0]["passed"], Value::Null);
        // The rate is that of the best trial that passed.
        let passed = trials.iter().filter(|trial| trial["passed"] == true);
        let best = passed.filter_map(|trial| trial["asked_per_second"].as_f64());
        assert_eq!(ndr["packets_per_second"].as_f64(), Some(best.fold(0.0, f64::max)), "{found:?}");
    }
}

pub(crate) fn links_come_and_go() {
    for settings in ["", "--threads"] {
        let found = bench(&format!("setup --seconds 0.2 {settings}"));
        let report = only(&found, "bench_setup");
        has_fields(report, "type links duration_ms connect delete connect_and_delete");
        for times in ["connect", "delete", "connect_and_delete"] {
            has_times(&report[times]);
            assert_eq!(report[times]["count"], report["links"]);
        }
    }
}

pub(crate) fn many_interfaces() {
    let found = bench("interfaces --count 50 --seconds 0.1");
    let reports: Vec<_> = found.iter().filter(|report| report["type"] == "bench_interfaces").collect();
    assert_eq!(reports.len(), 2, "one alone, and many");
    for (report, count) in reports.into_iter().zip([1, 50]) {
        has_fields(
            report,
            "type interfaces links lost_links set_up_ms this_end before other_end lost_packets round_trip",
        );
        assert_eq!((&report["interfaces"], &report["lost_packets"]), (&count.into(), &0.into()));
        has_times(&report["round_trip"]);
        let descriptors = |end: &str| number(&report[end], "descriptors");
        // The connection, and an eventfd for each direction.
        assert!(descriptors("this_end") >= descriptors("before") + 3 * count, "{report}");
        assert!(descriptors("other_end") >= 3 * count, "{report}");
    }
}

pub(crate) fn a_signal_ends_both_ends() {
    for arguments in ["throughput", "latency", "latency --rate 1000", "ndr", "setup", "interfaces --count 5"] {
        let mut program = memif(&format!("bench {arguments} --seconds 3600"));
        program.expect("two processes");
        let other = testkit::eventually("the other end", || children(program.pid()).pop());
        program.interrupt();
        program.finish();
        let there = format!("/proc/{other}/comm");
        testkit::eventually("the end of the other end", || (!Path::new(&there).exists()).then_some(()));
    }
}
