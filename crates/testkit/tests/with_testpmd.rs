//! The scripted peers against DPDK's own driver: they speak the protocol that is really spoken.

use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use testkit::testpmd::Options;
use testkit::traffic::packet;
use testkit::{Address, Dialect, Layout, MasterPlan, Need, ScriptedMaster, SlaveLink, SlavePlan, Suite, Testpmd};

const NEEDS: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];

fn main() {
    Suite::new()
        .alone()
        .test("slaves_and_a_server", NEEDS, slaves_and_a_server)
        .test("a_master_and_a_client", NEEDS, a_master_and_a_client)
        .test("a_peer_that_dies_costs_another_try", NEEDS, a_peer_that_dies_costs_another_try)
        .run()
}

/// An ethernet frame that macswap turns around: its addresses are in front of a packet of ours.
fn frame(sequence: u64, len: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5];
    frame.extend(packet(0, sequence, len));
    frame
}

fn slaves_and_a_server() {
    let address = Address::fresh();
    let mut testpmd = Testpmd::spawn(&Options::new("server", address.path(), "macswap"));
    testpmd.start();
    let peers = [(Dialect::PLAIN, Layout::OneRegion), (Dialect::LIBMEMIF, Layout::RingsApart)];
    for (links, (dialect, layout)) in (1..).zip(peers) {
        let plan = SlavePlan { dialect, layout, ..SlavePlan::default() };
        let mut link = SlaveLink::connect(&address, &plan);
        assert_eq!(link.hello.max_log2, 14);
        for sequence in 0..100 {
            link.tx[0].send(&frame(sequence, 64));
            let back = link.rx[0].wait();
            assert_eq!(back[14..], frame(sequence, 64)[14..]);
        }
        let stats = testpmd.stats();
        let sum = 100 * links;
        assert_eq!((stats.get("RX-packets"), stats.get("TX-packets")), (sum, sum), "{stats:?}");
    }
    testpmd.quit();
}

fn a_master_and_a_client() {
    let address = Address::fresh();
    let master = ScriptedMaster::bind(&address, MasterPlan::of(Dialect::PLAIN));
    let mut testpmd = Testpmd::spawn(&Options::new("client", address.path(), "macswap"));
    let mut link = master.serve();
    testpmd.start();
    assert_eq!(link.regions[0].seals().map(|s| s.bits()), Some(2));
    for sequence in 0..100 {
        link.tx[0].send(&frame(sequence, 64));
        let back = link.rx[0].wait();
        assert_eq!(back[14..], frame(sequence, 64)[14..]);
    }
    let stats = testpmd.stats();
    assert_eq!((stats.get("RX-packets"), stats.get("TX-packets")), (100, 100), "{stats:?}");
    testpmd.restart_port();
    let mut link = master.serve();
    link.tx[0].send(&frame(7, 64));
    assert_eq!(link.rx[0].wait()[14..], frame(7, 64)[14..]);
    drop(testpmd);
}

/// As when the driver reads memory of a link that it has just unmapped, but the first time alone.
fn a_peer_that_dies_costs_another_try() {
    static TRIES: AtomicU32 = AtomicU32::new(0);
    let address = Address::fresh();
    let mut testpmd = Testpmd::spawn(&Options::new("server", address.path(), "macswap"));
    if TRIES.fetch_add(1, Ordering::Relaxed) == 0 {
        let pid = i32::try_from(testpmd.pid()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::SEGV).expect("it runs");
    }
    testpmd.start();
    testpmd.quit();
    assert_eq!(TRIES.load(Ordering::Relaxed), 2);
}
