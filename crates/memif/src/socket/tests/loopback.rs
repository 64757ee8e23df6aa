//! Both roles, connected: packets, both start orders, every way in which a link ends.

use super::*;
use crate::config::{Mode, RxMode, Secret};

#[track_caller]
fn assert_packets_cross(from: &mut Link, to: &mut Link) {
    for (tx, rx) in from.tx.iter_mut().zip(&mut to.rx) {
        let packet = [rx.index(); 100];
        tx.send(&packet).unwrap();
        let mut buffer = [0; 2048];
        assert_eq!(rx.recv_into(&mut buffer).unwrap(), Some(100));
        assert_eq!(buffer[..100], packet);
    }
}

#[test]
fn a_socket_moves_between_threads() {
    fn assert_send<T: Send>(_: &T) {}
    fn assert_sync<T: Send + Sync>(_: &T) {}
    let socket = open(&fresh_address());
    assert_send(&socket);
    assert_sync(&socket.waker());
}

#[test]
fn both_roles_on_one_socket() {
    let mut socket = open(&fresh_address());
    let master = socket.add_interface(InterfaceConfig::master(7)).unwrap();
    let slave = socket.add_interface(InterfaceConfig::slave(7)).unwrap();
    assert_eq!(socket.interfaces(), [master, slave]);
    let mut a = socket.wait_connected(master, WATCHDOG).unwrap();
    let mut b = socket.wait_connected(slave, WATCHDOG).unwrap();
    assert_packets_cross(&mut a, &mut b);
    assert_packets_cross(&mut b, &mut a);
    assert_eq!(a.peer.credentials.unwrap().pid, std::process::id());
    let taken = socket.add_interface(InterfaceConfig::slave(7));
    assert!(matches!(taken, Err(SocketError::IdInUse { id: 7, role: Role::Slave })));
}

#[test]
fn details_tell_everything() {
    let address = fresh_address();
    let name = |text: &str| Name::new(text).unwrap();
    let mut socket = Socket::builder(address.clone()).app_name(name("test app")).open().unwrap();
    let secret = Some(Secret::new("s3cret").unwrap());
    let base = |role| InterfaceConfig::new(role, 3).secret(secret).mode(Mode::Ip);
    let queues = |config: InterfaceConfig| config.rx_queues(2).tx_queues(3).ring_size(64);
    let master = base(Role::Master).rx_queues(3).tx_queues(2).name(name("left"));
    let master = socket.add_interface(master).unwrap();
    let slave = socket.add_interface(queues(base(Role::Slave)).name(name("right"))).unwrap();
    let before = socket.details(slave).unwrap();
    assert!(!before.link_up && before.admin_up && before.peer.is_none() && before.rx.is_empty());

    let _a = socket.wait_connected(master, WATCHDOG).unwrap();
    let _b = socket.wait_connected(slave, WATCHDOG).unwrap();
    let details = socket.details(slave).unwrap();
    assert_eq!((details.id, details.role, details.mode), (3, Role::Slave, Mode::Ip));
    assert!(details.secret_set && details.link_up && details.admin_up);
    assert_eq!(details.interface_name, name("right"));
    assert_eq!(details.app_name, name("test app"));
    assert_eq!(details.socket, address);
    let peer = details.peer.unwrap();
    assert_eq!((peer.app_name, peer.interface_name), (name("test app"), name("left")));
    assert_eq!((details.rx.len(), details.tx.len()), (2, 3));
    assert_eq!((details.rx[1].index, details.rx[1].ring_size), (1, 64));
    assert_eq!(details.regions.len(), 1);
    let details = socket.details(master).unwrap();
    assert_eq!((details.rx.len(), details.tx.len()), (3, 2));
    assert_eq!(details.peer.unwrap().interface_name, name("right"));
}

#[test]
fn a_slave_that_starts_first_waits_for_its_master() {
    let address = fresh_address();
    let mut slave = open(&address);
    let slave_key = slave.add_interface(InterfaceConfig::slave(0)).unwrap();
    assert_eq!(expect_failure(&mut slave, slave_key), ConnectError::NobodyListens);
    let timed_out = slave.wait_connected(slave_key, Duration::from_millis(20));
    let last = Some(ConnectError::NobodyListens);
    assert!(matches!(timed_out, Err(WaitError::TimedOut { last: error }) if error == last));

    let mut master = open(&address);
    let master_key = master.add_interface(InterfaceConfig::master(0)).unwrap();
    let mut both = Both { master, slave, master_key, slave_key };
    let (mut a, mut b) = both.links();
    assert_packets_cross(&mut a, &mut b);
}

