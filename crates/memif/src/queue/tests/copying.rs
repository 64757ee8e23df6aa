//! Copies by other means than the routine of this library.

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::error::SendError;

/// A slave whose buffers are of one length and a master that fills less of them, so that pieces fit nowhere.
fn pair() -> Pair {
    let sized = |config: InterfaceConfig, bytes| config.ring_size(64).buffer_size(bytes);
    Pair::new(sized(InterfaceConfig::slave(0), 100), sized(InterfaceConfig::master(0), 70))
}

#[test]
fn another_routine_gets_every_piece_of_a_packet_with_its_room() {
    let mut here = pair();
    for len in [1, 70, 71, 100, 101, 350, 1000] {
        // By the master there and back by the slave, and the other way round.
        for master in [false, true] {
            let mut there = pair();
            let bytes = packet(7, len);
            let (from, to) = if master {
                (&mut there.master.tx[0], &mut there.slave.rx[0])
            } else {
                (&mut there.slave.tx[0], &mut there.master.rx[0])
            };
            from.send(&bytes).unwrap();
            let mut received = to.recv(1).unwrap();
            let (tx, rx) = if master {
                (&mut here.slave.tx[0], &mut here.master.rx[0])
            } else {
                (&mut here.master.tx[0], &mut here.slave.rx[0])
            };
            let mut batch = tx.reserve().unwrap();
            for packet in received.packets() {
                let mut copied = 0;
                let pushed = batch.push_packet_with(&packet, |from, to| {
                    assert_eq!(from.len(), to.len());
                    copied += from.copy_to(&to);
                });
                assert_eq!((pushed, copied), (Ok(()), len));
            }
            assert_eq!(batch.commit(), 1);
            assert_eq!(rx.recv(1).unwrap().packets().next().unwrap().to_vec(), bytes);
        }
    }
}

#[test]
fn a_packet_can_be_brought_into_its_rooms_by_hand() {
    for len in [1, 70, 100, 101, 350] {
        let mut pair = pair();
        let bytes = packet(3, len);
        for (tx, rx) in
            [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])]
        {
            let mut batch = tx.reserve().unwrap();
            let pushed = batch.push_with(len, |writer| {
                writer.rooms(|at, room| assert_eq!(room.write(0, &bytes[at..]), room.len().min(len - at)));
            });
            assert_eq!((pushed, batch.commit()), (Ok(()), 1));
            assert_eq!(rx.recv(1).unwrap().packets().next().unwrap().to_vec(), bytes);
        }
    }
}

#[test]
fn what_does_not_fit_is_not_copied() {
    let mut pair = Pair::sized(2, 100);
    pair.master.tx[0].send(&[1; 150]).unwrap();
    let Pair { slave, .. } = &mut pair;
    let mut received = slave.rx[0].recv(1).unwrap();
    let mut batch = slave.tx[0].reserve().unwrap();
    batch.push(&[2; 60]).unwrap();
    let packet = received.packets().next().unwrap();
    assert_eq!(batch.push_packet_with(&packet, |_, _| panic!("copied")), Err(SendError::Full));
    assert_eq!(batch.commit(), 1);
}
