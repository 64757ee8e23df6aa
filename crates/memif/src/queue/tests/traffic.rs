//! Many packets: wrap-around, forwarding, two ways at once.

use proptest::prelude::*;

use super::{Pair, packet};
use crate::config::{CacheLine, InterfaceConfig, Memory};
use crate::error::SendError;
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, offset_from_word};

const M2S: usize = 1;

/// Sends as many packets as fit, then takes a few.
fn rounds(tx: &mut TxQueue, rx: &mut RxQueue, total: u64, lens: &[usize], take: usize) {
    let len_of = |number: u64| lens[(number % lens.len() as u64) as usize];
    let (mut sent, mut seen) = (0, 0);
    while seen < total {
        let mut batch = tx.reserve().unwrap();
        while sent < total {
            match batch.push(&packet(sent, len_of(sent))) {
                Ok(()) => sent += 1,
                Err(SendError::Full) => break,
                Err(error) => panic!("{error}"),
            }
        }
        batch.commit();
        let mut batch = rx.recv(take).unwrap();
        assert!(!batch.is_empty());
        for received in &mut batch {
            assert!(received.to_vec() == packet(seen, len_of(seen)), "packet {seen}");
            seen += 1;
        }
    }
}

#[test]
fn more_than_65536_packets_through_every_ring_size() {
    for log2 in 0..=14 {
        let mut pair = Pair::sized(1 << log2, 64);
        rounds(&mut pair.slave.tx[0], &mut pair.master.rx[0], 70_000, &[8, 60], 1 << 14);
        rounds(&mut pair.master.tx[0], &mut pair.slave.rx[0], 70_000, &[60, 8], 1 << 14);
    }
}

