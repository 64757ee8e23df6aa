//! Too few descriptors or threads: what is short is said at both ends, and what was measured is told.

use crate::util::processes::{limit_files, limit_memory};
use crate::util::reports::{only, reports};
use crate::util::{abstract_name, memif};

/// A thread for each queue finds no room for its stack.
pub(crate) fn too_few_threads() {
    let short = "cannot start a thread: Resource temporarily unavailable";
    // Room for the queues, and not for all threads: how much that is depends on the machine.
    let told = (2..40).find_map(|millions| {
        let socket = abstract_name();
        let options = "--ring-size 64 --thread-per-queue --connect-timeout 2 --json";
        let mut sink = memif(&format!("bench --part sink --role master --socket {socket} {options}"));
        sink.expect("bench_link");
        // It has its own threads when somebody can connect.
        testkit::eventually("its socket", || {
            memif(&format!("show {socket}")).finish().status.success().then_some(())
        });
        limit_memory(sink.pid(), millions * 1_000_000);
        let generator = memif(&format!(
            "bench --part generator --socket {socket} --ring-size 64 --queues 16 --seconds 0.05 --connect-timeout 2 --json"
        ));
        let (generator, sink) = (generator.finish(), sink.finish());
        sink.err.contains(short).then_some((generator, sink))
    });
    let (generator, sink) = told.expect("a link without its threads");
    // Both ends say why, and both tell how far they came.
    let generator = generator.code(1).complains(&format!("disconnected by the peer: {short}"));
    let sink = sink.code(2).complains("leave --thread-per-queue out");
    only(&reports(&generator), "bench_generator");
    only(&reports(&sink), "bench_throughput");
}

/// Of many interfaces some find no descriptors: the others are measured.
pub(crate) fn too_few_descriptors() {
    let socket = abstract_name();
    let many = format!("--socket {socket} --count 6");
    let mut echo = memif(&format!("bench interfaces --part echo --role master {many}"));
    echo.expect("interfaces: echo");
    testkit::eventually("its socket", || memif(&format!("show {socket}")).finish().status.success().then_some(()));
    let found = (6..60).find_map(|more| {
        limit_files(echo.pid(), Some(more));
        let asker =
            memif(&format!("bench interfaces --part generator {many} --seconds 0.1 --connect-timeout 1 --json"));
        let finished = asker.finish();
        let found = reports(&finished);
        let report = found.into_iter().find(|report| report["type"] == "bench_interfaces");
        report.filter(|report| report["links"].as_u64() < Some(6)).map(|report| (finished, report))
    });
    let (finished, report) = found.expect("a run with fewer links");
    finished.code(1).complains("of 6 links came up").complains("refused by the master");
    assert_eq!(report["interfaces"], 6, "{report}");
    assert!(report["round_trip"]["count"].as_u64() > Some(0), "{report}");
    echo.expect_complaint("raise the limit of open files here");
    // With as many as it wants it serves all again.
    limit_files(echo.pid(), None);
    let all = memif(&format!("bench interfaces --part generator {many} --seconds 0.1 --json")).finish().code(0);
    assert_eq!(only(&reports(&all), "bench_interfaces")["links"], 6);
    echo.terminate();
    echo.finish().code(0);
}
