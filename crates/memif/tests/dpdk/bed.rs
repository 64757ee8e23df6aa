//! A testpmd and the library, linked.

use std::collections::VecDeque;

use memif::{InterfaceConfig, InterfaceKey, Link, Role, RxQueue, TxQueue};
use testkit::patience::{Patience, STEP};
use testkit::testpmd::{Options, PROGRAM, Stats};
use testkit::{Address, Testpmd, eventually};

use crate::common::{Driver, send};

/// What DPDK is; the library is the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dpdk {
    Server,
    Client,
}

impl Dpdk {
    /// As its options call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Dpdk::Server => "server",
            Dpdk::Client => "client",
        }
    }

    /// The role that is left for the library.
    pub(crate) fn our_role(self) -> Role {
        match self {
            Dpdk::Server => Role::Slave,
            Dpdk::Client => Role::Master,
        }
    }
}

/// Settings of both ends.
#[derive(Debug)]
pub(crate) struct Plan {
    dpdk: Dpdk,
    pub(crate) address: Address,
    pub(crate) options: Options,
    pub(crate) config: InterfaceConfig,
    /// Receive and transmit queues of the link, where those are not testpmd's.
    rings: Option<(u8, u8)>,
}

impl Plan {
    /// The defaults of both ends.
    pub(crate) fn new(dpdk: Dpdk, forward: &'static str) -> Self {
        Self::at(dpdk, forward, Address::fresh())
    }

    /// The defaults of both ends, meeting at `address`.
    pub(crate) fn at(dpdk: Dpdk, forward: &'static str, address: Address) -> Self {
        let mut options = Options::new(dpdk.name(), std::path::Path::new(""), forward);
        options.socket = match &address {
            Address::Path(path) => path.display().to_string(),
            Address::Abstract(name) => String::from_utf8_lossy(name).into_owned(),
        };
        options.is_abstract = matches!(address, Address::Abstract(_));
        options.id = 7;
        let config = InterfaceConfig::new(dpdk.our_role(), 7);
        Self { dpdk, address, options, config, rings: None }
    }

    /// Rings of `2^log2` slots: whoever is the slave decides.
    pub(crate) fn ring(mut self, log2: u8) -> Self {
        self.options.log2 = log2;
        self.config = self.config.ring_size(1 << log2);
        self
    }

    /// Other options of testpmd.
    pub(crate) fn options(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// Other settings of the interface.
    pub(crate) fn config(mut self, change: impl FnOnce(InterfaceConfig) -> InterfaceConfig) -> Self {
        self.config = change(self.config);
        self
    }

    /// testpmd has so many queues each way, and the slave brings fewer rings.
    pub(crate) fn surplus(mut self, queues: u8, rings: u8) -> Self {
        self.options.queues = queues;
        self.rings = Some((rings, rings));
        self.config(|config| config.rx_queues(rings).tx_queues(rings))
    }

    /// Starts both ends and waits for the link. testpmd does not forward yet.
    #[track_caller]
    pub(crate) fn link(self) -> Bed {
        let start = || {
            let driver = Driver::open(&self.address);
            let key = driver.add(self.config.clone());
            (driver, key)
        };
        // A client connects once, when it starts, so somebody must listen by then. A server listens before it knows
        // its interfaces, refuses who comes early, and may even die of that: 22.11 mixes up the descriptors of
        // connections that it refused ("PANIC in eal_intr_thread_main").
        let (testpmd, (driver, key)) = match self.dpdk {
            Dpdk::Server => (Testpmd::spawn(&self.options), start()),
            Dpdk::Client => {
                let ours = start();
                (Testpmd::spawn(&self.options), ours)
            }
        };
        Bed::join(self, testpmd, driver, key)
    }
}

/// Both ends and their link.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) plan: Plan,
    pub(crate) testpmd: Testpmd,
    pub(crate) driver: Driver,
    pub(crate) key: InterfaceKey,
    pub(crate) link: Link,
}

impl Bed {
    /// Waits for the link of two ends that run.
    #[track_caller]
    pub(crate) fn join(plan: Plan, testpmd: Testpmd, mut driver: Driver, key: InterfaceKey) -> Self {
        let link = driver.connected(key);
        assert!(link.peer.app_name.to_string().starts_with("DPDK "), "{:?}", link.peer);
        assert_eq!(link.peer.interface_name.to_string(), "net_memif0");
        assert_eq!(link.peer.credentials.map(|c| c.uid), Some(0));
        // What it sends on we receive on.
        let (tx, rx) = (plan.options.queues, plan.options.tx_queues.unwrap_or(plan.options.queues));
        let (rx, tx) = plan.rings.unwrap_or((rx, tx));
        assert_eq!((link.rx.len(), link.tx.len()), (rx.into(), tx.into()), "queues");
        // Attempts of our slave before the server listened.
        driver.forget_events();
        Self { plan, testpmd, driver, key, link }
    }

