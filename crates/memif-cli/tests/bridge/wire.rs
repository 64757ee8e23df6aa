//! A peer of two bridges that passes frames on between them, and looks at each.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use memif::{InterfaceConfig, Link, Mode, RxQueue, Socket, TxQueue};
use testkit::Namespace;

use crate::bed::{TAP, bridge};
use crate::util::pcapng::{Read, read};
use crate::util::{Directory, Program};

/// What is done with frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) ip: bool,
    pub(crate) mtu: usize,
    /// Of so many frames with a long payload, one has a wrong byte in it.
    pub(crate) spoil: Option<u64>,
}

/// What went by, both ways.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Frames of TCP or UDP as long as the MTU allows.
    pub(crate) full: AtomicU64,
    pub(crate) spoiled: AtomicU64,
    /// Frames of UDP.
    pub(crate) datagrams: AtomicU64,
}

/// Two namespaces with a bridge in each and the test between them: addresses as of [`Pair`](crate::bed::Pair).
pub(crate) struct Wire {
    bridges: Vec<Program>,
    pub(crate) namespaces: [Namespace; 2],
    pub(crate) seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    _links: Vec<(Socket, Link)>,
    directory: Directory,
}

impl Wire {
    pub(crate) fn new(plan: Plan) -> Self {
        Self::with(plan, |_| String::new())
    }

    /// Both bridges write what passes into files.
    pub(crate) fn written(plan: Plan) -> Self {
        Self::with(plan, |file| format!("--write {file}"))
    }

    fn with(plan: Plan, more: impl Fn(&str) -> String) -> Self {
        let namespaces = [Namespace::new(), Namespace::new()];
        let directory = Directory::new();
        let (mut bridges, mut links) = (Vec::new(), Vec::new());
        let (mut tx, mut rx) = (Vec::new(), Vec::new());
        for (namespace, last) in namespaces.iter().zip(1..) {
            let path = directory.text(&format!("{last}.sock"));
            let mut socket = Socket::builder(path.as_str()).open().expect("a socket");
            let (mode, option) = if plan.ip { (Mode::Ip, "--mode ip") } else { (Mode::Ethernet, "") };
            let interface = socket.add_interface(InterfaceConfig::master(0).mode(mode)).expect("an interface");
            let more = more(&directory.text(&file(last)));
            let mut program = bridge(namespace, &format!("--socket {path} --mtu {} {option} {more}", plan.mtu));
            let mut link = socket.wait_connected(interface, Duration::from_secs(60)).expect("a link");
            program.expect("connected to");
            namespace.ip(&format!("address add 10.0.0.{last}/24 dev {TAP}"));
            namespace.ip(&format!("address add fd00::{last}/64 dev {TAP} nodad"));
            tx.push(link.tx.pop().expect("a queue"));
            rx.push(link.rx.pop().expect("a queue"));
            bridges.push(program);
            links.push((socket, link));
        }
        let (seen, stop) = (Arc::<Seen>::default(), Arc::<AtomicBool>::default());
        let ways = rx.into_iter().zip(tx.into_iter().rev());
        let threads = ways
            .map(|(from, to)| {
                let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
                thread::spawn(move || pass_on(from, to, plan, &seen, &stop))
            })
            .collect();
        Self { bridges, namespaces, seen, stop, threads, _links: links, directory }
    }

    fn stop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("every frame was right");
        }
    }

    /// Ends it: a frame that was wrong fails the test here.
    pub(crate) fn finish(mut self) -> Arc<Seen> {
        self.stop();
        Arc::clone(&self.seen)
    }

    /// The same, and what the bridges wrote.
    pub(crate) fn files(mut self) -> [Read; 2] {
        let bridges = mem::take(&mut self.bridges);
        self.stop();
        for bridge in bridges {
            bridge.terminate();
            bridge.finish().code(0).says(" 0 missed, 0 dropped");
        }
        [1, 2].map(|last| read(self.directory.path(&file(last))))
    }
}

/// What the bridge of that end writes.
fn file(last: u8) -> String {
    format!("{last}.pcapng")
}

fn pass_on(mut from: RxQueue, mut to: TxQueue, plan: Plan, seen: &Seen, stop: &AtomicBool) {
    let mut long = 0;
    while !stop.load(Ordering::Relaxed) {
        from.wait(Some(Duration::from_millis(20))).expect("the link is up");
        for packet in &mut from.recv(64).expect("the link is up") {
            let mut frame = packet.to_vec();
            look(&frame, plan, seen);
            if let Some(every) = plan.spoil
                && frame.len() > 500
            {
                long += 1;
                if long % every == 0 {
                    let last = frame.len() - 1;
                    frame[last] ^= 0x20;
                    seen.spoiled.fetch_add(1, Ordering::Relaxed);
                }
            }
            to.send_timeout(&frame, Duration::from_secs(20)).expect("the link is up");
        }
    }
}

/// Asserts that a frame is one of the device's MTU with right checksums, as etherparse sees it.
fn look(frame: &[u8], plan: Plan, seen: &Seen) {
    let sliced = if plan.ip { SlicedPacket::from_ip(frame) } else { SlicedPacket::from_ethernet(frame) };
    let Ok(sliced) = sliced else { panic!("no packet: {frame:02x?}") };
    let ethernet = if plan.ip { 0 } else { 14 };
    assert!(frame.len() <= plan.mtu + ethernet, "{} bytes", frame.len());
    let (payload, v4, v6) = match &sliced.net {
        Some(NetSlice::Ipv4(ip)) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum(), "{frame:02x?}");
            assert_eq!(usize::from(header.total_len) + ethernet, frame.len());
            (ip.payload(), Some(header), None)
        }
        Some(NetSlice::Ipv6(ip)) => (ip.payload(), None, Some(ip.header().to_header())),
        _ => return,
    };
    if payload.fragmented {
        return;
    }
    let (stated, right) = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            let header = tcp.to_header();
            let right = match (&v4, &v6) {
                (Some(ip), _) => header.calc_checksum_ipv4(ip, tcp.payload()),
                (_, Some(ip)) => header.calc_checksum_ipv6(ip, tcp.payload()),
                _ => return,
            };
            (header.checksum, right)
        }
        Some(TransportSlice::Udp(udp)) => {
            let header = udp.to_header();
            let right = match (&v4, &v6) {
                (Some(ip), _) => header.calc_checksum_ipv4(ip, udp.payload()),
                (_, Some(ip)) => header.calc_checksum_ipv6(ip, udp.payload()),
                _ => return,
            };
            seen.datagrams.fetch_add(1, Ordering::Relaxed);
            (header.checksum, right)
        }
        _ => return,
    };
    assert_eq!(stated, right.expect("a checksum"), "{frame:02x?}");
    if frame.len() == plan.mtu + ethernet {
        seen.full.fetch_add(1, Ordering::Relaxed);
    }
}
