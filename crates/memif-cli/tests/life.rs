//! Start, end and accidents of `memif responder` and `memif ping`.

mod util;

use util::{Directory, abstract_name, command, master, memif};

#[test]
fn sigterm_and_ctrl_c_close_the_link_remove_the_socket_and_print_the_summary() {
    for ctrl_c in [false, true] {
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let mut responder = memif(&format!("responder --role master --socket {socket}"));
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.05"));
        responder.expect("connected to");
        ping.expect("icmp_seq=3");
        assert!(directory.path("memif.sock").exists());
        if ctrl_c {
            ping.interrupt();
        } else {
            ping.terminate();
        }
        ping.finish().code(0).says("--- 192.168.1.2 ping statistics ---").says(" 0% packet loss, time ");
        // The pinger said goodbye: the reason is its word, not the end of the file.
        let line = responder.expect("link down");
        assert!(line.contains("disconnected by the peer"), "{line}");
        if ctrl_c {
            responder.interrupt();
        } else {
            responder.terminate();
        }
        responder.finish().code(0).says("echo requests answered");
        assert!(!directory.path("memif.sock").exists());
    }
}

#[test]
fn responder_survives_its_peer_and_serves_the_next() {
    for (answers, asks) in [("master", "slave"), ("slave", "master")] {
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let mut responder = memif(&format!("responder --socket {socket} --role {answers}"));
        for _ in 0..2 {
            let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --role {asks} --interval 0.01"));
            ping.expect("icmp_seq=2");
            ping.kill();
            responder.expect("link down");
        }
        memif(&format!("ping 192.168.1.2 --socket {socket} --role {asks} --count 3 --interval 0 --size 9000"))
            .finish()
            .code(0);
        responder.terminate();
        responder.finish().code(0);
    }
}

#[test]
fn ping_goes_on_when_the_responder_comes_back() {
    for (answers, asks) in [("master", "slave"), ("slave", "master")] {
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let responder = format!("responder --socket {socket} --role {answers}");
        let first = memif(&responder);
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --role {asks} --interval 0.01"));
        ping.expect("icmp_seq=2");
        first.kill();
        ping.expect_complaint("link down");
        let mut second = memif(&responder);
        second.expect("connected to");
        ping.expect_complaint("connected to");
        // Nothing was sent without a link, so what follows was answered by the second.
        let before = ping.lines_so_far();
        while ping.lines_so_far() < before + 20 {
            ping.expect("bytes from");
        }
        second.terminate();
        second.finish().code(0).says(", 0 dropped");
        ping.interrupt();
        ping.finish().says("ping statistics");
    }
}

#[test]
fn either_side_may_start_first() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    // The slave first: it says why it waits, and what to do.
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --count 2 --interval 0"));
    let line = ping.expect_complaint("socket does not exist");
    assert!(line.contains("start the master") && line.contains("trying again"), "{line}");
    let _responder = memif(&format!("responder --role master --socket {socket}"));
    ping.finish().code(0).says("0% packet loss");
}

#[test]
fn a_stale_socket_file_is_taken_over_and_a_live_one_is_not() {
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let dead = master(&socket, "");
    dead.kill();
    assert!(directory.path("memif.sock").exists());
    let _alive = master(&socket, "");
    memif(&format!("responder --role master --socket {socket}"))
        .finish()
        .code(2)
        .complains("in use by another program: stop it or choose another socket");
    memif(&format!("ping 192.168.1.2 --socket {socket} --count 1")).finish().code(0);
}

#[test]
fn no_link_in_time_is_an_error_with_the_reason() {
    let directory = Directory::new();
    let socket = directory.text("none.sock");
    memif(&format!("ping 192.168.1.2 --socket {socket} --connect-timeout 2"))
        .finish()
        .code(2)
        .complains("no link in 2 s: socket does not exist; start the master");
    memif(&format!(
        "ping 192.168.1.2 --socket {} --role master --id 5 --connect-timeout 0.2",
        directory.text("lonely.sock"),
    ))
    .finish()
    .code(2)
    .complains("start one with id 5");
    assert!(!directory.path("lonely.sock").exists());
}

#[test]
fn wrong_secret_id_and_mode_are_told_at_both_ends() {
    let socket = abstract_name();
    let mut responder = master(&socket, "--secret right");
    for (option, reason, advice, told) in [
        ("--secret wrong", "incorrect secret", "--secret-file", "incorrect secret"),
        ("", "secret required", "--secret-file", "secret required"),
        ("--secret right --id 3", "unmatched interface id", "check --id", "id 3"),
        ("--secret right --mode ip", "mode mismatch", "check --mode", "mode mismatch"),
    ] {
        let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} {option}"));
        let line = ping.expect_complaint(reason);
        assert!(line.contains(advice), "{line}");
        ping.interrupt();
        ping.finish().code(1).says("0 packets transmitted, 0 received");
        let line = responder.expect("refused");
        assert!(line.contains(told), "{line}");
    }
    memif(&format!("ping 192.168.1.2 --socket {socket} --secret right --count 1")).finish().code(0);
}

#[test]
fn other_users_are_refused_when_one_is_allowed() {
    let socket = abstract_name();
    let mut responder = master(&socket, "--allow-uid 54321");
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket}"));
    let line = ping.expect_complaint("not allowed");
    assert!(line.contains("--allow-uid"), "{line}");
    responder.expect("refused");
    ping.terminate();
    ping.finish().code(1);
    responder.terminate();
    responder.finish().code(0).says("0 packets received");
}

#[test]
fn a_closed_pipe_ends_the_command_without_an_error() {
    let socket = abstract_name();
    let mut responder = master(&socket, "");
    let ping = command(&format!("ping 192.168.1.2 --socket {socket} --interval 0"));
    let path = ping.get_program().to_owned();
    let line = ping.get_args().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let status = std::process::Command::new("timeout")
        .args(["60", "bash", "-c"])
        .arg(format!("set -o pipefail; {} {line} | head -n 2", path.display()))
        .output()
        .expect("bash and timeout are there");
    assert!(status.status.success(), "{status:?}");
    assert!(status.stderr.is_empty(), "{status:?}");
    // The link was closed in good order.
    responder.expect("link down");
}

#[test]
fn control_path_is_logged_with_v() {
    let socket = abstract_name();
    let mut responder = memif(&format!("-v responder --role master --socket {socket}"));
    responder.expect("192.168.1.2");
    memif(&format!("ping 192.168.1.2 --socket {socket} --count 1 -v")).finish().code(0).complains("memif::socket");
    responder.expect_complaint("memif::socket");
}
