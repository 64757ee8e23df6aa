//! Endpoints to which nothing happens do nothing.

use memif::{Event, InterfaceConfig, Socket};
use testkit::census::{cpu_ticks, voluntary_switches};
use testkit::patience::STEP;
use testkit::traffic::{InOrder, packet};
use testkit::{Child, Parent};

use crate::common::{receive, send, socket_address};
use crate::helper::{address, end, fresh_name, role};

/// Connects, lets some packets cross, and waits for more with a thread in `wait` and one in `poll`.
pub(crate) fn idle_helper(parent: &Parent) {
    let (driver, _key, mut link) = end(parent, |config| config);
    let mut order = InOrder::of(1);
    for sequence in 0..100 {
        send(&mut link.tx[0], &packet(1, sequence, 64));
        order.take(&receive(&mut link.rx[0]));
    }
    assert_eq!((link.rx[0].counters().packets, link.tx[0].counters().packets), (100, 100));
    let waiting = std::thread::spawn(move || link.rx[0].wait(None));
    parent.say("crossed");
    let _ = parent.hear();
    drop(driver);
    assert!(waiting.join().expect("the waiting thread").is_err(), "a packet from nowhere");
}

/// A slave whom nobody answers tells of each attempt; a master whom nobody asks says nothing. Default settings.
pub(crate) fn alone_helper(parent: &Parent) {
    let mut socket = Socket::builder(socket_address(&address(parent))).open().expect("a socket");
    socket.add_interface(InterfaceConfig::new(role(parent), 0)).expect("an interface");
    parent.say("alone");
    loop {
        if let Some(Event::ConnectFailed { retry_in, .. }) = socket.poll(None).expect("polling") {
            let pause = retry_in.expect("another attempt");
            parent.say(format!("attempt {}", pause.as_millis()));
        }
    }
}

/// What a process has done so far: went to sleep so often, used so many hundredths of a second.
fn activity(child: &Child) -> (u64, u64) {
    (voluntary_switches(child.pid()), cpu_ticks(child.pid()))
}

/// A disconnected slave, a master without peers, and links in every mode that sleeps, all at the same time. The window
/// is the time between two attempts of the slave, which is two seconds by default.
pub(crate) fn idle_endpoints_do_nothing() {
    let mut lonely = Child::start("alone", &[&fresh_name(), "slave"]);
    // This one watches its path, too, in a directory that nobody else writes to.
    let directory = std::env::temp_dir().join(format!("memif-idle-{}", testkit::seqsock::unique()));
    std::fs::create_dir(&directory).expect("a directory");
    let path = |name: &str| directory.join(name).display().to_string();
    let mut watcher = Child::start("alone", &[&path("no.sock"), "slave"]);
    let mut children = vec![("listening master".to_owned(), Child::start("alone", &[&fresh_name(), "master"]))];
    children[0].1.expect("alone");
    for mode in ["interrupt", "adaptive"] {
        let name = fresh_name();
        for role in ["master", "slave"] {
            children.push((format!("{mode} {role}"), Child::start("idle", &[&name, role, mode])));
        }
    }
    // Here the slave came first, so it watched until it had its link.
    let path = path("memif.sock");
    let waiting = Child::start("idle", &[&path, "slave", "interrupt"]);
    watcher.expect_within("attempt", STEP);
    children.push(("its master".to_owned(), Child::start("idle", &[&path, "master", "interrupt"])));
    children.push(("slave that has waited".to_owned(), waiting));
    for (_, child) in &mut children[1..] {
        child.expect("crossed");
    }
    let attempt = |lonely: &mut Child| {
        let pause = lonely.expect_within("attempt", STEP);
        pause.parse::<u64>().expect("milliseconds")
    };
    // The first attempts follow each other closely; after the first at full distance everybody has come to rest.
    while attempt(&mut watcher) < 2_000 {}
    while attempt(&mut lonely) < 2_000 {}
    attempt(&mut lonely);
    let (quiet, alone): (Vec<_>, _) = (children.iter().map(|c| activity(&c.1)).collect(), activity(&lonely));
    let watching = activity(&watcher);
    assert_eq!(attempt(&mut lonely), 2_000);
    let now = activity(&lonely);
    assert!(now.0 - alone.0 < 20, "one attempt of a slave woke it {} times", now.0 - alone.0);
    assert!(now.1 - alone.1 < 5, "one attempt of a slave took {} ticks", now.1 - alone.1);
    let watched = activity(&watcher);
    assert!(watched.0 - watching.0 < 40, "a watch woke {} times", watched.0 - watching.0);
    assert!(watched.1 - watching.1 < 5, "a watch took {} ticks", watched.1 - watching.1);
    for ((what, child), before) in children.iter().zip(quiet) {
        let now = activity(child);
        assert!(now.0 - before.0 < 5, "{what}: {} wake-ups while nothing happened", now.0 - before.0);
        assert!(now.1 - before.1 < 5, "{what}: {} ticks while nothing happened", now.1 - before.1);
    }
    for (_, child) in &mut children[1..] {
        child.say("end");
    }
    for (_, child) in &mut children[1..] {
        child.finish();
    }
    let _ = std::fs::remove_dir_all(&directory);
}
