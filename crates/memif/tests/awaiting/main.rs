//! Sockets and queues as futures: packets under random cancellation, ends of links, the driver, sleeps and wake-ups, in
//! both runtimes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../dpdk/bed.rs"]
#[allow(dead_code, reason = "another program uses all of it")]
mod bed;
#[path = "../common/mod.rs"]
mod common;
#[path = "../dpdk/frames.rs"]
#[allow(dead_code, reason = "another program uses all of it")]
mod frames;

mod adapters;
mod anew;
mod cancelled;
mod control;
mod device;
mod dpdk;
mod ends;
mod example;
#[path = "../common/features.rs"]
mod features;
mod idle;
mod killed;
mod runtimes;
mod starved;
mod waits;

use bed::Dpdk;
use testkit::{Need, Suite};

const DPDK: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];

fn main() {
    Suite::new()
        .alone()
        .scenario("killed", killed::peer)
        .scenario("starved", starved::helper)
        .long_test("cancelled_tokio_one_thread", cancelled::limit(9), &[], cancelled::tokio_one_thread)
        .long_test("cancelled_tokio_threads", cancelled::limit(9), &[], cancelled::tokio_threads)
        .long_test("cancelled_async_io", cancelled::limit(9), &[], cancelled::async_io)
        .long_test("cancelled_async_io_one_thread", cancelled::limit(9), &[], cancelled::async_io_one_thread)
        .test("a_peer_that_leaves_tokio", &[], ends::peer_leaves_tokio)
        .test("a_peer_that_leaves_async_io", &[], ends::peer_leaves_async_io)
        .test("a_peer_that_is_killed_tokio", &[], killed::tokio)
        .test("a_peer_that_is_killed_async_io", &[], killed::async_io)
        .test("links_stay_until_they_are_taken_tokio", &[], control::links_stay_tokio)
        .test("links_stay_until_they_are_taken_async_io", &[], control::links_stay_async_io)
        .test("the_driver_ends_tokio", &[], control::driver_ends_tokio)
        .test("the_driver_ends_async_io", &[], control::driver_ends_async_io)
        .test("wakers_that_come_back_tokio", &[], control::wakers_tokio)
        .test("wakers_that_come_back_async_io", &[], control::wakers_async_io)
        .test("events_tokio", &[], control::events_tokio)
        .test("events_async_io", &[], control::events_async_io)
        .test("senders_without_a_fence_tokio", &[], waits::unfenced_tokio)
        .test("senders_without_a_fence_async_io", &[], waits::unfenced_async_io)
        .test("signals_are_taken_tokio", &[], waits::signals_are_taken_tokio)
        .test("signals_are_taken_async_io", &[], waits::signals_are_taken_async_io)
        .test("storms_tokio", &[], waits::storms_tokio)
        .test("storms_async_io", &[], waits::storms_async_io)
        .test("no_descriptor_left_tokio", &[], starved::tokio)
        .test("no_descriptor_left_async_io", &[], starved::async_io)
        .test("futures_made_anew_tokio", &[], anew::tokio)
        .test("futures_made_anew_async_io", &[], anew::async_io)
        .test("others_have_their_turn_tokio", &[], waits::fair_tokio)
        .test("others_have_their_turn_async_io", &[], waits::fair_async_io)
        .test("streams_and_sinks_tokio", &[], adapters::streams_tokio)
        .test("streams_and_sinks_async_io", &[], adapters::streams_async_io)
        .test("sinks_keep_batches_tokio", &[], adapters::batches_tokio)
        .test("sinks_keep_batches_async_io", &[], adapters::batches_async_io)
        .test("ip_devices_tokio", &[], adapters::devices_tokio)
        .test("ip_devices_async_io", &[], adapters::devices_async_io)
        .test("devices_read_tokio", &[], device::reads_tokio)
        .test("devices_read_async_io", &[], device::reads_async_io)
        .test("devices_write_tokio", &[], device::writes_tokio)
        .test("devices_write_async_io", &[], device::writes_async_io)
        .test("writes_that_are_dropped_tokio", &[], device::dropped_tokio)
        .test("writes_that_are_dropped_async_io", &[], device::dropped_async_io)
        .test("devices_end_with_their_link_tokio", &[], device::ends_tokio)
        .test("devices_end_with_their_link_async_io", &[], device::ends_async_io)
        .test("no_runtime_to_wait_in", &[], device::without_a_runtime)
        .test("a_thousand_idle_tokio_one_thread", &[], idle::tokio_one_thread)
        .test("a_thousand_idle_tokio_threads", &[], idle::tokio_threads)
        .test("a_thousand_idle_async_io", &[], idle::async_io)
        .long_test("dpdk_server", cancelled::limit(9), DPDK, || dpdk::macswap(Dpdk::Server))
        .long_test("dpdk_client", cancelled::limit(9), DPDK, || dpdk::macswap(Dpdk::Client))
        .building(example::build)
        .test("example_async_echo", &[], example::async_echo)
        .run()
}
