//! An event of one interface costs the same system calls whether it is the only one of its socket or one of hundreds.

use std::collections::HashMap;
use std::time::Duration;

use memif::{Event, InterfaceConfig, InterfaceKey, Link, Role, RxMode, Socket};
use rustix::process::{PTracer, Resource, Rlimit, getrlimit, set_ptracer, setrlimit};
use testkit::traffic::{InOrder, packet};
use testkit::{Address, Child, Parent};

use crate::common::{Driver, receive, send, socket_address};
use crate::helper::{address, fresh_name, role};
use crate::strace::calls_of;

/// Idle interfaces beside the busy one.
const CROWD: u32 = 300;
/// Packets, one after the other.
const PACKETS: u64 = 2_000;
/// Times that the busy link goes down and comes again.
const LINKS: u64 = 50;
/// Id of the interface whose link ends the helper when it goes down.
const END: u32 = 1_000_000;

/// Small rings; every packet is signalled.
fn config(role: Role, id: u32) -> InterfaceConfig {
    InterfaceConfig::new(role, id).ring_size(8).rx_mode(RxMode::Interrupt)
}

/// The process under test: one thread, one loop, one descriptor for all of its interfaces. It echoes.
pub(crate) fn helper(parent: &Parent) {
    raise_fd_limit();
    // Where only a parent may trace a process, strace is none.
    let _ = set_ptracer(PTracer::Any);
    let builder = Socket::builder(socket_address(&address(parent)));
    // Links that do not last are not come back to at once.
    let mut socket = builder.retry_period(Duration::from_millis(20)).open().expect("a socket");
    let crowd = u32::try_from(parent.number(2)).expect("a count");
    let ids = (0..=crowd).chain([END]);
    let keys: Vec<_> = ids.map(|id| socket.add_interface(config(role(parent), id)).expect("an interface")).collect();
    let end = keys[keys.len() - 1];
    parent.say("ready");
    let mut links: HashMap<InterfaceKey, Link> = HashMap::new();
    let mut told = false;
    loop {
        match socket.poll(None).expect("polling") {
            Some(Event::Connected { interface, link }) => {
                socket.watch(interface, 0).expect("watching");
                links.insert(interface, link);
                if links.len() == keys.len() && !std::mem::replace(&mut told, true) {
                    parent.say("up");
                }
            }
            Some(Event::Readable { interface, .. }) => echo(links.get_mut(&interface).expect("a link")),
            Some(Event::Disconnected { interface, .. }) if interface == end => break,
            Some(Event::Disconnected { interface, .. }) => drop(links.remove(&interface)),
            _ => {}
        }
    }
    parent.say("end");
}

/// Sends back what is there. The link may be down already: its end comes as an event of its own.
fn echo(link: &mut Link) {
    link.rx[0].acknowledge();
    while let Ok(mut batch) = link.rx[0].recv(8) {
        if batch.is_empty() {
            return;
        }
        let Ok(mut replies) = link.tx[0].reserve() else { return };
        for packet in &mut batch {
            replies.forward(packet).expect("room");
        }
        replies.commit();
    }
}

/// What a helper is put through.
#[derive(Clone, Copy, Debug)]
enum Load {
    Packets,
    Links,
}

/// System calls per event of a helper in that role with so many idle interfaces.
fn cost(role: Role, crowd: u32, load: Load) -> f64 {
    let name = fresh_name();
    let mut driver = Driver::open(&Address::Abstract(name.clone().into_bytes()));
    let ids = || (0..=crowd).chain([END]);
    let arguments = [&name, &role.to_string(), &crowd.to_string()];
    let start = || Child::start("crowd", &arguments.map(String::as_str));
    // Masters are there before slaves look for them.
    let (mut helper, keys): (_, Vec<_>) = match role {
        Role::Master => {
            let mut helper = start();
            helper.expect("ready");
            (helper, ids().map(|id| driver.add(config(Role::Slave, id))).collect())
        }
        Role::Slave => {
            let keys = ids().map(|id| driver.add(config(Role::Master, id))).collect();
            (start(), keys)
        }
    };
    let mut links: Vec<_> = keys.iter().map(|key| driver.connected(*key)).collect();
    helper.expect("up");
    let mut order = InOrder::of(2);
    let mut bounce = |link: &mut Link, count: u64| {
        for sequence in order.count()..order.count() + count {
            send(&mut link.tx[0], &packet(2, sequence, 64));
            order.take(&receive(&mut link.rx[0]));
        }
    };
    // Each idle interface works.
    for link in &mut links {
        bounce(link, 1);
    }
    let (events, calls) = match load {
        Load::Packets => (PACKETS, calls_of(&helper, || bounce(&mut links[0], PACKETS))),
        Load::Links => {
            let again = || {
                for _ in 0..LINKS {
                    let key = keys[0];
                    driver.call(move |socket| socket.disconnect(key, "again")).expect("disconnecting");
                    driver.disconnected(key);
                    links[0] = driver.connected(key);
                    bounce(&mut links[0], 1);
                }
            };
            (LINKS, calls_of(&helper, again))
        }
    };
    let sent = links[0].tx[0].counters().packets;
    assert_eq!(sent, if matches!(load, Load::Packets) { PACKETS + 1 } else { 1 });
    assert_eq!(links[0].rx[0].counters().packets, sent, "received and sent");
    let end = keys[keys.len() - 1];
    driver.call(move |socket| socket.disconnect(end, "the end")).expect("disconnecting");
    helper.expect("end");
    helper.finish();
    calls.total() as f64 / events as f64
}

/// One interface, and one among many.
fn compare(role: Role, load: Load) {
    raise_fd_limit();
    let (one, many) = (cost(role, 0, load), cost(role, CROWD, load));
    eprintln!("{role}, {load:?}: {one:.2} calls per event alone, {many:.2} beside {CROWD} idle interfaces");
    assert!(one > 0.5, "{one} calls per event: nothing counted");
    assert!(many < one * 1.5 + 10.0, "{one} calls per event alone, {many} beside {CROWD} idle interfaces");
}

/// Packets to a master.
pub(crate) fn packets_to_a_master() {
    compare(Role::Master, Load::Packets);
}

/// Packets to a slave.
pub(crate) fn packets_to_a_slave() {
    compare(Role::Slave, Load::Packets);
}

/// Links to a master that go and come.
pub(crate) fn links_to_a_master() {
    compare(Role::Master, Load::Links);
}

/// Links of a slave that go and come.
pub(crate) fn links_to_a_slave() {
    compare(Role::Slave, Load::Links);
}

/// A link takes a handful of descriptors at either end.
fn raise_fd_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("raising the soft limit of descriptors");
}
