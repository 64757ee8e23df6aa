//! `memif extcap`: what Wireshark asks, and what tshark makes of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod answers;
mod live;
#[path = "../util/mod.rs"]
mod util;

use testkit::{Need, Suite};

const TSHARK: &[Need] = &[Need::Program("tshark")];
/// As another user than root: this one, or nobody.
const USER: &[Need] = &[Need::Program("tshark"), Need::Program("setpriv"), Need::SharedTemporary];

fn main() {
    Suite::new()
        .test("interfaces_are_listed", &[], answers::interfaces)
        .test("what_an_interface_is_asked_has_answers", &[], answers::of_an_interface)
        .test("wrong_use_has_an_answer", &[], answers::wrong_use)
        .test("it_is_put_where_wireshark_looks", TSHARK, answers::install)
        .test("an_ordinary_user_sees_live_packets", USER, live::ordinary_user)
        .test("an_endpoint_is_captured", &[Need::Program("mkfifo")], live::endpoint)
        .test("a_link_that_ends_is_told", &[Need::Program("mkfifo")], live::link_ends)
        .test("sigterm_ends_it", &[Need::Program("mkfifo")], live::sigterm)
        .test("a_pipe_without_a_reader_ends_it", &[Need::Program("mkfifo")], live::reader_goes)
        .test("a_link_without_packets_is_left_and_told_of", &[Need::Program("mkfifo")], live::quiet)
        .test("failures_are_told_after_the_pipe_is_open", &[Need::Program("mkfifo")], live::failures)
        .run();
}
