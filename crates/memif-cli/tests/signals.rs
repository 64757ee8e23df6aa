//! Which signals end the command in good order, and which at once.

mod util;

use std::io::{ErrorKind, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use testkit::{Need, Suite, eventually};
use util::{Program, abstract_name, command, memif, start};

/// So often, with different times between the two signals: from none to several milliseconds.
const ROUNDS: u32 = 24;

fn main() {
    Suite::new()
        .test("two_signals_in_a_row_are_one", &[], two_in_a_row)
        .test("timeout_leaves_the_statistics", &[Need::Program("timeout")], timeout)
        .test("a_later_signal_ends_at_once", &[], later)
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
