//! `macswap`: testpmd sends back what it gets, with the addresses exchanged.

use memif::{Breach, InterfaceConfig, RxMode};
use testkit::{Testpmd, eventually};

use crate::bed::{Dpdk, Plan, exchange};
use crate::common::Driver;
use crate::frames::swapped;

/// More packets than an index can count before it wraps.
const AROUND: u64 = 70_000;

/// Packets of many lengths, one in sixteen a chain, until every index has wrapped.
pub(crate) fn macswap(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "macswap").options(|options| options.jumbo = true).link();
    bed.testpmd.start();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, AROUND, 128, |sequence| {
        let len = if sequence % 16 == 0 { 2049 + sequence % 6952 } else { 60 + sequence % 1455 };
        swapped(1, sequence, usize::try_from(len).unwrap())
    });
    let stats = bed.agreed();
    assert_eq!(stats.get("TX-packets"), AROUND);
    bed.assert_clean();
    assert_eq!(rings(&bed), [1024, 1024]);
}

/// The same on rings of 64 slots, which go round a thousand times.
pub(crate) fn macswap_small_ring(dpdk: Dpdk) {
    let plan = Plan::new(dpdk, "macswap").ring(6).options(|options| options.jumbo = true);
    let mut bed = plan.link();
    bed.testpmd.start();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, AROUND, 48, |sequence| swapped(1, sequence, 64));
    // At most half of the ring is under way, or testpmd would run over it (D11).
    exchange(rx, tx, 2_000, 6, |sequence| swapped(2, sequence, 9000));
    exchange(rx, tx, 2_000, 48, |sequence| swapped(3, sequence, 64));
    let stats = bed.agreed();
    assert_eq!(stats.get("TX-packets"), AROUND + 4_000);
    bed.assert_clean();
    assert_eq!(rings(&bed), [64, 64]);
}

/// A client that lends us its own packet memory, which nobody can seal, instead of copying.
pub(crate) fn zero_copy_client() {
    let mut bed = Plan::new(Dpdk::Client, "macswap").options(|options| options.zero_copy = true).link();
    bed.testpmd.start();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, AROUND, 128, |sequence| swapped(1, sequence, 64 + sequence as usize % 1400));
    let stats = bed.agreed();
    assert_eq!(stats.get("TX-packets"), AROUND);
    bed.assert_clean();
    assert!(bed.driver.details(bed.key).regions.len() > 1, "its packet memory is no region");
}

/// Several queues each way, each pair in a thread of its own: what goes in at one comes out of the same.
pub(crate) fn two_queues(dpdk: Dpdk) {
    several_queues(dpdk, 2, 2, |config| config.rx_queues(2).tx_queues(2));
}

pub(crate) fn four_queues(dpdk: Dpdk) {
    several_queues(dpdk, 4, 4, |config| config.rx_queues(4).tx_queues(4));
}

pub(crate) fn more_queues_one_way(dpdk: Dpdk) {
    several_queues(dpdk, 2, 4, |config| config.rx_queues(4).tx_queues(2));
    several_queues(dpdk, 4, 2, |config| config.rx_queues(2).tx_queues(4));
}

/// A master that would serve more takes what the client brings.
pub(crate) fn more_queues_here_than_a_client_has() {
    for (rx, tx) in [(1, 1), (4, 4), (2, 3)] {
        several_queues(Dpdk::Client, rx, tx, |config| config.rx_queues(9).tx_queues(7));
    }
}

/// A master that serves fewer says so at both ends. A client that is told of a lower number by HELLO would cut its
/// rings and go on using its other queues.
pub(crate) fn fewer_queues_here_than_a_client_has() {
    let plan = |queues| {
        Plan::new(Dpdk::Client, "macswap")
            .options(|options| {
                options.queues = queues;
                options.verbose = true;
            })
            .config(|config| config.rx_queues(2).tx_queues(2))
    };
    let surplus = plan(4);
    let mut driver = Driver::open(&surplus.address);
    let key = driver.add(surplus.config.clone());
    let testpmd = Testpmd::spawn(&surplus.options);
    let (breach, peer) = driver.refused();
    assert_eq!(breach, Breach::TooManyRings { direction: "S2M", limit: 2 });
    assert!(peer.app_name.to_string().starts_with("DPDK "), "{peer:?}");
    assert!(!driver.details(key).link_up);
    let words = format!("Disconnect received: {breach}");
    eventually("our words in the output of testpmd", || testpmd.output().contains(&words).then_some(()));
    drop((testpmd, driver));
    several_queues(Dpdk::Client, 2, 2, |config| config.rx_queues(2).tx_queues(2));
}

/// testpmd has so many queues, and serves of each kind as many as it has of both.
fn several_queues(dpdk: Dpdk, rx_queues: u8, tx_queues: u8, config: impl FnOnce(InterfaceConfig) -> InterfaceConfig) {
    let mut bed = Plan::new(dpdk, "macswap")
        .options(|options| {
            options.queues = rx_queues;
            options.tx_queues = Some(tx_queues);
        })
        .config(config)
        .link();
    // What it sends is what we receive.
    assert_eq!(bed.link.rx.len(), usize::from(tx_queues));
    assert_eq!(bed.link.tx.len(), usize::from(rx_queues));
    bed.testpmd.start();
    std::thread::scope(|scope| {
        for (stream, (rx, tx)) in (10..).zip(bed.link.rx.iter_mut().zip(&mut bed.link.tx)) {
            scope.spawn(move || {
                exchange(rx, tx, 20_000, 64, |sequence| swapped(stream, sequence, 64 + sequence as usize % 1000));
            });
        }
    });
    for (rx, tx) in bed.link.rx.iter().zip(&bed.link.tx) {
        assert_eq!((rx.counters().packets, tx.counters().packets), (20_000, 20_000), "queue {}", rx.index());
    }
    bed.agreed();
    bed.assert_clean();
}

/// Interrupt, adaptive and polling, changed on a link that is up, each with what it promises.
pub(crate) fn receive_modes(dpdk: Dpdk) {
    for first in [RxMode::Interrupt, RxMode::Polling] {
        let mut bed = Plan::new(dpdk, "macswap").config(|config| config.rx_mode(first)).link();
        bed.testpmd.start();
        let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
        assert_eq!(rx.mode(), first);
        for (stream, mode) in (1..).zip([first, RxMode::Adaptive, RxMode::Polling, RxMode::Interrupt]) {
            rx.set_mode(mode);
            // What was signalled before is none of this mode's business.
            rx.acknowledge();
            let before = rx.counters().wake_ups;
            exchange(rx, tx, 2_000, 16, |sequence| swapped(stream, sequence, 64));
            let woken = rx.counters().wake_ups - before;
            match mode {
                RxMode::Polling => assert_eq!(woken, 0, "wake-ups while polling"),
                // One packet at a time: each is waited for.
                RxMode::Interrupt => assert!(woken > 0, "no wake-up in interrupt mode"),
                _ => {}
            }
            // DPDK polls and says so: no signal is ever due.
            assert_eq!(tx.counters().signals, 0, "signals to a peer that polls");
        }
        bed.agreed();
        bed.assert_clean();
    }
}

/// Slots of the first receive and the first transmit ring.
fn rings(bed: &crate::bed::Bed) -> [u32; 2] {
    let details = bed.driver.details(bed.key);
    [details.rx[0].ring_size, details.tx[0].ring_size]
}
