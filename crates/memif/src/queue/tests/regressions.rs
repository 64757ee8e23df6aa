//! What went wrong once, by behaviour.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Pair, packet};
use crate::config::{InterfaceConfig, RxMode};
use crate::error::SendError;
use crate::queue::{RxBatch, RxQueue, TxBatch, TxQueue};
use crate::ring::RingMemory;
use crate::shm::SharedSlice;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT};

const S2M: usize = 0;
const M2S: usize = 1;

fn head(flags: u16, region: u16, length: u32) -> u64 {
    DescriptorHead { flags, region, length }.to_word()
}

#[test]
fn a_wait_sees_a_chain_completed_behind_packets_that_were_taken() {
    let mut pair = Pair::sized(16, 100);
    for slot in 0..8 {
        let flags = if (3..7).contains(&slot) { FLAG_NEXT } else { 0 };
        pair.rings[S2M].store_word(slot, 0, head(flags, 0, 10));
    }
    pair.rings[S2M].store_head(5);
    assert_eq!(pair.master.rx[0].recv(10).unwrap().packets().count(), 3);
    // As many slots are there now as there were before, the open chain included.
    pair.rings[S2M].store_head(8);
    assert_eq!(pair.master.rx[0].wait(Some(Duration::from_secs(60))), Ok(true));
    assert_eq!(pair.master.rx[0].recv(10).unwrap().packets().count(), 1);
}

#[test]
fn a_wait_forgets_an_open_chain_when_the_ring_was_overrun() {
    let mut pair = Pair::sized(16, 100);
    for slot in 0..2 {
        pair.rings[S2M].store_word(slot, 0, head(FLAG_NEXT, 0, 10));
    }
    pair.rings[S2M].store_head(2);
    assert!(pair.master.rx[0].recv(10).unwrap().is_empty());
    pair.rings[S2M].store_head(100);
    assert!(pair.master.rx[0].recv(10).unwrap().is_empty());
    for slot in 100..102 {
        pair.rings[S2M].store_word(slot, 0, head(0, 0, 10));
    }
    pair.rings[S2M].store_head(102);
    assert_eq!(pair.master.rx[0].wait(Some(Duration::from_secs(60))), Ok(true));
    assert_eq!(pair.master.rx[0].recv(10).unwrap().len(), 2);
}

#[test]
fn bad_buffers_go_back_at_once_and_count_once() {
    let mut pair = Pair::sized(8, 100);
    for slot in 0..8 {
        pair.rings[M2S].store_word(slot, 0, head(0, 9, 100));
    }
    for _ in 0..5 {
        assert_eq!(pair.master.tx[0].send(&[1; 60]), Err(SendError::Full));
    }
    assert_eq!(pair.master.tx[0].counters().bad_descriptors, 8);
    assert_eq!(pair.rings[M2S].load_tail(), 8);
    // Behind a packet that waits they go with it, and are not counted when it does not go.
    let mut pair = Pair::sized(8, 100);
    for slot in 2..8 {
        pair.rings[M2S].store_word(slot, 0, head(0, 9, 100));
    }
    for _ in 0..3 {
        let mut batch = pair.master.tx[0].reserve().unwrap();
        batch.push(&[1; 60]).unwrap();
        assert_eq!(batch.push(&[1; 200]), Err(SendError::Full));
    }
    assert_eq!(pair.master.tx[0].counters().bad_descriptors, 0);
    let mut batch = pair.master.tx[0].reserve().unwrap();
    batch.push(&[1; 60]).unwrap();
    assert_eq!(batch.push(&[1; 200]), Err(SendError::Full));
    assert_eq!(batch.commit(), 1);
    assert_eq!(pair.master.tx[0].counters().bad_descriptors, 6);
}

#[test]
fn a_panic_while_a_packet_is_written_leaves_no_packet() {
    let mut pair = Pair::sized(8, 100);
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        let mut batch = tx.reserve().unwrap();
        let caught = catch_unwind(AssertUnwindSafe(|| batch.push_with(150, |_| panic!("on purpose"))));
        assert!(caught.is_err());
        batch.push(&packet(7, 10)).unwrap();
        assert_eq!(batch.commit(), 1);
        let mut batch = rx.recv(10).unwrap();
        let seen: Vec<_> = batch.packets().map(|packet| packet.to_vec()).collect();
        assert_eq!(seen, [packet(7, 10)]);
    }
}

