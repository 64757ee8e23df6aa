//! `memif replay`: files of other programs and of ours, what arrives of them, and what is said when something is wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod circle;
mod ends;
mod files;
mod pace;
mod packets;
mod receiver;
mod tools;
#[path = "../util/mod.rs"]
mod util;
mod wrong;

use testkit::{Need, Suite};

const TCPDUMP: &[Need] = &[Need::Program("tcpdump")];
const TSHARK: &[Need] = &[Need::Program("tshark")];
const EDITCAP: &[Need] = &[Need::Program("editcap")];
const MERGECAP: &[Need] = &[Need::Program("mergecap")];
const SCAPY: &[Need] = &[Need::Program("scapy")];
const GZIP: &[Need] = &[Need::Program("gzip")];
const ZSTD: &[Need] = &[Need::Program("zstd")];
const OTHER_USER: &[Need] = &[Need::Root, Need::Program("setpriv")];

fn main() {
    Suite::new()
        .test("files_of_tcpdump", TCPDUMP, tools::files_of_tcpdump)
        .test("files_of_tshark", TSHARK, tools::files_of_tshark)
        .test("files_of_editcap", EDITCAP, tools::files_of_editcap)
        .test("several_interfaces_of_mergecap", MERGECAP, tools::several_interfaces_of_mergecap)
        .test("files_of_scapy", SCAPY, tools::files_of_scapy)
        .test("files_packed_by_gzip", GZIP, tools::files_packed_by_gzip)
        .test("files_packed_by_zstd", ZSTD, tools::files_packed_by_zstd)
        .test("ethernet_goes_round", &[], circle::ethernet_goes_round)
        .test("raw_ip_goes_round", &[], circle::raw_ip_goes_round)
        .test("filters_and_moments_choose_packets", &[], packets::filters_and_moments_choose_packets)
        .test("addresses_are_written_over", &[], packets::addresses_are_written_over)
        .test("truncated_packets_by_choice", &[], packets::truncated_packets_by_choice)
        .test("an_ip_interface_takes_ip_packets_alone", &[], packets::an_ip_interface_takes_ip_packets_alone)
        .test("packets_that_are_too_long", &[], packets::packets_that_are_too_long)
        .test("flows_keep_their_order_on_several_queues", &[], packets::flows_keep_their_order_on_several_queues)
        .test("passes_follow_each_other", &[], packets::passes_follow_each_other)
        .test("no_packet_is_sent_before_its_time", &[], pace::no_packet_is_sent_before_its_time)
        .test("times_out_of_order_are_counted", &[], pace::times_out_of_order_are_counted)
        .test("a_pipe_is_sent_while_it_is_written", &[], pace::a_pipe_is_sent_while_it_is_written)
        .test("a_full_ring_is_waited_for_or_not", &[], pace::a_full_ring_is_waited_for_or_not)
        .test("a_peer_that_comes_back_gets_the_rest", &[], ends::a_peer_that_comes_back_gets_the_rest)
        .test("a_peer_that_stays_away_is_an_error", &[], ends::a_peer_that_stays_away_is_an_error)
        .test("signals_end_it_and_ask_for_figures", &[], ends::signals_end_it_and_ask_for_figures)
        .test("a_signal_ends_the_wait_for_a_file", &[], ends::a_signal_ends_the_wait_for_a_file)
        .test("a_cut_file_gives_the_packets_before", &[], ends::a_cut_file_gives_the_packets_before)
        .test("a_damaged_file_gives_the_packets_before", &[], ends::a_damaged_file_gives_the_packets_before)
        .test("figures_for_programs", &[], ends::figures_for_programs)
        .test("what_is_no_capture_has_an_answer", &[], wrong::what_is_no_capture_has_an_answer)
        .test("a_file_of_somebody_else_has_an_answer", OTHER_USER, wrong::a_file_of_somebody_else_has_an_answer)
        .test("link_types_that_do_not_fit_have_an_answer", &[], wrong::link_types_that_do_not_fit_have_an_answer)
        .run()
}
