//! Peers that behave as the protocol description tells of VPP, in both roles, since no package of VPP exists; and of
//! libmemif and DPDK where they differ.
//!
//! | quirk | library as master | library as slave |
//! |---|---|---|
//! | V1 ring size announced | `v01_announced_ring_size` | `limits_of_hello` |
//! | V2, L3 giving up before INIT | slaves only | `v02_*`, `other_versions` |
//! | V3 one message per writable event | `v03_one_answer_per_request` | `v03_lock_step_and_v05_limits_of_256` |
//! | V4 silent closes | `v04_silent_ends` | `v04_silent_closes` |
//! | V5 limits of 256 | `v05_queues_by_hello` | `v03_lock_step_and_v05_limits_of_256` |
//! | V7 lazy refill | `v07_lazy_refill` | the slave posts |
//! | V8 longest descriptor | `v07_lazy_refill` | `layouts_and_receive_modes` |
//! | V11 256 packets per signal | `v11_master_*` | `v11_slave_*` |
//! | V15 parts longer than posted | `v15_parts_longer_than_posted` | slaves only |
//! | DISCONNECT answered | `slave_answers_disconnect` | `master_answers_disconnect` |
//! | L1 unknown id | slaves only | `libmemif_master_without_the_id` |
//! | D5 more queues than rings | slaves only | `d05_*`, `queues_*` |
//! | A5 cache line of 128 bytes | `master_*_line*` | `slave_*_line*` |
//! | D11 overrun | `dpdk_overruns` | `dpdk_overruns` |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../two_processes/load.rs"]
mod load;

mod aborts;
mod flow;
mod lines;
mod others;
mod signals;
mod surplus;
mod vpp_master;
mod vpp_slave;

use testkit::{Need, Suite};

/// A suite with each function as a test of its own name.
macro_rules! tests {
    ($suite:expr, $module:ident: $($name:ident $needs:expr),+ $(,)?) => {
        $suite$(.test(stringify!($name), $needs, $module::$name))+
    };
}

fn main() {
    let suite = Suite::new().scenario("slave", aborts::helper);
    let suite = tests!(suite, vpp_slave:
        layouts &[],
        pool_on_huge_pages &[Need::HugePages(8)],
        unsealable_pool &[],
        v01_announced_ring_size &[],
        v03_one_answer_per_request &[],
        v05_queues_by_hello &[],
        v07_lazy_refill &[],
        v15_parts_longer_than_posted &[],
        ip_mode &[],
        v04_silent_ends &[],
    )
    .test("slave_answers_disconnect", &[], vpp_slave::disconnect_is_never_answered);
    let suite = tests!(suite, vpp_master:
        layouts_and_receive_modes &[],
        v03_lock_step_and_v05_limits_of_256 &[],
        limits_of_hello &[],
        v04_silent_closes &[],
        refusals_in_its_words &[],
        other_versions &[],
    )
    .test("master_answers_disconnect", &[], vpp_master::disconnect_is_never_answered);
    let suite = tests!(suite, signals:
        v11_master_sends_long_bursts &[],
        v11_slave_sends_long_bursts &[],
        v11_master_sends_to_a_busy_receiver &[],
        v11_slave_sends_to_a_busy_receiver &[],
    );
    let suite = tests!(suite, aborts:
        v02_every_way_to_give_up_before_init &[],
        v02_killed_with_hello_unread &[],
        v02_killed_at_any_moment &[],
    );
    let suite = tests!(suite, others:
        libmemif_slave_with_two_regions &[],
        libmemif_master_returns_slots_late &[],
        libmemif_master_without_the_id &[],
        dpdk_client_posts_late &[],
        dpdk_server_masks_and_zeroes &[],
        dpdk_stale_next &[],
        dpdk_overruns &[],
    );
    let suite = tests!(suite, lines:
        master_takes_the_line_of_its_slave &[],
        master_that_is_set_refuses_the_other_line &[],
        slave_has_the_line_that_it_is_told &[],
        slave_names_the_line_of_its_master &[],
        the_other_line_comes_before_what_follows_from_it &[],
        the_end_of_a_master_of_the_other_line_is_named &[],
    );
    let suite = tests!(suite, surplus:
        d05_surplus_queues_disturb_nothing &[],
        d05_surplus_is_told_of &[],
        d05_no_surplus_no_word &[],
        queues_of_a_dpdk_server_are_found &[],
        queues_are_found_once_per_connection &[],
        queues_of_other_masters_are_not_looked_for &[],
    );
    suite.run()
}
