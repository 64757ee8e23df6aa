//! Ends that die during a run.

use testkit::eventually;

use crate::util::processes::children;
use crate::util::reports::reports;
use crate::util::{abstract_name, memif};

/// Kills a process that is no child of this one.
fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a process id");
    rustix::process::kill_process(pid, signal).expect("it is still there");
}

/// Time that a process has had, in hundredths of a second: more than it takes to start says that it is at work.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split_whitespace();
    fields.skip(11).take(2).filter_map(|time| time.parse::<u64>().ok()).sum()
}

/// The other end of every work is killed: that is an error, and the text names the signal.
pub(crate) fn the_other_end_dies() {
    for work in [
        "throughput",
        "throughput --role master",
        "throughput --rx-mode adaptive",
        "throughput --rate 1000",
        "latency",
        "latency --rate 1000",
        "ndr",
        "ndr --return",
        "setup",
        "interfaces --count 3",
    ] {
        let mut bench = memif(&format!("bench {work} --seconds 3600 --json"));
        bench.expect("bench_link");
        let other = eventually("the other end", || children(bench.pid()).pop());
        eventually("work", || (ticks(other) > 20).then_some(()));
        assert_eq!(std::fs::read_to_string(format!("/proc/{other}/comm")).expect("its name"), "memif\n");
        kill(other);
        let finished = bench.finish().code(2).complains("the other end ended").complains("SIGKILL");
        let found = reports(&finished);
        assert!(found.iter().any(|report| report["type"] == "error"), "{work}: {found:?}");
        let figures = ["bench_throughput", "bench_latency", "bench_ndr", "bench_setup", "bench_interfaces"];
        let told = found.iter().find(|report| figures.iter().any(|kind| report["type"] == *kind));
        // One interface alone is measured before the three.
        assert!(told.is_none() || work.starts_with("interfaces"), "{work}: {told:?}");
    }
}

/// A generator by itself is killed while its sink receives.
pub(crate) fn a_generator_dies() {
    for mode in ["polling", "adaptive"] {
        let socket = abstract_name();
        let mut sink = memif(&format!("bench --part sink --role master --socket {socket} --rx-mode {mode} --json"));
        let mut generator = memif(&format!("bench --part generator --socket {socket} --rate 1000 --seconds 3600"));
        sink.expect("\"connected\"");
        generator.expect_complaint("connected to");
        generator.kill();
        let finished = sink.finish().code(1).complains("the link went down before the end");
        let found = reports(&finished);
        let report = found.iter().find(|report| report["type"] == "bench_throughput").expect("what was received");
        assert!(report["sent_packets"].is_null(), "{report}");
    }
}

/// The other end is stopped: whoever waits for it ends and names what happened.
pub(crate) fn the_other_end_is_stopped() {
    for (work, code) in [
        ("throughput", 2),
        ("throughput --role master --rx-mode adaptive", 2),
        ("throughput --duplex", 2),
        ("throughput --queues 2 --thread-per-queue", 2),
        ("latency --rate 1000", 1),
        ("latency", 1),
        ("ndr", 2),
        ("ndr --return", 2),
        ("setup", 2),
        ("interfaces --count 3", 1),
    ] {
        // Long enough for the other end to be at work, and to be stopped then.
        let mut bench = memif(&format!("bench {work} --seconds 3 --connect-timeout 2 --json"));
        bench.expect("bench_link");
        let other = eventually("the other end", || children(bench.pid()).pop());
        eventually("work", || (ticks(other) > 10).then_some(()));
        signal(other, rustix::process::Signal::STOP);
        let what = format!("its process {other} was stopped");
        let finished = bench.finish();
        assert_eq!(finished.status.code(), Some(code), "{work}: {finished:#?}");
        finished.complains(&what);
        let there = format!("/proc/{other}/comm");
        eventually("the end of the other end", || (!std::path::Path::new(&there).exists()).then_some(()));
    }
}
