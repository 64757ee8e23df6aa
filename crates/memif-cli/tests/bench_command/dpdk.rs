//! Against DPDK's own driver.

use std::path::Path;

use testkit::testpmd::Options;
use testkit::{Testpmd, eventually};

use crate::both::{FAULTS, has_times, number};
use crate::parts::no_rate_code;
use crate::switch::{assert_complete, by_queue};
use crate::util::reports::{only, reports};
use crate::util::{Directory, memif};

const PATIENT: &str = "--connect-timeout 30 --json";

fn server(socket: &Path, forward: &'static str) -> Testpmd {
    Testpmd::spawn(&Options::new("server", socket, forward))
}

pub(crate) fn sends_to_a_sink() {
    let directory = Directory::new();
    let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
    let mut testpmd = server(&path, "txonly");
    testpmd.start();
    let finished = memif(&format!("bench --part sink --socket {socket} {PATIENT} --seconds 0.2")).finish().code(0);
    let found = reports(&finished);
    let report = only(&found, "bench_throughput");
    assert!(number(report, "measured_packets") > 0, "{report}");
    // Its packets have no numbers, and it does not say how many it sent.
    for unknown in FAULTS.into_iter().chain(["sent_packets"]) {
        assert!(report[unknown].is_null(), "{report}");
    }
}

pub(crate) fn takes_from_a_generator() {
    let directory = Directory::new();
    let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
    // A client, so that its rings are used as well.
    let mut generator = memif(&format!(
        "bench --part generator --role master --socket {socket} {PATIENT} --rate 100k --seconds 0.5 \
         --size 64,1500 --linger 3600"
    ));
    eventually("the socket of the generator", || path.exists().then_some(()));
    let mut testpmd = Testpmd::spawn(&Options::new("client", &path, "rxonly"));
    testpmd.start();
    let mut sent = 0;
    for size in [64, 1500] {
        let report = serde_json::from_str(&generator.expect("bench_generator")).unwrap();
        assert_eq!(number(&report, "packet_bytes"), size);
        sent += number(&report, "sent_packets");
    }
    // The link is still there, and so are the figures: all packets, and the one that says that this was all.
    eventually("all packets at testpmd", || (testpmd.stats().get("RX-packets") == sent + 1).then_some(()));
    // It must not forward while its link goes down, or it may die.
    testpmd.stop();
    generator.interrupt();
    generator.finish().code(0);
}

pub(crate) fn sends_back() {
    for arguments in
        ["latency --seconds 0.2", "latency --seconds 0.2 --size 1500 --rate 2000", "ndr --return --seconds 0.1"]
    {
        let directory = Directory::new();
        let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
        let mut testpmd = server(&path, "macswap");
        testpmd.start();
        let finished = memif(&format!("bench {arguments} {PATIENT} --part generator --socket {socket}"));
        let finished = finished.finish();
        let found = reports(&finished);
        let code = if arguments.contains("ndr") { no_rate_code(&found) } else { 0 };
        finished.code(code);
        if arguments.contains("latency") {
            let report = only(&found, "bench_latency");
            assert!(number(report, "received_packets") > 0, "{report}");
            assert_eq!((&report["lost_packets"], &report["corrupted_packets"]), (&0.into(), &0.into()));
            has_times(&report["round_trip"]);
        } else {
            only(&found, "bench_ndr");
        }
    }
}

/// A testpmd with two ports, the generator's and the sink's. Forwarding is to be started when both links are up, which
/// every version survives.
fn between(socket: &Path, rx_queues: u8, tx_queues: u8) -> Testpmd {
    let mut options = Options::new("server", socket, "io");
    (options.queues, options.tx_queues, options.second_id) = (rx_queues, Some(tx_queues), Some(1));
    Testpmd::spawn(&options)
}

pub(crate) fn forwards_to_a_sink() {
    // With fewer receive than transmit queues it sends on the first one alone.
    for (rx_queues, tx_queues, used) in [(1, 1, 1), (1, 2, 1), (3, 3, 3)] {
        let directory = Directory::new();
        let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
        let mut testpmd = between(&path, rx_queues, tx_queues);
        let ends =
            format!("--socket {socket} {PATIENT} --rx-mode adaptive --rx-queues {tx_queues} --tx-queues {rx_queues}");
        let mut sink = memif(&format!("bench --part sink --id 1 {ends}"));
        sink.expect("\"connected\"");
        // What is due before forwarding starts may find the ring full.
        let mut generator = memif(&format!("bench --part generator {ends} --rate 2k --seconds 2"));
        generator.expect("\"connected\"");
        testpmd.start();
        let (generator, finished) = (generator.finish(), sink.finish());
        assert_eq!(generator.status.code(), Some(0), "{generator:#?} {finished:#?}");
        let (sent, found) = (reports(&generator), reports(&finished));
        let (sent, found) = (only(&sent, "bench_generator"), only(&found, "bench_throughput"));
        assert_complete(sent, found);
        let queues = by_queue(found);
        let idle = queues.iter().filter(|packets| **packets == 0).count();
        assert_eq!((queues.len(), idle), (tx_queues.into(), usize::from(tx_queues - used)), "{found}");
        finished.code(i32::from(number(found, "lost_packets") > 0));
    }
}

pub(crate) fn is_restarted() {
    let directory = Directory::new();
    let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
    let ends = format!("--socket {socket} {PATIENT} --rx-mode adaptive --reconnect");
    let mut testpmd = between(&path, 1, 1);
    let mut sink = memif(&format!("bench --part sink --id 1 {ends}"));
    sink.expect("\"connected\"");
    let mut generator = memif(&format!("bench --part generator {ends} --rate 1k --seconds 3600"));
    let passes = |testpmd: &mut Testpmd| {
        eventually("packets", || (testpmd.stats().get("RX-packets") > 100).then_some(()));
    };
    generator.expect("\"connected\"");
    testpmd.start();
    passes(&mut testpmd);
    testpmd.kill();
    sink.expect("\"disconnected\"");
    generator.expect("\"disconnected\"");
    // Its next one would find the name taken.
    std::fs::remove_file(&path).unwrap();
    let mut testpmd = between(&path, 1, 1);
    sink.expect("bench_outage");
    generator.expect("bench_outage");
    testpmd.start();
    passes(&mut testpmd);
    generator.interrupt();
    let sent = reports(&generator.finish().code(0));
    let found = reports(&sink.finish().code(1));
    let (sent, found) = (only(&sent, "bench_generator"), only(&found, "bench_throughput"));
    assert_eq!((&sent["outages"], &found["outages"]), (&1.into(), &1.into()));
    let (offered, received) = (number(sent, "offered_packets"), number(found, "received_packets"));
    assert!(received < number(sent, "sent_packets") || received < offered, "{sent} {found}");
    assert_eq!(number(found, "lost_packets"), offered - received);
    for none in ["duplicate_packets", "reordered_packets", "corrupted_packets"] {
        assert_eq!(found[none], 0, "{found}");
    }
}
