//! `memif demo` as a user runs it.

mod util;

use std::process::Command;

use util::{Directory, memif, start};

#[test]
fn demo_shows_details_pings_and_a_figure() {
    memif("demo")
        .finish()
        .code(0)
        .says("MEMIF DETAILS\n==============================\ninterface index: 0\n")
        .says("\tinterface ip: 192.168.1.1\n")
        .says("\tinterface ip: 192.168.1.2\n")
        .says("\trole: slave\n")
        .says("\trole: master\n")
        .says("\tmode: ethernet\n")
        .says("\trx queues:\n\t\tqueue id: 0\n\t\tring size: 1024\n\t\tbuffer size: 2048\n")
        .says("\tlink: up\n")
        .says("64 bytes from 192.168.1.2: icmp_seq=1 ttl=64 time=")
        .says("60008 bytes from 192.168.1.2: icmp_seq=5 ttl=64 time=")
        .says("20 packets transmitted, 20 received, 0% packet loss")
        .says("Mpps")
        .says("none lost")
        .says("20 echo requests answered, 4 ARP requests answered, 0 dropped");
}

#[test]
fn demo_takes_the_options_of_an_interface() {
    let directory = Directory::new();
    let socket = directory.text("demo.sock");
    memif(&format!(
        "demo --socket {socket} --mode ip --queues 2 --ring-size 256 --buffer-size 512 \
         --rx-mode interrupt --secret s --socket-mode 600"
    ))
    .finish()
    .code(0)
    .says(&format!("\tsocket filename: {socket}\n"))
    .says("\tmode: ip\n")
    .says("\t\tqueue id: 1\n\t\tring size: 256\n\t\tbuffer size: 512\n")
    .says("0% packet loss")
    .says("none lost");
    assert!(!directory.path("demo.sock").exists());
}

#[test]
fn sizes_that_do_not_fit_are_left_out() {
    memif("demo --ring-size 8")
        .finish()
        .code(0)
        .says("packets of 60042 bytes do not fit: the rings carry 16384")
        .says("15 packets transmitted, 15 received");
}

#[test]
fn ctrl_c_ends_the_demo() {
    let mut demo = memif("demo");
    demo.expect("icmp_seq=1 ");
    demo.interrupt();
    let finished = demo.finish();
    assert!(finished.status.code().is_some(), "{finished:#?}");
    assert!(finished.out.contains("ping statistics"), "{finished:#?}");
}

/// It has no memory for its rings: the reason is that of the slave, which makes them.
#[test]
fn a_demo_without_a_link_says_why() {
    let mut shell = Command::new("sh");
    let limited = "ulimit -v 1000000; exec \"$0\" demo --ring-size 16384 --buffer-size 65535";
    shell.args(["-c", limited, env!("CARGO_BIN_EXE_memif")]);
    let finished = start(shell, "demo without memory").finish().code(2).complains("link: not connected: local failure");
    let last = finished.err.lines().last().expect("an error");
    assert!(last.contains("no link between the two ends") && last.contains("raise the limits"), "{finished:#?}");
}
