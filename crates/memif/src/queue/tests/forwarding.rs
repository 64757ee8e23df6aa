//! Buffers that change places between the queues of a slave.

use std::collections::HashSet;

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::error::SendError;
use crate::link::Connected;

const SLOTS: u16 = 8;

/// Where the buffers of the slave lie, of the receive queue and of the transmit queue.
fn places(slave: &Connected) -> (Vec<u32>, Vec<u32>) {
    let rx = (0..SLOTS).map(|slot| slave.rx[0].slot_offset(slot)).collect();
    let tx = (0..SLOTS).map(|slot| slave.tx[0].slot_offset(slot)).collect();
    (rx, tx)
}

/// Panics unless the slave has the same buffers as ever, each once.
fn nothing_is_lost_or_doubled(slave: &Connected, before: &HashSet<u32>) {
    let (rx, tx) = places(slave);
    let now: HashSet<u32> = rx.iter().chain(&tx).copied().collect();
    assert_eq!((now.len(), &now), (rx.len() + tx.len(), before));
}

fn all_places(slave: &Connected) -> HashSet<u32> {
    let (rx, tx) = places(slave);
    rx.into_iter().chain(tx).collect()
}

/// Takes everything from the master's receive queue.
fn arrived(master: &mut Connected) -> Vec<Vec<u8>> {
    let mut batch = master.rx[0].recv(usize::from(SLOTS)).unwrap();
    batch.packets().map(|packet| packet.to_vec()).collect()
}

#[test]
fn a_slot_changes_its_buffer_as_often_as_it_is_forwarded() {
    let mut pair = Pair::sized(u32::from(SLOTS), 100);
    let before = all_places(&pair.slave);
    for number in 0..200_u64 {
        let lens = [100, 101, 300, 1];
        let len = lens[number as usize % 4];
        // Every third one is sent for nothing before: it is in a slot of the transmit ring that the next one takes.
        for commits in [number % 3 != 0, true] {
            pair.master.tx[0].send(&packet(number, len)).unwrap();
            let mut batch = pair.slave.rx[0].recv(1).unwrap();
            let mut out = pair.slave.tx[0].reserve().unwrap();
            for packet in batch.packets() {
                let place = packet.segments().next().unwrap().as_ptr();
                out.forward(packet).unwrap();
                assert_eq!(place, out.queue_slot_start(), "a copy was sent");
            }
            if commits {
                assert_eq!(out.commit(), 1);
            } else {
                drop(out);
            }
            drop(batch);
            nothing_is_lost_or_doubled(&pair.slave, &before);
            let expected = if commits { vec![packet(number, len)] } else { vec![] };
            assert_eq!(arrived(&mut pair.master), expected);
        }
    }
}

#[test]
fn what_a_full_ring_did_not_take_is_forwarded_later_and_once() {
    let sized = |config: InterfaceConfig| config.ring_size(u32::from(SLOTS)).buffer_size(100);
    let pair = || Pair::new(sized(InterfaceConfig::slave(0)), sized(InterfaceConfig::master(0)));
    // Packets, and how many of them go before the ring is full: so many slots are taken.
    for (lens, taken) in
        [(&[100; 8][..], 0), (&[100; 8], 3), (&[100; 8], 8), (&[250, 100, 250, 100], 2), (&[800], 1), (&[100, 700], 1)]
    {
        for exchanges in [true, false] {
            let (mut near, mut far) = (pair(), pair());
            let before = all_places(&near.slave);
            for (number, len) in (0..).zip(lens) {
                near.master.tx[0].send(&packet(number, *len)).unwrap();
            }
            let mut expected: Vec<_> = (0..taken).map(|number| packet(900 + number, 60)).collect();
            expected.extend((0..).zip(lens).map(|(number, len)| packet(number, *len)));
            let Pair { slave: Connected { rx, tx, .. }, master, .. } = &mut near;
            let (out, sink) =
                if exchanges { (&mut tx[0], &mut master.rx[0]) } else { (&mut far.slave.tx[0], &mut far.master.rx[0]) };
            (0..taken).for_each(|number| out.send(&packet(900 + number, 60)).unwrap());

            let mut seen: Vec<Vec<u8>> = vec![];
            let mut full = 0;
            let mut batch = rx[0].recv(100).unwrap();
            let mut packets = batch.packets();
            let mut next = packets.next();
            while let Some(packet) = next.take() {
                let mut sending = out.reserve().unwrap();
                next = Some(packet);
                while let Some(packet) = next.take() {
                    match sending.forward(packet) {
                        Ok(()) => next = packets.next(),
                        Err(error) => {
                            assert_eq!(error.error, SendError::Full);
                            next = Some(error.packet);
                            full += 1;
                            break;
                        }
                    }
                }
                sending.commit();
                // One slot at least.
                let mut taken = sink.recv(1).unwrap();
                seen.extend(taken.packets().map(|packet| packet.to_vec()));
                assert!(full < 100);
            }
            drop(packets);
            drop(batch);
            let mut rest = sink.recv(100).unwrap();
            seen.extend(rest.packets().map(|packet| packet.to_vec()));
            drop(rest);
            assert_eq!(seen, expected, "{lens:?} behind {taken}, exchange: {exchanges}");
            assert_eq!(full > 0, taken > 0);
            assert_eq!(out.counters().packets, expected.len() as u64);
            nothing_is_lost_or_doubled(&near.slave, &before);
        }
    }
}

#[test]
fn packets_of_every_origin_go_in_one_batch() {
    let mut pair = Pair::sized(u32::from(SLOTS), 100);
    let mut other = Pair::sized(u32::from(SLOTS), 100);
    let before = all_places(&pair.slave);
    for round in 0..200_u64 {
        let lens = if round % 2 == 0 { [60, 100, 70, 80] } else { [60, 150, 100, 50] };
        let bytes = [0, 1, 2, 3].map(|n| packet(4 * round + n, lens[n as usize]));
        for number in [1, 3] {
            pair.master.tx[0].send(&bytes[number]).unwrap();
        }
        other.master.tx[0].send(&bytes[2]).unwrap();
        let mut near = pair.slave.rx[0].recv(4).unwrap();
        let mut far = other.slave.rx[0].recv(4).unwrap();
        let mut out = pair.slave.tx[0].reserve().unwrap();
        out.push(&bytes[0]).unwrap();
        let mut received = near.packets();
        out.forward(received.next().unwrap()).unwrap();
        out.push_packet(&far.packets().next().unwrap()).unwrap();
        out.forward(received.next().unwrap()).unwrap();
        out.push_with(90, |writer| _ = writer.write_at(0, &packet(round, 90))).unwrap();
        assert_eq!((out.len(), out.commit()), (5, 5));
        drop(received);
        drop((near, far));
        let mut expected = bytes.to_vec();
        expected.push(packet(round, 90));
        assert_eq!(arrived(&mut pair.master), expected, "round {round}");
        nothing_is_lost_or_doubled(&pair.slave, &before);
    }
}
