//! One packet at a time.

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::error::{RecvError, SendError};
use crate::queue::{RxQueue, TxQueue};
use crate::ring::RingMemory;

fn crosses(tx: &mut TxQueue, rx: &mut RxQueue, bytes: &[u8]) {
    tx.send(bytes).unwrap();
    let mut batch = rx.recv(16).unwrap();
    assert_eq!(batch.len(), 1);
    let received: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
    assert!(received == [bytes], "{} bytes", bytes.len());
}

#[test]
fn packets_of_every_length_cross_both_ways() {
    for (ring_size, buffer_size) in [(64, 2048), (1024, 100), (32, 65_535), (64, 1501), (4096, 17)] {
        let mut pair = Pair::sized(ring_size, buffer_size);
        let most = pair.slave.tx[0].max_packet();
        assert_eq!(most, (ring_size * buffer_size).min(65_535) as usize);
        let edges = [buffer_size as usize - 1, buffer_size as usize, buffer_size as usize + 1];
        let lengths = [1, 2, 60, 64, 1500, 2048, 2049, 9000, 65_535, most];
        for (number, len) in lengths.into_iter().chain(edges).filter(|len| *len <= most).enumerate() {
            let bytes = packet(number as u64, len);
            crosses(&mut pair.slave.tx[0], &mut pair.master.rx[0], &bytes);
            crosses(&mut pair.master.tx[0], &mut pair.slave.rx[0], &bytes);
        }
        for (a, b) in [
            (&pair.slave.tx[0].counters(), &pair.master.rx[0].counters()),
            (&pair.master.tx[0].counters(), &pair.slave.rx[0].counters()),
        ] {
            assert_eq!((a.packets, a.bytes), (b.packets, b.bytes));
            assert_eq!((b.bad_descriptors, b.dropped, b.resyncs), (0, 0, 0));
        }
    }
}

#[test]
fn a_chain_fills_a_ring_exactly() {
    let mut pair = Pair::sized(4, 100);
    for number in 0..10 {
        let bytes = packet(number, 400);
        crosses(&mut pair.slave.tx[0], &mut pair.master.rx[0], &bytes);
        crosses(&mut pair.master.tx[0], &mut pair.slave.rx[0], &bytes);
    }
    for tx in [&mut pair.slave.tx[0], &mut pair.master.tx[0]] {
        let error = tx.send(&[0; 401]).unwrap_err();
        assert_eq!(error, SendError::TooLong { len: 401, max: 400 });
        assert_eq!(tx.send(&[]), Err(SendError::Empty));
    }
}

#[test]
fn a_packet_is_no_longer_than_was_set_though_a_buffer_takes_more() {
    let limited = |config: InterfaceConfig| config.ring_size(8).buffer_size(100).max_packet(50);
    let mut pair = Pair::new(limited(InterfaceConfig::slave(0)), limited(InterfaceConfig::master(0)));
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        // The first look of a master shows what is posted; from then on a batch goes by what it knows.
        crosses(tx, rx, &packet(1, 50));
        assert_eq!(tx.send(&[0; 51]), Err(SendError::TooLong { len: 51, max: 50 }));
        crosses(tx, rx, &packet(2, 50));
    }
}

/// What a master can send depends on the buffers of its slave.
#[test]
fn the_longest_packet_of_a_master_is_what_the_ring_of_its_slave_carries() {
    for (chains, most) in [(true, 200), (false, 100)] {
        let slave = InterfaceConfig::slave(0).ring_size(2).buffer_size(100);
        let mut pair = Pair::new(slave, InterfaceConfig::master(0).chaining(chains));
        let (tx, rx) = (&mut pair.master.tx[0], &mut pair.slave.rx[0]);
        // Before the first look, with a packet under way, and with all buffers back.
        for _ in 0..2 {
            assert_eq!(tx.max_packet(), most);
            crosses(tx, rx, &packet(1, most));
            tx.send(&packet(2, 60)).unwrap();
            assert_eq!(tx.max_packet(), most);
            if chains {
                // It never fits, so it is not the ring that is full.
                assert_eq!(tx.send(&[0; 201]), Err(SendError::TooLong { len: 201, max: 200 }));
                assert_eq!(tx.send(&[0; 200]), Err(SendError::Full));
            }
            assert_eq!(tx.send(&[0; 65_536]), Err(SendError::TooLong { len: 65_536, max: most }));
            assert_eq!(rx.recv(8).unwrap().packets().count(), 1);
        }
    }
}

