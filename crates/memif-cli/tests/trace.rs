//! What `-v` and `-vv` say of a handshake.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is how tests fail")]

mod util;

use util::{Finished, abstract_name, master, memif};

/// The messages of a link with one queue each way and its end by the slave, as the slave sees them: whether it sent it,
/// and how it is told.
const HANDSHAKE: [(bool, &str); 9] = [
    (false, "HELLO: program \"memif"),
    (true, "INIT: program \"memif"),
    (false, "ACK"),
    (true, "ADD_REGION: index 0, "),
    (true, "ADD_RING: S2M 0, 2^7 slots at "),
    (true, "ADD_RING: M2S 0, 2^7 slots at "),
    (true, "CONNECT: interface \"memif0\""),
    (false, "CONNECTED: interface \"memif0\""),
    (true, "DISCONNECT: code 0, \""),
];

/// The lines of messages, sent and received.
fn traced(finished: &Finished) -> Vec<&str> {
    finished.err.lines().filter(|line| line.contains("TRACE") && line.contains("(descriptor ")).collect()
}

#[track_caller]
fn assert_handshake(finished: &Finished, is_slave: bool) {
    let mut lines = traced(finished).into_iter();
    for (by_slave, message) in HANDSHAKE {
        let way = if by_slave == is_slave { "sent" } else { "received" };
        let line = lines.find(|line| line.contains(&format!(" {way} {message}")));
        let line = line.unwrap_or_else(|| panic!("{way} {message} is not in its place: {finished:#?}"));
        assert_eq!(line.contains(", 1 descriptor"), message.starts_with("ADD_"), "{line}");
        assert!(line.contains(", pid "), "{line}");
    }
}

#[test]
fn every_message_is_told_at_both_ends() {
    let socket = abstract_name();
    let responder = master(&socket, "-vv --secret hunter2");
    let ping = format!("ping 192.168.1.2 -vv --count 1 --ring-size 128 --socket {socket} --secret hunter2");
    let slave = memif(&ping).finish().code(0);
    responder.terminate();
    let master = responder.finish().code(0);
    assert_handshake(&slave, true);
    assert_handshake(&master, false);
    for finished in [slave, master] {
        assert!(finished.err.contains("id 0, mode ethernet, a secret"), "{finished:#?}");
        assert!(!finished.err.contains("hunter2"), "{finished:#?}");
    }
}

#[test]
fn one_v_tells_events_alone() {
    let socket = abstract_name();
    let responder = master(&socket, "-v");
    let slave = memif(&format!("ping 192.168.1.2 -v --count 1 --socket {socket}")).finish().code(0);
    responder.terminate();
    let master = responder.finish().code(0).complains("listening on");
    for finished in [&slave, &master] {
        assert_eq!(traced(finished), Vec::<&str>::new());
    }
}
