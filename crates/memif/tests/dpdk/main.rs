//! The library against DPDK's own memif driver, `dpdk-testpmd`, which plays the server (opposite our slave) and the
//! client (opposite our master) in every test.
//!
//! That packets crossed is proven by their content and by the counters of both ends, which must tell the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../common/mod.rs"]
mod common;

mod bed;
mod bounce;
mod count;
mod echo;
mod frames;
mod keep;
mod life;
mod memory;
mod overrun;
mod secret;
mod surplus;

use bed::Dpdk;
use testkit::{Need, Suite};

const NEEDS: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];

/// A suite with each function as two tests: opposite a server and opposite a client.
macro_rules! both {
    ($suite:expr, $module:ident: $($name:ident),+ $(,)?) => {
        $suite$(
            .test(concat!(stringify!($name), "_server"), NEEDS, || $module::$name(Dpdk::Server))
            .test(concat!(stringify!($name), "_client"), NEEDS, || $module::$name(Dpdk::Client))
        )+
    };
}

fn main() {
    let suite = Suite::new().alone();
    let suite = both!(suite, echo: icmpecho);
    let suite = both!(suite, bounce: macswap, macswap_small_ring, receive_modes);
    let suite = both!(suite, bounce: two_queues, four_queues, more_queues_one_way);
    let suite = suite
        .test("more_queues_here_than_a_client_has", NEEDS, bounce::more_queues_here_than_a_client_has)
        .test("fewer_queues_here_than_a_client_has", NEEDS, bounce::fewer_queues_here_than_a_client_has);
    let suite = suite.test("zero_copy_client", NEEDS, bounce::zero_copy_client);
    let suite = suite.test("packets_stay_while_they_are_kept", NEEDS, keep::packets_stay_while_they_are_kept);
    let suite = both!(suite, memory: prefault);
    let huge = [NEEDS, &[Need::HugePages(4)]].concat();
    let suite = suite.test("huge_pages_server", &huge, memory::huge_pages_server);
    let suite = both!(suite, count: txonly, txonly_jumbo, rxonly, flowgen);
    let suite = both!(suite, overrun: overruns_without_end, whole_frames_never_overrun);
    let suite = both!(suite, life: dpdk_killed, our_side_restarted, abstract_name);
    let suite = both!(suite, secret: secret);
    let suite = suite
        .test("surplus_queues_get_nothing_of_ours", NEEDS, surplus::get_nothing_of_ours)
        .test("surplus_queues_send_nothing_to_us", NEEDS, surplus::send_nothing_to_us)
        .test("queues_are_found", NEEDS, surplus::queues_are_found)
        .test("fewer_queues_than_before", NEEDS, surplus::fewer_than_before);
    suite.run()
}
