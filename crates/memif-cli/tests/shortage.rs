//! `memif responder` where a link finds too few descriptors: that costs this link alone.

mod util;

use util::processes::limit_files;
use util::{Directory, memif};

#[test]
fn a_master_says_that_it_can_take_nobody_in_and_when_it_can_again() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut responder = memif(&format!("responder --json --role master --socket {socket}"));
    responder.expect("interface");
    limit_files(responder.pid(), Some(0));
    let ping = memif(&format!("ping 192.168.1.2 --socket {socket} --count 1 --connect-timeout 60"));
    let told = responder.expect("accept_failed");
    assert!(told.contains("Too many open files") && told.contains("ulimit -n"), "{told}");
    limit_files(responder.pid(), None);
    responder.expect("accept_resumed");
    ping.finish().code(0);
    responder.terminate();
    responder.finish().code(0);
}

#[test]
fn shortage_costs_one_link() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut responder = memif(&format!("responder --role master --socket {socket} --id 0 --id 1"));
    responder.expect("interface 1");
    let mut lasting = memif(&format!("ping 192.168.1.2 --socket {socket} --id 0 --interval 0.01"));
    lasting.expect("icmp_seq=3");
    responder.expect("connected to");
    let ping = format!("ping 192.168.2.2 --socket {socket} --id 1 --count 1");
    // The library tells of what it lacks itself; what it does not need is not enough for a thread of ours.
    let told = (0..40).find_map(|more| {
        limit_files(responder.pid(), Some(more));
        let line = memif(&format!("{ping} --connect-timeout 0.5")).expect_complaint("memif: ");
        line.contains("cannot start a thread").then_some(line)
    });
    let told = told.expect("a link without a thread");
    assert!(told.contains("disconnected by the peer: cannot start a thread: Too many open files"), "{told}");
    responder.expect_complaint("interface 1 (192.168.2.2): cannot start a thread: Too many open files");
    responder.expect("link down: disconnected here: cannot start a thread: Too many open files");
    // With as many as it wants it serves again.
    limit_files(responder.pid(), None);
    memif(&format!("{ping} --connect-timeout 30")).finish().code(0);
    lasting.interrupt();
    lasting.finish().code(0).says(" 0% packet loss");
    responder.terminate();
    responder.finish().code(0).says("interface 0 (192.168.1.2): ").says("interface 1 (192.168.2.2): ");
}
