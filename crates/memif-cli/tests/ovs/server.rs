//! Open vSwitch listens on two ports, and we connect to both.

use testkit::Ovs;

use crate::util::memif;
use crate::{all_answered, ping, responder, with_switch};

/// Two servers, one port each for responder and ping. Open vSwitch has a transmit queue for each of its forwarding
/// threads and one more, and gives packets to any of them: so two receive queues here.
fn between_two_ports(settings: &[&str], sizes: &[u32], options: &str) {
    with_switch(|switch| {
        let sockets = ["left", "right"].map(|name| {
            let socket = switch.path(&format!("{name}.sock"));
            switch.add_port(name, "server", &socket, settings);
            socket
        });
        // Each port is at the end of the responder once, and of the ping. The addresses differ, since a switch that
        // sees one move to another port may drop what is under way.
        for [here, there] in [[0, 1], [1, 0]] {
            let address = |port: usize| format!("--mac 02:fe:00:00:0{here}:0{port}");
            let mut responder = responder(&sockets[here], &format!("{options} {}", address(here)));
            responder.expect("connected to \"DPDK ");
            for size in sizes {
                let options = format!("{options} {} --size {size}", address(there));
                all_answered(ping(&sockets[there], &options));
            }
            responder.terminate();
            responder.finish().code(0);
        }
        remove(switch, ["left", "right"]);
        for socket in sockets {
            assert!(!socket.exists(), "{} is left over", socket.display());
        }
    });
}

fn remove(switch: &Ovs, names: [&str; 2]) {
    for name in names {
        switch.remove_port(name);
    }
}

pub(crate) fn two_receive_queues() {
    between_two_ports(&[], &[56, 1472], "--rx-queues 2");
}

pub(crate) fn queues_are_found() {
    between_two_ports(&[], &[56, 1472], "--rx-queues auto");
}

/// With one receive queue nothing of the switch comes here: the command says why, and what to do.
pub(crate) fn one_receive_queue() {
    with_switch(|switch| {
        let socket = switch.path("left.sock");
        switch.add_port("left", "server", &socket, &[]);
        let other = switch.path("right.sock");
        switch.add_port("right", "server", &other, &[]);
        let mut responder = responder(&other, "--rx-queues auto");
        responder.expect("connected to \"DPDK ");
        let ping = format!("ping 192.168.1.2 --ip 192.168.1.1 --socket {} --timeout 2", socket.display());
        memif(&ping)
            .finish()
            .code(1)
            .complains("transmits on more queues than this link has receive queues (1)")
            .complains("--rx-queues auto");
        drop(responder);
        remove(switch, ["left", "right"]);
    });
}

/// The longest packets that go through an MTU of 9000, chained over buffers of 2048 bytes at both ends.
pub(crate) fn jumbo() {
    between_two_ports(&["mtu_request=9000"], &[56, 3000, 8972], "--rx-queues 2");
}
