//! Sockets in a network namespace that the command is not in.

use testkit::Namespace;

use crate::bed::TAP;
use crate::util::{Finished, Program, abstract_name, command, memif, start};

fn inside(namespace: &Namespace, line: &str) -> Program {
    let memif = command(line);
    let mut inside = namespace.command(memif.get_program());
    inside.args(memif.get_args());
    start(inside, line)
}

fn pinged(socket: &str, options: &str) -> Finished {
    memif(&format!("ping 192.168.1.2 --socket {socket} --interval 10ms {options}")).finish()
}

pub(crate) fn sockets_in_another_namespace() {
    let namespace = Namespace::new();
    let (name, place) = (abstract_name(), namespace.name());
    let plain = name.trim_start_matches('@');
    // The master is out here, and its socket in there.
    let mut responder = memif(&format!("responder --role master --socket {name},netns={place}"));
    responder.expect("master on");
    inside(&namespace, &format!("ping 192.168.1.2 --socket {name} --count 2")).finish().code(0).says("2 received");
    pinged(&name, "--count 1 --connect-timeout 0.3").code(2).complains("nobody");
    for socket in [
        format!("abstract:{plain},netns_name={place}"),
        format!("{name},netns_name=/run/netns/{place}"),
        format!("{name},netns=pid:{}", inside_pid(&namespace)),
    ] {
        pinged(&socket, "--count 2").code(0).says("2 received");
    }
    memif(&format!("show {name},netns={place}")).finish().code(0).says("may connect");
    memif(&format!("show {name}")).finish().code(1);
    memif(&format!("bench --part generator --socket {name},netns={place} --seconds 0.1")).finish().code(0);
}

/// A process that is in the namespace until that goes.
fn inside_pid(namespace: &Namespace) -> u32 {
    let mut sleeper = namespace.command("sleep");
    sleeper.arg("600").spawn().expect("sleep starts").id()
}

pub(crate) fn slave_connects_again_in_its_namespace() {
    let namespace = Namespace::new();
    let (name, place) = (abstract_name(), namespace.name());
    let line = format!("responder --role master --socket {name}");
    let mut responder = inside(&namespace, &line);
    responder.expect("master on");
    let mut pinger = memif(&format!("ping 192.168.1.2 --socket {name},netns={place} --interval 10ms"));
    pinger.expect("icmp_seq=3 ");
    responder.kill_now();
    pinger.expect_complaint("link down");
    let mut responder = inside(&namespace, &line);
    responder.expect("connected to");
    let last = pinger.expect("icmp_seq=");
    assert!(last.contains("192.168.1.2"), "{last}");
    pinger.interrupt();
    pinger.finish();
}

pub(crate) fn device_stays_where_the_bridge_is() {
    let [there, here] = [Namespace::new(), Namespace::new()];
    let name = abstract_name();
    let mut responder = inside(&there, &format!("responder --role master --socket {name}"));
    responder.expect("master on");
    let mut bridge = inside(&here, &format!("bridge --tap {TAP} --socket {name},netns={}", there.name()));
    bridge.expect("connected to");
    here.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    crate::bed::ping(&here, "-c 3 -i 0.01 192.168.1.2");
}

pub(crate) fn missing_namespace_has_an_answer() {
    let options = "--count 1 --connect-timeout 0.1";
    let missing = pinged("@x,netns=no-such-namespace", options).code(2);
    missing.complains("cannot open the network namespace /run/netns/no-such-namespace").complains("ip netns add");
    let other = pinged("@x,netns=/proc/self/ns/ipc", options).code(2);
    other.complains("cannot enter the network namespace /proc/self/ns/ipc");
}