#[test]
fn each_side_tells_why_and_the_slave_comes_back() {
    let mut both = Both::new(InterfaceConfig::master(0), InterfaceConfig::slave(0));
    for by_master in [true, false, true] {
        let (mut a, mut b) = both.links();
        let (socket, key) =
            if by_master { (&mut both.master, both.master_key) } else { (&mut both.slave, both.slave_key) };
        let words = "x".repeat(200);
        socket.disconnect(key, &words).unwrap();
        let local = DisconnectReason::Local(words);
        let peer = DisconnectReason::Peer { code: 0, reason: "x".repeat(95) };
        assert_eq!((local.by(), peer.by()), (Side::Local, Side::Peer));
        let expected = if by_master { (local, peer) } else { (peer, local) };
        assert_eq!(both.run(reason, reason), expected);
        assert!(a.rx[0].recv(1).is_err() && b.tx[0].send(b"late").is_err());
        assert!(a.tx[0].send(b"late").is_err() && b.rx[0].recv(1).is_err());
    }
    let (mut a, mut b) = both.links();
    assert_packets_cross(&mut a, &mut b);
}

#[test]
fn a_dropped_socket_says_goodbye() {
    let mut both = Both::new(InterfaceConfig::master(0), InterfaceConfig::slave(0));
    let (mut a, _b) = both.links();
    let Both { master, mut slave, slave_key, .. } = both;
    drop(master);
    assert!(!a.rx[0].is_connected());
    assert!(a.rx[0].recv(1).is_err());
    let expected = DisconnectReason::Peer { code: 0, reason: "socket closed".to_owned() };
    assert_eq!(expect_down(&mut slave, slave_key), expected);
    // It tries again, and says so.
    assert_eq!(expect_failure(&mut slave, slave_key), ConnectError::NobodyListens);
}

#[test]
fn administratively_down_and_up_again() {
    let mut both = Both::new(InterfaceConfig::master(4), InterfaceConfig::slave(4));
    both.up();
    both.master.set_admin_up(both.master_key, false).unwrap();
    let (own, peer) = both.run(reason, reason);
    assert_eq!(own, DisconnectReason::Local("interface is down".to_owned()));
    assert_eq!(peer, DisconnectReason::Peer { code: 0, reason: "interface is down".to_owned() });
    let down = Refusal::AdminDown(4);
    let (refused, failed) = both.run(
        |event| match event {
            Event::Refused { reason, .. } => Some(reason),
            _ => None,
        },
        |event| match event {
            Event::ConnectFailed { error, .. } => Some(error),
            _ => None,
        },
    );
    assert_eq!(refused, down);
    assert_eq!(failed, ConnectError::Refused(down.to_string()));
    both.slave.set_admin_up(both.slave_key, false).unwrap();
    assert!(!both.slave.details(both.slave_key).unwrap().admin_up);
    both.master.set_admin_up(both.master_key, true).unwrap();
    while both.slave.poll(Some(Duration::ZERO)).unwrap().is_some() {}
    assert_eq!(both.slave.driver.waits.next_time(), None, "an interface that is down plans something");
    both.slave.set_admin_up(both.slave_key, true).unwrap();
    let (mut a, mut b) = both.links();
    assert_packets_cross(&mut b, &mut a);
}

#[test]
fn settings_change_with_the_next_connection() {
    let mut both = Both::new(InterfaceConfig::master(1), InterfaceConfig::slave(1));
    let (mut a, mut b) = both.links();
    both.master.reconfigure(both.master_key, InterfaceConfig::master(2)).unwrap();
    both.slave.reconfigure(both.slave_key, InterfaceConfig::slave(2).ring_size(16)).unwrap();
    assert_packets_cross(&mut a, &mut b);
    assert_eq!(both.slave.details(both.slave_key).unwrap().id, 1);
    both.slave.disconnect(both.slave_key, "new settings").unwrap();
    both.run(reason, reason);
    let (_a, b) = both.links();
    assert_eq!(b.tx[0].ring_size(), 16);
    assert_eq!(both.slave.details(both.slave_key).unwrap().id, 2);

    let other = both.master.add_interface(InterfaceConfig::master(5)).unwrap();
    let taken = both.master.reconfigure(other, InterfaceConfig::master(2));
    assert!(matches!(taken, Err(SocketError::IdInUse { id: 2, .. })));
}

#[test]
fn a_slave_can_become_a_master() {
    let mut both = Both::new(InterfaceConfig::master(0), InterfaceConfig::slave(0));
    both.up();
    both.master.remove_interface(both.master_key).unwrap();
    expect_down(&mut both.slave, both.slave_key);
    both.slave.reconfigure(both.slave_key, InterfaceConfig::master(0)).unwrap();
    both.master_key = both.master.add_interface(InterfaceConfig::slave(0)).unwrap();
    let (mut a, mut b) = both.links();
    assert_packets_cross(&mut a, &mut b);
}