#[test]
fn a_panic_behind_bad_buffers_leaves_them_given_back() {
    let mut pair = Pair::sized(8, 100);
    for slot in 0..2 {
        pair.rings[M2S].store_word(slot, 0, head(0, 9, 100));
    }
    let mut batch = pair.master.tx[0].reserve().unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| batch.push_with(60, |_| panic!("on purpose"))));
    assert!(caught.is_err());
    assert_eq!(pair.rings[M2S].load_tail(), 2);
    batch.push(&packet(7, 10)).unwrap();
    assert_eq!(batch.commit(), 1);
    assert_eq!(pair.rings[M2S].load_tail(), 3);
    assert_eq!(pair.master.tx[0].counters().bad_descriptors, 2);
    let mut batch = pair.slave.rx[0].recv(10).unwrap();
    let seen: Vec<_> = batch.packets().map(|packet| packet.to_vec()).collect();
    assert_eq!(seen, [packet(7, 10)]);
}

#[test]
fn queues_and_what_is_received_move_to_other_threads() {
    fn moves<T: Send>() {}
    moves::<(RxQueue, TxQueue, RxBatch<'_>, TxBatch<'_>, SharedSlice<'_>)>();
}

#[test]
fn forgotten_batches_neither_send_nor_deliver_twice() {
    let mut pair = Pair::sized(8, 100);
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    batch.push(&[1; 30]).unwrap();
    std::mem::forget(batch);
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    batch.push(&[7; 10]).unwrap();
    assert_eq!(batch.commit(), 1);
    assert_eq!(pair.master.rx[0].recv_into(&mut [0; 100]), Ok(Some(10)));

    for number in 0..2 {
        pair.master.tx[0].send(&packet(number, 50)).unwrap();
    }
    let mut batch = pair.slave.rx[0].recv(10).unwrap();
    let mut out = pair.slave.tx[0].reserve().unwrap();
    for packet in batch.packets().take(1) {
        out.forward(packet).unwrap();
    }
    out.commit();
    std::mem::forget(batch);
    let mut batch = pair.slave.rx[0].recv(10).unwrap();
    let seen: Vec<_> = batch.packets().map(|packet| packet.to_vec()).collect();
    assert_eq!(seen, [packet(1, 50)]);
    drop(batch);
    assert_eq!(pair.slave.rx[0].counters().packets, 2);
}

#[test]
fn a_forgotten_iterator_delivers_nothing_twice() {
    let mut pair = Pair::sized(8, 100);
    for (tx, rx) in [(&mut pair.slave.tx[0], &mut pair.master.rx[0]), (&mut pair.master.tx[0], &mut pair.slave.rx[0])] {
        for forgets_batch in [false, true] {
            let before = rx.counters();
            for (number, len) in [(0, 50), (1, 150)] {
                tx.send(&packet(number, len)).unwrap();
            }
            let mut batch = rx.recv(10).unwrap();
            let mut packets = batch.packets();
            assert_eq!(packets.next().unwrap().to_vec(), packet(0, 50));
            std::mem::forget(packets);
            assert_eq!(batch.len(), 0);
            assert!(batch.packets().next().is_none());
            if forgets_batch {
                std::mem::forget(batch);
            } else {
                drop(batch);
            }
            tx.send(&packet(2, 60)).unwrap();
            let mut batch = rx.recv(10).unwrap();
            let seen: Vec<_> = batch.packets().map(|packet| packet.to_vec()).collect();
            assert_eq!(seen, [packet(2, 60)]);
            drop(batch);
            let after = rx.counters();
            assert_eq!((after.packets - before.packets, after.bytes - before.bytes), (3, 260));
        }
    }
}

#[test]
fn nothing_is_committed_after_a_breach() {
    let mut pair = Pair::sized(8, 100);
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    for _ in 0..8 {
        batch.push(&[1; 30]).unwrap();
    }
    pair.rings[S2M].store_tail(5000);
    assert!(matches!(batch.push(&[1; 30]), Err(SendError::Breach(_))));
    assert_eq!(batch.commit(), 0);
    assert_eq!(pair.rings[S2M].load_head(), 0);
    assert_eq!(pair.slave.tx[0].counters().packets, 0);
}

#[test]
fn a_receiver_that_was_away_for_long_hears_its_signal_again() {
    let interrupt = |config: InterfaceConfig| config.rx_mode(RxMode::Interrupt);
    let mut pair = Pair::new(interrupt(InterfaceConfig::slave(0)), interrupt(InterfaceConfig::master(0)));
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    for number in 0..600 {
        batch.push(&packet(number, 60)).unwrap();
    }
    batch.commit();
    let patience = Instant::now() + Duration::from_secs(60);
    // Until the repeats have become rare.
    while pair.slave.handle.repeat_signals() {
        assert!(Instant::now() < patience);
    }
    pair.master.rx[0].acknowledge();
    assert_eq!(pair.master.rx[0].recv(256).unwrap().packets().count(), 256);
    let before = pair.slave.tx[0].counters().signals;
    pair.slave.handle.repeat_signals();
    assert!(pair.slave.tx[0].counters().signals > before, "progress makes repeats frequent again");
}

#[test]
fn a_buffer_that_is_too_small_does_not_stop_a_sender_without_chains() {
    let mut pair = Pair::new(InterfaceConfig::slave(0).ring_size(8), InterfaceConfig::master(0).chaining(false));
    pair.rings[M2S].store_word(0, 0, head(0, 0, 1));
    pair.master.tx[0].send(&packet(1, 60)).unwrap();
    let mut batch = pair.slave.rx[0].recv(10).unwrap();
    let seen: Vec<_> = batch.packets().map(|packet| packet.to_vec()).collect();
    assert_eq!(seen, [packet(1, 60)]);
    let error = pair.master.tx[0].send(&[0; 2049]).unwrap_err();
    assert_eq!(error, SendError::TooLong { len: 2049, max: 2048 });
}

#[test]
fn a_lost_link_is_told_through_the_descriptor_of_a_queue() {
    let interrupt = |config: InterfaceConfig| config.rx_mode(RxMode::Interrupt);
    let Pair { master, slave, .. } =
        Pair::new(interrupt(InterfaceConfig::slave(0)), interrupt(InterfaceConfig::master(0)));
    let readable = |rx: &RxQueue| {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut [PollFd::new(rx, PollFlags::IN)], Some(&now)).unwrap() > 0
    };
    assert!(!readable(&slave.rx[0]) && !readable(&master.rx[0]));
    slave.handle.shut();
    // A peer that reads its eventfd empty cannot hide it.
    assert!(!crate::queue::drain(&*slave.handle.rx_interrupt(0).unwrap()));
    assert!(readable(&slave.rx[0]) && !readable(&master.rx[0]));
}

