//! `memif bench`: every work alone, in parts, and against DPDK. Nothing is said about how fast anything is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod both;
mod death;
mod dpdk;
mod parts;
mod pictures;
mod restart;
mod runs;
mod shortage;
mod switch;
#[path = "../util/mod.rs"]
mod util;
mod wrong;

use testkit::{Need, Suite};

const DPDK: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];

fn main() {
    Suite::new()
        .alone()
        .test("throughput_counts_every_packet", &[], both::throughput_counts_every_packet)
        .test("throughput_in_every_setting", &[], both::throughput_in_every_setting)
        .test("throughput_on_huge_pages", &[Need::HugePages(3)], both::throughput_on_huge_pages)
        .test("a_rate_is_kept_and_drops_are_told", &[], both::a_rate_is_kept)
        .test("round_trips_one_in_flight", &[], both::round_trips_one_in_flight)
        .test("round_trips_at_a_rate", &[], both::round_trips_at_a_rate)
        .test("the_rate_without_loss", &[], both::the_rate_without_loss)
        .test("links_come_and_go", &[], both::links_come_and_go)
        .test("many_interfaces", &[], both::many_interfaces)
        .test("pictures_are_whole", &[], pictures::pictures_are_whole)
        .test("pictures_are_svg_alone", &[], pictures::pictures_are_svg_alone)
        .test("a_signal_ends_both_ends", &[], both::a_signal_ends_both_ends)
        .test("a_sink_counts_what_a_generator_sent", &[], parts::sink_and_generator)
        .test("a_sink_sees_changed_packets", &[], parts::changed_packets)
        .test("a_sink_ends_without_the_word_of_the_generator", &[], parts::end_that_is_lost)
        .test("an_echo_serves_one_after_the_other", &[], parts::echo_serves_all)
        .test("an_echo_serves_many_interfaces", &[], parts::echo_of_many)
        .test("a_generator_meets_a_peer_that_does_not_echo", &[], parts::no_echo)
        .test("a_generator_sends_several_sizes", &[], parts::several_sizes)
        .test("a_generator_keeps_its_link", &[], parts::linger)
        .test("no_rate_is_no_success", &[], parts::no_rate)
        .test("packets_spread_over_queues_are_not_lost", &[], switch::spread_over_queues)
        .test("the_end_comes_on_one_queue_of_several", &[], switch::one_queue_of_several)
        .test("several_queues_come_in_one", &[], switch::several_queues_into_one)
        .test("packets_behind_the_end_are_waited_for", &[], switch::the_end_comes_first)
        .test("loss_is_told_as_loss", &[], switch::loss_is_loss)
        .test("order_and_copies_are_told", &[], switch::order_and_copies)
        .test("a_run_outlives_a_restart_of_the_switch", &[], restart::a_switch_is_restarted)
        .test("round_trips_outlive_a_restart", &[], restart::a_mirror_is_restarted)
        .test("an_echo_tells_times_without_link", &[], restart::an_asker_is_restarted)
        .test("a_link_that_stays_away_ends_the_run", &[], restart::a_link_does_not_come_back)
        .test("the_other_end_dies", &[], death::the_other_end_dies)
        .test("a_generator_dies", &[], death::a_generator_dies)
        .test("the_other_end_is_stopped", &[], death::the_other_end_is_stopped)
        .test("too_few_threads_end_one_link", &[], shortage::too_few_threads)
        .test("too_few_descriptors_cost_few_links", &[], shortage::too_few_descriptors)
        .test("a_thread_for_each_queue", &[], runs::a_thread_for_each_queue)
        .test("threads_of_one_end", &[], runs::threads_of_one_end)
        .test("both_directions_at_once", &[], runs::both_directions)
        .test("several_runs_are_told_together", &[], runs::several_runs)
        .test("figures_of_each_period", &[], runs::figures_of_each_period)
        .test("two_files_side_by_side", &[], runs::two_files_side_by_side)
        .test("wrong_use_has_an_answer", &[], wrong::wrong_use_has_an_answer)
        .test("absent_peers_have_an_answer", &[], wrong::absent_peers)
        .test("testpmd_sends_to_a_sink", DPDK, dpdk::sends_to_a_sink)
        .test("testpmd_takes_from_a_generator", DPDK, dpdk::takes_from_a_generator)
        .test("testpmd_sends_back", DPDK, dpdk::sends_back)
        .test("testpmd_forwards_to_a_sink", DPDK, dpdk::forwards_to_a_sink)
        .test("testpmd_is_restarted_between_both", DPDK, dpdk::is_restarted)
        .run()
}
