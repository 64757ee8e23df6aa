//! Hostile peers on the control channel and with descriptors: one test per row of the security checklist and role.
//!
//! Each ends with a good connection on the same listener or interface, packets both ways that prove themselves, a
//! neighbour interface that never noticed, no busy thread, and every descriptor and mapping given back.
//!
//! | row | master | slave |
//! |---|---|---|
//! | C1 | `c01_master_message_length` | `c01_slave_message_length` |
//! | C2 | `c02_master_types` | `c02_slave_types` |
//! | C3 | `c03_master_number_of_fds` | `c03_slave_number_of_fds` |
//! | C4 | `c04_master_fd_leaks` | `c04_slave_fd_leaks` |
//! | C5 | `c05_master_fd_exhaustion` | `c05_slave_fd_exhaustion` |
//! | C6 | `c06_master_strings` | `c06_slave_strings` |
//! | C7 | `c07_master_id` | `c07_slave_refused_id` (what it makes of a refusal) |
//! | C8 | `c08_master_secret` | `c08_slave_secret` (what it sends and makes of a refusal) |
//! | C9 | `c09_master_mode_and_version` | `c09_slave_version` |
//! | C10 | `c10_master_region_index_and_count` | `c10_to_c17_what_a_slave_sends` |
//! | C11 | `c11_master_region_size` | the slave decides |
//! | C12 | `c12_master_ring_index_and_count`, `c12_master_limits_of_a_link` | `c10_to_c17_what_a_slave_sends` |
//! | C13 | `c13_master_ring_size` | `c22_slave_hello_values` |
//! | C14 | `c14_master_private_header_and_flags` | `c10_to_c17_what_a_slave_sends` |
//! | C15 | `c15_master_ring_place` | `c10_to_c17_what_a_slave_sends` |
//! | C16 | `c16_master_cookie` | checked in every handshake with a scripted master |
//! | C17 | `c17_master_order` | `c10_to_c17_what_a_slave_sends` |
//! | C18 | `c18_master_handshake_time`, `c18_master_deaf_slave`, `c18_master_half_open_limit`, `c18_master_a_thousand_connections` | `c18_slave_handshake_time` |
//! | C19 | `c19_master_floods` | `c19_slave_floods` |
//! | C20 | `c20_master_slow_reader` | a slave has one message under way: nothing of its own can fill the socket |
//! | C21 | `c21_master_reservation` | masters only |
//! | C22 | slaves only | `c22_slave_hello_values` |
//! | C23 | `c23_master_credentials` | `c23_slave_credentials` |
//! | F1 | `f01_master_region_type`, `f01_master_huge_pages` | a slave gets no descriptors (C3) |
//! | F2 | `f02_master_region_beyond_its_file` | as F1 |
//! | F3 | `f03_master_leaves_what_could_be_sealed` | `f06_slave_memory_cannot_be_taken_away` |
//! | F4 | `f04_master_policy_for_what_cannot_be_sealed` | `f06_slave_callers_file_cut` in `hostile_memory` |
//! | F5 | `f05_master_hole_under_a_ring` in `hostile_memory` | `f05_slave_hole_under_a_ring` in `hostile_memory` |
//! | F6 | `f06_master_*` in `hostile_memory` | `f06_slave_memory_cannot_be_taken_away`, `f06_slave_callers_file_cut` in `hostile_memory` |
//! | F7 | `f07_master_sparse_region_costs_nothing` | as F1 |
//! | F8 | `f08_master_mapping` | as F1 |
//! | F9 | `f09_master_same_memory_twice` | as F1 |
//! | F10 | `f10_master_interrupt_type` | as F1 |
//! | F11 | `f11_master_blocking_eventfd`, `f11_master_toggled_eventfd`, `f11_toggled_eventfd_without_aio` | `f11_slave_blocking_eventfd`, `f11_slave_toggled_eventfd`, `f11_toggled_eventfd_without_aio` |
//! | F12 | `f12_master_storm_of_signals` | `f12_slave_storm_of_signals` |
//! | F13 | `f13_master_keeps_no_region_open` | `f13_slave_descriptors` |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]
#![allow(clippy::result_large_err, reason = "events are handed back by value")]

#[path = "../common/mod.rs"]
mod common;

mod channel_slave;
mod descriptors;
mod exhaustion;
mod limits_master;
mod messages_master;
mod setup_master;
mod signals;

use testkit::{Need, Suite};

/// A suite with each function as a test of its own name.
macro_rules! tests {
    ($suite:expr, $module:ident: $($name:ident $needs:expr),+ $(,)?) => {
        $suite$(.test(stringify!($name), $needs, $module::$name))+
    };
}

fn main() {
    let suite = Suite::new()
        .scenario("exhausted_master", exhaustion::master_helper)
        .scenario("exhausted_slave", exhaustion::slave_helper)
        .scenario("toggled", signals::helper);
    let suite = tests!(suite, messages_master:
        c01_master_message_length &[],
        c02_master_types &[],
        c03_master_number_of_fds &[],
        c04_master_fd_leaks &[],
        c06_master_strings &[],
        c07_master_id &[],
        c08_master_secret &[],
        c09_master_mode_and_version &[],
    );
    let suite = tests!(suite, setup_master:
        c10_master_region_index_and_count &[],
        c11_master_region_size &[],
        c12_master_ring_index_and_count &[],
        c12_master_limits_of_a_link &[],
        c13_master_ring_size &[],
        c14_master_private_header_and_flags &[],
        c15_master_ring_place &[],
        c16_master_cookie &[],
        c17_master_order &[],
    );
    let suite = tests!(suite, limits_master:
        c18_master_handshake_time &[],
        c18_master_deaf_slave &[],
        c18_master_half_open_limit &[],
        c18_master_a_thousand_connections &[],
        c19_master_floods &[],
        c20_master_slow_reader &[],
        c21_master_reservation &[],
        c23_master_credentials &[],
    );
    let suite = tests!(suite, channel_slave:
        c01_slave_message_length &[],
        c02_slave_types &[],
        c03_slave_number_of_fds &[],
        c04_slave_fd_leaks &[],
        c06_slave_strings &[],
        c07_slave_refused_id &[],
        c08_slave_secret &[],
        c09_slave_version &[],
        c10_to_c17_what_a_slave_sends &[],
        c18_slave_handshake_time &[],
        c19_slave_floods &[],
        c22_slave_hello_values &[],
        c23_slave_credentials &[],
    );
    let suite = tests!(suite, exhaustion:
        c05_master_fd_exhaustion &[],
        c05_slave_fd_exhaustion &[],
    );
    let suite = tests!(suite, descriptors:
        f01_master_region_type &[],
        f01_master_huge_pages &[Need::HugePages(4)],
        f02_master_region_beyond_its_file &[],
        f03_master_leaves_what_could_be_sealed &[],
        f04_master_policy_for_what_cannot_be_sealed &[],
        f07_master_sparse_region_costs_nothing &[],
        f08_master_mapping &[],
        f09_master_same_memory_twice &[],
        f10_master_interrupt_type &[],
        f11_master_blocking_eventfd &[],
        f12_master_storm_of_signals &[],
        f13_master_keeps_no_region_open &[],
        f06_slave_memory_cannot_be_taken_away &[],
        f11_slave_blocking_eventfd &[],
        f12_slave_storm_of_signals &[],
        f13_slave_descriptors &[],
    );
    let suite = tests!(suite, signals:
        f11_master_toggled_eventfd &[],
        f11_slave_toggled_eventfd &[],
        f11_toggled_eventfd_without_aio &[],
    );
    suite.run()
}
