//! Two processes, both of the library, each in its own role: everything that a link carries and lives through.
//!
//! The test gives orders to one helper process per end. Each exchange goes both ways at once; every packet is checked
//! to its last byte and for its place in the sequence, and then the counters of the test, of the queues and of the
//! details of both ends are compared.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod end;
mod halted;
mod handover;
mod helper;
mod killed;
mod life;
mod load;
mod memory;
mod modes;
mod one_loop;
mod queues;
mod sizes;
mod soak;

use std::time::Duration;

use testkit::{Need, Suite};

/// A day: the environment may ask for hours of these. Each of their steps has a limit of its own.
const AS_LONG_AS_IS_ASKED_FOR: Duration = Duration::from_secs(86_400);

/// A suite with each function as a test of its own name.
macro_rules! tests {
    ($suite:expr, $module:ident: $($name:ident $needs:expr),+ $(,)?) => {
        $suite$(.test(stringify!($name), $needs, $module::$name))+
    };
}

fn main() {
    let suite = Suite::new()
        .scenario("end", helper::obey)
        .scenario("halted", halted::helper)
        .scenario("stormed", halted::stormed)
        .scenario("soak", soak::end)
        .long_test("killed_at_random", AS_LONG_AS_IS_ASKED_FOR, &[], killed::killed_at_random)
        .long_test("soak", AS_LONG_AS_IS_ASKED_FOR, &[], soak::soak);
    let suite = tests!(suite, sizes:
        every_ring_size_past_the_wrap_of_its_cursors &[],
        chains_over_any_buffer_size &[],
        ends_with_different_buffer_sizes &[],
        more_than_four_gib_of_buffers &[],
    );
    let suite = tests!(suite, queues:
        queues_in_threads &[],
        the_slave_brings_fewer_queues &[],
        the_most_queues &[],
        many_queues_with_large_rings &[],
        three_hundred_interfaces_on_one_socket &[],
    );
    let suite = tests!(suite, modes:
        ethernet_ip_and_punt_inject &[],
        modes_that_differ &[],
        receive_modes_in_all_pairings &[],
        receive_modes_under_load &[],
    );
    let suite = tests!(suite, life:
        slave_killed_in_traffic &[],
        master_killed_in_traffic &[],
        either_side_starts_first &[],
        admin_down_and_up &[],
        reasons_cross &[],
        settings_change_between_connections &[],
        secrets &[],
        second_slave_is_refused &[],
    );
    let suite = tests!(suite, halted:
        handlers_of_signals_end_no_link &[],
        waits_go_on_after_a_stop &[],
    );
    let suite = tests!(suite, addresses:
        abstract_names_in_both_spellings &[],
        the_longest_path &[],
        stale_and_live_socket_files &[],
        other_files_are_not_removed &[],
        mode_owner_and_group &[],
        user_nobody_and_the_mode_of_the_file &[Need::Root, Need::SharedTemporary],
        allow_lists &[Need::Root],
        network_namespaces &[Need::NetNamespace],
    );
    let suite = tests!(suite, handover:
        unknown_ids_on_demand &[],
        a_pair_of_sockets &[],
        a_connection_accepted_elsewhere &[],
        a_listener_opened_elsewhere &[],
    );
    let suite = tests!(suite, memory:
        one_region_or_rings_apart &[],
        files_of_the_caller &[],
        huge_pages &[Need::HugePages(4)],
        own_huge_pages &[Need::HugePages(4)],
        prefaulted &[],
    );
    let suite = tests!(suite, one_loop:
        one_descriptor_for_everything &[],
        wakers &[],
        a_handler_removes_its_interface &[],
        a_wait_in_vain_says_why &[],
    );
    suite.run()
}
