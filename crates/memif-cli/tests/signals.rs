//! Which signals end the command in good order, and which at once.

mod util;

use std::io::{ErrorKind, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use testkit::{Need, Suite, eventually};
use util::reports::{only, reports};
use util::{Directory, Program, abstract_name, command, master, memif, piped, start};

/// So often, with different times between the two signals: from none to several milliseconds.
const ROUNDS: u32 = 24;

fn main() {
    Suite::new()
        .test("two_signals_in_a_row_are_one", &[], two_in_a_row)
        .test("timeout_leaves_the_statistics", &[Need::Program("timeout")], timeout)
        .test("a_later_signal_ends_at_once", &[], later)
        .test("a_terminal_that_goes_ends_in_good_order", &[], hang_up_and_quit)
        .test("nohup_is_heeded", &[Need::Program("nohup")], nohup)
        .test("figures_so_far_of_ping_and_responder", &[], figures_of_ping_and_responder)
        .test("figures_so_far_of_a_console", &[], figures_of_a_console)
        .test("figures_so_far_of_bench", &[], figures_of_bench)
        .run()
}

/// A responder that pings can be sent to, and the arguments of a ping that goes on until it is stopped.
fn bed() -> (Program, String) {
    let socket = abstract_name();
    let mut responder = memif(&format!("responder --role master --socket {socket}"));
    responder.expect("192.168.1.2");
    (responder, format!("ping 192.168.1.2 --socket {socket} --interval 0.02 --json"))
}

fn two_in_a_row() {
    let (_responder, ping) = bed();
    for round in 0..ROUNDS {
        let mut ping = memif(&ping);
        ping.expect("\"reply\"");
        ping.terminate();
        thread::sleep(Duration::from_micros(250 * u64::from(round)));
        ping.terminate();
        ping.finish().code(0).says("ping_statistics");
    }
}

/// It passes on what it gets by process and by group, as it does when the time is over.
fn timeout() {
    let (_responder, ping) = bed();
    let ping = command(&ping);
    for _ in 0..ROUNDS / 2 {
        let mut timeout = Command::new("timeout");
        timeout.arg("600").arg(ping.get_program()).args(ping.get_args());
        let mut timeout = start(timeout, "timeout");
        timeout.expect("\"reply\"");
        timeout.terminate();
        timeout.finish().says("ping_statistics");
    }
    let mut timeout = Command::new("timeout");
    timeout.arg("5").arg(ping.get_program()).args(ping.get_args());
    start(timeout, "timeout").finish().code(124).says("ping_statistics");
}

/// A command that cannot end in good order, because nobody takes what it prints.
fn later() {
    let (_responder, ping) = bed();
    let (_reader, mut writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("a pipe that does not wait");
    let full = loop {
        if let Err(error) = writer.write(b"\n") {
            break error.kind();
        }
    };
    assert_eq!(full, ErrorKind::WouldBlock);
    rustix::io::ioctl_fionbio(&writer, false).expect("a pipe that waits");
    let mut ping = command(&ping);
    ping.stdin(Stdio::null()).stdout(writer).stderr(Stdio::null());
    let mut stuck = Stuck(ping.spawn().expect("memif starts"));
    eventually("a program that takes SIGTERM", || stuck.takes(Signal::TERM).then_some(()));
    let status = eventually("the end", || {
        stuck.signal(Signal::TERM);
        stuck.0.try_wait().expect("the program can be waited for")
    });
    assert_eq!(status.code(), Some(130), "{status}");
}

/// Both end the command as SIGTERM does: its figures are told, and its socket file goes.
fn hang_up_and_quit() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    for signal in [Signal::HUP, Signal::QUIT] {
        let responder = master(&socket, "");
        responder.signal(signal);
        responder.finish().code(0).says("0 packets received");
        assert!(!directory.path("memif.sock").exists(), "{signal:?}");
        let mut bench = memif(&format!("bench --part echo --role master --socket {socket}"));
        bench.expect("echo, master");
        eventually("the socket", || directory.path("memif.sock").exists().then_some(()));
        bench.signal(signal);
        bench.finish().code(0);
        assert!(!directory.path("memif.sock").exists(), "{signal:?}");
    }
    let (_responder, ping) = bed();
    let mut ping = memif(&ping);
    ping.expect("\"reply\"");
    ping.signal(Signal::HUP);
    ping.finish().code(0).says("ping_statistics");
}

/// A terminal that goes is none of its business then.
fn nohup() {
    let responder = command(&format!("responder --role master --socket {}", abstract_name()));
    let mut nohup = Command::new("nohup");
    nohup.arg(responder.get_program()).args(responder.get_args());
    let mut responder = start(nohup, "nohup");
    responder.expect("master on");
    responder.signal(Signal::HUP);
    // It is there still, and was when the first signal came.
    responder.signal(Signal::USR1);
    responder.expect_complaint("so far: interface 0");
    responder.terminate();
    responder.finish().code(0);
}

fn figures_of_ping_and_responder() {
    let (mut responder, ping) = bed();
    let mut people = memif(&ping.replace(" --json", ""));
    people.expect("icmp_seq=3 ");
    // The second one has no link, which the first one has: those figures are asked for, too.
    let mut programs = memif(&format!("{ping} --connect-timeout 150"));
    programs.expect("interface");
    for signal in [Signal::USR1, Signal::QUIT] {
        people.signal(signal);
        let line = people.expect_complaint("so far: ");
        assert!(line.contains(" packets transmitted, ") && line.contains("; rtt min/avg/max/mdev = "), "{line}");
        programs.signal(signal);
        let line: Value = serde_json::from_str(&programs.expect("\"so_far\"")).expect("an object");
        assert_eq!(
            (&line["figures"]["type"], &line["figures"]["received_packets"]),
            (&"ping_statistics".into(), &0.into())
        );
    }
    responder.signal(Signal::USR1);
    let line = responder.expect_complaint("so far: interface 0 (192.168.1.2): ");
    assert!(line.contains("echo requests answered") && !line.contains(" 0 packets received"), "{line}");
    people.expect("icmp_seq=");
    people.interrupt();
    people.finish().code(0).says("ping statistics");
    programs.expect("\"reply\"");
    programs.signal(Signal::USR1);
    programs.expect("\"so_far\"");
    programs.interrupt();
    let finished = programs.finish().code(0);
    only(&reports(&finished), "ping_statistics");
}

fn figures_of_a_console() {
    let (mut console, keys) = piped(&format!("responder --interactive --socket {}", abstract_name()));
    console.expect("LIBMEMIF EXAMPLE APP");
    console.signal(Signal::USR1);
    console.expect("MEMIF DETAILS");
    drop(keys);
    console.finish().code(0);
}

fn figures_of_bench() {
    for (work, figures, words) in [
        ("throughput", "bench_throughput", "packets received, 0 did not come: "),
        ("throughput --threads --rx-mode adaptive", "bench_throughput", "packets received"),
        ("latency", "bench_latency", "packets came back: median "),
        ("latency --rate 1000", "bench_latency", "packets came back: median "),
        ("ndr --return", "bench_generator", " packets sent, "),
        ("setup", "bench_setup", " links: median "),
        ("interfaces --count 3", "bench_interfaces", " round trips, 0 lost: median "),
    ] {
        let mut bench = memif(&format!("bench {work} --seconds 3600 --json"));
        bench.expect("bench_link");
        // As soon as it is at work, which it says by the figures.
        loop {
            bench.signal(Signal::USR1);
            let line = bench.expect_complaint("so far: ");
            if line.contains(words) && !line.contains("no times yet") {
                break;
            }
        }
        bench.interrupt();
        let finished = bench.finish();
        let told = reports(&finished).into_iter().filter(|report| report["type"] == "so_far");
        let kinds: Vec<_> = told.map(|report| report["figures"]["type"].clone()).collect();
        assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind == figures), "{work}: {kinds:?}");
        assert!(finished.status.code() <= Some(1), "{work}: {finished:#?}");
    }
}

/// A program that is ended when dropped.
struct Stuck(Child);

impl Stuck {
    /// Whether it has a handler for that signal.
    fn takes(&self, signal: Signal) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        caught.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the program is still there");
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