#[test]
fn a_removed_interface_is_gone() {
    let mut both = Both::new(InterfaceConfig::master(0), InterfaceConfig::slave(0));
    let (mut a, _b) = both.links();
    both.master.remove_interface(both.master_key).unwrap();
    assert!(matches!(both.master.details(both.master_key), Err(SocketError::NoSuchInterface)));
    let foreign = both.master.remove_interface(both.slave_key);
    assert!(matches!(foreign, Err(SocketError::NoSuchInterface)));
    assert!(a.tx[0].send(b"late").is_err());
    assert!(both.master.poll(Some(Duration::ZERO)).unwrap().is_none());
    let expected = DisconnectReason::Peer { code: 0, reason: "interface removed".to_owned() };
    assert_eq!(expect_down(&mut both.slave, both.slave_key), expected);
    // With its last master the listener is gone, too.
    assert_eq!(expect_failure(&mut both.slave, both.slave_key), ConnectError::NobodyListens);
    both.master_key = both.master.add_interface(InterfaceConfig::master(0)).unwrap();
    both.up();
}

#[test]
fn the_descriptor_is_quiet_while_nothing_is_to_be_done() {
    let mut both = Both::new(InterfaceConfig::master(0), InterfaceConfig::slave(0));
    let (mut master, mut slave) = both.links();
    slave.tx[0].send(&[1; 60]).unwrap();
    assert_eq!(master.rx[0].recv_into(&mut [0; 60]).unwrap(), Some(60));
    // Since then the slave knows the cache line of its master, for which it looks until then.
    while let Some(next) = both.slave.driver.waits.next_time() {
        both.slave.poll(Some(next.saturating_duration_since(Instant::now()))).unwrap();
    }
    for socket in [&mut both.master, &mut both.slave] {
        while socket.poll(Some(Duration::ZERO)).unwrap().is_some() {}
        assert!(!is_readable(&*socket));
        assert_eq!(socket.driver.waits.next_time(), None);
    }
    // An event that a command made can be found by a loop that waits for the descriptor.
    both.master.disconnect(both.master_key, "bye").unwrap();
    assert!(is_readable(&both.master));
    assert!(both.master.poll(Some(Duration::ZERO)).unwrap().is_some());
    assert!(both.master.poll(Some(Duration::ZERO)).unwrap().is_none());
    assert!(!is_readable(&both.master));
}

#[test]
fn a_waker_ends_a_wait_without_limit() {
    let mut socket = open(&fresh_address());
    let waker = socket.waker();
    let thread = std::thread::spawn(move || waker.wake());
    assert!(socket.poll(None).unwrap().is_none());
    thread.join().unwrap();
    socket.waker().wake();
    let key = socket.add_interface(InterfaceConfig::master(0)).unwrap();
    assert!(matches!(socket.wait_connected(key, WATCHDOG), Err(WaitError::Woken)));
}

#[test]
fn a_watched_queue_reports_its_packets_on_every_link() {
    let config = InterfaceConfig::master(0).rx_mode(RxMode::Interrupt);
    let mut both = Both::new(config, InterfaceConfig::slave(0));
    both.master.watch(both.master_key, 0).unwrap();
    for _ in 0..2 {
        let (mut a, mut b) = both.links();
        for round in 0..20u8 {
            b.tx[0].send(&[round; 60]).unwrap();
            expect(&mut both.master, |event| match event {
                Event::Readable { queue: 0, .. } => Some(()),
                _ => None,
            });
            let mut buffer = [0; 60];
            assert_eq!(a.rx[0].recv_into(&mut buffer).unwrap(), Some(60));
            assert_eq!(buffer, [round; 60]);
        }
        assert!(both.master.driver.watches.len() == 1);
        both.slave.disconnect(both.slave_key, "again").unwrap();
        both.run(reason, reason);
        assert!(both.master.driver.watches.is_empty());
    }
}

#[test]
fn a_storm_of_signals_is_listened_to_in_intervals() {
    let config = InterfaceConfig::master(0).rx_mode(RxMode::Interrupt);
    let mut both = Both::new(config, InterfaceConfig::slave(0));
    both.master.watch(both.master_key, 0).unwrap();
    let _links = both.links();
    let connection = both.master.driver.connections.values().next().unwrap();
    let interrupt = connection.link.as_ref().unwrap().handle.rx_interrupt(0).unwrap();
    let readable = |socket: &mut Socket| {
        rustix::io::write(&*interrupt, &1u64.to_ne_bytes()).unwrap();
        socket.poll(Some(Duration::ZERO)).unwrap().is_some()
    };
    let heard = (0..1000).take_while(|_| readable(&mut both.master)).count();
    assert!(heard < 1000, "{heard} signals were heard without a packet");
    assert!(!is_readable(&both.master));
    // The last one is not lost.
    expect(&mut both.master, |event| matches!(event, Event::Readable { .. }).then_some(()));
}

