//! Stacks of smoltcp over links: TCP by content, room and its absence, links that come and go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod bed;
mod curl;
#[path = "../common/features.rs"]
mod features;
mod rubbish;
mod stack;
mod traffic;

use std::sync::atomic::{AtomicU32, Ordering};

use testkit::Suite;
use testkit::download::NEEDS;

/// An address that no other test has.
fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("@memif-smoltcp-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn main() {
    Suite::new()
        .test("tcp_both_ways", &[], traffic::tcp_both_ways)
        .test("no_token_whose_frame_is_lost", &[], traffic::no_token_whose_frame_is_lost)
        .test("a_burst_is_no_limit_of_what_comes_at_once", &[], traffic::a_burst_is_no_limit_of_what_comes_at_once)
        .test("two_full_rings_do_not_wait_for_each_other", &[], traffic::two_full_rings_do_not_wait_for_each_other)
        .test("connections_outlive_a_link", &[], traffic::connections_outlive_a_link)
        .test("tokens_are_room", &[], stack::tokens_are_room)
        .test("room_is_by_the_buffers_that_are_there", &[], stack::room_is_by_the_buffers_that_are_there)
        .test("nothing_is_received_without_room_for_a_reply", &[], stack::nothing_is_received_without_room_for_a_reply)
        .test("a_full_ring_is_no_busy_loop", &[], stack::a_full_ring_is_no_busy_loop)
        .test("a_turn_is_bounded", &[], stack::a_turn_is_bounded)
        .test("a_link_that_does_not_carry_the_mtu", &[], stack::a_link_that_does_not_carry_the_mtu)
        .test("settings_that_cannot_be", &[], stack::settings_that_cannot_be)
        .test("one_neighbour_is_asked_for_in_a_second", &[], stack::one_neighbour_is_asked_for_in_a_second)
        .test("a_datagram_over_the_mtu_is_lost", &[], stack::a_datagram_over_the_mtu_is_lost)
        .test("waits_end", &[], stack::waits_end)
        .test("rubbish_is_survived", &[], rubbish::rubbish_is_survived)
        .building(curl::build)
        .test("curl_downloads_at_mtu_1500", NEEDS, curl::mtu_1500)
        .test("curl_downloads_at_mtu_9000", NEEDS, curl::mtu_9000)
        .run()
}
