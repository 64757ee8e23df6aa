//! Packets of testpmd that are kept while it goes on sending.

use std::time::Duration;

use memif::KeepError;

use crate::bed::{Dpdk, Plan};
use crate::common::send;
use crate::frames::swapped;

/// Packets, 300 turns of the ring.
const PACKETS: u64 = 20_000;
/// At most half of the ring is under way, or testpmd would run over it (D11).
const UNDER_WAY: u64 = 24;

/// A third of what comes is kept, as far as there are spares, and given back in another order. Nothing of it changes
/// meanwhile, and nothing is lost.
pub(crate) fn packets_stay_while_they_are_kept() {
    let frames = |sequence: u64| swapped(1, sequence, 64 + (sequence % 1400) as usize);
    let mut bed = Plan::new(Dpdk::Server, "macswap").ring(6).config(|config| config.spare_buffers(40)).link();
    bed.testpmd.start();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    let (mut sent, mut taken, mut kept, mut all_kept) = (0, 0, Vec::new(), 0);
    while taken < PACKETS {
        while sent < PACKETS.min(taken + UNDER_WAY) {
            send(tx, &frames(sent).0);
            sent += 1;
        }
        assert!(rx.wait(Some(Duration::from_secs(20))).expect("waiting"), "{taken} of {sent} came back");
        for packet in &mut rx.recv(16).expect("receiving") {
            assert_eq!(packet.to_vec(), frames(taken).1, "packet {taken}");
            if taken % 3 == 0 {
                match packet.keep() {
                    Ok(packet) => kept.push((taken, packet)),
                    Err(not_kept) => assert_eq!(not_kept.error, KeepError::NoSpare),
                }
            }
            taken += 1;
        }
        if rx.free_spares() == 0 {
            for (sequence, packet) in &kept {
                assert_eq!(packet.to_vec(), frames(*sequence).1, "packet {sequence}, kept while {taken} came");
            }
            let before = kept.len();
            kept.retain(|(sequence, _)| sequence % 5 == taken % 5);
            all_kept += before - kept.len();
        }
    }
    assert!(all_kept > 1000, "{all_kept}");
    assert_eq!(bed.agreed().get("TX-packets"), PACKETS);
    bed.assert_clean();
}
