//! Figures beside what was sent.

use serde_json::Value;
use testkit::testpmd::Options;
use testkit::{Address, SlaveLink, Testpmd, VppLikeSlave};

use crate::util::reports::{has_fields, only, reports};
use crate::util::{Directory, Program, master, memif};

/// A responder, and a slave of this test that is linked to it.
pub(crate) fn linked(directory: &Directory) -> (Program, SlaveLink) {
    let mut responder = master(&directory.text("memif.sock"), "");
    let link = VppLikeSlave::default().connect(&Address::Path(directory.path("memif.sock")));
    responder.expect("connected to");
    (responder, link)
}

/// The next period.
fn next(top: &mut Program) -> Value {
    serde_json::from_str(&top.expect("\"type\":\"top\"")).expect("an object")
}

/// The ring of that direction of the only link.
#[track_caller]
fn ring<'r>(report: &'r Value, from: &str) -> &'r Value {
    let links = report["links"].as_array().expect("links");
    assert_eq!(links.len(), 1, "{report}");
    let rings = links[0]["rings"].as_array().expect("rings");
    rings.iter().find(|ring| ring["from_role"] == from).unwrap_or_else(|| panic!("no ring from {from} in {report}"))
}

/// A packet that nobody answers.
const SILENT: [u8; 60] = [0xff; 60];

pub(crate) fn every_packet_is_counted() {
    let directory = Directory::new();
    let (responder, mut link) = linked(&directory);
    link.tx[0].send(&SILENT);
    let mut top = memif(&format!("top --json --batch --delay 0.2 --pid {}", responder.pid()));
    let first = next(&mut top);
    let before = ring(&first, "slave")["sent_slots"].as_u64().expect("a number");
    has_fields(
        ring(&first, "slave"),
        "from_role index ring_size_slots slots_per_second packets_per_second bytes_per_second at_least sent_slots \
         sent_slots_at_least bytes_per_slot packets_per_slot in_flight_slots fill_percent peak_slots full_percent \
         empty_percent looks polls problem",
    );
    has_fields(&first["links"][0], "link socket ends other_end directions_known memory_bytes rings problem");
    has_fields(&first, "type duration_ms links not_seen");
    for _ in 0..3000 {
        link.tx[0].send(&SILENT);
    }
    loop {
        let report = next(&mut top);
        let slave = ring(&report, "slave");
        assert_eq!((&slave["sent_slots_at_least"], &slave["problem"]), (&false.into(), &Value::Null), "{report}");
        let sent = slave["sent_slots"].as_u64().expect("a number") - before;
        assert!(sent <= 3000, "{report}");
        if sent == 3000 {
            // The last lengths that it saw were ours.
            assert_eq!(slave["bytes_per_slot"], 60.0, "{report}");
            assert_eq!(ring(&report, "master")["sent_slots"], 0, "{report}");
            break;
        }
    }
    // Nothing more comes of nothing.
    let report = next(&mut top);
    let report = if ring(&report, "slave")["slots_per_second"] == 0.0 { report } else { next(&mut top) };
    assert_eq!(ring(&report, "slave")["slots_per_second"], 0.0, "{report}");
    assert_eq!(ring(&report, "slave")["sent_slots"].as_u64(), Some(before + 3000), "{report}");
    top.interrupt();
    top.finish().code(0);
    // A packet that waits is seen waiting: a slave that nobody reads.
    drop(link);
}

pub(crate) fn rates_are_those_of_bench() {
    let mut bench = memif("bench throughput --rate 4k --size 200 --seconds 3600 --interval 1 --json");
    bench.expect("bench_interval");
    let mut top = memif(&format!("top --json --batch --delay 2 --pid {}", bench.pid()));
    // A machine that is busy keeps a rate on average: each period of bench has its own number.
    let close = (0..20).any(|_| {
        let told: Value = serde_json::from_str(&bench.expect("bench_interval")).expect("an object");
        let seen = next(&mut top);
        let (told, slave) = (told["packets_per_second"].as_f64().expect("a rate"), ring(&seen, "slave"));
        let rate = slave["packets_per_second"].as_f64().expect("a rate");
        let bytes = slave["bytes_per_second"].as_f64().unwrap_or_default();
        (rate / told - 1.0).abs() < 0.05 && (bytes / (200.0 * told) - 1.0).abs() < 0.06
    });
    assert!(close, "no period of both is alike");
    top.terminate();
    top.finish().code(0);
    bench.terminate();
    bench.finish();
}

