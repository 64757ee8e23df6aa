//! Slaves of ours that give up before INIT, or die there, leave in one of the two ways that every master survives (V2,
//! L3): with one ACK and the end, or with a HELLO that was never read.

use std::time::Duration;

use memif::{InterfaceConfig, InterfaceKey};
use rustix::process::{Pid, Signal, kill_process};
use testkit::wiremsg::{Hello, Message};
use testkit::{
    Address, Child, MasterPlan, Parent, Received, Reply, ScriptedMaster, SeqListener, SeqSocket, eventually,
};

use crate::common::{Driver, cross, receive, send};

/// What a master that says nothing yet sees of a slave that gives up.
#[track_caller]
fn leaves_with_one_ack(give_up: impl FnOnce(Driver, InterfaceKey) -> Option<(Driver, InterfaceKey)>) {
    let address = Address::fresh_abstract();
    let master = ScriptedMaster::bind(&address, MasterPlan::default());
    let driver = Driver::open_with(&address, |builder| builder.handshake_timeout(Duration::from_millis(300)));
    let key = driver.add(InterfaceConfig::slave(0).ring_size(64));
    let silent: SeqSocket = master.listener.accept();
    let left = give_up(driver, key);
    assert_eq!(silent.drain(), [Message::Ack], "what a slave says before INIT");
    let Some((mut driver, key)) = left else { return };
    driver.set_admin_up(key, true);
    let mut peer = eventually("a good link", || master.serve_with(|_| Reply::Usual).ok());
    let mut link = driver.connected(key);
    cross(&mut link, &mut peer);
}

pub(crate) fn v02_every_way_to_give_up_before_init() {
    leaves_with_one_ack(|driver, key| {
        driver.set_admin_up(key, false);
        Some((driver, key))
    });
    leaves_with_one_ack(|driver, key| {
        driver.call(move |socket| socket.disconnect(key, "not any more")).expect("disconnecting");
        Some((driver, key))
    });
    leaves_with_one_ack(|driver, key| {
        driver.call(move |socket| socket.remove_interface(key)).expect("removing");
        let key = driver.add(InterfaceConfig::slave(1).ring_size(64));
        Some((driver, key))
    });
    leaves_with_one_ack(|mut driver, key| {
        let error = driver.connect_failed(key);
        assert!(error.to_string().contains("handshake not done in 300 ms"), "{error}");
        Some((driver, key))
    });
    leaves_with_one_ack(|driver, _| {
        drop(driver);
        None
    });
}

/// The helper: a slave that connects, and sends back what comes.
pub(crate) fn helper(parent: &Parent) {
    let mut driver = Driver::open(&Address::Path(parent.argument(0).into()));
    let key = driver.add(InterfaceConfig::slave(0).ring_size(64));
    let mut link = driver.connected(key);
    while parent.hear().is_some() {
        let packet = receive(&mut link.rx[0]);
        send(&mut link.tx[0], &packet);
        let counters = (link.rx[0].counters().packets, link.tx[0].counters().packets);
        parent.say(format!("echoed {counters:?}"));
    }
}

fn start(address: &Address) -> Child {
    Child::start("slave", &[&address.path().display().to_string()])
}

fn hello() -> Message {
    Message::Hello(Hello::usual("VPP"))
}

/// Stopped with HELLO on its way, then killed: the master gets a reset.
pub(crate) fn v02_killed_with_hello_unread() {
    let address = Address::fresh();
    let listener = SeqListener::bind(&address);
    for _ in 0..5 {
        let mut child = start(&address);
        let socket = listener.accept();
        let pid = i32::try_from(child.pid()).ok().and_then(Pid::from_raw).expect("a process");
        kill_process(pid, Signal::STOP).expect("SIGSTOP");
        eventually("the helper to be stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.pid())).ok()?;
            stat.rsplit_once(')')?.1.trim_start().starts_with('T').then_some(())
        });
        socket.send(&hello());
        child.kill();
        let first = socket.receive();
        assert!(matches!(first, Received::Reset), "no reset: {first:?}");
    }
}

/// Killed at any moment around HELLO: what the master reads first is INIT or a reset.
pub(crate) fn v02_killed_at_any_moment() {
    let address = Address::fresh();
    let listener = SeqListener::bind(&address);
    for round in 0..30u32 {
        let mut child = start(&address);
        let socket = listener.accept();
        socket.send(&hello());
        for _ in 0..round * 200 {
            std::hint::spin_loop();
        }
        child.kill();
        match socket.receive() {
            Received::Reset => {}
            Received::Message { bytes, .. } => {
                let first = Message::decode(&bytes);
                assert!(matches!(first, Message::Init(_)), "{first:?}");
            }
            other => panic!("neither INIT nor a reset: {other:?}"),
        }
    }
    drop(listener);
    // The next one is served.
    let master = ScriptedMaster::bind(&address, MasterPlan::default());
    let mut child = start(&address);
    let mut link = master.serve();
    link.tx[0].send(b"there and back");
    child.say("echo");
    assert_eq!(link.rx[0].wait(), b"there and back");
    assert_eq!(child.expect("echoed "), "(1, 1)");
    child.finish();
}
