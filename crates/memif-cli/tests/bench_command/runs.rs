//! Several threads, directions, runs and periods; and two measurements side by side.

use std::fs;

use serde_json::Value;
use testkit::eventually;

use crate::both::{FAULTS, bench, has_times, number};
use crate::util::processes::{children, of_threads};
use crate::util::reports::{has_fields, only, reports};
use crate::util::{Directory, abstract_name, memif};

fn of<'a>(found: &'a [Value], kind: &str) -> Vec<&'a Value> {
    found.iter().filter(|report| report["type"] == kind).collect()
}

/// Every queue at both ends has a thread, and what all of them counted is told as one.
pub(crate) fn a_thread_for_each_queue() {
    for settings in ["", "--role master", "--threads", "--rx-mode adaptive", "--rate 1000"] {
        let found = bench(&format!("--queues 3 --thread-per-queue --seconds 0.2 {settings}"));
        assert_eq!(only(&found, "bench_link")["thread_per_queue"], true);
        let report = only(&found, "bench_throughput");
        assert_eq!(report["sent_packets"], report["received_packets"], "{settings}");
        for none in FAULTS {
            assert_eq!(report[none], 0, "{settings}: {report}");
        }
        let queues = report["queues"].as_array().expect("queues");
        let came: Vec<_> = queues.iter().map(|queue| number(queue, "received_packets")).collect();
        assert_eq!(came.len(), 3);
        assert!(came.iter().all(|came| *came > 0), "{came:?}");
        assert_eq!(came.iter().sum::<u64>(), number(report, "received_packets"));
        let measured = number(report, "measured_packets");
        assert!(0 < measured && measured <= number(report, "received_packets"), "{report}");
    }
    let bench = memif("bench --queues 2 --thread-per-queue --seconds 3600");
    let names = |pid| of_threads(pid, "comm").iter().filter(|name| name.starts_with("queue ")).count();
    eventually("a thread for each queue of this end", || (names(bench.pid()) == 2).then_some(()));
    let other = children(bench.pid()).pop().expect("the other end");
    eventually("and of the other end", || (names(other) == 2).then_some(()));
    bench.interrupt();
    bench.finish();
}

/// The same of ends that are each by themselves.
pub(crate) fn threads_of_one_end() {
    let socket = abstract_name();
    let threads = "--queues 2 --thread-per-queue --json";
    let sink = memif(&format!("bench --part sink --role master --socket {socket} {threads}"));
    let generator = memif(&format!("bench --part generator --socket {socket} --seconds 0.2 {threads}"));
    let sent = reports(&generator.finish().code(0));
    let received = reports(&sink.finish().code(0));
    let (sent, received) = (only(&sent, "bench_generator"), only(&received, "bench_throughput"));
    assert_eq!(sent["sent_packets"], received["received_packets"]);
    assert_eq!((&received["lost_packets"], &received["missing_packets"]), (&0.into(), &0.into()));
    assert_eq!(received["queues"].as_array().map(Vec::len), Some(2));
}

/// Both ends send and receive, and each tells what came to it.
pub(crate) fn both_directions() {
    for settings in ["", "--role master", "--threads", "--queues 2", "--ring-size 16 --burst 512", "--rate 1000"] {
        let found = bench(&format!("--duplex --seconds 0.1 --size 64,1500 {settings}"));
        assert_eq!(only(&found, "bench_link")["duplex"], true);
        let ways = of(&found, "bench_throughput");
        let roles: Vec<_> = ways.iter().filter_map(|way| way["from_role"].as_str()).collect();
        let first = if settings.contains("master") { ["master", "slave"] } else { ["slave", "master"] };
        assert_eq!(roles, [first, first].concat(), "{settings}");
        for way in ways {
            assert!(number(way, "received_packets") > 0, "{settings}: {way}");
            assert_eq!(way["sent_packets"], way["received_packets"], "{settings}: {way}");
            assert_eq!((&way["corrupted_packets"], &way["missing_packets"]), (&0.into(), &0.into()), "{way}");
        }
    }
    memif("bench --duplex --seconds 0.1 --repeat 2")
        .finish()
        .code(0)
        .says("median of 2 runs, slave to master: ")
        .says("median of 2 runs, master to slave: ")
        .says("median of 2 runs, both ways: ");
    let directory = Directory::new();
    let path = directory.text("both.svg");
    memif(&format!("bench --duplex --seconds 0.2 --plot {path}"))
        .finish()
        .code(0)
        .says("slave to master")
        .says("  both ways");
    let picture = fs::read_to_string(&path).expect("a picture");
    assert!(picture.contains("Both ways at once"), "{picture}");
    assert!(picture.contains("slave to master") && picture.contains("master to slave"), "{picture}");
}