/// A slave that sleeps hears of buffers that came back empty, or it would never post them again.
#[test]
fn useless_buffers_come_back_with_a_signal() {
    let slave = InterfaceConfig::slave(0).ring_size(16).rx_mode(RxMode::Interrupt);
    let mut pair = Pair::new(slave, InterfaceConfig::master(0).chaining(false));
    pair.rings[M2S].store_word(15, 0, head(0, 0, 100));
    let (tx, rx) = (&mut pair.master.tx[0], &mut pair.slave.rx[0]);
    (0..15).for_each(|_| tx.send(&packet(1, 60)).unwrap());
    // It has heard of these, and takes its time.
    rx.acknowledge();
    assert_eq!(tx.send(&packet(1, 1500)), Err(SendError::Full));
    let within = Timespec { tv_sec: 10, tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(&*rx, PollFlags::IN)], Some(&within)), Ok(1));
    assert_eq!((&mut rx.recv(64).unwrap()).into_iter().count(), 15);
    tx.send(&packet(2, 60)).unwrap();
    assert_eq!(rx.recv(64).unwrap().packets().map(|packet| packet.to_vec()).collect::<Vec<_>>(), [packet(2, 60)]);
}

/// A chain whose end does not come costs one walk, and not one for each look.
#[test]
fn a_chain_without_an_end_is_walked_once() {
    let mut pair = Pair::sized(64, 100);
    let rx = &mut pair.master.rx[0];
    for slot in 0..63 {
        pair.rings[0].store_word(slot, 0, DescriptorHead { flags: FLAG_NEXT, region: 0, length: 1 }.to_word());
    }
    pair.rings[0].store_head(63);
    rx.scan.core.ring.loads();
    assert!(rx.recv(64).unwrap().is_empty());
    assert!(rx.scan.core.ring.loads().len() >= 63);
    for _ in 0..3 {
        assert!(rx.recv(64).unwrap().is_empty());
        assert!(rx.scan.core.ring.loads().is_empty());
    }
}

/// Handed back, such buffers would come again at once, as fast as both processors can do it.
#[test]
fn what_no_buffer_holds_is_too_long_without_chains() {
    let slave = InterfaceConfig::slave(0).ring_size(16).buffer_size(1024);
    let mut pair = Pair::new(slave, InterfaceConfig::master(0).chaining(false));
    let (tx, rx) = (&mut pair.master.tx[0], &mut pair.slave.rx[0]);
    assert_eq!(tx.max_packet(), 1024);
    for _ in 0..3 {
        assert_eq!(tx.send(&packet(1, 1500)), Err(SendError::TooLong { len: 1500, max: 1024 }));
        assert_eq!(tx.send_wait(&packet(1, 1500)), Err(SendError::TooLong { len: 1500, max: 1024 }));
    }
    assert!(rx.recv(64).unwrap().is_empty());
    assert_eq!((tx.counters().bad_descriptors, rx.counters().bad_descriptors), (0, 0));
    tx.send(&packet(2, 1024)).unwrap();
    assert_eq!(rx.recv(64).unwrap().packets().count(), 1);
}
