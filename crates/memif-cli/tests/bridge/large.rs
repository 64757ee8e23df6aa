//! What the kernel gives and takes as large packets: the peer sees frames of the MTU, and all bytes arrive.

use std::sync::atomic::Ordering;

use testkit::Namespace;

use crate::bed::{TAP, bridge, ping};
use crate::util::{Directory, Program, abstract_name, memif, start};
use crate::wire::{Plan, Wire};

/// Takes what comes on one connection, and prints its hash.
const TAKE: &str = "
import hashlib, socket
listener = socket.create_server(('::', 9000), family=socket.AF_INET6, dualstack_ipv6=True)
print('listening', flush=True)
stream, _ = listener.accept()
taken = hashlib.sha256()
while bytes := stream.recv(1 << 18):
    taken.update(bytes)
print('hash', taken.hexdigest(), flush=True)
";

/// Sends so many megabytes to that address, no two blocks alike, and prints their hash.
const GIVE: &str = "
import hashlib, random, socket, sys
bytes = random.Random(7).randbytes(int(sys.argv[2]) << 20)
with socket.create_connection((sys.argv[1], 9000)) as stream:
    stream.sendall(bytes)
print('hash', hashlib.sha256(bytes).hexdigest(), flush=True)
";

/// Takes datagrams of 1000 bytes that carry their number, until the last one.
const TAKE_DATAGRAMS: &str = "
import socket
taker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
taker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
taker.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
taker.bind(('::', 9000))
print('listening', flush=True)
for number in range(800):
    datagram = taker.recv(65536)
    assert datagram == number.to_bytes(4, 'big') * 250, (number, len(datagram), datagram[:8])
print('all came', flush=True)
";

/// Sends them as twenty bursts, each of which the kernel gets in one call (UDP_SEGMENT).
const GIVE_DATAGRAMS: &str = "
import socket, sys, time
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
giver = socket.socket(family, socket.SOCK_DGRAM)
giver.setsockopt(17, 103, 1000)
for burst in range(20):
    numbers = range(burst * 40, burst * 40 + 40)
    giver.sendto(b''.join(number.to_bytes(4, 'big') * 250 for number in numbers), (sys.argv[1], 9000))
    time.sleep(0.005)
";

fn python(namespace: &Namespace, script: &str, arguments: &[&str]) -> Program {
    let mut python = namespace.command("python3");
    python.args(["-c", script]).args(arguments);
    start(python, "python3")
}

/// Sends from that end to the other one, and asserts that the same bytes arrive.
pub(crate) fn transfer(wire: &Wire, from: usize, v6: bool, megabytes: &str) {
    let mut taker = python(&wire.namespaces[1 - from], TAKE, &[]);
    taker.expect("listening");
    let last = 2 - from;
    let to = if v6 { format!("fd00::{last}") } else { format!("10.0.0.{last}") };
    let sent = python(&wire.namespaces[from], GIVE, &[&to, megabytes]).expect("hash ");
    assert_eq!(taker.expect("hash "), sent, "other bytes arrived");
}

pub(crate) fn tcp_is_frames_to_the_peer() {
    for (mtu, ip) in [(1500, false), (9000, false), (1500, true), (9000, true)] {
        let wire = Wire::new(Plan { ip, mtu, spoil: None });
        for (from, v6) in [(0, false), (1, false), (0, true), (1, true)] {
            transfer(&wire, from, v6, "12");
        }
        let seen = wire.finish();
        // Nearly all of 48 MB.
        let full = seen.full.load(Ordering::Relaxed);
        assert!(full > 30_000_000 / mtu as u64, "{seen:?}");
    }
}