#[test]
fn buffers_that_are_not_posted_yet_count_as_long_as_ours() {
    let slave = InterfaceConfig::slave(0).ring_size(4).buffer_size(100);
    let mut pair = Pair::new(slave, InterfaceConfig::master(0).buffer_size(150));
    let (m2s, tx) = (&pair.rings[1], &mut pair.master.tx[0]);
    m2s.store_head(0);
    assert_eq!(tx.max_packet(), 600);
    m2s.store_head(3);
    assert_eq!(tx.max_packet(), 450);
    // In place of one that lies nowhere another will be posted.
    m2s.store_word(2, 1, u64::from(u32::MAX));
    assert_eq!(tx.max_packet(), 500);
    tx.send(&[1; 60]).unwrap();
    assert_eq!(tx.max_packet(), 500);
    m2s.store_head(4);
    assert_eq!(tx.max_packet(), 450);
    // What the next call will name.
    m2s.store_head(50);
    assert_eq!(tx.max_packet(), 500);
}

#[test]
fn all_or_nothing_when_the_ring_is_full() {
    let mut pair = Pair::sized(8, 100);
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        for number in 0..7 {
            tx.send(&packet(number, 100)).unwrap();
        }
        assert_eq!(tx.send(&packet(7, 101)), Err(SendError::Full));
        tx.send(&packet(7, 100)).unwrap();
        assert_eq!(tx.send(&packet(8, 1)), Err(SendError::Full));
        assert_eq!(tx.counters().ring_full, 2);
        assert_eq!(tx.send_timeout(&packet(8, 1), std::time::Duration::from_millis(3)), Err(SendError::Full));
        assert_eq!(tx.counters().ring_full, 3);
        let mut batch = rx.recv(100).unwrap();
        for (number, packet_) in (&mut batch).into_iter().enumerate() {
            assert_eq!(packet_.to_vec(), packet(number as u64, 100));
        }
        drop(batch);
        tx.send(&packet(9, 800)).unwrap();
    }
}

#[test]
fn nothing_leaves_before_commit() {
    let mut pair = Pair::sized(8, 100);
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        let mut batch = tx.reserve().unwrap();
        batch.push(&[1; 250]).unwrap();
        batch.push(&[2; 100]).unwrap();
        assert!(rx.recv(10).unwrap().is_empty());
        drop(batch);
        assert!(rx.recv(10).unwrap().is_empty());
        let mut batch = tx.reserve().unwrap();
        // The whole room of each buffer is there again.
        batch.push(&[3; 800]).unwrap();
        assert_eq!(batch.push(&[4; 1]), Err(SendError::Full));
        assert_eq!(batch.commit(), 1);
        let mut batch = rx.recv(10).unwrap();
        assert_eq!((&mut batch).into_iter().next().unwrap().to_vec(), [3; 800]);
    }
}

#[test]
fn packets_not_taken_stay() {
    let mut pair = Pair::sized(16, 100);
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        for number in 0..5 {
            tx.send(&packet(number, 250)).unwrap();
        }
        let mut seen = 0;
        while seen < 5 {
            let mut batch = rx.recv(3).unwrap();
            let left = batch.len();
            assert!(left == 3 || left == 5 - seen);
            let first = (&mut batch).into_iter().next().unwrap();
            assert_eq!(first.to_vec(), packet(seen as u64, 250));
            assert_eq!(batch.len(), left - 1);
            seen += 1;
        }
        assert_eq!(rx.counters().packets, 5);
        assert!(rx.recv(3).unwrap().is_empty());
    }
}

