//! Where a capture cannot begin, and where it ends by itself.

use super::attach;
use super::file::read;
use super::util::{Directory, abstract_name, master, memif};

pub(crate) fn answers() {
    let own = std::process::id();
    let socket = abstract_name();
    let mut responder = master(&socket, "");
    let _first = memif(&format!("responder --socket {socket} --ip 192.168.1.3"));
    responder.expect("connected");
    let queue = format!("--attach {}/7", responder.pid());
    for (arguments, answer) in [
        (format!("--attach {own}"), "has no link that is up"),
        (queue, "has no such queue: it has s2m0 m2s0"),
        ("--attach 4194305".to_owned(), "there is no process 4194305"),
        ("--attach 0:0:0".to_owned(), "there is no link 0:0:0"),
        (format!("--pid {own}"), "tip: --attach PID watches a link of that process"),
        ("--attach x".to_owned(), "give a process id, or a link"),
        (format!("--attach {own} --socket {socket}"), "cannot be used with"),
        (format!("--attach {own} --id 1 --queues 2"), "tip: --attach watches a link that other programs have"),
        (format!("--via {socket} --attach {own}"), "tip: --attach watches a link that other programs have"),
        (format!("--attach {own} --mode ethernet tcp prot 80"), "column 5 of the filter"),
        (format!("--attach {own} -w - --json"), "both want standard output"),
    ] {
        memif(&format!("capture {arguments}")).finish().code(2).complains(answer);
    }
    let twice = memif(&format!("capture --attach {own} --attach {own}")).finish().code(2);
    assert!(!twice.complains("multiple times").err.contains("tip:"), "that is about something else");
}

pub(crate) fn end_of_link() {
    let directory = Directory::new();
    let file = directory.text("a");
    for kill in [true, false] {
        let socket = abstract_name();
        let responder = master(&socket, "");
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.01"));
        ping.expect("icmp_seq=3");
        let capture = attach(responder.pid(), &format!("-w {file}"));
        let pid = ping.pid();
        let reason = if kill {
            ping.kill();
            format!("the link is gone: process {pid} (memif) has ended")
        } else {
            ping.terminate();
            ping.finish();
            "the link is gone: process ".to_owned()
        };
        capture.finish().code(0).complains(&reason);
        let read = read(&file);
        assert!(read.complete && read.remark.unwrap().starts_with("the end of the link: process "));
    }
}

pub(crate) fn made_anew() {
    let socket = abstract_name();
    let responder = master(&socket, "");
    let mut slave = memif(&format!("responder --socket {socket} --ip 192.168.1.3 --retry-period 10ms"));
    slave.expect("connected");
    let mut capture = memif(&format!("capture --attach {} --mode ethernet", slave.pid()));
    capture.expect_complaint("watching link");
    responder.kill();
    let again = master(&socket, "");
    slave.expect("connected");
    capture.finish().code(0).complains("the link is gone: process");
    drop(again);
}

pub(crate) fn no_packet_yet() {
    let directory = Directory::new();
    let file = directory.text("a");
    let socket = abstract_name();
    let mut master = master(&socket, "--mode ip");
    let mut slave = memif(&format!("responder --mode ip --socket {socket} --ip 192.168.1.3"));
    master.expect("connected");
    slave.expect("connected");
    let mut capture = memif(&format!("capture --attach {} -w {file}", master.pid()));
    capture.expect("had no packet yet");
    capture.terminate();
    capture.finish().code(0).says("0 packets, 0 written to");
    assert!(read(&file).complete);
}
