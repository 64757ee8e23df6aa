//! A process that has no descriptor left, and so none for what ends a pause: its waits notice all that others notice,
//! and look no more often.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use memif::awaiting::TxQueue;
use memif::{InterfaceConfig, SendError, SocketError};
use testkit::patience::{Patience, STEP};
use testkit::{Child, Parent};

use crate::common::fill;
use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, address, give_way, socket};
use crate::waits::{counted, storm, unfenced};

/// Polls for which a full ring stays full.
const POLLS: u64 = 300;

pub(crate) fn tokio() {
    starved("one thread");
    starved("threads");
}

pub(crate) fn async_io() {
    starved("async-io");
}

fn starved(runtime: &str) {
    let mut child = Child::start("starved", &[runtime]);
    child.expect("done");
    child.finish();
}

pub(crate) fn helper(parent: &Parent) {
    match parent.argument(0) {
        "one thread" => all::<OneThread>(),
        "threads" => all::<Threads>(),
        _ => all::<AsyncIo>(),
    }
    parent.say("done");
}

fn all<R: Runtime>() {
    R::warm_up();
    unfenced::<R, _>(none_left);
    storm::<R, _>(none_left);
    for left in [0, 1] {
        room::<R>(left);
    }
    links_stay::<R>();
}

fn none_left() -> Vec<OwnedFd> {
    left(0)
}

fn left(room: usize) -> Vec<OwnedFd> {
    let mut held = Vec::new();
    fill(&mut held, room);
    held
}

/// A wait for room ends when there is some, whether all that is missing is a timer or everything.
fn room<R: Runtime>(left: usize) {
    let mut socket = socket(&address()).open().expect("a socket");
    let master = socket.add_interface(InterfaceConfig::master(0)).expect("a master");
    let slave = socket.add_interface(InterfaceConfig::slave(0).ring_size(8)).expect("a slave");
    let mut there = socket.wait_connected(master, STEP).expect("a link");
    let mut here = socket.wait_connected(slave, STEP).expect("a link");
    let mut tx = here.tx.remove(0);
    while tx.send(&[1; 64]) != Err(SendError::Full) {}
    let polls = Arc::new(AtomicU64::new(0));
    let polled = Arc::clone(&polls);
    let takes = std::thread::spawn(move || {
        let mut patience = Patience::default();
        while polled.load(Ordering::Relaxed) < POLLS {
            assert!(patience.more(), "nobody waits for room");
        }
        assert_eq!(there.rx[0].recv(64).expect("packets").packets().count(), 8);
        there
    });
    let time = R::run(async {
        let mut tx = TxQueue::<R::Reactor>::new(tx);
        let _held = self::left(left);
        let begin = Instant::now();
        counted(tx.send(&[1; 64]), &polls).await.expect("room");
        begin.elapsed()
    });
    drop(takes.join().expect("the other end"));
    let polls = polls.load(Ordering::Relaxed);
    // 64 of them at once.
    let most = 200 + 2 * u64::try_from(time.as_millis()).expect("a time");
    assert!(polls < most, "{polls} polls in {time:?}");
}

/// A link that nothing can wait for is given when something can.
fn links_stay<R: Runtime>() {
    R::run(async {
        let (control, driver) = R::drive(socket(&address()).open().expect("a socket"));
        let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
        let master = control.add_interface(InterfaceConfig::master(0)).expect("a master");
        let slave = control.add_interface(InterfaceConfig::slave(0)).expect("a slave");
        let is_up = |key| control.details(key).expect("an interface").link_up;
        while !(is_up(master) && is_up(slave)) {
            give_way().await;
        }
        let held = none_left();
        for key in [master, slave] {
            let error = control.connected(key).await.expect_err("no descriptor");
            assert!(matches!(error, SocketError::Io { .. }), "{error}");
        }
        drop(held);
        let mut there = control.connected(master).await.expect("a link");
        let mut here = control.connected(slave).await.expect("a link");
        here.tx[0].send(b"hello").await.expect("room");
        assert_eq!(there.rx[0].recv_into(&mut [0; 64]).await, Ok(5));
        drop((control, here, there));
        driver.await;
    });
}
