//! Each example against the command `memif`, against DPDK and against another example, in both roles.

use testkit::testpmd::Options;
use testkit::{Testpmd, eventually};

use crate::bed::{Bed, EXAMPLES, memif, output};

const ROLES: [(&str, &str); 2] = [("master", "slave"), ("slave", "master")];
const PACKETS: &str = "20000";
/// Of `threads` with DPDK.
const QUEUES: u8 = 2;

pub(crate) fn with_the_command() {
    let bed = Bed::new();
    let memif = memif();
    let socket = bed.path("memif.sock");
    for example in EXAMPLES {
        let program = bed.compile(example, &[]);
        for (own, other) in ROLES {
            let ping = |more: &[&str]| {
                let mut command = bed.run(memif);
                command
                    .args(["ping", "192.168.1.1", "--ip", "192.168.1.2", "--interval", "0.01"])
                    .args(["--connect-timeout", "90", "--role", other, "--socket"])
                    .arg(&socket)
                    .args(more);
                command
            };
            let mut command = bed.run(&program);
            command.arg(&socket).arg(own);
            if *example != "sender" {
                let mut running = bed.start(&mut command);
                running.expect("ready");
                // In chains, too.
                for size in sizes(example) {
                    let said = output(&mut ping(&["--count", "10", "--size", size]));
                    assert!(said.contains(" 0% packet loss"), "{example} as {own}: {said}");
                }
                // In buffers of the slave's that are smaller than its own.
                if *example != "epoll_loop" && own == "master" {
                    for (size, buffers) in [("1000", "1024"), ("1000", "512"), ("3000", "1024")] {
                        let said = output(&mut ping(&["--count", "10", "--size", size, "--buffer-size", buffers]));
                        assert!(said.contains(" 0% packet loss"), "{example}, {buffers}: {said}");
                    }
                }
                continue;
            }
            // A pinger takes what comes, and answers nothing.
            let pinging = bed.start(&mut ping(&["--count", "100000"]));
            let sent = command.arg("300").output().expect("the sender");
            let sent = String::from_utf8_lossy(&sent.stdout).into_owned();
            assert!(sent.contains("sent 300, back 0"), "{sent}");
            drop(pinging);
            let mut responder = bed.run(memif);
            responder.args(["responder", "--ip", "192.168.1.1", "--role", other, "--socket"]);
            let responder = bed.start(responder.arg(&socket));
            for size in ["42", "64", "5000"] {
                let said = output(bed.run(&program).arg(&socket).args([own, PACKETS, size]));
                assert!(said.contains(&format!("sent {PACKETS}, back {PACKETS}")), "{said}");
            }
            drop(responder);
        }
    }
}

/// Sizes of packets that an example sends back. One looks at single buffers alone.
fn sizes(example: &str) -> [&'static str; 2] {
    if example == "epoll_loop" { ["64", "1900"] } else { ["64", "5000"] }
}

pub(crate) fn with_each_other() {
    let bed = Bed::new();
    let sender = bed.compile("sender", &[]);
    let socket = bed.path("memif.sock");
    for example in EXAMPLES.iter().filter(|example| **example != "sender") {
        let program = bed.compile(example, &[]);
        for (own, other) in ROLES {
            let mut command = bed.run(&program);
            command.arg(&socket).arg(own);
            if *example == "threads" {
                // As many queues as the sender has: as master that refuses more.
                command.arg("1");
            }
            let mut running = bed.start(&mut command);
            running.expect("ready");
            for size in sizes(example) {
                let said = output(bed.run(&sender).arg(&socket).args([other, PACKETS, size]));
                let all = format!("sent {PACKETS}, back {PACKETS}");
                assert!(said.contains(&all), "{example} as {own}: {said}");
            }
        }
    }
}

pub(crate) fn with_dpdk() {
    for example in EXAMPLES {
        for (own, dpdk) in [("slave", "server"), ("master", "client")] {
            let bed = Bed::new();
            let program = bed.compile(example, &[]);
            let socket = bed.path("memif.sock");
            let returns = matches!(*example, "forwarder" | "threads");
            let forward = match *example {
                "sender" => "macswap",
                // Sends and takes what comes back; txonly takes nothing.
                _ if returns => "flowgen",
                _ => "txonly",
            };
            let mut options = Options::new(dpdk, &socket, forward);
            let mut command = bed.run(&program);
            command.arg(&socket).arg(own);
            if *example == "sender" {
                command.arg(PACKETS);
            } else if *example == "threads" {
                options.queues = QUEUES;
                command.arg(QUEUES.to_string());
            }
            // A server is there first.
            let (mut testpmd, mut running) = if dpdk == "server" {
                let testpmd = Testpmd::spawn(&options);
                (testpmd, bed.start(&mut command))
            } else {
                let running = bed.start(&mut command);
                eventually("the socket", || socket.exists().then_some(()));
                (Testpmd::spawn(&options), running)
            };
            testpmd.start();
            // testpmd stops forwarding before its link goes down. A sender ends when it has everything back:
            // nothing is asked of testpmd after that.
            if *example == "sender" {
                running.expect(&format!("sent {PACKETS}, back {PACKETS}"));
            } else {
                running.expect("connected");
                eventually(&format!("packets that {example} took as {own}"), || {
                    let stats = testpmd.stats();
                    let back = !returns || stats.get("RX-packets") > 10_000;
                    (stats.get("TX-packets") > 10_000 && back).then_some(())
                });
                testpmd.stop();
            }
            drop(running);
            testpmd.kill();
        }
    }
}
