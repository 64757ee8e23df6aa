//! Traffic in bursts between two processes, both under `strace`.

use std::time::Duration;

use memif::{Link, RecvError, RxMode};
use testkit::Parent;
use testkit::patience::STEP;
use testkit::traffic::{InOrder, packet};

use crate::helper::{end, fresh_name};
use crate::strace::{Calls, Traced};

/// Packets of a burst.
const BURST: u64 = 32;
/// Bursts under way at the same time, at most.
const WINDOW: u64 = 4;
/// Bursts: 200,000 packets each way.
const BURSTS: u64 = 6_250;
/// All system calls in the life of a process that polls: its start, the handshake and its end, whatever it sends.
const LIFE: u64 = 500;
/// How long a queue is busy in the adaptive mode of these tests: longer than this machine may stop a process.
const SPIN: Duration = Duration::from_secs(5);

/// Sends bursts, checks what comes back, tells its counters.
pub(crate) fn ping_helper(parent: &Parent) {
    let (driver, key, mut link) = end(parent, |config| config.spin(SPIN));
    let packets = parent.number(3) * BURST;
    let (rx, tx) = (&mut link.rx[0], &mut link.tx[0]);
    let mut order = InOrder::of(9);
    let mut sent = 0;
    // A master may hear of the link before its slave has posted the first buffers. Without a system call.
    while tx.reserve().expect("sending").push(&packet(9, 0, 64)).is_err() {
        std::hint::spin_loop();
    }
    while order.count() < packets {
        while sent < packets && sent - order.count() <= (WINDOW - 1) * BURST {
            let mut batch = tx.reserve().expect("sending");
            for _ in 0..BURST {
                batch.push(&packet(9, sent, 64)).expect("room: the window is smaller than the ring");
                sent += 1;
            }
            batch.commit();
        }
        assert!(rx.wait(Some(STEP)).expect("waiting"), "{} packets came back in time", order.count());
        let mut batch = rx.recv(64).expect("receiving");
        let mut bytes = [0; 64];
        for packet in &mut batch {
            assert_eq!(packet.copy_to(&mut bytes), 64);
            order.take(&bytes);
        }
    }
    tell(parent, &link);
    driver.call(move |socket| socket.disconnect(key, "done")).expect("disconnecting");
}

/// Sends back what comes until the link goes down, tells its counters.
pub(crate) fn echo_helper(parent: &Parent) {
    let (_driver, _key, mut link) = end(parent, |config| config.spin(SPIN));
    let (rx, tx) = (&mut link.rx[0], &mut link.tx[0]);
    loop {
        match rx.wait(None) {
            Ok(_) => {}
            Err(RecvError::Disconnected) => break,
            Err(error) => panic!("{error}"),
        }
        let Ok(mut batch) = rx.recv(64) else { break };
        let Ok(mut replies) = tx.reserve() else { break };
        for packet in &mut batch {
            replies.forward(packet).expect("room: the window is smaller than the ring");
        }
        replies.commit();
    }
    tell(parent, &link);
}

fn tell(parent: &Parent, link: &Link) {
    let (rx, tx) = (link.rx[0].counters(), link.tx[0].counters());
    let numbers = [rx.packets, rx.bytes, tx.packets, tx.bytes, rx.wake_ups, tx.signals];
    parent.say(format!("counters {}", numbers.map(|n| n.to_string()).join(" ")));
}

/// System calls of pinger and echo in that mode, for traffic of so many bursts. The counters of both ends agree.
fn exchange(mode: RxMode, pinger: &str, echo: &str, bursts: u64) -> [(Calls, u64, u64); 2] {
    let name = fresh_name();
    let mode = mode.to_string();
    let mut answering = Traced::start("echo", &[&name, echo, &mode]);
    let mut asking = Traced::start("ping", &[&name, pinger, &mode, &bursts.to_string()]);
    asking.child.expect("up");
    answering.child.expect("up");
    let packets = bursts * BURST;
    [asking, answering].map(|mut end| {
        let told = end.child.expect_within("counters", Duration::from_secs(240));
        let numbers: Vec<u64> = told.split_whitespace().map(|n| n.parse().expect("a number")).collect();
        assert_eq!(numbers[..4], [packets, packets * 64, packets, packets * 64], "received and sent");
        (end.finish(), numbers[4], numbers[5])
    })
}

/// Neither end makes a system call for a burst, whatever its role.
pub(crate) fn polling() {
    no_call_per_burst(RxMode::Polling);
}

/// As in polling mode, as long as packets keep coming.
pub(crate) fn adaptive() {
    no_call_per_burst(RxMode::Adaptive);
}

fn no_call_per_burst(mode: RxMode) {
    for (pinger, echo) in [("slave", "master"), ("master", "slave")] {
        for ((calls, wake_ups, signals), role) in exchange(mode, pinger, echo, BURSTS).into_iter().zip([pinger, echo]) {
            eprintln!("{mode} {role}: {} calls", calls.total());
            // One for each time that a busy machine kept the other end silent for long.
            let looks = calls.of("ppoll");
            assert!(looks < BURSTS / 10, "{looks} looks at the peer: {calls:?}");
            let taken = calls.total() - looks;
            assert!(taken < LIFE, "{BURSTS} bursts of a {mode} {role} took {taken}: {calls:?}");
            assert!(wake_ups + signals < 20, "{wake_ups} wake-ups and {signals} signals of a {role}");
            assert!(mode != RxMode::Polling || wake_ups + signals == 0, "signals although polling");
        }
    }
}

/// The price of sleeping, beside which the numbers above are none: this test would notice if nothing were counted.
pub(crate) fn interrupt() {
    let bursts = 500;
    for (calls, wake_ups, signals) in exchange(RxMode::Interrupt, "slave", "master", bursts) {
        // On a busy machine an end may answer two bursts in one.
        assert!(2 * signals >= bursts, "{signals} signals for {bursts} bursts");
        assert!(2 * calls.total() > bursts, "{} for {bursts} bursts: {calls:?}", calls.total());
        // A call for each signal, and one read for each sleep that one ended. Some are of the start and the end, and a
        // context has room for 126 signals: what came of them is collected in a call of its own.
        let some = 150;
        let (sent, collected) = (calls.of("io_submit"), calls.of("io_getevents"));
        let (looks, writes, reads) = (calls.of("fcntl"), calls.of("write"), calls.of("preadv2"));
        assert!(sent < signals + some, "{sent} calls for {signals} signals: {calls:?}");
        assert!(collected < signals / 16 + some, "{collected} calls for {signals} signals: {calls:?}");
        assert!(looks < some && writes < some, "{looks} looks and {writes} writes: {calls:?}");
        assert!(reads <= wake_ups, "{reads} reads for {wake_ups} wake-ups: {calls:?}");
    }
}
