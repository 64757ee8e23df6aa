//! Either side goes away and comes again; abstract names.

use std::time::Duration;

use memif::{DisconnectReason, RecvError, SendError};
use testkit::{Address, Census, Testpmd, eventually};

use crate::bed::{Bed, Dpdk, Plan, exchange};
use crate::common::Driver;
use crate::frames::swapped;

/// Packets both ways on queue 0, and equal counts at testpmd.
#[track_caller]
fn cross(bed: &mut Bed) {
    let figures = |testpmd: &mut Testpmd| {
        let stats = testpmd.stats();
        (stats.get("RX-packets"), stats.get("TX-packets"))
    };
    let before = figures(&mut bed.testpmd);
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, 1_000, 32, |sequence| swapped(3, sequence, 64 + sequence as usize % 1000));
    // It sends first and counts then.
    let expected = (before.0 + 1_000, before.1 + 1_000);
    eventually(&format!("figures of testpmd from {before:?} to {expected:?}"), || {
        (figures(&mut bed.testpmd) == expected).then_some(())
    });
    bed.assert_clean();
}

/// testpmd is killed with packets on every ring. We say so, hold nothing of it, and serve the next one.
pub(crate) fn dpdk_killed(dpdk: Dpdk) {
    let plan = Plan::new(dpdk, "flowgen");
    let (address, options) = (plan.address.clone(), plan.options.clone());
    // Attempts that are far between: a server that starts does not bear many (see `Plan::link`).
    let mut driver = Driver::open_with(&address, |builder| builder.retry_period(Duration::from_secs(1)));
    let key = driver.add(plan.config.clone());
    if dpdk == Dpdk::Server {
        // From the first attempt on the path is watched, by a descriptor that stays.
        driver.connect_failed(key);
    }
    let quiet = Census::now();
    let testpmd = Testpmd::spawn(&options);
    let mut bed = Bed::join(plan, testpmd, driver, key);
    for _ in 0..2 {
        bed.testpmd.start();
        for sequence in 0..500 {
            crate::common::send(&mut bed.link.tx[0], &swapped(0, sequence, 64).0);
            bed.take(20, |_| ());
        }
        bed.testpmd.kill_now();
        assert_eq!(bed.driver.disconnected(key), DisconnectReason::Hangup);
        // What it had sent before comes first.
        while bed.link.rx[0].wait(None).is_ok() {
            match bed.link.rx[0].recv(64) {
                Ok(mut batch) => assert_ne!((&mut batch).into_iter().count(), 0),
                Err(error) => assert_eq!(error, RecvError::Disconnected),
            }
        }
        assert_eq!(bed.link.rx[0].wait(None).unwrap_err(), RecvError::Disconnected);
        assert_eq!(bed.link.tx[0].send_wait(&[0; 64]).unwrap_err(), SendError::Disconnected);
        if dpdk == Dpdk::Server {
            // It cannot clean up after itself, and does not start over its own remains.
            std::fs::remove_file(address.path()).expect("the socket file of a server that was killed");
        }
        drop(std::mem::take(&mut bed.link.rx));
        drop(std::mem::take(&mut bed.link.tx));
        Census::wait_back_to(&quiet);
        bed.testpmd = Testpmd::spawn(&options);
        bed.link = bed.driver.connected(key);
        bed.driver.forget_events();
    }
    bed.testpmd.set_forward("macswap");
    bed.testpmd.start();
    cross(&mut bed);
}

/// Our side goes away, in good order and by losing interest, and comes again. A server takes us as before, a client
/// has to be told.
pub(crate) fn our_side_restarted(dpdk: Dpdk) {
    let mut bed = Plan::new(dpdk, "macswap").link();
    bed.testpmd.start();
    cross(&mut bed);
    for round in 0..3 {
        // Forwarding ends before the link goes down, as DPDK asks for.
        bed.testpmd.stop();
        if round == 0 {
            // Interface down and up.
            bed.driver.set_admin_up(bed.key, false);
            assert!(matches!(bed.driver.disconnected(bed.key), DisconnectReason::Local(_)));
            bed.driver.set_admin_up(bed.key, true);
        } else {
            // Everything anew. The old one removes its own socket file before the new one binds it.
            let config = bed.plan.config.clone();
            let nothing = Driver::open(&Address::fresh_abstract());
            drop(std::mem::replace(&mut bed.driver, nothing));
            assert_eq!(bed.link.rx[0].wait(None).unwrap_err(), RecvError::Disconnected);
            bed.driver = Driver::open(&bed.plan.address);
            bed.key = bed.driver.add(config);
        }
        if dpdk == Dpdk::Client {
            bed.testpmd.restart_stopped_port();
        }
        bed.link = bed.driver.connected(bed.key);
        // Forwarding begins when the link is up.
        if dpdk == Dpdk::Server {
            bed.testpmd.start();
        }
        bed.driver.forget_events();
        cross(&mut bed);
    }
}

/// An abstract name is the name, without `@` and without padding.
pub(crate) fn abstract_name(dpdk: Dpdk) {
    let mut bed = Plan::at(dpdk, "macswap", Address::fresh_abstract()).link();
    bed.testpmd.start();
    cross(&mut bed);
}