    /// testpmd's figures, when they tell of as many packets as the counters of our queues. It counts a packet just
    /// after it sent it.
    #[track_caller]
    pub(crate) fn agreed(&mut self) -> Stats {
        let ours = self.counts();
        // DPDK counts bytes of packets that found no room (docs/protocol.md, D14), later releases with these packets,
        // too; what came is compared by the frame.
        let other = self.plan.options.tx_packets.is_some() && std::env::var_os(PROGRAM).is_some();
        let mut last = Stats::default();
        let mut patience = Patience::default();
        while patience.more() {
            last = self.testpmd.stats();
            let figures = ["RX-packets", "RX-bytes", "TX-packets", "TX-bytes"].map(|name| last.get(name));
            if figures == ours || (other && figures[..3] == ours[..3]) {
                return last;
            }
        }
        panic!("testpmd counts {last:?}, we sent and received {ours:?} packets and bytes");
    }

    /// Packets and bytes that all queues have sent, and that they have received.
    fn counts(&self) -> [u64; 4] {
        let tx = self.link.tx.iter().map(TxQueue::counters);
        let rx = self.link.rx.iter().map(RxQueue::counters);
        let sum = |counters: &mut dyn Iterator<Item = memif::Counters>| {
            counters.fold([0, 0], |[packets, bytes], c| [packets + c.packets, bytes + c.bytes])
        };
        let ([a, b], [c, d]) = (sum(&mut { tx }), sum(&mut { rx }));
        [a, b, c, d]
    }

    /// Nothing was wrong with any packet, and the link is up.
    #[track_caller]
    pub(crate) fn assert_clean(&mut self) {
        for rx in &self.link.rx {
            let counters = rx.counters();
            let faults = (counters.bad_descriptors, counters.dropped, counters.resyncs);
            assert_eq!(faults, (0, 0, 0), "bad descriptors, dropped and resyncs of rx {}", rx.index());
        }
        for tx in &self.link.tx {
            assert_eq!(tx.counters().bad_descriptors, 0, "bad descriptors of tx {}", tx.index());
        }
        assert!(self.driver.details(self.key).link_up, "the link is down");
        assert!(self.driver.pending().is_empty(), "{:?}", self.driver.pending());
    }

    /// Takes the next packets of queue 0 until `count` came.
    #[track_caller]
    pub(crate) fn take(&mut self, count: u64, mut check: impl FnMut(&[u8])) {
        let rx = &mut self.link.rx[0];
        let end = rx.counters().packets + count;
        while rx.counters().packets < end {
            assert!(rx.wait(Some(STEP)).expect("waiting"), "no packet in time");
            for packet in &mut rx.recv(64).expect("receiving") {
                check(&packet.to_vec());
            }
        }
    }

    /// Takes what is left on the ring of queue 0. The peer must have stopped.
    #[track_caller]
    pub(crate) fn drain(&mut self, mut check: impl FnMut(&[u8])) {
        loop {
            let mut batch = self.link.rx[0].recv(64).expect("receiving");
            if batch.is_empty() {
                return;
            }
            for packet in &mut batch {
                check(&packet.to_vec());
            }
        }
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // A server that was killed leaves its socket file.
        if let Address::Path(path) = &self.plan.address {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Sends `count` packets, at most `window` of them under way, and checks that each comes back in order and as
/// expected. `frame` makes the packet of a number and what must come back for it.
#[track_caller]
pub(crate) fn exchange(
    rx: &mut RxQueue,
    tx: &mut TxQueue,
    count: u64,
    window: usize,
    mut frame: impl FnMut(u64) -> (Vec<u8>, Vec<u8>),
) {
    let mut awaited = VecDeque::new();
    let (mut sent, mut received) = (0, 0);
    while received < count {
        if sent < count && awaited.is_empty() {
            // There may be no room yet: a DPDK client offers buffers when it looks for packets the first time.
            let (out, back) = frame(sent);
            send(tx, &out);
            awaited.push_back(back);
            sent += 1;
        }
        let mut batch = tx.reserve().expect("sending");
        while sent < count && awaited.len() < window {
            let (out, back) = frame(sent);
            if batch.push(&out).is_err() {
                break;
            }
            awaited.push_back(back);
            sent += 1;
        }
        batch.commit();
        assert!(rx.wait(Some(STEP)).expect("waiting"), "{received} of {sent} packets came back in time");
        for packet in &mut rx.recv(64).expect("receiving") {
            let (got, expected) = (packet.to_vec(), awaited.pop_front());
            assert!(Some(&got) == expected.as_ref(), "{}", difference(received, &got, expected.as_deref()));
            received += 1;
        }
    }
    let left = rx.recv(64).expect("receiving").len();
    assert_eq!(left, 0, "packets that nobody waits for");
}

fn difference(number: u64, got: &[u8], expected: Option<&[u8]>) -> String {
    let Some(expected) = expected else { return format!("packet {number} too many: {got:02x?}") };
    let at = got.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(got.len().min(expected.len()));
    let near = |bytes: &[u8]| bytes[at.min(bytes.len())..].iter().take(16).copied().collect::<Vec<_>>();
    format!(
        "packet {number} of {} bytes, expected {}, differs from byte {at} on: {:02x?}, expected {:02x?}",
        got.len(),
        expected.len(),
        near(got),
        near(expected)
    )
}

/// Waits until testpmd's figure reaches `count`.
#[track_caller]
pub(crate) fn wait_figure(testpmd: &mut Testpmd, name: &str, count: u64) -> Stats {
    eventually(&format!("{name} of testpmd at {count}"), || {
        Some(testpmd.stats()).filter(|stats| stats.get(name) >= count)
    })
}
