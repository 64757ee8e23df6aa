//! A program with one event loop: the socket's descriptor alone tells of connections, packets and wakers.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::Duration;

use memif::{
    ConnectError, DisconnectReason, Event, InterfaceConfig, InterfaceKey, Link, RecvError, Refusal, RxMode, Secret,
    Socket, SocketError, WaitError,
};
use serde_json::json;
use testkit::patience::STEP;
use testkit::seqsock::readable;
use testkit::{Address, Census, Patience};

use crate::common::{receive, send, socket_address};
use crate::end::{End, load, number};

fn open(address: &Address) -> Socket {
    let builder = Socket::builder(socket_address(address)).retry_period(Duration::from_millis(20));
    builder.open().expect("a socket")
}

/// The next event, by way of the descriptor, as a foreign loop gets it.
fn next_event(socket: &mut Socket) -> Event {
    let mut patience = Patience::default();
    loop {
        assert!(readable(socket.as_fd(), STEP), "the socket's descriptor is not readable in time");
        if let Some(event) = socket.poll(Some(Duration::ZERO)).expect("poll") {
            return event;
        }
        assert!(patience.more(), "readable, and no event");
    }
}

/// Packets and connections through one descriptor: an echo that sleeps between packets, and survives its peer.
pub(crate) fn one_descriptor_for_everything() {
    for role in ["slave", "master"] {
        let address = Address::fresh();
        let mut socket = open(&address);
        let config = InterfaceConfig::new(role.parse().expect("a role"), 0);
        let other = if role == "slave" { "master" } else { "slave" };
        let config = config.rx_mode(RxMode::Interrupt).rx_queues(2).tx_queues(2);
        let interface = socket.add_interface(config).expect("an interface");
        for queue in 0..2 {
            socket.watch(interface, queue).expect("watching");
        }
        for _ in 0..2 {
            let mut peer = End::at(&address);
            let there = peer.add(json!({"role": other, "rx": 2, "tx": 2, "ring": 256}));
            let mut ping = load(300, &[16, 64, 1500, 5000]);
            ping["do"] = json!("ping");
            ping["key"] = json!(there);
            peer.begin(&json!({"do": "connected", "key": there}));
            peer.begin(&ping);
            let mut link: Option<Link> = None;
            let mut echoed = 0;
            while echoed < 300 {
                match next_event(&mut socket) {
                    Event::Connected { interface: key, link: new } if key == interface => link = Some(new),
                    Event::Readable { interface: key, queue } if key == interface => {
                        let Some(link) = &mut link else { panic!("packets before the link") };
                        echoed += echo(link, usize::from(queue));
                    }
                    Event::ConnectFailed { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            peer.end().expect("connected");
            let counts = peer.end().expect("pings");
            let link = link.expect("a link");
            let (rx, tx) = (link.rx[0].counters(), link.tx[0].counters());
            assert_eq!((number(&counts["tx"][0]), number(&counts["rx"][0])), (rx.packets, tx.packets));
            assert_eq!((number(&counts["tx"][1]), number(&counts["rx"][1])), (rx.bytes, tx.bytes));
            peer.kill();
            loop {
                match next_event(&mut socket) {
                    Event::Disconnected { interface: key, reason } => {
                        assert_eq!((key, reason), (interface, DisconnectReason::Hangup));
                        break;
                    }
                    Event::Readable { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
        }
        // A master that was killed leaves its file.
        let _ = std::fs::remove_file(address.path());
    }
}

/// Sends back all that is there.
fn echo(link: &mut Link, queue: usize) -> usize {
    let mut count = 0;
    loop {
        let mut batch = link.rx[queue].recv(64).expect("receiving");
        if batch.is_empty() {
            return count;
        }
        let mut out = link.tx[queue].reserve().expect("room");
        for packet in &mut batch {
            out.forward(packet).expect("room");
        }
        count += out.commit();
    }
}

/// A waker ends every wait from another thread, once per use, and never costs an event.
pub(crate) fn wakers() {
    let address = Address::fresh();
    let mut socket = open(&address);
    let waker = socket.waker();
    waker.wake();
    waker.clone().wake();
    assert!(socket.poll(None).expect("poll").is_none(), "woken");
    assert!(socket.poll(Some(Duration::ZERO)).expect("poll").is_none(), "calls add up to one");
    let thread = std::thread::spawn(move || waker.wake());
    assert!(socket.poll(None).expect("poll").is_none(), "woken by a thread");
    thread.join().expect("the thread");

    let interface = socket.add_interface(InterfaceConfig::master(0)).expect("an interface");
    let waker = socket.waker();
    let thread = std::thread::spawn(move || waker.wake());
    let waited = socket.wait_connected(interface, Duration::MAX);
    assert!(matches!(waited, Err(WaitError::Woken)), "{waited:?}");
    thread.join().expect("the thread");

    let mut peer = End::at(&address);
    let there = peer.add(json!({"role": "slave"}));
    let mut link = socket.wait_connected(interface, STEP).expect("a link");
    peer.connected(there);
    crossed(&mut link, &mut peer, there);
    peer.finish();
}

/// Some packets both ways through a link of this process.
fn crossed(link: &mut Link, peer: &mut End, there: u64) {
    let before = (link.rx[0].counters(), link.tx[0].counters());
    let mut order = load(20, &[64, 3000]);
    order["do"] = json!("ping");
    order["key"] = json!(there);
    peer.begin(&order);
    for _ in 0..20 {
        let packet = receive(&mut link.rx[0]);
        send(&mut link.tx[0], &packet);
    }
    peer.end().expect("pings");
    let after = (link.rx[0].counters(), link.tx[0].counters());
    assert_eq!((after.0.packets - before.0.packets, after.1.packets - before.1.packets), (20, 20));
}

/// Whoever handles an event may remove the interface that it is about, or another one with events waiting.
pub(crate) fn a_handler_removes_its_interface() {
    let before = Census::now();
    let address = Address::fresh();
    let mut socket = open(&address);
    let keys: Vec<InterfaceKey> =
        (0..4).map(|id| socket.add_interface(InterfaceConfig::master(id)).expect("an interface")).collect();
    let mut peer = End::at(&address);
    let there: Vec<u64> = (0..4).map(|id| peer.add(json!({"role": "slave", "id": id}))).collect();
    let mut links: VecDeque<(InterfaceKey, Link)> = VecDeque::new();
    // The first one is removed as it comes up: its queues say so at once, and its peer is told.
    let mut removed = false;
    while links.len() < 3 || !removed {
        let event = socket.poll(Some(STEP)).expect("poll").expect("an event in time");
        let Event::Connected { interface, mut link } = event else { panic!("another event than Connected") };
        if interface == keys[0] {
            socket.remove_interface(interface).expect("removing");
            removed = true;
            assert_eq!(link.rx[0].recv(1).map(drop), Err(RecvError::Disconnected));
            assert!(matches!(socket.details(interface), Err(SocketError::NoSuchInterface)));
            assert!(matches!(socket.remove_interface(interface), Err(SocketError::NoSuchInterface)));
        } else {
            links.push_back((interface, link));
        }
    }
    for key in &there {
        peer.connected(*key);
    }
    assert_eq!(peer.disconnected(there[0]), "disconnected by the peer: interface removed");
    // It tries again, and is told that there is nothing any more.
    let Event::Refused { reason, .. } = socket.poll(Some(STEP)).expect("poll").expect("an event in time") else {
        panic!("a refusal was due");
    };
    assert_eq!(reason, Refusal::UnknownId(0));
    for (key, link) in &mut links {
        let at = keys.iter().position(|k| k == key).expect("a key");
        crossed(link, &mut peer, there[at]);
    }
    // All others end at once; the first of them to be told of takes another one along, whose event is never seen.
    peer.kill();
    let mut gone: Vec<InterfaceKey> = vec![keys[0]];
    let mut told = 0;
    while told < 2 {
        match socket.poll(Some(STEP)).expect("poll").expect("an event in time") {
            Event::Disconnected { interface, .. } => {
                assert!(!gone.contains(&interface), "an event of an interface that was removed");
                told += 1;
                gone.push(interface);
                if told == 1 {
                    let other = *keys.iter().find(|key| !gone.contains(key)).expect("another one");
                    socket.remove_interface(other).expect("removing");
                    socket.remove_interface(interface).expect("removing");
                    gone.push(other);
                }
            }
            Event::Refused { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    let last = keys.iter().find(|key| socket.details(**key).is_ok()).copied().expect("the last interface");
    assert_eq!(socket.interfaces(), [last]);
    let id = socket.details(last).expect("details").id;
    drop(links);
    let mut peer = End::at(&address);
    let there = peer.add(json!({"role": "slave", "id": id}));
    let mut link = socket.wait_connected(last, STEP).expect("a link");
    peer.connected(there);
    crossed(&mut link, &mut peer, there);
    peer.finish();
    drop(link);
    drop(socket);
    Census::wait_back_to(&before);
}

/// A wait that is over names what the last attempt failed with.
pub(crate) fn a_wait_in_vain_says_why() {
    let address = Address::fresh();
    let mut socket = open(&address);
    let interface = socket.add_interface(InterfaceConfig::slave(0)).expect("an interface");
    let why = |socket: &mut Socket, expected: ConnectError| {
        // The first attempts may still have failed for the reason before this one.
        let mut patience = Patience::default();
        loop {
            match socket.wait_connected(interface, Duration::from_millis(50)) {
                Err(WaitError::TimedOut { last: Some(error) }) if error == expected => {
                    let text = WaitError::TimedOut { last: Some(error.clone()) }.to_string();
                    assert_eq!(text, format!("not connected in time: {error}"));
                    return;
                }
                Err(WaitError::TimedOut { .. }) => assert!(patience.more(), "never {expected:?}"),
                other => panic!("{other:?}"),
            }
        }
    };
    why(&mut socket, ConnectError::NotFound);
    let mut dead = End::at(&address);
    dead.add(json!({"role": "master"}));
    dead.kill();
    why(&mut socket, ConnectError::NobodyListens);
    let mut peer = End::at(&address);
    let there = peer.add(json!({"role": "master", "id": 1}));
    why(&mut socket, ConnectError::Refused("unmatched interface id 0".to_owned()));
    let config = json!({"role": "master", "id": 0, "secret": "s"});
    peer.call(json!({"do": "reconfigure", "key": there, "config": config}));
    why(&mut socket, ConnectError::Refused("secret required".to_owned()));
    let secret = Secret::new("s").expect("a secret");
    socket.reconfigure(interface, InterfaceConfig::slave(0).secret(Some(secret))).expect("settings");
    let mut link = socket.wait_connected(interface, STEP).expect("a link");
    peer.connected(there);
    crossed(&mut link, &mut peer, there);
    // Without any attempt there is nothing to name.
    let idle = socket.add_interface(InterfaceConfig::slave(9).admin_up(false)).expect("an interface");
    let waited = socket.wait_connected(idle, Duration::ZERO);
    assert_eq!(waited.map(drop).unwrap_err().to_string(), "not connected in time");
    peer.finish();
}
