//! What is told, in which order, and to whom.

use super::*;
use crate::config::RxMode;

#[test]
fn a_wait_for_one_link_sleeps_while_other_events_wait() {
    let address = fresh_address();
    let mut socket = open(&address);
    let key = socket.add_interface(InterfaceConfig::master(1)).unwrap();
    let raw = Raw::connect(&address);
    raw.send(init(77));
    while socket.driver.events.is_empty() {
        socket.driver.turn(Some(Duration::from_millis(1))).unwrap();
    }
    // As after `poll` gave one of two events: the descriptor shows that there is another one.
    socket.driver.leave();
    assert!(is_readable(&socket));
    let start = Instant::now();
    socket.driver.turn(Some(Duration::from_millis(100))).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100), "the event ended the wait");
    assert!(socket.wait_connected(key, Duration::from_millis(20)).is_err());
    // The event is still there, and shows.
    assert!(is_readable(&socket));
    assert!(matches!(socket.poll(None), Ok(Some(Event::Refused { .. }))));
    assert!(!is_readable(&socket));
}

#[test]
fn a_wait_finds_its_link_although_events_were_taken_back() {
    let address = fresh_address();
    let mut socket = Socket::builder(address.clone()).accept_unknown(true).open().unwrap();
    let key = socket.add_interface(InterfaceConfig::master(1)).unwrap();
    let other = std::thread::spawn(move || {
        let raw = Raw::connect(&address);
        raw.send(init(77));
        std::thread::sleep(Duration::from_millis(100));
        drop(raw);
        std::thread::sleep(Duration::from_millis(100));
        let mut slave = open(&address);
        let key = slave.add_interface(InterfaceConfig::slave(1)).unwrap();
        slave.wait_connected(key, WATCHDOG).map(|link| (slave, link))
    });
    socket.wait_connected(key, Duration::from_secs(5)).unwrap().keep_up();
    other.join().unwrap().unwrap().1.keep_up();
}

#[test]
fn the_last_event_tells_how_things_stand() {
    let address = fresh_address();
    let mut socket = open(&address);
    let key = socket.add_interface(InterfaceConfig::master(1)).unwrap();
    let waiting = socket.add_interface(InterfaceConfig::master(2)).unwrap();
    let other = std::thread::spawn(move || {
        for _ in 0..20 {
            let mut slave = open(&address);
            let key = slave.add_interface(InterfaceConfig::slave(1)).unwrap();
            slave.wait_connected(key, WATCHDOG).unwrap().keep_up();
        }
    });
    while !other.is_finished() || socket.details(key).unwrap().link_up {
        let _ = socket.wait_connected(waiting, Duration::from_millis(50));
    }
    other.join().unwrap();
    let mut order = String::new();
    while let Some(event) = socket.poll(Some(Duration::ZERO)).unwrap() {
        match event {
            Event::Connected { .. } => order.push('C'),
            Event::Disconnected { .. } => order.push('D'),
            _ => {}
        }
    }
    assert_eq!(order, "CD".repeat(order.len() / 2));
    assert!(order.len() > 10 && order.len() < 30, "{order}");
}

#[test]
fn a_queue_is_watched_until_it_is_not() {
    let interrupt = |config: InterfaceConfig| config.rx_mode(RxMode::Interrupt);
    let mut socket = open(&fresh_address());
    let master = socket.add_interface(interrupt(InterfaceConfig::master(3).rx_queues(2))).unwrap();
    let slave = socket.add_interface(interrupt(InterfaceConfig::slave(3).tx_queues(2))).unwrap();
    assert_eq!(socket.find(Role::Master, 3), Some(master));
    assert_eq!(socket.find(Role::Slave, 3), Some(slave));
    assert_eq!(socket.find(Role::Slave, 4), None);
    let _a = socket.wait_connected(master, WATCHDOG).unwrap();
    let mut b = socket.wait_connected(slave, WATCHDOG).unwrap();
    for queue in [0, 1] {
        socket.watch(master, queue).unwrap();
    }
    let readable = |socket: &mut Socket| {
        let mut queues = Vec::new();
        while let Some(event) = socket.poll(Some(Duration::from_millis(20))).unwrap() {
            if let Event::Readable { queue, .. } = event {
                queues.push(queue);
            }
        }
        queues.sort_unstable();
        queues.dedup();
        queues
    };
    let mut send = |queue: usize| b.tx[queue].send(b"x").unwrap();
    send(0);
    send(1);
    assert_eq!(readable(&mut socket), [0, 1]);
    socket.unwatch(master, 0).unwrap();
    assert_eq!(socket.driver.watches.len(), 1);
    send(0);
    send(1);
    assert_eq!(readable(&mut socket), [1]);
    socket.unwatch(master, 1).unwrap();
    socket.unwatch(master, 7).unwrap();
    assert!(socket.driver.watches.is_empty());
    socket.watch(master, 0).unwrap();
    assert_eq!(readable(&mut socket), [0]);
    socket.remove_interface(master).unwrap();
    assert!(matches!(socket.unwatch(master, 0), Err(SocketError::NoSuchInterface)));
}

/// As long as nobody has the descriptor it costs nothing; whoever asks for it hears at once of what is due or waits.
#[test]
fn the_descriptor_tells_the_truth_as_soon_as_somebody_has_it() {
    let address = fresh_address();
    let mut socket = open(&address);
    assert!(!is_readable(&socket));
    let mut slave = open(&address);
    let key = slave.add_interface(InterfaceConfig::slave(0)).unwrap();
    let fd = slave.as_fd().try_clone_to_owned().unwrap();
    let deadline = Instant::now() + WATCHDOG;
    while !is_readable(&fd) {
        assert!(Instant::now() < deadline, "nothing is due");
    }
    // Its attempt is made, and the descriptor tells of the answer, and of nothing before.
    assert!(
        slave
            .poll(Some(Duration::ZERO))
            .unwrap()
            .is_some_and(|event| { matches!(event, Event::ConnectFailed { interface, .. } if interface == key) })
    );
    socket.add_interface(InterfaceConfig::master(0)).unwrap();
    let mut links = 0;
    let deadline = Instant::now() + WATCHDOG;
    while links < 2 && Instant::now() < deadline {
        for socket in [&mut socket, &mut slave] {
            while is_readable(&*socket) {
                let event = socket.poll(Some(Duration::ZERO)).unwrap();
                links += u32::from(matches!(event, Some(Event::Connected { .. })));
            }
        }
    }
    assert_eq!(links, 2);
    assert!(!is_readable(&socket) && !is_readable(&slave));
}

/// Only a wait that may last looks for the answer of a handshake first.
#[test]
fn a_poll_that_does_not_wait_does_not_look_again() {
    let address = fresh_address();
    let listener = sys::bind(&address, sys::FileAccess::default()).unwrap().0;
    sys::listen(&listener, 4).unwrap();
    let mut socket = open(&address);
    socket.add_interface(InterfaceConfig::slave(0)).unwrap();
    while socket.driver.connections.is_empty() {
        socket.poll(Some(Duration::ZERO)).unwrap();
    }
    socket.poll(Some(Duration::ZERO)).unwrap();
    assert!(socket.driver.waits.busy_poll().begin(Instant::now()).is_some());
    socket.driver.waits.busy_poll().expect_answer();
    socket.poll(Some(Duration::from_millis(1))).unwrap();
    assert!(socket.driver.waits.busy_poll().begin(Instant::now()).is_none());
}