pub(crate) fn udp_bursts_are_frames_to_the_peer() {
    for (to, ip) in [("10.0.0.2", false), ("fd00::2", false), ("10.0.0.2", true)] {
        let wire = Wire::new(Plan { ip, mtu: 1500, spoil: None });
        let mut taker = python(&wire.namespaces[1], TAKE_DATAGRAMS, &[]);
        taker.expect("listening");
        // The neighbour is known then: nothing waits for it.
        ping(&wire.namespaces[0], &format!("-c 2 -i 0.01 {to}"));
        python(&wire.namespaces[0], GIVE_DATAGRAMS, &[to]).finish().code(0);
        taker.expect("all came");
        assert!(wire.finish().datagrams.load(Ordering::Relaxed) >= 800);
    }
}

pub(crate) fn wrong_checksums_are_seen_by_the_kernel() {
    for ip in [false, true] {
        let wire = Wire::new(Plan { ip, mtu: 1500, spoil: Some(101) });
        for v6 in [false, true] {
            transfer(&wire, 0, v6, "4");
        }
        let refused = wire.namespaces[1].must("cat /proc/net/snmp /proc/net/snmp6");
        let seen = wire.finish();
        assert!(seen.spoiled.load(Ordering::Relaxed) > 20, "{seen:?}");
        // The kernel counts them as TCP with wrong checksums.
        let of_tcp = refused.lines().rfind(|line| line.starts_with("Tcp: ")).expect(&refused);
        assert_ne!(of_tcp.rsplit(' ').next(), Some("0"), "{of_tcp}");
    }
}

/// Whether the kernel leaves it to the device to cut TCP.
fn cuts_tcp(namespace: &Namespace) -> bool {
    python(namespace, CUTS, &[]).expect("TCP: ") == "TCP: 1"
}

/// Prints what ETHTOOL_GTSO says of the device.
const CUTS: &str = "
import array, fcntl, socket, struct
value = array.array('I', [0x1e, 0])
fcntl.ioctl(socket.socket(), 0x8946, struct.pack('16sQ16x', b'tap0', value.buffer_info()[0]))
print('TCP:', value[1], flush=True)
";

pub(crate) fn device_that_stays_is_left_without_offloads() {
    let namespace = Namespace::new();
    namespace.ip(&format!("tuntap add dev {TAP} mode tap"));
    let options = format!("-v --socket {} --role master", abstract_name());
    let mut program = bridge(&namespace, &options);
    program.expect_complaint("tap0: offloads of TCP");
    assert!(cuts_tcp(&namespace));
    program.terminate();
    program.finish().code(0);
    assert!(!cuts_tcp(&namespace));
    // One that was killed has no say; the next one sets it right.
    let mut program = bridge(&namespace, &options);
    program.expect("device joined");
    program.kill_now();
    let mut program = bridge(&namespace, &options);
    program.expect("device joined");
    program.terminate();
    program.finish().code(0);
    assert!(!cuts_tcp(&namespace));
}

/// Takes a queue of the device, with nothing before packets, and puts it aside.
const PLAIN: &str = "
import fcntl, os, struct, time
queue = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(queue, 0x400454ca, struct.pack('16sH22x', b'tap0', 0x0002 | 0x0100 | 0x1000))
fcntl.ioctl(queue, 0x400454d9, struct.pack('16sH22x', b'', 0x0400))
print('taken', flush=True)
time.sleep(600)
";

pub(crate) fn device_of_plain_programs_is_shared_without_offloads() {
    let namespace = Namespace::new();
    let mut holder = python(&namespace, PLAIN, &[]);
    holder.expect("taken");
    let directory = Directory::new();
    let socket = directory.text("memif.sock");
    let mut program = bridge(&namespace, &format!("-v --shared --socket {socket} --role master"));
    program.expect_complaint("tap0: no offloads: another program has it");
    let _responder = memif(&format!("responder --socket {socket}"));
    program.expect("connected to");
    namespace.ip(&format!("address add 192.168.1.1/24 dev {TAP}"));
    ping(&namespace, "-f -c 500 192.168.1.2");
    assert!(!cuts_tcp(&namespace));
}
