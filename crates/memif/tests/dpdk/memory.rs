//! Memory of a slave on huge pages, and memory that is made and mapped before the link comes up.

use memif::InterfaceConfig;
use testkit::eventually;
use testkit::shared::huge_pages_left;

use crate::bed::{Bed, Dpdk, Plan, exchange};
use crate::frames::swapped;

/// More packets than there are slots, so that every buffer is used.
const ALL: u64 = 5_000;

/// A link with those settings, and packets both ways through all of its memory.
fn cross(dpdk: Dpdk, config: impl FnOnce(InterfaceConfig) -> InterfaceConfig) -> Bed {
    let plan = Plan::new(dpdk, "macswap").options(|options| options.jumbo = true);
    let mut bed = plan.config(config).link();
    bed.testpmd.start();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, ALL, 128, |sequence| {
        swapped(1, sequence, if sequence % 16 == 0 { 9000 } else { 60 + sequence as usize % 1455 })
    });
    assert_eq!(bed.agreed().get("TX-packets"), ALL);
    bed.assert_clean();
    bed
}

/// All pages made (as slave) or mapped (as master) before the link comes up.
pub(crate) fn prefault(dpdk: Dpdk) {
    cross(dpdk, |config| config.prefault(true));
}

/// A server maps our huge pages by the size in the message. They are free again when both have let go.
pub(crate) fn huge_pages_server() {
    let before = huge_pages_left();
    let bed = cross(Dpdk::Server, |config| config.huge_pages(true));
    let sizes: Vec<_> = bed.driver.details(bed.key).regions.iter().map(|r| r.size).collect();
    // The rings, and the places of those that are not there, lie on usual pages.
    assert_eq!(sizes, [0x92_000, 6 << 20]);
    assert_eq!(huge_pages_left(), before - 3);
    drop(bed);
    eventually("the huge pages are free again", || (huge_pages_left() == before).then_some(()));
}
