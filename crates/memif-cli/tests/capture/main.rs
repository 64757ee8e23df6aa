//! `memif capture` and `--write`: what stands in files and lines, and what becomes of the links.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail so")]

mod failures;
mod files;
mod lines;
mod traffic;
#[path = "../util/mod.rs"]
mod util;

use testkit::{Need, Suite};

use util::pcapng::{Read, read};
use util::{Program, memif};

fn main() {
    Suite::new()
        .test("pinger_tap_and_responder_write_the_same", &[], traffic::all_write_the_same)
        .test("all_queues_are_captured", &[], traffic::all_queues)
        .test("a_tap_joins_any_two_roles", &[], traffic::any_two_roles)
        .test("a_peer_that_comes_back_is_captured_again", &[], traffic::peer_comes_back)
        .test("wrong_descriptors_alone_are_counted", &[], traffic::wrong_descriptors)
        .test("raw_ip_is_written_as_such", &[], traffic::raw_ip)
        .test("what_ends_a_capture", &[], files::what_ends_a_capture)
        .test("files_are_rotated_and_compressed", &[Need::Program("gzip")], files::rotated_and_compressed)
        .test("a_file_is_whole_after_sigkill", &[], files::whole_after_sigkill)
        .test("statistics_in_json", &[], files::statistics_in_json)
        .test("each_packet_has_a_line", &[], lines::each_packet_has_a_line)
        .test("packets_in_json", &[], lines::packets_in_json)
        .test("a_reader_that_goes_is_no_error", &[], failures::reader_that_goes)
        .test("a_signal_ends_the_wait_for_a_reader", &[], failures::signal_before_reader)
        .test("a_tap_outlives_its_reader", &[], failures::tap_outlives_its_reader)
        .test("a_full_disk_ends_a_capture_and_no_tap", &[Need::Root], failures::full_disk)
        .test("names_say_what_is_written", &[], failures::names)
        .test("wrong_use_has_an_answer", &[], failures::wrong_use)
        .run();
}

/// Packets without what differs between who captures them.
fn data(read: &Read) -> Vec<&[u8]> {
    read.packets.iter().map(|packet| &packet.data[..]).collect()
}

/// A capture that has its socket as master.
#[track_caller]
fn capture(socket: &str, options: &str) -> Program {
    let mut capture = memif(&format!("capture --role master --socket {socket} {options}"));
    capture.expect("capturing on");
    capture
}

/// A tap between the slaves of one socket and the master of another.
#[track_caller]
fn tap(master: &str, slaves: &str, options: &str) -> Program {
    let mut tap = memif(&format!("capture --socket {master} --via {slaves} {options}"));
    tap.expect("connected to");
    tap
}
