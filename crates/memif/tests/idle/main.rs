//! What the library costs in system calls and wake-ups: nothing per burst while it polls, nothing while nothing
//! happens, and no more per event when there are many interfaces.
//!
//! Both ends run in processes of their own under `strace -c -f`, from their first instruction to their last. The
//! bounds are on counts, so that a slow machine passes too.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../common/mod.rs"]
mod common;

mod busy;
mod crowd;
mod helper;
mod rest;
mod strace;

use testkit::{Need, Suite};

const TRACE: &[Need] = &[Need::Trace];

fn main() {
    Suite::new()
        .alone()
        .scenario("ping", busy::ping_helper)
        .scenario("echo", busy::echo_helper)
        .scenario("idle", rest::idle_helper)
        .scenario("alone", rest::alone_helper)
        .scenario("crowd", crowd::helper)
        .test("polling_costs_no_system_call_per_burst", TRACE, busy::polling)
        .test("adaptive_costs_no_system_call_while_busy", TRACE, busy::adaptive)
        .test("interrupt_mode_costs_a_few_per_burst", TRACE, busy::interrupt)
        .test("idle_endpoints_do_nothing", &[], rest::idle_endpoints_do_nothing)
        .test("master_packets_do_not_pay_for_idle_interfaces", TRACE, crowd::packets_to_a_master)
        .test("slave_packets_do_not_pay_for_idle_interfaces", TRACE, crowd::packets_to_a_slave)
        .test("master_links_do_not_pay_for_idle_interfaces", TRACE, crowd::links_to_a_master)
        .test("slave_links_do_not_pay_for_idle_interfaces", TRACE, crowd::links_to_a_slave)
        .run()
}