/// Each run is told, and then all of them together.
pub(crate) fn several_runs() {
    let found = bench("--repeat 3 --seconds 0.3 --size 64,imix");
    let runs: Vec<_> = of(&found, "bench_throughput").iter().map(|report| report["run"].clone()).collect();
    assert_eq!(runs, [1, 2, 3, 1, 2, 3].map(Value::from));
    let spreads = of(&found, "bench_spread");
    assert_eq!(spreads.len(), 2);
    let rates: Vec<_> = of(&found, "bench_throughput").iter().map(|run| run["packets_per_second"].as_f64()).collect();
    for (spread, rates) in spreads.iter().zip(rates.chunks(3)) {
        has_fields(spread, "type work packet_bytes from_role runs figures");
        assert_eq!(spread["work"], "throughput");
        let figure = &spread["figures"][0];
        has_fields(figure, "figure median min max spread_percent");
        assert_eq!(figure["figure"], "packets_per_second");
        // A machine that is busy enough lets a run measure nothing.
        let mut rates: Vec<_> = rates.iter().copied().flatten().collect();
        rates.sort_by(f64::total_cmp);
        assert_eq!(number(spread, "runs"), rates.len() as u64, "{spread}");
        let told = ["min", "max"].map(|field| figure[field].as_f64());
        assert_eq!(told, [rates.first().copied(), rates.last().copied()]);
        if rates.len() == 3 {
            assert_eq!(figure["median"].as_f64(), Some(rates[1]));
        }
    }
    let found = bench("latency --repeat 2 --seconds 0.05");
    assert_eq!(of(&found, "bench_latency").len(), 2);
    let spread = only(&found, "bench_spread");
    let figures = spread["figures"].as_array().expect("figures");
    let names: Vec<_> = figures.iter().filter_map(|figure| figure["figure"].as_str()).collect();
    assert_eq!(names, ["p50_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns"]);
    // Alone it says nothing of a spread.
    let found = bench("--seconds 0.05");
    assert_eq!(only(&found, "bench_throughput")["run"], Value::Null);
    assert!(of(&found, "bench_spread").is_empty());
}

/// Figures come while it goes on, for people and for programs.
pub(crate) fn figures_of_each_period() {
    for (work, way) in
        [("", "received"), ("--duplex", "sent"), ("--queues 2 --thread-per-queue", "received"), ("latency", "null")]
    {
        let mut bench = memif(&format!("bench {work} --seconds 3600 --interval 0.1 --json"));
        let line = bench.expect("bench_interval");
        let report: Value = serde_json::from_str(&line).expect("a report");
        has_fields(&report, "type from_ms to_ms way packets packets_per_second bits_per_second round_trip");
        assert!(report["from_ms"].as_f64() < report["to_ms"].as_f64(), "{line}");
        // One that is not idle comes, too.
        eventually("packets", || {
            let report: Value = serde_json::from_str(&bench.expect("bench_interval")).expect("a report");
            let this = report["way"].as_str().unwrap_or("null") == way;
            if work == "latency" && number(&report, "packets") > 0 {
                has_times(&report["round_trip"]);
            }
            (this && number(&report, "packets") > 0).then_some(())
        });
        bench.interrupt();
        bench.finish();
    }
    let mut text = memif("bench --seconds 3600 --interval 0.1");
    text.expect(" received: ");
    text.interrupt();
    text.finish();
    let socket = abstract_name();
    let sink = memif(&format!("bench --part sink --role master --socket {socket} --interval 0.1"));
    let mut generator = memif(&format!("bench --part generator --socket {socket} --seconds 3600 --interval 0.1"));
    generator.expect(" sent: ");
    generator.interrupt();
    generator.finish().code(0);
    sink.finish();
}

/// What two files have in common is put side by side.
pub(crate) fn two_files_side_by_side() {
    let directory = Directory::new();
    let file = |name: &str, arguments: &str| {
        let out = memif(&format!("bench {arguments} --json")).finish().code(0).out;
        fs::write(directory.path(name), out).expect("a file");
        directory.text(name)
    };
    let one = file("one.json", "--repeat 2 --seconds 0.3 --size 64,1500");
    let other = file("other.json", "--repeat 2 --seconds 0.3 --size 64 --ring-size 512");
    let latency = file("latency.json", "latency --seconds 0.05");
    let picture = directory.text("both.svg");
    let finished = memif(&format!("bench compare {one} {other} --plot {picture}")).finish().code(0);
    finished
        .says("64 bytes, rate")
        .says("1500 bytes, bits")
        .says("change")
        .complains("ring_size_slots differs: 1024 in");
    let picture = fs::read_to_string(picture).expect("a picture");
    assert!(picture.contains("one.json") && picture.contains("other.json") && picture.contains("Mpps"), "{picture}");
    let found = bench(&format!("compare {one} {other}"));
    let first = &found[0];
    has_fields(first, "type figure unit first second change_percent apart");
    has_fields(&first["first"], "runs median min max");
    assert_eq!((&first["figure"], &first["unit"]), (&"64 bytes, rate".into(), &"packets_per_second".into()));
    assert!(["first", "second"].into_iter().all(|side| (1..=2).contains(&number(&first[side], "runs"))), "{first}");
    let median = |side: &str| first[side]["median"].as_f64().expect("a number");
    let change = first["change_percent"].as_f64().expect("a number");
    assert!((change - 100.0 * (median("second") / median("first") - 1.0)).abs() < 1e-6, "{first}");
    assert!(found.iter().any(|report| report["figure"] == "1500 bytes, rate" && report["second"].is_null()));
    memif(&format!("bench compare {latency} {latency}")).finish().code(0).says("64 bytes, p99.99").says("+0.0 %");
    for (arguments, answer) in [
        (one.clone(), "compare takes two files"),
        (format!("{one} {latency}"), "no figure in common"),
        (format!("{one} {}", directory.text("none.json")), "cannot read"),
        (format!("{one} {}", directory.text("both.svg")), "line 1: "),
    ] {
        memif(&format!("bench compare {arguments}")).finish().code(2).complains(answer);
    }
}
