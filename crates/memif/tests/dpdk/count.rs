//! Traffic of one end into the other: `txonly` into us, `rxonly` from us, `flowgen` both ways; the counts agree.

use std::collections::HashSet;

use crate::bed::{Bed, Dpdk, Plan, wait_figure};
use crate::common::send;
use crate::frames::{FLOWGEN_MACS, TXONLY_MAC, swapped, udp_of_testpmd};

/// More packets than an index can count before it wraps.
const AROUND: u64 = 70_000;

/// Takes at least `count` packets of a testpmd that sends as fast as it can, stops it, and compares the counts.
fn take_and_compare(bed: &mut Bed, count: u64, len: usize) -> HashSet<([u8; 4], [u8; 4])> {
    let macs = (TXONLY_MAC, bed.testpmd.mac());
    let mut flows = HashSet::new();
    let mut check = |frame: &[u8]| {
        flows.insert(udp_of_testpmd(frame, macs, len).unwrap_or_else(|what| panic!("wrong {what}")));
    };
    bed.testpmd.start();
    bed.take(count, &mut check);
    bed.testpmd.stop();
    bed.drain(&mut check);
    let stats = bed.agreed();
    assert!(stats.get("TX-packets") >= count, "{stats:?}");
    bed.assert_clean();
    flows
}

/// 64-byte packets into us.
pub(crate) fn txonly(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "txonly").link();
    let flows = take_and_compare(&mut bed, AROUND, 64);
    assert_eq!(flows.len(), 1, "{flows:?}");
    assert_eq!(bed.agreed().get("RX-packets"), 0);
}

/// 9000-byte packets in chains of mbufs and of buffers into us. The ring holds more than testpmd sends at once and is
/// emptied before it goes on, so that it is never full (D11).
pub(crate) fn txonly_jumbo(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "txonly")
        .options(|options| {
            options.jumbo = true;
            options.tx_packets = Some("1800,1800,1800,1800,1800".to_owned());
        })
        // With buffers of a whole frame a packet takes one slot, whoever provides them.
        .options(|options| options.buffer_size = 9216)
        .config(|config| config.buffer_size(9216).ring_size(256))
        .link();
    take_and_compare(&mut bed, 10_000, 9000);
}

/// Our packets of many lengths into it, in batches and one by one.
pub(crate) fn rxonly(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "rxonly").link();
    bed.testpmd.start();
    // It tells the lengths and addresses of the first ones.
    bed.testpmd.command("set verbose 1");
    bed.testpmd.wait_for("testpmd> ");
    for (sequence, len) in (0..).zip([64, 1514, 2048, 2049, 9000]) {
        send(&mut bed.link.tx[0], &swapped(0, sequence, len).0);
        let seen = bed.testpmd.wait_for(&format!("length={len} "));
        let addresses = format!("src=02:02:02:02:{sequence:02X}:02 - dst=02:01:01:01:01:{sequence:02X}");
        assert!(seen.contains(&addresses), "{addresses} is not in {seen}");
    }
    bed.testpmd.command("set verbose 0");
    bed.testpmd.wait_for("Change verbose level");
    let mut sequence = 0;
    while sequence < AROUND {
        // Room for one packet at least, then as many as fit.
        send(&mut bed.link.tx[0], &swapped(0, sequence, 64).0);
        sequence += 1;
        let mut batch = bed.link.tx[0].reserve().expect("sending");
        while sequence < AROUND && batch.len() < 64 {
            let len = [64, 128, 1514, 60, 2500][usize::try_from(sequence % 5).unwrap()];
            if batch.push(&swapped(0, sequence, len).0).is_err() {
                break;
            }
            sequence += 1;
        }
        batch.commit();
    }
    wait_figure(&mut bed.testpmd, "RX-packets", AROUND + 5);
    let stats = bed.agreed();
    assert_eq!((stats.get("RX-packets"), stats.get("TX-packets")), (AROUND + 5, 0));
    bed.assert_clean();
}

/// Its flows into us while ours go into it.
pub(crate) fn flowgen(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "flowgen").link();
    let mut tx = bed.link.tx.remove(0);
    let sender = std::thread::spawn(move || {
        for sequence in 0..5_000 {
            send(&mut tx, &swapped(0, sequence, 64).0);
        }
        tx
    });
    let mut flows = HashSet::new();
    let mut check = |frame: &[u8]| {
        flows.insert(udp_of_testpmd(frame, FLOWGEN_MACS, 60).unwrap_or_else(|what| panic!("wrong {what}")));
    };
    bed.testpmd.start();
    bed.take(AROUND, &mut check);
    // It looks for packets only when it has sent some, so somebody has to go on taking them.
    while !sender.is_finished() {
        bed.take(1, &mut check);
    }
    bed.link.tx.push(sender.join().expect("the sender"));
    let stats = loop {
        bed.take(1_000, &mut check);
        let stats = bed.testpmd.stats();
        if stats.get("RX-packets") >= 5_000 {
            break stats;
        }
    };
    assert_eq!(stats.get("RX-packets"), 5_000);
    bed.testpmd.stop();
    bed.drain(&mut check);
    assert!(flows.len() > 100, "{} flows", flows.len());
    bed.agreed();
    bed.assert_clean();
}
