//! Peers that send and go.

use super::*;
use crate::config::RxMode;
use crate::error::RecvError;

/// One end of a link, with a socket of its own.
struct End {
    socket: Socket,
    key: InterfaceKey,
    link: Link,
}

/// A receiver of that role, whose queue is watched, and the sender.
fn ends(receives: Role) -> (End, End) {
    let interrupt = |config: InterfaceConfig| config.rx_mode(RxMode::Interrupt);
    let (master, slave) = (InterfaceConfig::master(1), InterfaceConfig::slave(1));
    let mut both = Both::new(interrupt(master), interrupt(slave));
    let (left, right) = both.links();
    let Both { master, slave, master_key, slave_key } = both;
    let master = End { socket: master, key: master_key, link: left };
    let slave = End { socket: slave, key: slave_key, link: right };
    let (mut receiver, sender) = if receives == Role::Master { (master, slave) } else { (slave, master) };
    receiver.socket.watch(receiver.key, 0).unwrap();
    (receiver, sender)
}

fn received(link: &mut Link) -> Vec<u8> {
    let mut packets = vec![];
    while let Ok(mut batch) = link.rx[0].recv(2) {
        let before = packets.len();
        packets.extend((&mut batch).into_iter().map(|packet| packet.to_vec()[0]));
        if packets.len() == before {
            break;
        }
    }
    packets
}

#[test]
fn what_was_sent_last_is_told_of_before_the_end_and_received() {
    for receives in [Role::Master, Role::Slave] {
        for words in [false, true] {
            let (mut receiver, mut sender) = ends(receives);
            for number in 0..5 {
                sender.link.tx[0].send(&[number; 60]).unwrap();
            }
            if words {
                sender.socket.remove_interface(sender.key).unwrap();
            }
            drop(sender);
            let End { socket, key, link } = &mut receiver;
            let event = socket.poll(Some(WATCHDOG)).unwrap();
            assert!(matches!(event, Some(Event::Readable { interface, queue: 0 }) if interface == *key), "{event:?}");
            assert_eq!(received(link), [0, 1, 2, 3, 4]);
            let event = socket.poll(Some(WATCHDOG)).unwrap();
            assert!(matches!(event, Some(Event::Disconnected { .. })), "{event:?}");
            assert_eq!(link.rx[0].recv(1).unwrap_err(), RecvError::Disconnected);
            assert!(socket.driver.watches.is_empty());
        }
    }
}

#[test]
fn it_is_received_after_the_end_was_told() {
    for receives in [Role::Master, Role::Slave] {
        let (mut receiver, mut sender) = ends(receives);
        sender.link.tx[0].send(&[7; 60]).unwrap();
        drop(sender);
        expect_down(&mut receiver.socket, receiver.key);
        assert_eq!(received(&mut receiver.link), [7]);
        assert_eq!(receiver.link.rx[0].recv(1).unwrap_err(), RecvError::Disconnected);
    }
}

#[test]
fn a_link_that_this_side_ends_leaves_nothing() {
    for receives in [Role::Master, Role::Slave] {
        for removes in [false, true] {
            let (mut receiver, mut sender) = ends(receives);
            sender.link.tx[0].send(&[7; 60]).unwrap();
            if removes {
                receiver.socket.remove_interface(receiver.key).unwrap();
            } else {
                receiver.socket.disconnect(receiver.key, "enough").unwrap();
            }
            assert_eq!(receiver.link.rx[0].recv(1).unwrap_err(), RecvError::Disconnected);
        }
    }
}

/// A sender that waits for room and for nothing else.
#[test]
#[cfg(feature = "raw")]
fn whoever_only_waits_for_room_hears_that_the_peer_is_gone() {
    use crate::error::SendError;
    for waits in [Role::Master, Role::Slave] {
        let (mut waiting, sender) = ends(waits);
        let mut slots = waiting.link.tx.remove(0).into_slots();
        let mut ask = || slots.allocate(1, 60, None, |_| ());
        while ask().unwrap().packets > 0 {}
        for _ in 0..5000 {
            assert_eq!(ask().unwrap().packets, 0, "the peer is there");
        }
        drop(sender);
        let asked = (0..3000).find(|_| ask() == Err(SendError::Disconnected));
        assert!(asked.is_some_and(|asked| asked <= 1024), "{asked:?}");
        assert_eq!(ask(), Err(SendError::Disconnected));
    }
}
