//! `memif top`: what its screen shows of real links, how it leaves a terminal, and that its figures are those of what
//! was sent.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod figures;
mod live;
#[path = "../util/mod.rs"]
mod util;

use testkit::{Need, Suite};

const DPDK: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];

fn main() {
    Suite::new()
        .alone()
        .test("every_packet_is_counted", &[], figures::every_packet_is_counted)
        .test("rates_are_those_of_bench", &[], figures::rates_are_those_of_bench)
        .test("forged_cursors_cost_their_line_alone", &[], figures::forged_cursors)
        .test("between_two_testpmd", DPDK, figures::between_two_testpmd)
        .test("lines_for_people", &[], figures::lines_for_people)
        .test("wrong_use_has_an_answer", &[], figures::wrong_use)
        .test("links_come_and_go_on_a_screen", &[], live::links_come_and_go)
        .test("a_screen_of_any_size", &[], live::any_size)
        .test("no_colour", &[], live::no_colour)
        .test("the_terminal_is_given_back", &[], live::terminal_is_given_back)
        .test("it_stops_and_goes_on", &[], live::stops_and_goes_on)
        .test("a_terminal_that_goes_away_ends_it", &[], live::terminal_goes_away)
        .test("a_terminal_that_takes_nothing_holds_up_no_signal", &[], live::terminal_takes_nothing)
        .run()
}
