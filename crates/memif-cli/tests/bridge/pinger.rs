//! `memif ping` against the Linux stack, behind a bridge.

use testkit::Namespace;

use crate::bed::{TAP, bridge, ping};
use crate::util::{Directory, Finished, Program, memif};

/// A namespace whose stack is behind a bridge, which is the master of whoever pings it.
struct Stack {
    namespace: Namespace,
    directory: Directory,
    mode: &'static str,
    _bridge: Program,
}

impl Stack {
    /// With that MTU, and those commands of `ip` once the device is there.
    fn new(mode: &'static str, mtu: u16, commands: &[&str]) -> Self {
        let namespace = Namespace::new();
        let directory = Directory::new();
        let socket = directory.text("memif.sock");
        let mut bridge = bridge(&namespace, &format!("--socket {socket} --role master --mtu {mtu} {mode}"));
        bridge.expect("device created");
        for command in commands {
            namespace.ip(&command.replace("TAP", TAP));
        }
        Self { namespace, directory, mode, _bridge: bridge }
    }

    fn options(&self) -> String {
        format!("--socket {} {}", self.directory.text("memif.sock"), self.mode)
    }

    fn pinged(&self, arguments: &str) -> Finished {
        let count = if arguments.contains("--count") { "" } else { "--count 3" };
        memif(&format!("ping {arguments} {} {count} --interval 0.01", self.options())).finish()
    }
}

pub(crate) fn ipv6_by_neighbour_discovery() {
    for mode in ["", "--mode ip"] {
        let stack = Stack::new(mode, 1500, &["address add fd00::1/64 dev TAP nodad"]);
        stack.pinged("fd00::1").code(0).says("3 received").says("from fd00::1: icmp_seq=1 ttl=64 time=");
    }
}

pub(crate) fn replies_in_fragments_are_put_together() {
    let addresses = ["address add 192.168.1.1/24 dev TAP", "address add fd00::1/64 dev TAP nodad"];
    let stack = Stack::new("", 1500, &addresses);
    // The device takes requests of any length, and the kernel cuts its replies.
    for target in ["192.168.1.1", "fd00::1"] {
        stack.pinged(&format!("{target} --size 9000")).code(0).says("3 received").says("9008 bytes from");
        stack.pinged(&format!("{target} --size 40000")).code(0).says("3 received");
    }
}

/// The kernel's requests in fragments, answered in fragments that it takes.
pub(crate) fn requests_in_fragments_are_answered() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut bridge = bridge(&namespace, &format!("--socket {socket} --role master"));
    bridge.expect("device created");
    let mut responder = memif(&format!("responder --socket {socket} --ip 192.168.1.2 --ip 192.168.1.3 --ip fd00::2"));
    responder.expect("connected to");
    bridge.expect("connected to");
    namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    namespace.ip(&format!("address add fd00::1/64 dev {TAP} nodad"));
    ping(&namespace, "-c 5 -i 0.01 -s 9000 -M dont 192.168.1.2");
    ping(&namespace, "-c 5 -i 0.01 -s 30000 -M dont 192.168.1.3");
    ping(&namespace, "-6 -c 5 -i 0.01 -s 9000 fd00::2");
    responder.terminate();
    // Six more than one of each of five, twenty more, six more.
    responder.finish().code(0).says("15 echo requests answered").says("160 further fragments");
}

pub(crate) fn icmp_errors_are_named() {
    let stack = Stack::new(
        "--mode ip",
        9000,
        &[
            "address add 192.168.1.1/24 dev TAP",
            "address add fd00::1/64 dev TAP nodad",
            "tuntap add dev other mode tun",
            "link set other mtu 1400 up",
            "address add 10.1.0.1/24 dev other",
            "address add fd01::1/64 dev other nodad",
            "route add unreachable 10.2.0.0/24",
            "route add prohibit 10.3.0.0/24",
            "-6 route add unreachable fd02::/64",
        ],
    );
    stack.namespace.must("sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
    stack.namespace.must("sysctl -q -w net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0");
    let own4 = "--ip 192.168.1.2 --timeout 0.5";
    let own6 = "--ip fd00::2 --timeout 0.5";
    for (arguments, from, words) in [
        (format!("10.2.0.1 {own4}"), "192.168.1.1", "host unreachable"),
        (format!("10.3.0.1 {own4}"), "192.168.1.1", "communication administratively prohibited"),
        (format!("10.1.0.9 --ttl 1 {own4}"), "192.168.1.1", "time to live exceeded"),
        (format!("10.1.0.9 --size 1373 {own4}"), "192.168.1.1", "fragmentation needed and DF set (MTU 1400)"),
        (format!("fd02::1 {own6}"), "fd00::1", "no route to destination"),
        (format!("fd01::9 --ttl 1 {own6}"), "fd00::1", "time to live exceeded"),
        (format!("fd01::9 --size 1353 {own6}"), "fd00::1", "packet too big (MTU 1400)"),
    ] {
        // One of each: the kernel limits how often it sends some of them.
        let finished = stack.pinged(&format!("{arguments} --count 1")).code(1);
        let finished = finished.says(&format!("from {from}: icmp_seq=1 {words}"));
        finished.says("1 packets transmitted, 0 received, +1 errors, 100% packet loss");
    }
    // Where routers may cut, nobody complains, and nobody is there.
    let finished = stack.pinged(&format!("10.1.0.9 --size 1373 --no-df {own4}")).code(1);
    assert!(!finished.out.contains("error"), "{finished:#?}");
    let finished = stack.pinged(&format!("10.1.0.9 --size 1373 --json --count 1 {own4}")).code(1);
    let errors: Vec<_> = finished.out.lines().filter(|line| line.contains(r#""type":"icmp_error""#)).collect();
    assert_eq!(errors.len(), 1, "{finished:#?}");
    assert!(errors[0].contains(r#""from":"192.168.1.1","sequence":1,"problem":"fragmentation_needed","code":null"#));
    assert!(errors[0].contains(r#""mtu_bytes":1400"#), "{errors:?}");
}