#[test]
fn three_hundred_interfaces_connect_at_once() {
    let address = fresh_address();
    let mut master = open(&address);
    let mut slave = open(&address);
    let small = |role, id| InterfaceConfig::new(role, id).ring_size(2).buffer_size(64);
    let mut keys = Vec::new();
    for id in 0..300 {
        master.add_interface(small(Role::Master, id)).unwrap();
        keys.push(slave.add_interface(small(Role::Slave, id)).unwrap());
    }
    let mut links = Vec::new();
    let deadline = Instant::now() + WATCHDOG;
    let mut up = 0;
    while up < 600 && Instant::now() < deadline {
        for socket in [&mut master, &mut slave] {
            match socket.poll(Some(Duration::ZERO)).unwrap() {
                Some(Event::Connected { link, .. }) => {
                    up += 1;
                    links.push(link);
                }
                // On a very busy machine; they come again.
                Some(Event::Refused { reason, .. }) => assert_eq!(reason, Refusal::Evicted),
                _ => {}
            }
        }
    }
    assert_eq!(up, 600);
}

/// Neither end is left to guess why there is no link, and what to change.
#[test]
fn a_slave_with_more_queues_is_refused_in_words_that_both_ends_read() {
    for (rx, tx, direction, advice) in [(1, 3, "S2M", "at most 2 (tx-queues)"), (3, 1, "M2S", "at most 2 (rx-queues)")]
    {
        let address = fresh_address();
        let mut socket = open(&address);
        let master = InterfaceConfig::master(0).rx_queues(2).tx_queues(2);
        let master = socket.add_interface(master).unwrap();
        let config = InterfaceConfig::slave(0).ring_size(2).rx_queues(rx).tx_queues(tx);
        let slave = socket.add_interface(config).unwrap();
        let reason = expect(&mut socket, |event| match event {
            Event::Refused { reason, .. } => Some(reason),
            _ => None,
        });
        assert_eq!(reason, Breach::TooManyRings { direction, limit: 2 });
        let told = expect_failure(&mut socket, slave);
        assert_eq!(told, ConnectError::Refused(reason.to_string()));
        assert!(reason.to_string().contains(advice), "{reason}");
        // As many as there are, and the link is up.
        let fewer = InterfaceConfig::slave(0).ring_size(2).rx_queues(2).tx_queues(1);
        socket.remove_interface(slave).unwrap();
        let slave = socket.add_interface(fewer).unwrap();
        let there = socket.wait_connected(master, WATCHDOG).unwrap();
        let here = socket.wait_connected(slave, WATCHDOG).unwrap();
        assert_eq!((there.rx.len(), there.tx.len()), (1, 2));
        assert_eq!((here.rx.len(), here.tx.len()), (2, 1));
    }
}

/// A thousand slaves at once, each of which holds three descriptors until it is connected: newcomers wait for those
/// before them, and nobody is turned away or has to come again.
#[test]
fn a_crowd_is_neither_refused_nor_made_to_come_again() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX);
    let raised = rustix::process::Rlimit { current: limit.maximum, ..limit };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, raised).unwrap();
    // Both ends are here, with up to ten descriptors per link. What other tests need stays free.
    let crowd = u32::try_from(most.saturating_sub(2000) / 10).unwrap_or(u32::MAX).min(1000);
    assert!(crowd > 200, "a hard limit of {most} descriptors is too low for a crowd");
    let address = fresh_address();
    let mut master = open(&address);
    let mut slave = open(&address);
    let small = |role, id| InterfaceConfig::new(role, id).ring_size(2).buffer_size(64);
    for id in 0..crowd {
        master.add_interface(small(Role::Master, id)).unwrap();
        slave.add_interface(small(Role::Slave, id)).unwrap();
    }
    let mut links = Vec::new();
    let deadline = Instant::now() + WATCHDOG;
    while links.len() < 2 * crowd as usize && Instant::now() < deadline {
        for socket in [&mut master, &mut slave] {
            match socket.poll(Some(Duration::ZERO)).unwrap() {
                Some(Event::Connected { link, .. }) => links.push(link),
                Some(other) => panic!("{other:?} after {} ends of links", links.len()),
                None => {}
            }
        }
        // Where the machine stood still for long, newcomers do not wait for those that did, too.
        let under_way = master.driver.half_open.under_way();
        assert!(under_way <= 64 || master.driver.half_open.waited_in_vain(), "{under_way} at a time");
    }
    assert_eq!(links.len(), 2 * crowd as usize);
    assert_eq!((master.driver.held.total(), master.driver.half_open.under_way()), (0, 0));
    // One connection each.
    assert_eq!(slave.driver.waits.new_token(), tokens::FIRST + u64::from(crowd));
    assert_eq!(master.driver.waits.new_token(), tokens::FIRST + u64::from(crowd));
}
