//! `memif links`: what it says of links between our own programs and between others, and that it disturbs nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

#[path = "../util/mod.rs"]
mod util;

mod others;
mod own;
mod rights;

use serde_json::Value;
use testkit::{Need, Suite, eventually};
use util::reports::reports;
use util::{Directory, Program, master, memif};

const DPDK: &[Need] = &[Need::Root, Need::Program("dpdk-testpmd"), Need::Program("stdbuf")];
const USERS: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::SharedTemporary];

fn main() {
    Suite::new()
        .alone()
        .test("both_ends_are_named", &[], own::both_ends)
        .test("queues_modes_and_chains_are_shown", &[], own::queues_modes_and_chains)
        .test("an_end_that_left_is_missing", &[], own::an_end_that_left)
        .test("a_process_that_is_not_there", &[], own::no_such_process)
        .test("more_memory_than_descriptors_hides_no_link", &[], own::more_memory_than_descriptors)
        .test("two_testpmd_are_seen", DPDK, others::two_testpmd)
        .test("an_ordinary_user_sees_its_own_links", USERS, rights::own_links)
        .test("what_may_not_be_seen_is_named", USERS, rights::not_permitted)
        .run()
}

/// The links of a process, as `--json` tells them.
fn links_of(pid: u32) -> Vec<Value> {
    let finished = memif(&format!("links --json --pid {pid}")).finish();
    assert!(finished.status.code().is_some_and(|code| code < 2), "{finished:#?}");
    reports(&finished).into_iter().filter(|report| report["type"] == "link").collect()
}

/// The only link of a process, as soon as it has one that two ends share and whose rings have been used.
fn link_of(pid: u32) -> Value {
    eventually("a link in use", || {
        let links = links_of(pid);
        assert!(links.len() < 2, "{links:#?}");
        let used = |link: &Value| link["rings"].as_array().unwrap().iter().any(|ring| ring["sent_slots"] != 0);
        links.into_iter().next().filter(|link| link["other_end"] == "there" && used(link))
    })
}

/// A responder and a ping beside it whose link is in use.
fn responder_and_ping(directory: &Directory) -> (Program, Program) {
    let socket = directory.text("memif.sock");
    let responder = master(&socket, "");
    let mut ping = memif(&format!("ping 192.168.1.2 --socket {socket} --interval 0.05"));
    ping.expect("icmp_seq=2");
    link_of(ping.pid());
    (responder, ping)
}

/// Pid and role of each end, slave first.
fn roles(link: &Value) -> Vec<(u64, String)> {
    let end = |end: &Value| (end["pid"].as_u64().unwrap(), end["role"].as_str().unwrap_or("?").to_owned());
    let mut roles: Vec<_> = link["ends"].as_array().unwrap().iter().map(end).collect();
    roles.sort_by(|first, second| second.1.cmp(&first.1));
    roles
}

/// A field of every ring of a direction.
fn rings(link: &Value, from_role: &str, field: &str) -> Vec<Value> {
    let rings = link["rings"].as_array().unwrap().iter().filter(|ring| ring["from_role"] == from_role);
    rings.map(|ring| ring[field].clone()).collect()
}
