//! Open vSwitch connects to us with all the queues it has, two to transmit and one to receive if not told otherwise,
//! once, when the port is made.

use testkit::{Ovs, eventually};

use crate::{all_answered, ping, responder, with_switch};

/// Ports `there`, a server with a responder, and `here`, the client of a master of ours. That one is up when the port
/// is made.
fn client_and_server(test: impl FnOnce(&mut Ovs)) {
    with_switch(|switch| {
        let there = switch.path("there.sock");
        switch.add_port("there", "server", &there, &[]);
        test(switch);
        switch.remove_port("here");
        switch.remove_port("there");
    });
}

fn opposite_ping_with(settings: &[&str]) {
    client_and_server(|switch| {
        let mut responder = responder(&switch.path("there.sock"), "--rx-queues 2");
        responder.expect("connected to \"DPDK ");
        let socket = switch.path("here.sock");
        let ping = ping(&socket, "--role master");
        eventually("the socket of the pinger", || socket.exists().then_some(()));
        switch.add_port("here", "client", &socket, settings);
        all_answered(ping);
    });
}

pub(crate) fn opposite_ping() {
    opposite_ping_with(&[]);
}

/// Three receive queues at Open vSwitch and two to transmit.
pub(crate) fn with_more_queues() {
    opposite_ping_with(&["options:n_rxq=3"]);
}

pub(crate) fn opposite_responder() {
    client_and_server(|switch| {
        let socket = switch.path("here.sock");
        let mut responder = responder(&socket, "--role master");
        switch.add_port("here", "client", &socket, &[]);
        responder.expect("connected to \"DPDK ");
        for size in [56, 1472] {
            let options = format!("--rx-queues 2 --size {size}");
            all_answered(ping(&switch.path("there.sock"), &options));
        }
    });
}
