//! Against DPDK's own driver.

use std::path::Path;

use testkit::testpmd::Options;
use testkit::{Testpmd, eventually};

use crate::both::{has_times, number};
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
    let finished = memif(&format!("bench --part sink --socket {socket} {PATIENT} --seconds 0.2"))
        .finish()
        .code(0);
    let found = reports(&finished);
    let report = only(&found, "bench_throughput");
    assert!(number(report, "measured_packets") > 0, "{report}");
    // Its packets have no numbers, and it does not say how many it sent.
    for unknown in ["sent_packets", "lost_packets", "missing_packets", "corrupted_packets"] {
        assert!(report[unknown].is_null(), "{report}");
    }
}

pub(crate) fn takes_from_a_generator() {
    let directory = Directory::new();
    let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
    // A client, so that its rings are used as well.
    let generator = memif(&format!(
        "bench --part generator --role master --socket {socket} {PATIENT} --rate 100k --seconds 3"
    ));
    eventually("the socket of the generator", || path.exists().then_some(()));
    let mut testpmd = Testpmd::spawn(&Options::new("client", &path, "rxonly"));
    testpmd.start();
    eventually("packets at testpmd", || (testpmd.stats().get("RX-packets") > 10_000).then_some(()));
    // It must not forward while its link goes down, or it may die.
    testpmd.stop();
    let taken = testpmd.stats().get("RX-packets");
    let found = reports(&generator.finish().code(0));
    let sent = number(only(&found, "bench_generator"), "sent_packets");
    // What it did not take is still on the ring.
    assert!(taken <= sent && sent <= taken + 1024, "{taken} of {sent}");
}

pub(crate) fn sends_back() {
    for arguments in [
        "latency --seconds 0.2",
        "latency --seconds 0.2 --size 1500 --rate 2000",
        "ndr --return --seconds 0.02",
    ] {
        let directory = Directory::new();
        let (path, socket) = (directory.path("memif.sock"), directory.text("memif.sock"));
        let mut testpmd = server(&path, "macswap");
        testpmd.start();
        let finished =
            memif(&format!("bench {arguments} {PATIENT} --part generator --socket {socket}"));
        let found = reports(&finished.finish().code(0));
        if arguments.contains("latency") {
            let report = only(&found, "bench_latency");
            assert!(number(report, "received_packets") > 0, "{report}");
            assert_eq!(
                (&report["lost_packets"], &report["corrupted_packets"]),
                (&0.into(), &0.into())
            );
            has_times(&report["round_trip"]);
        } else {
            only(&found, "bench_ndr");
        }
    }
}
