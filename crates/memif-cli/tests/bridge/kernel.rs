//! Programs of the kernel's network against `memif responder`.

use testkit::Namespace;

use crate::bed::{Single, TAP, bridge, nothing_dropped, ping};
use crate::util::{Directory, memif};

pub(crate) fn ping_reaches_a_responder() {
    for role in ["slave", "master"] {
        let mut single = Single::new(role, "", "");
        single.ping("-c 20 -i 0.01");
        single.ping("-f -c 20000");
        single.bridge.terminate();
        let line = single.bridge.expect("to memif:");
        // ARP and perhaps IPv6 beside the requests.
        let packets: u64 = line.split(' ').nth(3).and_then(|n| n.parse().ok()).expect("a number");
        assert!(packets > 20_020, "{line}");
        nothing_dropped(&line);
        nothing_dropped(&single.bridge.expect("from memif:"));
    }
}

pub(crate) fn ping6_reaches_a_responder() {
    for options in ["", "--mode ip"] {
        let namespace = Namespace::new();
        let directory = Directory::new();
        let options = format!("--socket {} {options}", directory.text("memif.sock"));
        let mut bridge = bridge(&namespace, &format!("--role master {options}"));
        bridge.expect("device created");
        let mut responder = memif(&format!("responder {options} --ip6 fd00::2"));
        responder.expect("connected to");
        bridge.expect("connected to");
        namespace.ip(&format!("address add fd00::1/64 dev {TAP} nodad"));
        ping(&namespace, "-6 -c 20 -i 0.01 fd00::2");
        ping(&namespace, "-6 -c 50 -i 0.01 -s 1452 -M do fd00::2");
        let other = namespace.run("ping -6 -q -c 1 -W 0.2 fd00::3");
        assert!(!other.status.success(), "{other:?}");
        responder.terminate();
        let finished = responder.finish().code(0).says("70 echo requests answered");
        // On TUN there are no neighbours to look for.
        let asked = finished.out.contains("neighbour solicitations answered");
        assert_eq!(asked, options.ends_with(' '), "{finished:#?}");
    }
}

pub(crate) fn large_packets_are_chained() {
    for role in ["slave", "master"] {
        let single = Single::new(role, "", "--mtu 9000");
        // Whole, so four buffers each way; the largest that the device takes, too.
        single.ping("-c 200 -i 0.01 -s 8000 -M do");
        single.ping("-f -c 5000 -s 8972 -M do");
        let refused = single.namespace.run("ping -q -c 1 -s 8973 -M do 192.168.1.2");
        assert!(!refused.status.success(), "{refused:?}");
    }
    // Buffers of one slave and of one ring that only just hold such a packet.
    let single = Single::new("slave", "--ring-size 16 --buffer-size 640", "--mtu 9000");
    single.ping("-c 200 -i 0.01 -s 8972 -M do");
}

pub(crate) fn arping_reaches_a_responder() {
    let single = Single::new("slave", "", "");
    let said = single.namespace.must(&format!("arping -c 3 -w 20 -I {TAP} 192.168.1.2"));
    assert!(said.to_lowercase().contains("02:fe:c0:a8:01:02"), "{said}");
}

pub(crate) fn ping_in_every_receive_mode() {
    for mode in ["interrupt", "adaptive", "polling"] {
        let single = Single::new("slave", &format!("--rx-mode {mode}"), "");
        single.ping("-f -c 3000");
        // Between two of these everything goes to sleep: a lost wake-up would show.
        single.ping("-c 50 -i 0.02");
    }
}
