//! Each example against the command `memif`, against DPDK and against another example, in both roles.

use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::testpmd::Options;
use testkit::{Testpmd, eventually};

use crate::bed::{Bed, EXAMPLES, output};

const ROLES: [(&str, &str); 2] = [("master", "slave"), ("slave", "master")];
const PACKETS: &str = "20000";

/// The command, built where it is not.
fn memif() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    output(Command::new(cargo).args(["build", "--release", "--locked", "-p", "memif-cli"]));
    // Beside the folder of the profile that this test was built with.
    let own = Path::new(env!("CARGO_BIN_EXE_libmemif-install"));
    own.parent().unwrap().with_file_name("release").join("memif")
}

pub(crate) fn with_ping() {
    let bed = Bed::new();
    let memif = memif();
    let socket = bed.path("memif.sock");
    for example in EXAMPLES {
        let program = bed.compile(example, &[]);
        for (own, other) in ROLES {
            let ping = |more: &[&str]| {
                let mut command = bed.run(&memif);
                command
                    .args(["ping", "192.168.1.1", "--ip", "192.168.1.2", "--interval", "0.01"])
                    .args(["--connect-timeout", "30", "--role", other, "--socket"])
                    .arg(&socket)
                    .args(more);
                command
            };
            let mut command = bed.run(&program);
            command.arg(&socket).arg(own);
            match *example {
                // Answers, also what takes several buffers where it looks at all of them.
                "responder" | "epoll_loop" => {
                    let mut running = bed.start(&mut command);
                    running.expect("ready");
                    let size = if *example == "responder" { "9000" } else { "1400" };
                    let said = output(&mut ping(&["--count", "10", "--size", size]));
                    assert!(said.contains(" 0% packet loss"), "{said}");
                }
                // Give back what they get: the pinger hears its own questions.
                "forwarder" | "threads" => {
                    let mut running = bed.start(&mut command);
                    running.expect("ready");
                    let _ = ping(&["--count", "2", "--timeout", "0.2"]).output();
                    running.expect("disconnected");
                }
                // Sends at a pinger, who takes what comes.
                _ => {
                    let pinging = bed.start(&mut ping(&["--count", "100000"]));
                    let sent = command.arg("300").output().expect("the sender");
                    let sent = String::from_utf8_lossy(&sent.stdout).into_owned();
                    assert!(sent.contains("sent 300"), "{sent}");
                    drop(pinging);
                }
            }
        }
    }
}

pub(crate) fn with_each_other() {
    let bed = Bed::new();
    let sender = bed.compile("sender", &[]);
    let socket = bed.path("memif.sock");
    for example in ["forwarder", "threads"] {
        let program = bed.compile(example, &[]);
        for (own, other) in ROLES {
            let mut running = bed.start(bed.run(&program).arg(&socket).arg(own));
            running.expect("ready");
            for size in ["64", "2000"] {
                let said = output(bed.run(&sender).arg(&socket).args([other, PACKETS, size]));
                assert!(said.contains(&format!("sent {PACKETS}, back {PACKETS}")), "{said}");
            }
        }
    }
    // Those that answer pings alone hear the sender out.
    for example in ["responder", "epoll_loop"] {
        let program = bed.compile(example, &[]);
        for (own, other) in ROLES {
            let mut running = bed.start(bed.run(&program).arg(&socket).arg(own));
            running.expect("ready");
            let said = bed.run(&sender).arg(&socket).args([other, "400"]).output().expect("sender");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            assert!(said.contains("sent 400, back 0"), "{said}");
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
            let options = Options::new(dpdk, &socket, forward);
            let mut command = bed.run(&program);
            command.arg(&socket).arg(own);
            if *example == "sender" {
                command.arg(PACKETS);
            } else if *example == "threads" {
                command.arg("1");
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
            if *example == "sender" {
                running.expect(&format!("sent {PACKETS}, back {PACKETS}"));
            } else {
                running.expect("connected");
                eventually(&format!("packets that {example} took as {own}"), || {
                    let stats = testpmd.stats();
                    let back = !returns || stats.get("RX-packets") > 10_000;
                    (stats.get("TX-packets") > 10_000 && back).then_some(())
                });
            }
            // It must not forward while its link goes down, or it may die.
            testpmd.stop();
            drop(running);
            testpmd.kill();
        }
    }
}
