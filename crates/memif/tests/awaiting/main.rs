//! Sockets and queues as futures: packets under random cancellation, ends of links, the driver, sleeps and wake-ups, in
//! both runtimes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod cancelled;
mod control;
mod ends;
mod runtimes;

use testkit::Suite;

fn main() {
    Suite::new()
        .test("cancelled_tokio_one_thread", &[], cancelled::tokio_one_thread)
        .test("cancelled_tokio_threads", &[], cancelled::tokio_threads)
        .test("cancelled_async_io", &[], cancelled::async_io)
        .test("a_peer_that_leaves_tokio", &[], ends::peer_leaves_tokio)
        .test("a_peer_that_leaves_async_io", &[], ends::peer_leaves_async_io)
        .test("links_stay_until_they_are_taken_tokio", &[], control::links_stay_tokio)
        .test("links_stay_until_they_are_taken_async_io", &[], control::links_stay_async_io)
        .test("the_driver_ends_tokio", &[], control::driver_ends_tokio)
        .test("the_driver_ends_async_io", &[], control::driver_ends_async_io)
        .test("events_tokio", &[], control::events_tokio)
        .test("events_async_io", &[], control::events_async_io)
        .run()
}