#[test]
fn rings_for_either_cache_line_carry_the_same() {
    for line in [CacheLine::Of64, CacheLine::Of128] {
        for log2 in [0, 1, 3, 4, 8] {
            let slave = InterfaceConfig::slave(0).cache_line(Some(line)).ring_size(1 << log2).buffer_size(64);
            let mut pair = Pair::new(slave, InterfaceConfig::master(0).buffer_size(64));
            rounds(&mut pair.slave.tx[0], &mut pair.master.rx[0], 70_000, &[8, 60], 1 << 14);
            rounds(&mut pair.master.tx[0], &mut pair.slave.rx[0], 70_000, &[60, 8], 1 << 14);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_sizes_arrive_whole(
        log2 in 2u32..9,
        buffer_size in 1u32..3000,
        theirs in 1u32..3000,
        lens in proptest::collection::vec(1usize..12_000, 1..20),
        take in 1usize..40,
    ) {
        let slave = InterfaceConfig::slave(0).ring_size(1 << log2).buffer_size(buffer_size);
        let mut pair = Pair::new(slave, InterfaceConfig::master(0).buffer_size(theirs));
        let fits = |most: u32| {
            let lens: Vec<usize> =
                lens.iter().copied().filter(|len| *len <= (most << log2) as usize).collect();
            if lens.is_empty() { vec![1] } else { lens }
        };
        rounds(&mut pair.slave.tx[0], &mut pair.master.rx[0], 300, &fits(buffer_size), take);
        rounds(&mut pair.master.tx[0], &mut pair.slave.rx[0], 300, &fits(buffer_size.min(theirs)), take);
    }
}

#[test]
fn forwarding_exchanges_buffers_of_one_slave_and_copies_elsewhere() {
    let config = || InterfaceConfig::slave(0).ring_size(32).buffer_size(256);
    let mut near = Pair::new(config().memory(Memory::RingsApart), InterfaceConfig::master(0));
    let mut far = Pair::new(config(), InterfaceConfig::master(0));
    let lens = [1usize, 200, 256, 257, 900, 1000];
    for number in 0..5000u64 {
        let bytes = packet(number, lens[(number % 6) as usize]);
        near.master.tx[0].send(&bytes).unwrap();
        // Slave to its own master: no copy. The next hop: master to another link's slave, one copy.
        {
            let mut batch = near.slave.rx[0].recv(8).unwrap();
            let mut out = near.slave.tx[0].reserve().unwrap();
            for packet in &mut batch {
                let shared = packet.segments().next().unwrap().as_ptr();
                out.forward(packet).unwrap();
                let slot = out.queue_slot_start();
                assert_eq!(shared, slot, "the buffer itself went on");
            }
            assert_eq!(out.commit(), 1);
        }
        {
            let mut batch = near.master.rx[0].recv(8).unwrap();
            let mut out = far.slave.tx[0].reserve().unwrap();
            for packet in &mut batch {
                out.forward(packet).unwrap();
            }
            assert_eq!(out.commit(), 1);
        }
        let mut batch = far.master.rx[0].recv(8).unwrap();
        assert_eq!(batch.len(), 1);
        assert!((&mut batch).into_iter().all(|packet| packet.to_vec() == bytes), "packet {number}");
    }
}

/// A buffer that went on by exchange is not posted again when the ring is read afresh, though its batch was forgotten
/// before the one in its place was posted.
#[test]
fn an_exchange_outlasts_an_overrun() {
    let config = InterfaceConfig::slave(0).ring_size(16).buffer_size(256);
    let mut pair = Pair::new(config.memory(Memory::RingsApart), InterfaceConfig::master(0));
    let sent: Vec<_> = (0..3).map(|number| packet(number, 200)).collect();
    for bytes in &sent {
        pair.master.tx[0].send(bytes).unwrap();
    }
    {
        let mut batch = pair.slave.rx[0].recv(8).unwrap();
        let mut out = pair.slave.tx[0].reserve().unwrap();
        for packet in &mut batch {
            out.forward(packet).unwrap();
        }
        assert_eq!(out.commit(), 3);
        std::mem::forget(batch);
    }
    pair.rings[M2S].store_tail(100);
    assert!(pair.slave.rx[0].recv(8).unwrap().is_empty());
    assert_eq!(pair.slave.rx[0].counters().resyncs, 1);
    // Fills every buffer that is posted now.
    for slot in 100..116u16 {
        let posted = DescriptorHead::from_word(pair.rings[M2S].load_word(slot, 0));
        let offset = offset_from_word(pair.rings[M2S].load_word(slot, 1));
        let regions = &pair.slave.rx[0].scan.core.regions;
        let place = regions.slice(posted.region, offset, posted.length).unwrap();
        assert_eq!(place.write(0, &packet(slot.into(), 256)), 256);
    }
    pair.rings[M2S].store_tail(116);
    let mut batch = pair.slave.rx[0].recv(16).unwrap();
    let seen: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
    assert_eq!(seen, (100..116).map(|slot| packet(slot, 256)).collect::<Vec<_>>());
    let mut batch = pair.master.rx[0].recv(8).unwrap();
    let seen: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
    assert_eq!(seen, sent);
}

#[test]
fn a_packet_is_copied_to_several_others() {
    let mut near = Pair::sized(16, 100);
    let mut far = Pair::sized(16, 100);
    for number in 0..100u64 {
        let bytes = packet(number, [1, 64, 100, 101, 450][(number % 5) as usize]);
        near.master.tx[0].send(&bytes).unwrap();
        let mut batch = near.slave.rx[0].recv(8).unwrap();
        let (mut back, mut on) = (near.slave.tx[0].reserve().unwrap(), far.slave.tx[0].reserve().unwrap());
        for packet in &mut batch {
            let place = packet.segments().next().unwrap().as_ptr();
            back.push_packet(&packet).unwrap();
            on.push_packet(&packet).unwrap();
            assert_ne!(place, back.queue_slot_start(), "a copy went back");
            assert!(packet.to_vec() == bytes, "packet {number}");
        }
        assert_eq!((back.commit(), on.commit()), (1, 1));
        drop(batch);
        for rx in [&mut near.master.rx[0], &mut far.master.rx[0]] {
            let mut batch = rx.recv(8).unwrap();
            assert_eq!(batch.len(), 1);
            assert!((&mut batch).into_iter().all(|p| p.to_vec() == bytes), "packet {number}");
        }
    }
    let sent = near.slave.tx[0].counters();
    let got = near.master.rx[0].counters();
    assert_eq!((sent.packets, sent.bytes), (got.packets, got.bytes));
}

#[test]
fn a_packet_that_cannot_be_forwarded_comes_back() {
    let mut pair = Pair::sized(2, 100);
    let mut other = Pair::sized(2, 100);
    other.slave.tx[0].send(&[1; 200]).unwrap();
    pair.master.tx[0].send(&packet(1, 150)).unwrap();
    let mut batch = pair.slave.rx[0].recv(1).unwrap();
    let received = (&mut batch).into_iter().next().unwrap();
    let mut out = other.slave.tx[0].reserve().unwrap();
    let back = out.forward(received).unwrap_err();
    assert_eq!(back.error, SendError::Full);
    assert_eq!(back.packet.to_vec(), packet(1, 150));
}

#[test]
fn queues_work_in_threads_of_their_own() {
    const PACKETS: u64 = 20_000;
    let queues = |config: InterfaceConfig| config.rx_queues(2).tx_queues(3).ring_size(64);
    let master = InterfaceConfig::master(0).rx_queues(3).tx_queues(2);
    let pair = Pair::new(queues(InterfaceConfig::slave(0)), master);
    let pairs = pair.slave.tx.into_iter().zip(pair.master.rx).chain(pair.master.tx.into_iter().zip(pair.slave.rx));
    std::thread::scope(|scope| {
        for (number, (mut tx, mut rx)) in pairs.enumerate() {
            scope.spawn(move || {
                for i in 0..PACKETS {
                    tx.send_wait(&packet(i + number as u64, 1 + (i as usize * 37) % 5000)).unwrap();
                }
            });
            scope.spawn(move || {
                let mut i = 0;
                while i < PACKETS {
                    assert_eq!(rx.wait(None), Ok(true));
                    for received in &mut rx.recv(64).unwrap() {
                        let expected = packet(i + number as u64, 1 + (i as usize * 37) % 5000);
                        assert!(received.to_vec() == expected, "queue {number}, packet {i}");
                        i += 1;
                    }
                }
            });
        }
    });
}
