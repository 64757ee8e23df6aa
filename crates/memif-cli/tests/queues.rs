//! How many queues a slave brings is its own to say: a master serves all of them, and refuses too many, or none, by
//! name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how tests fail")]

mod util;

use std::io::Write;

use testkit::{Address, Census, Refusal, SlaveLink, SlavePlan, eventually};
use util::processes::{of_threads, sleeps};
use util::{Directory, Program, abstract_name, master, memif, piped};

/// What a process has: descriptors, mappings of shared memory, threads.
fn census(program: &Program) -> (Census, usize) {
    (Census::of(program.pid()), of_threads(program.pid(), "stat").len())
}

/// Slaves without a queue in one direction, and what their master misses.
fn one_way_slaves(mode: u8) -> [(SlavePlan, &'static str); 4] {
    let plan = |s2m, m2s| SlavePlan { s2m, m2s, mode, log2: 4, ..SlavePlan::default() };
    let (no_s2m, no_m2s) = ("no S2M ring: bring at least 1 (tx-queues)", "no M2S ring: bring at least 1 (rx-queues)");
    [(plan(0, 1), no_s2m), (plan(1, 0), no_m2s), (plan(0, 4), no_s2m), (plan(4, 0), no_m2s)]
}

/// Connects as a slave that must be refused, and gives what it was told.
#[track_caller]
fn told(address: &Address, plan: &SlavePlan) -> String {
    match SlaveLink::try_connect(address, plan, |_| ()) {
        Err(Refusal { reason: Some(reason), .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// The program holds what it held before, and no thread of it is busy.
#[track_caller]
fn assert_as_before(program: &Program, before: &(Census, usize)) {
    eventually("as many threads, descriptors and mappings as before", || (census(program) == *before).then_some(()));
    eventually("all threads asleep", || sleeps(program.pid()).then_some(()));
}

#[test]
fn a_responder_refuses_slaves_without_queues_in_a_direction_and_goes_on() {
    for (options, mode) in [("", 0), ("--mode ip", 1), ("--queues 4", 0), ("--rx-mode polling", 0)] {
        let directory = Directory::new();
        let (socket, path) = (directory.text("memif.sock"), directory.path("memif.sock"));
        let mut responder = master(&socket, options);
        let address = Address::Path(path);
        let before = census(&responder);
        for (plan, words) in one_way_slaves(mode) {
            let reason = told(&address, &plan);
            assert!(reason.contains(words), "{reason}");
            assert_as_before(&responder, &before);
        }
        let line = responder.expect("no S2M ring");
        assert!(line.contains("give the slave queues in both directions"), "{line}");
        responder.expect("no M2S ring");
        let both = options.replace("--rx-mode polling", "");
        memif(&format!("ping 192.168.1.2 --socket {socket} {both} --count 5 --interval 0"))
            .finish()
            .code(0)
            .says("5 received, 0% packet loss");
        responder.terminate();
        responder.finish().code(0).says("5 echo requests answered");
    }
}

#[test]
fn the_console_refuses_slaves_without_queues_in_a_direction_and_goes_on() {
    let directory = Directory::new();
    let (socket, path) = (directory.text("memif.sock"), directory.path("memif.sock"));
    let (mut console, mut keys) = piped(&format!("-v responder --interactive --socket {socket}"));
    keys.write_all(b"conn 0 1\n").unwrap();
    eventually("the socket", || path.exists().then_some(()));
    let address = Address::Path(path);
    let before = census(&console);
    for (plan, words) in one_way_slaves(0) {
        let reason = told(&address, &plan);
        assert!(reason.contains(words), "{reason}");
        assert_as_before(&console, &before);
    }
    console.expect("no S2M ring");
    memif(&format!("ping 192.168.1.2 --socket {socket} --queues 3 --count 6 --interval 0"))
        .finish()
        .code(0)
        .says("6 received, 0% packet loss");
    console.terminate();
    console.finish().code(0);
    drop(keys);
}

#[test]
fn a_pinger_refuses_slaves_without_queues_in_a_direction_and_goes_on() {
    let directory = Directory::new();
    let (socket, path) = (directory.text("memif.sock"), directory.path("memif.sock"));
    let arguments = format!("ping 192.168.1.2 --role master --socket {socket} --connect-timeout 60");
    let start = |more: &str| {
        let mut ping = memif(&format!("{arguments} {more}"));
        ping.expect_complaint("waiting for a slave");
        (census(&ping), ping)
    };
    for (plan, words) in one_way_slaves(0) {
        let (before, mut ping) = start("");
        let reason = told(&Address::Path(path.clone()), &plan);
        assert!(reason.contains(words), "{reason}");
        let line = ping.expect_complaint("refused");
        assert!(line.contains("give the slave queues in both directions"), "{line}");
        assert_as_before(&ping, &before);
        ping.terminate();
        ping.finish().code(1).says("0 packets transmitted");
    }
    let (_, ping) = start("--count 3 --interval 0");
    told(&Address::Path(path), &one_way_slaves(0)[0].0);
    let mut responder = memif(&format!("responder --socket {socket} --id 0 --queues 2"));
    responder.expect("connected to");
    ping.finish().code(0).says("3 received, 0% packet loss");
}

#[test]
fn too_many_queues_are_refused_in_words_that_both_ends_read() {
    for (limit, options) in [
        ("--max-queues 2", "--queues 3"),
        ("--queues 2", "--tx-queues 3"),
        ("--rx-queues 2", "--tx-queues 3"),
        ("--tx-queues 2", "--rx-queues 3"),
    ] {
        let socket = abstract_name();
        let mut responder = master(&socket, limit);
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} {options}"));
        for line in [ping.expect_complaint("bring at most 2"), responder.expect("bring at most 2")] {
            assert!(line.contains("--max-queues"), "{line}");
        }
        ping.terminate();
        ping.finish().code(1);
        memif(&format!("ping 192.168.1.2 --socket {socket} --queues 2 --count 4 --interval 0")).finish().code(0);
    }
}

/// A pinger sends its requests by one queue after the other, and the responder answers by the queue of the same number.
#[test]
fn a_master_serves_what_the_slave_brings() {
    let socket = abstract_name();
    let responder = master(&socket, "");
    let ping = |options: &str| memif(&format!("ping 192.168.1.2 --socket {socket} --timeout 30 {options}"));
    for options in [
        "--queues 4",
        "--rx-queues 1 --tx-queues 4",
        "--rx-queues 4 --tx-queues 1",
        "--rx-queues 3 --tx-queues 2",
        // As much as is promised without an option: 2^20 slots.
        "--queues 32 --ring-size 16384 --buffer-size 256",
    ] {
        ping(&format!("{options} --interval 0 --count 64"))
            .finish()
            .code(0)
            .says("64 packets transmitted, 64 received, 0% packet loss");
    }
    let mut many = ping("--queues 33");
    many.expect_complaint("bring at most 32");
    many.terminate();
    many.finish().code(1);
    responder.terminate();
    responder.finish().code(0).says("320 echo requests answered");
    // And as much as there can be.
    let socket = abstract_name();
    let _responder = master(&socket, "--max-queues 255");
    memif(&format!(
        "ping 192.168.1.2 --socket {socket} --timeout 30 --queues 255 --ring-size 16 --interval 0 --count 255"
    ))
    .finish()
    .code(0)
    .says("255 received, 0% packet loss");
}
