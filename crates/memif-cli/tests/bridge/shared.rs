//! Several programs with queues of one device.

use testkit::{Namespace, eventually};

use crate::bed::{Single, TAP, bridge, has_carrier, ping};
use crate::util::{Directory, abstract_name, memif, start};

/// What the kernel says of the queues of the device, attached and aside.
fn queues(namespace: &Namespace) -> (u32, u32) {
    let shown = namespace.ip(&format!("-d link show dev {TAP}"));
    let count = |what| {
        let mut words = shown.split_whitespace().skip_while(|word| *word != what).skip(1);
        words.next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {what} in {shown}"))
    };
    (count("numqueues"), count("numdisabled"))
}

pub(crate) fn second_bridge_is_refused() {
    let mut single = Single::new("slave", "", "--queues 2");
    let holder = format!("cannot join tap0, which memif (pid {}) has: ", single.bridge.pid());
    let refused = |namespace| {
        let second = bridge(namespace, &format!("--socket {} --role master --queues 2", abstract_name()));
        second.finish().code(2).complains(&holder).complains("another program has it").complains("(--shared)");
    };
    refused(&single.namespace);
    assert!(has_carrier(&single.namespace));
    assert_eq!(queues(&single.namespace), (2, 0));
    single.ping("-f -c 500");
    // Without a link it has no carrier, and gets none.
    single.responder.kill_now();
    single.bridge.expect("link down");
    refused(&single.namespace);
    assert!(!has_carrier(&single.namespace));
    assert_eq!(queues(&single.namespace), (2, 0));
}

pub(crate) fn two_bridges_share_on_purpose() {
    let mut first = Single::new("slave", "", "--queues 2");
    let directory = Directory::new();
    let socket = directory.text("second.sock");
    let mut second = bridge(&first.namespace, &format!("--shared --socket {socket} --role master"));
    second.expect("device joined");
    // It has no link, and so takes nothing.
    assert!(has_carrier(&first.namespace));
    assert_eq!(queues(&first.namespace), (2, 1));
    first.ping("-f -c 500");
    // Whoever gets a request has the same responder behind it.
    let mut other = memif(&format!("responder --socket {socket}"));
    second.expect("connected to");
    assert_eq!(queues(&first.namespace), (3, 0));
    first.ping("-f -c 500");
    // The first one loses its link, and the second one goes on.
    first.responder.kill_now();
    first.bridge.expect("link down");
    assert!(has_carrier(&first.namespace));
    assert_eq!(queues(&first.namespace), (1, 2));
    first.ping("-f -c 500");
    first.respond_again();
    first.bridge.expect("connected to");
    first.ping("-f -c 500");
    // The other way round.
    other.kill_now();
    second.expect("link down");
    assert!(has_carrier(&first.namespace));
    first.ping("-f -c 500");
    // With the last link the carrier goes.
    first.responder.kill_now();
    first.bridge.expect("link down");
    assert!(!has_carrier(&first.namespace));
    first.respond_again();
    first.bridge.expect("connected to");
    second.terminate();
    second.finish().code(0);
    assert!(has_carrier(&first.namespace));
    first.ping("-f -c 500");
}

pub(crate) fn without_a_link_out_of_the_way() {
    for killed in [false, true] {
        let namespace = Namespace::new();
        namespace.ip(&format!("tuntap add dev {TAP} mode tap multi_queue"));
        let directory = Directory::new();
        let mut first = bridge(&namespace, &format!("--socket {} --role master --queues 2", abstract_name()));
        first.expect("device joined");
        let socket = directory.text("second.sock");
        let mut second = bridge(&namespace, &format!("--shared --socket {socket} --role master"));
        second.expect("device joined");
        assert!(!has_carrier(&namespace));
        let _responder = memif(&format!("responder --socket {socket}"));
        second.expect("connected to");
        namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
        // It learns of the other one by what the kernel sends it.
        eventually("the first bridge is out of the way", || {
            namespace.run("ping -q -c 1 -W 0.1 192.168.1.2");
            (queues(&namespace) == (1, 2)).then_some(())
        });
        ping(&namespace, "-f -c 500 192.168.1.2");
        if killed {
            second.kill_now();
        } else {
            second.terminate();
            second.finish().code(0);
        }
        eventually("the carrier is gone", || (!has_carrier(&namespace)).then_some(()));
        // The first one watches the device again.
        eventually("the first bridge is back", || (queues(&namespace) == (2, 0)).then_some(()));
        namespace.ip(&format!("link delete dev {TAP}"));
        first.finish().code(2).complains("tap0 is gone");
    }
}

/// Takes a queue of the device, with a header before each packet, until its standard input ends.
const HOLDER: &str = "
import fcntl, struct, time
queue = open('/dev/net/tun', 'r+b', buffering=0)
fcntl.ioctl(queue, 0x400454ca, struct.pack('16sH22x', b'tap0', 0x0002 | 0x0100 | 0x1000 | 0x4000))
print('taken', flush=True)
time.sleep(600)
";

pub(crate) fn device_of_another_kind_of_program() {
    let namespace = Namespace::new();
    let mut python = namespace.command("python3");
    python.args(["-c", HOLDER]);
    let mut holder = start(python, "holder");
    holder.expect("taken");
    let options = format!("--socket {} --role master", abstract_name());
    for (more, answer) in [("", "(--shared)"), ("--shared", "a header before each packet")] {
        bridge(&namespace, &format!("{options} {more}"))
            .finish()
            .code(2)
            .complains(&format!("(pid {}) has: ", holder.pid()))
            .complains(answer);
        assert_eq!(queues(&namespace), (1, 0));
    }
    holder.kill_now();
    // What it made went with it.
    bridge(&namespace, &options).expect("device created");
}
