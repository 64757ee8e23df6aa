//! Links that their program drops.

use super::*;
use crate::socket::attention::DROPPED;

/// A link: of the end that is to be dropped, and of the other.
fn linked(drops: Role) -> (Both, Link, Link) {
    let mut both = Both::new(InterfaceConfig::master(1), InterfaceConfig::slave(1));
    let (master, slave) = both.links();
    if drops == Role::Master { (both, master, slave) } else { (both, slave, master) }
}

impl Both {
    /// Handles what there is to be handled, of which nothing is told, and says whether the link is up then.
    fn is_up(&mut self) -> bool {
        for socket in [&mut self.master, &mut self.slave] {
            let event = socket.poll(Some(Duration::ZERO)).unwrap();
            assert!(event.is_none(), "{event:?}");
        }
        let Self { master, slave, master_key, slave_key } = self;
        master.details(*master_key).unwrap().link_up && slave.details(*slave_key).unwrap().link_up
    }

    /// Why the link went down, as is told where it was dropped and at the other end.
    fn reasons(&mut self, drops: Role) -> (DisconnectReason, DisconnectReason) {
        let (master, slave) = self.run(reason, reason);
        if drops == Role::Master { (master, slave) } else { (slave, master) }
    }
}

fn told() -> (DisconnectReason, DisconnectReason) {
    let reason = DROPPED.to_owned();
    (DisconnectReason::Local(reason.clone()), DisconnectReason::Peer { code: 0, reason })
}

#[test]
fn a_link_goes_down_with_its_last_queue() {
    for drops in [Role::Master, Role::Slave] {
        let (mut both, mut link, mut other) = linked(drops);
        let (rx, mut tx) = (link.rx.remove(0), link.tx.remove(0));
        drop(rx);
        drop(link);
        assert!(both.is_up());
        // By another thread, as queues are.
        std::thread::spawn(move || tx.send(&[1; 60]).unwrap()).join().unwrap();
        assert_eq!(both.reasons(drops), told());
        // This library receives what was published all the same.
        assert_eq!(other.rx[0].recv(8).unwrap().len(), 1);
    }
}

#[test]
fn a_link_is_kept_by_whoever_has_it() {
    let (mut both, mut link, _other) = linked(Role::Master);
    link.rx.clear();
    link.tx.clear();
    assert!(both.is_up());
    drop(link);
    assert_eq!(both.reasons(Role::Master), told());
}

#[test]
fn whoever_waits_for_the_descriptor_of_the_socket_hears_of_it() {
    let (mut both, link, _other) = linked(Role::Master);
    assert!(both.is_up() && !is_readable(&both.master));
    drop(link);
    assert!(is_readable(&both.master));
    assert_eq!(both.reasons(Role::Master), told());
}

#[test]
fn a_link_that_is_kept_up_needs_no_queue() {
    let (mut both, mut link, other) = linked(Role::Master);
    let rx = link.rx.remove(0);
    link.keep_up();
    drop(rx);
    other.keep_up();
    assert!(both.is_up());
    // It ends as any other.
    both.slave.disconnect(both.slave_key, "enough").unwrap();
    let (master, slave) = both.run(reason, reason);
    assert_eq!(slave, DisconnectReason::Local("enough".into()));
    assert_eq!(master.by(), Side::Peer);
}

#[test]
fn of_a_peer_that_left_it_is_told_that_it_left() {
    for drops in [Role::Master, Role::Slave] {
        let (Both { mut master, mut slave, master_key, slave_key }, link, _other) = linked(drops);
        let reason = match drops {
            Role::Master => {
                drop((slave, link));
                expect_down(&mut master, master_key)
            }
            Role::Slave => {
                drop((master, link));
                expect_down(&mut slave, slave_key)
            }
        };
        assert_eq!(reason, DisconnectReason::Peer { code: 0, reason: "socket closed".into() });
    }
}

#[test]
fn a_slave_connects_again() {
    for drops in [Role::Master, Role::Slave] {
        let (mut both, link, _other) = linked(drops);
        drop(link);
        both.reasons(drops);
        let (mut master, mut slave) = both.links();
        slave.tx[0].send(&[7; 60]).unwrap();
        assert_eq!(master.rx[0].recv_into(&mut [0]), Ok(Some(60)));
    }
}

#[test]
fn an_interface_that_is_taken_down_stays_so() {
    let (mut both, link, _other) = linked(Role::Slave);
    both.slave.set_admin_up(both.slave_key, false).unwrap();
    drop(link);
    assert_eq!(both.reasons(Role::Slave).0, DisconnectReason::Local("interface is down".into()));
    assert!(both.slave.driver.waits.next_time().is_none(), "no attempt is planned");
}

#[test]
#[cfg(feature = "raw")]
fn slots_are_queues_too() {
    for drops in [Role::Master, Role::Slave] {
        let (mut both, mut link, _other) = linked(drops);
        let (rx, tx) = (link.rx.remove(0).into_slots(), link.tx.remove(0).into_slots());
        drop(link);
        assert!(both.is_up());
        drop(rx);
        assert!(both.is_up());
        drop(tx);
        assert_eq!(both.reasons(drops), told());
    }
}
