//! Secrets, right, wrong and missing.

use memif::{ConnectError, Refusal, Secret};
use testkit::{Testpmd, eventually};

use crate::bed::{Bed, Dpdk, Plan, exchange};
use crate::common::Driver;
use crate::frames::swapped;

/// As long as a secret can be.
const RIGHT: &str = "as-long-as-a-secret-can";

/// A wrong or missing secret is refused in words, by whoever is the master; the right one is let in.
pub(crate) fn secret(dpdk: Dpdk) {
    match dpdk {
        Dpdk::Server => refused_by_a_server(),
        Dpdk::Client => refusing_a_client(),
    }
}

fn refused_by_a_server() {
    let plan = Plan::new(Dpdk::Server, "macswap").options(|options| options.secret = Some(RIGHT.to_owned()));
    let testpmd = Testpmd::spawn(&plan.options);
    for (given, words) in [
        (None, "Secret required"),
        (Some("as-long-as-a-secret-ca"), "Incorrect secret"),
        (Some("AS-LONG-AS-A-SECRET-CAN"), "Incorrect secret"),
    ] {
        let mut driver = Driver::open(&plan.address);
        let key = driver.add(plan.config.clone().secret(given.map(|text| Secret::new(text).unwrap())));
        let error = driver.connect_failed(key);
        assert_eq!(error, ConnectError::Refused(words.to_owned()), "for {given:?}");
    }
    let plan = plan.config(|config| config.secret(Some(Secret::new(RIGHT).unwrap())));
    let driver = Driver::open(&plan.address);
    let key = driver.add(plan.config.clone());
    cross(Bed::join(plan, testpmd, driver, key));
}

fn refusing_a_client() {
    let plan = |given: Option<&str>| {
        Plan::new(Dpdk::Client, "macswap")
            .options(|options| {
                options.secret = given.map(str::to_owned);
                options.verbose = true;
            })
            .config(|config| config.secret(Some(Secret::new(RIGHT).unwrap())))
    };
    for (given, breach) in [
        (None, Refusal::SecretRequired),
        (Some("as-long-as-a-secret-ca"), Refusal::SecretWrong),
        (Some("AS-LONG-AS-A-SECRET-CAN"), Refusal::SecretWrong),
    ] {
        let plan = plan(given);
        let mut driver = Driver::open(&plan.address);
        let key = driver.add(plan.config.clone());
        let testpmd = Testpmd::spawn(&plan.options);
        let (reason, peer) = driver.refused();
        assert_eq!(reason, breach, "for {given:?}");
        assert!(peer.app_name.to_string().starts_with("DPDK "), "{peer:?}");
        assert!(!driver.details(key).link_up);
        let words = format!("Disconnect received: {breach}");
        eventually("our words in the output of testpmd", || testpmd.output().contains(&words).then_some(()));
    }
    cross(plan(Some(RIGHT)).link());
}

fn cross(mut bed: Bed) {
    bed.testpmd.start();
    let (rx, tx) = (&mut bed.link.rx[0], &mut bed.link.tx[0]);
    exchange(rx, tx, 1_000, 32, |sequence| swapped(3, sequence, 64));
    assert_eq!(bed.agreed().get("TX-packets"), 1_000);
}
