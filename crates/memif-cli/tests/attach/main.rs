//! `memif capture --attach`: links between other programs, watched.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod ends;
mod file;
mod hostile;
mod ours;
mod peers;
#[path = "../util/mod.rs"]
mod util;

use testkit::{Address, Need, SlaveLink, SlavePlan, Suite};

use util::{Program, master, memif};

const PEERS: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf"), Need::Program("tshark")];

fn main() {
    Suite::new()
        .test("packets_are_those_that_were_sent", &[], ours::packets_are_those_sent)
        .test("chains_are_put_together", &[], ours::chains)
        .test("chains_whose_marks_stay_keep_their_length", &[], ours::marks_that_stay)
        .test("chains_whose_marks_go_early_are_put_together", &[], ours::marks_that_go_early)
        .test("every_queue_has_its_interface", &[], ours::queues)
        .test("a_part_of_a_link_is_watched", &[], ours::part)
        .test("missed_packets_are_counted_exactly", &[], ours::missed)
        .test("lines_name_the_ring", &[], ours::lines)
        .test("figures_in_json", &[], ours::json)
        .test("what_cannot_be_watched_has_an_answer", &[], ends::answers)
        .test("the_end_of_a_link_ends_it", &[], ends::end_of_link)
        .test("a_link_that_is_made_anew_is_named", &[], ends::made_anew)
        .test("a_link_without_packets_is_waited_for", &[], ends::no_packet_yet)
        .test("watching_changes_nothing", &[], hostile::nothing_changes)
        .test("buffers_in_another_region_are_read", &[], hostile::several_regions)
        .test("forged_memory_ends_it_with_a_reason", &[], hostile::forged)
        .test("descriptors_that_lie_cost_their_packet", &[], hostile::descriptors)
        .test("a_long_chain_takes_no_memory", &[], hostile::long_memory)
        .test("a_chain_without_end_is_left_out", &[], hostile::endless)
        .test("two_testpmd_are_watched", PEERS, peers::txonly_to_rxonly)
        .test("a_testpmd_that_answers_our_pings_is_watched", PEERS, peers::icmpecho)
        .run();
}

/// Watches a process or a link, from before this returns.
#[track_caller]
fn attach(target: impl std::fmt::Display, options: &str) -> Program {
    let mut capture = memif(&format!("capture --attach {target} {options}"));
    capture.expect("watching link");
    capture
}

/// A slave in this process, and its master.
#[track_caller]
fn scripted(plan: &SlavePlan) -> (SlaveLink, Program) {
    let name = util::unique("memif-attach");
    let mut responder = master(&format!("@{name}"), "");
    let slave = SlaveLink::connect(&Address::Abstract(name.into_bytes()), plan);
    responder.expect("connected");
    (slave, responder)
}

/// A packet that tells its number.
fn packet(number: u32) -> Vec<u8> {
    let mut packet = vec![2; 12];
    packet.extend([0x88, 0xb5]);
    packet.extend(number.to_be_bytes());
    packet.resize(60, 0);
    packet
}
