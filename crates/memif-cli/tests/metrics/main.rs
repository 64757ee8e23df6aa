//! `--metrics`: what is served, to whom, and what a client can do to it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod clients;
mod commands;
mod http;
mod places;
mod scraped;
mod sender;
#[path = "../util/mod.rs"]
mod util;

use testkit::{Need, Suite};

const PROMTOOL: &[Need] = &[Need::Program("promtool")];
const PROMETHEUS: &[Need] = &[Need::Program("prometheus")];
const BRIDGE: &[Need] = &[Need::NetNamespace, Need::Program("promtool")];

fn main() {
    Suite::new()
        .test("promtool_reads_a_responder", PROMTOOL, commands::responder)
        .test("promtool_reads_a_responder_with_commands", PROMTOOL, commands::console)
        .test("promtool_reads_a_capture", PROMTOOL, commands::capture)
        .test("promtool_reads_a_replay", PROMTOOL, commands::replay)
        .test("promtool_reads_a_bench", PROMTOOL, commands::bench)
        .test("promtool_reads_a_bridge", BRIDGE, commands::bridge)
        .test("prometheus_has_the_numbers_that_were_sent", PROMETHEUS, scraped::numbers)
        .test("counts_go_on_over_links", &[], scraped::counts_go_on)
        .test("names_of_a_peer_are_no_samples", &[], scraped::names_of_a_peer)
        .test("nothing_but_get_of_metrics", &[], clients::requests)
        .test("clients_that_do_nothing_are_let_go", &[], clients::idle)
        .test("clients_that_stay_do_not_delay_the_end", &[], clients::end)
        .test("a_client_that_half_closes_is_answered", &[], clients::half_closed)
        .test("a_socket_is_for_its_owner", &[], places::socket)
        .test("wrong_places_have_an_answer", &[], places::wrong)
        .run()
}
