//! Looks at links in this very process: made by the library, by scripted peers, and forged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod forged;
mod found;
mod untouched;

use std::os::fd::AsFd;

use memif_watch::{Host, Link, LinkId};
use testkit::{SharedFile, Suite};

fn main() {
    // Memory of other tests in this process may be a region of any link here.
    Suite::new()
        .alone()
        .test("rings_are_found_where_known_slaves_put_them", &[], found::packed_rings)
        .test("directions_are_inferred_from_what_rings_hold", &[], found::directions)
        .test("both_ends_of_the_library_are_found", &[], found::own_library)
        .test("buffers_in_further_memory_are_found", &[], found::buffers_apart)
        .test("rings_of_a_few_slots_are_found", &[], found::small_rings)
        .test("a_ring_alone_is_found_by_where_its_buffers_are", &[], found::one_way)
        .test("no_byte_and_no_page_changes", &[], untouched::nothing_changes)
        .test("forged_memory_costs_a_named_reason", &[], forged::nonsense)
        .test("memory_that_is_cut_costs_a_named_reason", &[], forged::cut)
        .test("cursors_that_jump_are_impossible_or_missed", &[], forged::jumps)
        .run()
}

/// What a scan says of that file: this process has it mapped.
fn link_of(host: &Host, file: impl AsFd) -> Option<Link> {
    host.link(id_of(file)).cloned()
}

fn id_of(file: impl AsFd) -> LinkId {
    let status = rustix::fs::fstat(file).unwrap();
    let (major, minor) = (rustix::fs::major(status.st_dev), rustix::fs::minor(status.st_dev));
    format!("{major}:{minor}:{}", status.st_ino).parse().unwrap()
}

/// Scans for the link of that file.
#[track_caller]
fn scanned(file: &SharedFile) -> Link {
    let host = memif_watch::scan().unwrap();
    link_of(&host, file).unwrap_or_else(|| panic!("no such link in {:?}", host.links))
}
