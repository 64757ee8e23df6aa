//! A program that is stopped and continued, as by Ctrl-Z and `fg`, goes on waiting; one with handlers of signals keeps
//! its links.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memif::{Event, InterfaceConfig, RxQueue, Socket};
use rustix::process::{Pid, Signal, kill_process};
use testkit::patience::STEP;
use testkit::{Address, Child, Parent, eventually};

use crate::common::socket_address;

/// The helper: waits without limit, for its link and then for a packet.
pub(crate) fn helper(parent: &Parent) {
    let mut socket = Socket::builder(parent.argument(0)).open().expect("a socket");
    socket.add_interface(InterfaceConfig::master(0)).expect("an interface");
    parent.say("waits for a link");
    // As every loop of events is written.
    let mut link = None;
    while let Some(event) = socket.poll(None).expect("poll") {
        if let Event::Connected { link: new, .. } = event {
            link = Some(new);
            break;
        }
    }
    let Some(mut link) = link else { return parent.say("poll gave nothing") };
    parent.say("waits for a packet");
    parent.say(format!("wait gave {:?}", RxQueue::wait_any(&mut link.rx, None)));
}

/// The state of the helper's main thread.
fn state(child: &Child) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).ok()?;
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next();
    assert_ne!(state, Some('Z'), "the helper has ended: {}", child.output());
    state
}

/// Stops the helper while it sleeps, and lets it go on.
fn halt(child: &Child) {
    let pid = i32::try_from(child.pid()).ok().and_then(Pid::from_raw).expect("a process");
    for _ in 0..20 {
        eventually("the helper to sleep", || (state(child)? == 'S').then_some(()));
        kill_process(pid, Signal::STOP).expect("SIGSTOP");
        eventually("the helper to be stopped", || (state(child)? == 'T').then_some(()));
        kill_process(pid, Signal::CONT).expect("SIGCONT");
    }
}

pub(crate) fn waits_go_on_after_a_stop() {
    let address = Address::fresh();
    let mut child = Child::start("halted", &[&address.path().display().to_string()]);
    child.expect("waits for a link");
    halt(&child);
    let mut socket = Socket::builder(socket_address(&address)).retry_period(Duration::from_millis(20)).open().unwrap();
    let slave = socket.add_interface(InterfaceConfig::slave(0)).expect("an interface");
    let mut link = socket.wait_connected(slave, STEP).expect("a link");
    child.expect("waits for a packet");
    halt(&child);
    link.tx[0].send(&[1; 60]).expect("room");
    assert_eq!(child.expect("wait gave "), "Ok(Some(0))");
    child.finish();
}

/// The helper: looks for its peer all the time while a handler runs all the time, as that of a profiler does.
pub(crate) fn stormed(parent: &Parent) {
    let mut socket = Socket::builder(parent.argument(0)).open().expect("a socket");
    let key = socket.add_interface(InterfaceConfig::master(0)).expect("an interface");
    parent.say("waits for a link");
    let mut link = socket.wait_connected(key, STEP).expect("a link");
    let handled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(Signal::USR1.as_raw(), handled.clone()).expect("a handler");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                kill_process(rustix::process::getpid(), Signal::USR1).expect("a signal of our own");
                std::thread::yield_now();
            }
        });
        for _ in 0..200_000 {
            link.rx[0].acknowledge();
        }
        over.store(true, Ordering::Relaxed);
    });
    let up = link.rx[0].is_connected() && socket.details(key).expect("its interface").link_up;
    parent.say(format!("handled {}, up {up}", handled.load(Ordering::Relaxed)));
}

pub(crate) fn handlers_of_signals_end_no_link() {
    let address = Address::fresh();
    let mut child = Child::start("stormed", &[&address.path().display().to_string()]);
    child.expect("waits for a link");
    let mut socket = Socket::builder(socket_address(&address)).retry_period(Duration::from_millis(20)).open().unwrap();
    let slave = socket.add_interface(InterfaceConfig::slave(0)).expect("an interface");
    let _link = socket.wait_connected(slave, STEP).expect("a link");
    assert_eq!(child.expect("handled "), "true, up true");
    child.finish();
}
