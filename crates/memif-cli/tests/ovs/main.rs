//! The command against Open vSwitch on DPDK. One switch serves all tests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

mod client;
mod server;
#[path = "../util/mod.rs"]
mod util;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use testkit::{Need, Ovs, Suite, ovs};
use util::{Program, memif};

const NEEDS: &[Need] =
    &[Need::Root, Need::NetNamespace, Need::Program("ip"), Need::Program("setpriv"), Need::Program(ovs::DAEMON)];

fn main() {
    Suite::new()
        .alone()
        .test("server_with_two_receive_queues_here", NEEDS, server::two_receive_queues)
        .test("server_whose_queues_are_found", NEEDS, server::queues_are_found)
        .test("server_opposite_one_receive_queue", NEEDS, server::one_receive_queue)
        .test("client_opposite_ping", NEEDS, client::opposite_ping)
        .test("client_opposite_responder", NEEDS, client::opposite_responder)
        .test("client_with_more_queues", NEEDS, client::with_more_queues)
        // Last: the switch keeps the memory for long packets, and then has too little for another port.
        .test("server_with_jumbo_packets", NEEDS, server::jumbo)
        .last(|| drop(shared_switch().take()))
        .run()
}

/// Requests of each ping.
const COUNT: u32 = 20;

static SWITCH: Mutex<Option<Ovs>> = Mutex::new(None);

/// Does something with the switch that all tests share. One with which a test failed goes away with it.
fn with_switch(test: impl FnOnce(&mut Ovs)) {
    let mut switch = shared_switch().take().unwrap_or_else(Ovs::new);
    test(&mut switch);
    *shared_switch() = Some(switch);
}

fn shared_switch() -> MutexGuard<'static, Option<Ovs>> {
    SWITCH.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A responder that is ready, with options of its own.
fn responder(socket: &Path, options: &str) -> Program {
    let mut responder = memif(&format!("responder --socket {} --ip 192.168.1.2 {options}", socket.display()));
    responder.expect("192.168.1.2");
    responder
}

/// A ping of that responder, with options of its own.
fn ping(socket: &Path, options: &str) -> Program {
    memif(&format!(
        "ping 192.168.1.2 --ip 192.168.1.1 --socket {} --count {COUNT} --interval 0.01 --timeout 60 \
         --connect-timeout 60 {options}",
        socket.display()
    ))
}

/// Every request was answered once.
#[track_caller]
fn all_answered(ping: Program) {
    let all = format!("{COUNT} packets transmitted, {COUNT} received, 0% packet loss");
    ping.finish().code(0).says(&all);
}