#[test]
fn chains_can_be_switched_off() {
    let plain = |config: InterfaceConfig| config.chaining(false).buffer_size(100);
    let mut pair = Pair::new(plain(InterfaceConfig::slave(0)), plain(InterfaceConfig::master(0)));
    for tx in [&mut pair.slave.tx[0], &mut pair.master.tx[0]] {
        assert!(matches!(tx.send(&[0; 101]), Err(SendError::TooLong { len: 101, max: 100 })));
        tx.send(&[0; 100]).unwrap();
    }
}

#[test]
fn no_descriptor_is_longer_than_our_own_buffer_size() {
    let mut pair = Pair::new(InterfaceConfig::slave(0).buffer_size(9000), InterfaceConfig::master(0).buffer_size(2000));
    pair.master.tx[0].send(&[7; 9000]).unwrap();
    let mut batch = pair.slave.rx[0].recv(1).unwrap();
    let packet = (&mut batch).into_iter().next().unwrap();
    assert_eq!(packet.segments().map(|s| s.len()).collect::<Vec<_>>(), [2000, 2000, 2000, 2000, 1000]);
}

#[test]
fn a_link_that_is_down_says_so() {
    let mut pair = Pair::sized(8, 100);
    pair.slave.tx[0].send(&[1; 10]).unwrap();
    pair.master.handle.shut();
    assert_eq!(pair.master.rx[0].recv(1).unwrap_err(), RecvError::Disconnected);
    assert_eq!(pair.master.rx[0].wait(None), Err(RecvError::Disconnected));
    assert_eq!(pair.master.tx[0].send(&[1]), Err(SendError::Disconnected));
    assert_eq!(pair.master.tx[0].send_wait(&[1]), Err(SendError::Disconnected));
    assert!(!pair.master.rx[0].is_connected());
    // The other end has not heard yet.
    assert!(pair.slave.rx[0].recv(1).unwrap().is_empty());
}

#[test]
fn recv_into_cuts_and_tells_the_length() {
    let mut pair = Pair::sized(8, 100);
    pair.slave.tx[0].send(&packet(1, 250)).unwrap();
    let mut short = [0; 120];
    assert_eq!(pair.master.rx[0].recv_into(&mut short), Ok(Some(250)));
    assert_eq!(short[..], packet(1, 250)[..120]);
    assert_eq!(pair.master.rx[0].recv_into(&mut short), Ok(None));
}

#[test]
fn any_part_of_a_chain_can_be_read_and_written() {
    let mut pair = Pair::sized(8, 100);
    let bytes = packet(3, 450);
    for from in [0, 1, 99, 100, 101, 250, 449, 450, 451] {
        let mut batch = pair.slave.tx[0].reserve().unwrap();
        batch
            .push_with(450, |writer| {
                assert_eq!(writer.len(), 450);
                assert_eq!(writer.write_at(from, &bytes[from.min(450)..]), 450 - from.min(450));
                assert_eq!(writer.write_at(0, &bytes[..from.min(450)]), from.min(450));
                assert_eq!(writer.write_at(450, &[1]), 0);
                assert_eq!(writer.write_at(usize::MAX, &[1]), 0);
            })
            .unwrap();
        batch.commit();
        let mut batch = pair.master.rx[0].recv(1).unwrap();
        let packet = (&mut batch).into_iter().next().unwrap();
        assert_eq!(packet.to_vec(), bytes);
        let mut part = vec![0; 1000];
        let len = packet.read(from, &mut part);
        assert_eq!(part[..len], bytes[from.min(450)..]);
        assert_eq!(packet.read(from, &mut part[..3]), 3.min(450usize.saturating_sub(from)));
    }
}

#[test]
fn packets_are_appended_to_memory_of_the_caller() {
    let mut pair = Pair::sized(8, 100);
    let (one, two) = (packet(1, 60), packet(2, 450));
    pair.slave.tx[0].send(&one).unwrap();
    pair.slave.tx[0].send(&two).unwrap();
    let mut bytes = Vec::with_capacity(510);
    let before = bytes.as_ptr();
    for received in &mut pair.master.rx[0].recv(8).unwrap() {
        assert_eq!(received.append_to(&mut bytes), received.len());
    }
    assert_eq!(bytes, [one, two].concat());
    assert_eq!(bytes.as_ptr(), before, "there was room");
}