pub(crate) fn forged_cursors() {
    let directory = Directory::new();
    let (responder, link) = linked(&directory);
    let other = VppLikeSlave::default();
    drop(responder);
    // Nobody looks at this memory any more but `memif top`.
    let pid = std::process::id();
    let mut good = master(&directory.text("good.sock"), "");
    let mut sender = other.connect(&Address::Path(directory.path("good.sock")));
    good.expect("connected to");
    link.memory.s2m[0].ring.set_head(40_000);
    let mut top = memif(&format!("top --json --batch --delay 0.2 --pid {pid}"));
    sender.tx[0].send(&SILENT);
    let mut ends = 0;
    while ends < 2 {
        for step in 0..50_u16 {
            link.memory.s2m[0].ring.set_head(40_000 + step * 7);
            link.memory.s2m[0].ring.set_tail(step * 31);
        }
        let report = next(&mut top);
        let links = report["links"].as_array().expect("links");
        assert_eq!(links.len(), 2, "{report}");
        let problems = links.iter().flat_map(|link| link["rings"].as_array().expect("rings"));
        let problems: Vec<&Value> =
            problems.map(|ring| &ring["problem"]).filter(|problem| !problem.is_null()).collect();
        assert_eq!(problems.len(), 1, "{report}");
        assert!(problems[0].as_str().is_some_and(|problem| problem.contains("cannot be")), "{report}");
        ends += 1;
    }
    // A ring that is none any more.
    link.memory.s2m[0].ring.set_cookie(0);
    while !next(&mut top).to_string().contains("cookie") {}
    top.terminate();
    top.finish().code(0);
}

pub(crate) fn between_two_testpmd() {
    let directory = Directory::new();
    let socket = directory.path("memif.sock");
    let mut server = Testpmd::spawn(&Options::new("server", &socket, "rxonly"));
    let mut client = Testpmd::spawn(&Options::new("client", &socket, "txonly"));
    server.start();
    client.start();
    testkit::eventually("packets", || (server.stats().get("RX-packets") > 0).then_some(()));
    let finished = memif(&format!("top --once --json --pid {}", client.pid())).finish().code(0);
    let found = reports(&finished);
    let report = only(&found, "top");
    let slave = ring(report, "slave");
    assert!(slave["packets_per_second"].as_f64().expect("a rate") > 0.0, "{report}");
    // What txonly sends.
    assert_eq!((&slave["bytes_per_slot"], &slave["ring_size_slots"]), (&64.0.into(), &1024.into()), "{report}");
    assert_eq!(slave["polls"], true, "{report}");
    assert_eq!(ring(report, "master")["slots_per_second"], 0.0, "{report}");
    let end = |role: &str, pid: u32| {
        let mut ends = report["links"][0]["ends"].as_array().expect("ends").iter();
        assert!(ends.any(|end| end["role"] == role && end["pid"] == pid), "{report}");
    };
    end("slave", client.pid());
    end("master", server.pid());
    memif(&format!("top --once --pid {}", server.pid()))
        .finish()
        .code(0)
        .says("memif top: 1 link of 2 processes, over 1.0")
        .says("dpdk-testpmd");
    client.stop();
    server.stop();
}

pub(crate) fn lines_for_people() {
    let directory = Directory::new();
    let (responder, link) = linked(&directory);
    // What is no terminal gets lines, whatever stands in TERM.
    let finished = memif(&format!("top -n 2 -d 0.1 --pid {}", responder.pid())).finish().code(0);
    let titles = "LINK ";
    assert_eq!(finished.out.matches(titles).count(), 2, "{finished:#?}");
    let words: Vec<Vec<&str>> = finished.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[1], "LINK PID PROCESS ROLE PACKETS/S BYTES/S FILL PEAK FULL EMPTY".split(' ').collect::<Vec<_>>());
    let (slave, master) = (&words[2], &words[3]);
    assert_eq!((slave[1], slave[3]), (&*std::process::id().to_string(), "slave"), "{finished:#?}");
    assert_eq!((master[1], master[2], master[3]), (&*responder.pid().to_string(), "memif", "master"), "{finished:#?}");
    assert_eq!(slave[4..], ["0", "0", "0%", "0%", "0%", "100%"], "{finished:#?}");
    drop(link);
}

pub(crate) fn wrong_use() {
    memif("top --delay 0.01").finish().code(2).complains("give a time from 100ms to a day");
    memif("top --once --count 2").finish().code(2).complains("cannot be used with");
    memif("top --once --pid vpp").finish().code(2).complains("give a whole number from 1 to");
    memif("top --once --pid 4294967295").finish().code(2).complains("there is no process 4294967295");
}
