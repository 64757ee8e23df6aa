//! The command where programs run otherwise: without system calls that a filter denies, and under valgrind.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how tests fail")]

mod util;

use std::process::Command;

use rustix::io::Errno;
use testkit::filter::{self, Call};
use testkit::{Need, Suite, eventually};
use util::processes::of_threads;
use util::{abstract_name, command, master, memif, start};

fn main() {
    Suite::new()
        .test("signals_where_a_filter_denies_asynchronous_io", &[], without_aio)
        .test("valgrind", &[Need::Program("valgrind")], valgrind)
        .run()
}

/// Both ends sleep between two packets, and each wakes the other by a thread that writes.
fn without_aio() {
    for (call, error) in [(Call::IoSetup, Errno::PERM), (Call::IoSubmit, Errno::PERM), (Call::IoSubmit, Errno::NOSYS)] {
        let socket = abstract_name();
        let arguments = format!("ping 192.168.1.2 --socket {socket} --interval 0.02 --rx-mode interrupt");
        let (responder, mut ping) =
            filter::without(call, error, || (master(&socket, "--rx-mode interrupt"), memif(&arguments)));
        ping.expect("icmp_seq=20 ");
        for pid in [responder.pid(), ping.pid()] {
            let writes = || of_threads(pid, "comm").iter().any(|name| name.trim() == "memif signals").then_some(());
            eventually("a thread that signals", writes);
        }
        ping.terminate();
        let ping = ping.finish().code(0).says(" 0% packet loss");
        responder.terminate();
        let responder = responder.finish().code(0);
        assert_eq!((ping.err.as_str(), responder.err.as_str()), ("", ""), "{call:?} {error}");
    }
}

/// From its start, where there is no vDSO, to its end.
fn valgrind() {
    let demo = command("demo");
    let mut valgrind = Command::new("valgrind");
    // Without a tool: what is asked is whether it runs.
    valgrind.args(["-q", "--tool=none", "--fair-sched=yes"]);
    valgrind.arg(demo.get_program()).args(demo.get_args());
    start(valgrind, "demo under valgrind")
        .finish()
        .code(0)
        .says("20 packets transmitted, 20 received, 0% packet loss")
        .says("none lost");
}
