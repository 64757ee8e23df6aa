//! DPDK 22.11 now and then runs over its ring in jumbo traffic (D11). The link survives that.

use std::time::Duration;

use testkit::patience::Patience;

use crate::bed::{Bed, Dpdk, Plan, exchange};
use crate::common::send;
use crate::frames::{TXONLY_MAC, swapped, udp_of_testpmd};

/// A sender of packets of `len` bytes, each in one mbuf.
fn plan(dpdk: Dpdk, len: usize) -> Plan {
    Plan::new(dpdk, "txonly").options(|options| {
        options.jumbo = true;
        options.mbuf_size = Some(6144);
        options.tx_packets = Some(len.to_string());
    })
}

/// What came from a sender that runs over its ring.
#[derive(Debug, Default)]
struct Seen {
    good: u64,
    odd: u64,
    /// Overruns after which good packets came before the next one.
    mended: u64,
    fresh: bool,
    resyncs: u64,
}

impl Seen {
    /// Looks at the ring once. The link must be up.
    #[track_caller]
    fn look(&mut self, bed: &mut Bed, len: usize) {
        let macs = (TXONLY_MAC, bed.testpmd.mac());
        let rx = &mut bed.link.rx[0];
        for packet in &mut rx.recv(8).expect("the link survives") {
            if udp_of_testpmd(&packet.to_vec(), macs, len).is_ok() {
                self.good += 1;
                self.mended += u64::from(std::mem::take(&mut self.fresh));
            } else {
                self.odd += 1;
            }
        }
        let resyncs = rx.counters().resyncs;
        self.fresh |= resyncs > self.resyncs;
        self.resyncs = resyncs;
    }
}

/// Jumbo packets, faster than we take them. Whole packets keep coming in between, and when the traffic ends, all is
/// well again.
pub(crate) fn overruns_without_end(dpdk: Dpdk) {
    const LEN: usize = 5000;
    let mut bed = plan(dpdk, LEN).ring(7).link();
    bed.testpmd.start();
    let mut seen = Seen::default();
    let mut patience = Patience::default();
    while seen.resyncs < 100 || seen.good < 1_000 || seen.mended < 10 {
        assert!(patience.more(), "{seen:?}");
        seen.look(&mut bed, LEN);
        patience.progress();
        std::thread::yield_now();
    }
    assert_sound_again(&mut bed);
}

/// After the overruns: the same link, and packets that say more of themselves.
#[track_caller]
fn assert_sound_again(bed: &mut Bed) {
    bed.testpmd.stop();
    bed.drain(|_| ());
    bed.testpmd.set_forward("macswap");
    bed.testpmd.start();
    settle(bed);
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    let resyncs = rx.counters().resyncs;
    exchange(rx, tx, 5_000, 16, |sequence| swapped(5, sequence, 64));
    exchange(rx, tx, 1_000, 4, |sequence| swapped(6, sequence, 5000));
    assert_eq!(rx.counters().resyncs, resyncs, "overruns without a reason");
    assert!(bed.driver.details(bed.key).link_up);
    assert!(bed.driver.pending().is_empty(), "{:?}", bed.driver.pending());
}

/// Small packets until each slot was used more than once. testpmd leaves the mark of a chain in slots that it does not
/// own, and does not clear it when it uses them again: until we have read each slot once, packets may come glued.
#[track_caller]
fn settle(bed: &mut Bed) {
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    let rounds = 4 * u64::try_from(rx.ring_size()).expect("a ring size");
    let mut patience = Patience::default();
    for sequence in 0.. {
        let (out, back) = swapped(4, sequence, 64);
        send(tx, &out);
        // Nothing is demanded of the first ones: neither that they come nor how.
        let pause = Duration::from_millis(if sequence < rounds { 0 } else { 100 });
        while rx.wait(Some(pause)).expect("waiting") {
            let mut batch = rx.recv(64).expect("receiving");
            let whole = (&mut batch).into_iter().any(|packet| packet.to_vec() == back);
            if whole && sequence >= rounds {
                return;
            }
        }
        assert!(patience.more(), "no packet comes through any more");
    }
}

/// With buffers of a whole frame a packet never takes two slots, and the same traffic is without fault.
pub(crate) fn whole_frames_never_overrun(dpdk: Dpdk) {
    const LEN: usize = 5000;
    let mut bed = plan(dpdk, LEN)
        .ring(5)
        .options(|options| options.buffer_size = 6000)
        .config(|config| config.buffer_size(6000))
        .link();
    let macs = (TXONLY_MAC, bed.testpmd.mac());
    let check = |frame: &[u8]| {
        udp_of_testpmd(frame, macs, LEN).unwrap_or_else(|what| panic!("wrong {what}"));
    };
    bed.testpmd.start();
    bed.take(20_000, check);
    bed.testpmd.stop();
    bed.drain(check);
    bed.agreed();
    bed.assert_clean();
}
