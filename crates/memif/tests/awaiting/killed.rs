//! A peer that is killed while tasks wait: each of them ends with a reason, in every receive mode.

use std::sync::mpsc::channel;

use memif::awaiting::Link;
use memif::{DisconnectReason, Event, InterfaceConfig, Link as ForThreads, Role, RxMode};
use testkit::patience::STEP;
use testkit::{Child, Parent};

use crate::ends::wait_for_the_end;
use crate::runtimes::{AsyncIo, OneThread, Runtime, Threads, address, socket};

pub(crate) fn tokio() {
    killed::<OneThread>();
    killed::<Threads>();
}

pub(crate) fn async_io() {
    killed::<AsyncIo>();
}

fn config(role: Role) -> InterfaceConfig {
    match role {
        Role::Master => InterfaceConfig::master(0),
        Role::Slave => InterfaceConfig::slave(0),
    }
}

/// The process that is killed: it sends a packet, receives none, and ends with the test at the latest.
pub(crate) fn peer(parent: &Parent) {
    let role = parent.argument(1).parse().expect("a role");
    let mut socket = socket(parent.argument(0)).open().expect("a socket");
    let key = socket.add_interface(config(role)).expect("an interface");
    let mut link: ForThreads = socket.wait_connected(key, STEP).expect("a link");
    link.tx[0].send_wait(b"the last").expect("sending");
    parent.say("sent");
    let _ = parent.hear();
}

/// With a driver, which tells why, and where nobody drives the socket.
fn killed<R: Runtime>() {
    for (ours, theirs) in [(Role::Master, Role::Slave), (Role::Slave, Role::Master)] {
        for (mode, driven) in [
            (RxMode::Polling, true),
            (RxMode::Interrupt, true),
            (RxMode::Adaptive, true),
            (RxMode::Polling, false),
            (RxMode::Interrupt, false),
            (RxMode::Adaptive, false),
        ] {
            let name = address();
            let mut peer = Child::start("killed", &[&name, &theirs.to_string()]);
            let (told, waits) = channel();
            let kills = std::thread::spawn(move || {
                waits.recv_timeout(STEP).expect("tasks that are about to wait");
                peer.expect("sent");
                peer.kill();
            });
            let config = config(ours).rx_mode(mode);
            if driven {
                R::run(with_driver::<R>(&name, config, told));
            } else {
                let mut socket = socket(&name).open().expect("a socket");
                let key = socket.add_interface(config).expect("an interface");
                let link = socket.wait_connected(key, STEP).expect("a link");
                R::run(async {
                    for task in wait_for_the_end::<R>(Link::new(link).expect("a descriptor"), told) {
                        task.await;
                    }
                });
            }
            kills.join().expect("the peer");
        }
    }
}

async fn with_driver<R: Runtime>(name: &str, config: InterfaceConfig, told: std::sync::mpsc::Sender<()>) {
    let (control, driver) = R::drive(socket(name).open().expect("a socket"));
    let mut events = control.events();
    let driver = R::spawn(Box::pin(async move { driver.await.expect("driving") }));
    let key = control.add_interface(config).expect("an interface");
    for task in wait_for_the_end::<R>(control.connected(key).await.expect("a link"), told) {
        task.await;
    }
    // A slave may have tried in vain before the peer was there.
    let (interface, reason) = loop {
        match events.next().await.expect("an event") {
            Event::Disconnected { interface, reason, .. } => break (interface, reason),
            Event::ConnectFailed { .. } => {}
            event => panic!("{event:?}"),
        }
    };
    assert_eq!(interface, key);
    assert!(matches!(reason, DisconnectReason::Hangup), "{reason:?}");
    // Whoever waits for the next link hears that there will be none.
    control.remove_interface(key).expect("an interface");
    assert!(control.connected(key).await.is_err());
    drop(control);
    driver.await;
    while events.next().await.is_some() {}
}
