//! `icmpecho`: testpmd answers ARP and echo requests.

use crate::bed::{Dpdk, Plan, exchange};
use crate::frames::{arp_reply, arp_request, echo};

/// Lengths of whole frames: around every limit of a 2048-byte buffer, and chains of up to five.
const LENGTHS: [usize; 11] = [64, 65, 98, 590, 1514, 2047, 2048, 2049, 4096, 4097, 9000];
/// Echo requests of each length.
const EACH: u64 = 300;

/// Every request is answered, to the last byte.
pub(crate) fn icmpecho(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "icmpecho").options(|options| options.jumbo = true).link();
    bed.testpmd.start();
    let mac = bed.testpmd.mac();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, 3, 1, |_| (arp_request(), arp_reply(mac)));
    for len in LENGTHS {
        exchange(rx, tx, EACH, 48, |sequence| echo(mac, sequence, len));
    }
    let stats = bed.agreed();
    assert_eq!(stats.get("TX-packets"), 3 + EACH * LENGTHS.len() as u64);
    bed.assert_clean();
}
