//! A server with more queues than the rings that our slave brings (D5).

use memif::Event;

use crate::bed::{Bed, Dpdk, Plan, exchange, wait_figure};
use crate::frames::swapped;

/// More packets than an index can count before it wraps.
const AROUND: u64 = 70_000;

/// The library says that the server uses more queues than the link's.
#[track_caller]
#[allow(clippy::result_large_err, reason = "an event that is not taken is kept")]
fn told(bed: &mut Bed) -> u8 {
    let key = bed.key;
    bed.driver.event("SurplusQueues", |event| match event {
        Event::SurplusQueues { interface, rx_queues } if interface == key => Ok(rx_queues),
        other => Err(other),
    })
}

/// Its surplus receive queues find nothing: each packet comes back once, and nothing is told that is not so.
pub(crate) fn get_nothing_of_ours() {
    for rings in [1, 2] {
        let plan = Plan::new(Dpdk::Server, "macswap").options(|options| options.jumbo = true);
        let mut bed = plan.surplus(3, rings).link();
        bed.testpmd.start();
        for (stream, (rx, tx)) in (1..).zip(bed.link.rx.iter_mut().zip(&mut bed.link.tx)) {
            exchange(rx, tx, AROUND, 128, |sequence| {
                let len = if sequence % 16 == 0 { 9000 } else { 60 + sequence % 1455 };
                swapped(stream, sequence, usize::try_from(len).unwrap())
            });
        }
        let stats = bed.agreed();
        assert_eq!(stats.get("TX-packets"), AROUND * u64::from(rings));
        bed.assert_clean();
        assert!(!bed.driver.details(bed.key).surplus_queues);
    }
}

/// Of what its surplus transmit queues send one packet is lost, which is told of, and then they have no room. All that
/// we receive is of the queue that has a ring.
pub(crate) fn send_nothing_to_us() {
    for lengths in [None, Some("1500,1500".to_owned())] {
        let plan = Plan::new(Dpdk::Server, "txonly").options(|options| {
            options.jumbo = true;
            options.tx_packets = lengths.clone();
        });
        let mut bed = plan.surplus(2, 1).link();
        bed.testpmd.start();
        bed.take(AROUND, |_| ());
        assert_eq!(told(&mut bed), 1);
        // What is on the ring when it stops has been counted.
        bed.testpmd.stop();
        bed.drain(|_| ());
        let counts = bed.testpmd.stats();
        let received = bed.link.rx[0].counters().packets;
        // The one packet more is the first of the surplus queue, and where it was a chain some versions take none.
        let lost = counts.get("TX-packets") - received;
        assert!(lost <= 1, "{counts:?}, received {received}");
        bed.assert_clean();
        assert!(bed.driver.details(bed.key).surplus_queues);
    }
}

/// As many rings as it has queues, found by its refusal of one more.
pub(crate) fn queues_are_found() {
    let plan = Plan::new(Dpdk::Server, "txonly").options(|options| options.queues = 2);
    let mut bed = plan.config(|config| config.probe_rx_queues(Some(32)).tx_queues(2)).link();
    bed.testpmd.start();
    for queue in 0..2 {
        bed.link.rx.swap(0, queue);
        bed.take(AROUND, |_| ());
    }
    wait_figure(&mut bed.testpmd, "TX-packets", 2 * AROUND);
    bed.assert_clean();
    assert!(!bed.driver.details(bed.key).surplus_queues);
}

/// A queue that had a ring on the link before keeps its place, and must find nothing there.
pub(crate) fn fewer_than_before() {
    let plan = Plan::new(Dpdk::Server, "txonly").options(|options| options.queues = 4);
    let mut bed = plan.config(|config| config.rx_queues(4).tx_queues(4)).link();
    bed.testpmd.start();
    bed.take(1000, |_| ());
    bed.testpmd.stop();
    let key = bed.key;
    bed.driver.call(move |socket| socket.remove_interface(key)).expect("removing the interface");
    bed.testpmd.set_forward("macswap");
    let key = bed.driver.add(bed.plan.config.clone().rx_queues(1).tx_queues(4));
    let mut link = bed.driver.connected(key);
    bed.testpmd.start();
    // All four queues send; the answers of the last three find no room.
    for (stream, tx) in (1..).zip(&mut link.tx).skip(1) {
        crate::common::send(tx, &swapped(stream, 0, 64).0);
    }
    exchange(&mut link.rx[0], &mut link.tx[0], AROUND, 64, |sequence| swapped(1, sequence, 64));
    assert!(bed.driver.details(key).link_up);
    let counters = link.rx[0].counters();
    assert_eq!((counters.dropped, counters.bad_descriptors, counters.resyncs), (0, 0, 0));
    bed.testpmd.stop();
}
