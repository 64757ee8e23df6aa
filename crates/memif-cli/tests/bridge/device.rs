//! Devices that were there before, and those that were not.

use std::os::unix::fs::PermissionsExt;

use rustix::process::{Resource, getrlimit};
use testkit::{Namespace, eventually};

use crate::bed::{Pair, TAP, bridge, has_carrier, ping};
use crate::util::processes::of_threads;
use crate::util::{Directory, Program, abstract_name, start};

/// A user that may do nothing.
const NOBODY: &str = "65534";

/// Starts a bridge in a namespace as a user that may do nothing.
pub(crate) fn bridge_as_nobody(namespace: &Namespace, directory: &Directory, arguments: &str) -> Program {
    // Where the program was built, that user may not look.
    let copy = directory.path("memif");
    if !copy.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_memif"), &copy).expect("a copy of memif");
        for (path, mode) in [(copy.clone(), 0o755), (directory.path(""), 0o777)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).expect("permissions");
        }
    }
    let mut command = namespace.command("setpriv");
    command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
    command.arg(copy).args(["bridge", "--tap", TAP]).args(arguments.split_whitespace());
    start(command, &format!("bridge as nobody {arguments}"))
}

fn exists(namespace: &Namespace) -> bool {
    namespace.run(&format!("ip link show dev {TAP}")).status.success()
}

pub(crate) fn created_goes_joined_stays() {
    for persistent in [false, true] {
        for killed in [false, true] {
            let namespace = Namespace::new();
            if persistent {
                namespace.ip(&format!("tuntap add dev {TAP} mode tap"));
            }
            let mut program = bridge(&namespace, &format!("--socket {} --role master", abstract_name()));
            program.expect(if persistent { "device joined" } else { "device created" });
            assert!(exists(&namespace));
            if killed {
                program.kill();
            } else {
                program.terminate();
                program.finish().code(0);
            }
            assert_eq!(exists(&namespace), persistent, "killed: {killed}");
        }
    }
}

pub(crate) fn joined_device_keeps_or_gets_its_mtu() {
    let namespace = Namespace::new();
    namespace.ip(&format!("tuntap add dev {TAP} mode tap"));
    namespace.ip(&format!("link set dev {TAP} mtu 3000"));
    for (option, mtu) in [("", "MTU 3000"), ("--mtu 1400", "MTU 1400"), ("", "MTU 1400")] {
        let mut program = bridge(&namespace, &format!("--socket {} --role master {option}", abstract_name()));
        program.expect(mtu);
        let shown = namespace.ip(&format!("link show dev {TAP}"));
        assert!(shown.contains(&mtu.to_lowercase()), "{shown}");
        assert!(shown.contains(",UP"), "{shown}");
        program.terminate();
        program.finish().code(0);
    }
}

pub(crate) fn one_queue_joined_by_many() {
    let pair = Pair::prepared("--queues 3", |namespace| {
        namespace.ip(&format!("tuntap add dev {TAP} mode tap"));
    });
    ping(&pair.namespaces[0], "-f -c 2000 10.0.0.2");
    for bridge in pair.bridges {
        bridge.terminate();
        bridge.finish().code(0).complains("was made with one queue").complains("multi_queue");
    }
}

pub(crate) fn many_queues_joined_by_one() {
    for queues in [1, 2] {
        let pair = Pair::prepared(&format!("--queues {queues}"), |namespace| {
            namespace.ip(&format!("tuntap add dev {TAP} mode tap multi_queue"));
        });
        ping(&pair.namespaces[0], "-f -c 2000 10.0.0.2");
    }
}

pub(crate) fn user_bridges_their_own() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    namespace.ip(&format!("tuntap add dev {TAP} mode tap user {NOBODY}"));
    // Nobody set it up: that is said.
    bridge_as_nobody(&namespace, &directory, &format!("--socket {socket} --role master"))
        .finish()
        .code(2)
        .complains("cannot set tap0 up")
        .complains("ip link set dev NAME up");
    namespace.ip(&format!("link set dev {TAP} up"));
    namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    let wrong = format!("--socket {socket} --role master --mtu 2000");
    bridge_as_nobody(&namespace, &directory, &wrong)
        .finish()
        .code(2)
        .complains("cannot change the MTU of tap0 from 1500 to 2000")
        .complains("leave --mtu out");
    let mut program = bridge_as_nobody(&namespace, &directory, &format!("--socket {socket} --role master"));
    program.expect("device joined, MTU 1500");
    let _responder = crate::util::memif(&format!("responder --socket {socket}"));
    program.expect("connected to");
    ping(&namespace, "-f -c 1000 192.168.1.2");
}

pub(crate) fn shortage_costs_one_link() {
    let namespace = Namespace::new();
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    namespace.ip(&format!("tuntap add dev {TAP} mode tap user {NOBODY}"));
    namespace.ip(&format!("link set dev {TAP} up"));
    namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    let mut bridge = bridge_as_nobody(&namespace, &directory, &format!("--socket {socket} --role master"));
    bridge.expect("device joined");
    // Only as that user: root may exceed it, and may be kept from limiting others.
    let pid = bridge.pid();
    let limit = |threads: &str| {
        let nobody = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
        namespace.must(&format!("{nobody} prlimit --pid {pid} --nproc={threads}:"));
    };
    limit(&of_threads(pid, "comm").len().to_string());
    let mut responder = crate::util::memif(&format!("responder --socket {socket} --id 0"));
    // Both sides say why, and the device knows of nothing.
    responder.expect("link down: disconnected by the peer: cannot start a thread: ");
    bridge.expect_complaint("tap0 (interface 0): cannot start a thread: ");
    bridge.expect("link down: disconnected here: cannot start a thread: ");
    assert!(!has_carrier(&namespace));
    // The slave comes back by itself.
    let all = getrlimit(Resource::Nproc).current;
    limit(&all.map_or("unlimited".to_owned(), |all| all.to_string()));
    eventually("a link that lasts", || has_carrier(&namespace).then_some(()));
    ping(&namespace, "-f -c 500 192.168.1.2");
    bridge.terminate();
    bridge.finish().code(0).says("from memif: ");
}
