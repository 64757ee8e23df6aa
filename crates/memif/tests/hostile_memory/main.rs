//! Hostile peers in shared memory: one test per row of the security checklist and role, and the rows about memory files
//! that need traffic.
//!
//! Each ends with a good connection on the same listener or interface, packets both ways that prove themselves, a
//! neighbour interface that never noticed, no busy thread, and every descriptor and mapping given back.
//!
//! | row | master | slave |
//! |---|---|---|
//! | M1 | `m01_master_head_of_rx`, `m01_master_head_of_tx`, `m01_master_heads_in_traffic` | the other side of M2 |
//! | M2 | the other side of M1 | `m02_slave_tail_of_rx`, `m02_slave_tail_of_tx`, `m02_slave_tails_in_traffic` |
//! | M1, M2 (Y) | `m01_master_overrun_by_an_honest_peer`, `m01_master_resync_limit` | `m02_slave_overrun_by_an_honest_peer`, `m02_slave_resync_limit` |
//! | M3 | `m03_master_own_index` | `m03_slave_own_index` |
//! | M4 | `m04_master_fixed_values` | `m04_slave_fixed_values` |
//! | M5 | `m05_master_descriptor_changes_while_read`, `m05_master_posted_descriptor_changes` | `m05_slave_descriptor_changes_while_read` |
//! | M6 | `m06_master_region`, `m07_master_posted_buffers` | `m13_slave_region_and_offset_on_return` |
//! | M7 | `m07_master_offset_and_length`, `m07_master_posted_buffers` | `m13_slave_region_and_offset_on_return` |
//! | M8 | `m08_master_length` | `m08_slave_length_over_capacity` |
//! | M9 | `m09_master_chains` | `m09_slave_chains` |
//! | M10 | `m10_master_bounded_work`, `m10_master_bounded_sends` | `m10_slave_bounded_work` |
//! | M11 | `m11_master_buffers_over_rings` | a slave's own layout (`c10_to_c17_what_a_slave_sends`) |
//! | M12 | `m12_master_bytes_change_while_read` | `m12_slave_bytes_change_while_read` |
//! | M13 | slaves only | `m13_slave_region_and_offset_on_return` |
//! | M14 | `m14_master_ring_flags` | `m14_slave_ring_flags` |
//! | M15 | `m15_master_writes_only_its_own` | `m15_slave_writes_only_its_own` |
//! | M16 | `m16_master_teardown_under_a_batch` | `m16_slave_teardown_under_a_batch` |
//! | M17 | zero padding is checked in every message of every test | `m17_slave_hands_out_clean_memory` |
//! | F5 | `f05_master_hole_under_a_ring` | `f05_slave_hole_under_a_ring` |
//! | F6 | `f06_master_cut_before_connect`, `f06_master_cut_while_idle`, `f06_master_cut_in_traffic`, `f06_master_cut_huge_pages` | `f06_slave_callers_file_cut`, `f06_slave_callers_file_takes_no_seals` |

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../common/mod.rs"]
mod common;

mod cursors;
mod descriptors;
mod files;
mod overrun;
mod ownership;

use testkit::{Need, Suite};

/// A suite with each function as a test of its own name.
macro_rules! tests {
    ($suite:expr, $module:ident: $($name:ident $needs:expr),+ $(,)?) => {
        $suite$(.test(stringify!($name), $needs, $module::$name))+
    };
}

fn main() {
    let suite = tests!(Suite::new(), cursors:
        m01_master_head_of_rx &[],
        m01_master_head_of_tx &[],
        m01_master_heads_in_traffic &[],
        m01_master_resync_limit &[],
        m02_slave_tail_of_rx &[],
        m02_slave_tail_of_tx &[],
        m02_slave_tails_in_traffic &[],
        m02_slave_resync_limit &[],
        m03_master_own_index &[],
        m03_slave_own_index &[],
        m04_master_fixed_values &[],
        m04_slave_fixed_values &[],
        m10_master_bounded_work &[],
        m10_master_bounded_sends &[],
        m10_slave_bounded_work &[],
        m14_master_ring_flags &[],
        m14_slave_ring_flags &[],
    );
    let suite = tests!(suite, overrun:
        m01_master_overrun_by_an_honest_peer &[],
        m02_slave_overrun_by_an_honest_peer &[],
    );
    let suite = tests!(suite, descriptors:
        m05_master_descriptor_changes_while_read &[],
        m05_master_posted_descriptor_changes &[],
        m05_slave_descriptor_changes_while_read &[],
        m06_master_region &[],
        m07_master_offset_and_length &[],
        m07_master_posted_buffers &[],
        m08_master_length &[],
        m08_slave_length_over_capacity &[],
        m09_master_chains &[],
        m09_slave_chains &[],
        m11_master_buffers_over_rings &[],
        m12_master_bytes_change_while_read &[],
        m12_slave_bytes_change_while_read &[],
        m13_slave_region_and_offset_on_return &[],
    );
    let suite = tests!(suite, ownership:
        m15_master_writes_only_its_own &[],
        m15_slave_writes_only_its_own &[],
        m16_master_teardown_under_a_batch &[],
        m16_slave_teardown_under_a_batch &[],
        m17_slave_hands_out_clean_memory &[],
    );
    let suite = tests!(suite, files:
        f05_master_hole_under_a_ring &[],
        f05_slave_hole_under_a_ring &[],
        f05_slave_hole_in_own_huge_pages &[Need::HugePages(8)],
        f05_master_prefault_of_sparse_files &[],
        prefaulted_slaves_have_every_page &[],
        f06_master_cut_before_connect &[],
        f06_master_cut_while_idle &[],
        f06_master_cut_in_traffic &[],
        f06_master_cut_huge_pages &[Need::HugePages(8)],
        f06_slave_callers_file_cut &[],
        f06_slave_callers_file_takes_no_seals &[],
    );
    suite.run()
}
