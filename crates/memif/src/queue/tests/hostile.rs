//! A peer that writes what it likes to shared memory.

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::error::{Breach, RecvError, SendError};
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_to_word};

const S2M: usize = 0;
const M2S: usize = 1;

fn head(flags: u16, region: u16, length: u32) -> u64 {
    DescriptorHead { flags, region, length }.to_word()
}

/// The breach that a receive call reported.
fn breach(result: Result<super::super::RxBatch<'_>, RecvError>) -> Breach {
    match result {
        Err(RecvError::Breach(breach)) => breach,
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_bad_descriptor_drops_one_packet() {
    let bad: [(u64, u64); 7] = [
        (head(0, 0xffff, 60), offset_to_word(0)),
        (head(0, 1, 60), offset_to_word(0)),
        (head(0, 0, 60), offset_to_word(u32::MAX)),
        (head(0, 0, 0), offset_to_word(0)),
        (head(0, 0, u32::MAX), offset_to_word(0)),
        (head(0, 0, u32::MAX), offset_to_word(u32::MAX)),
        (head(0xfffe, 0, 65_536), offset_to_word(0)),
    ];
    let mut pair = Pair::sized(16, 2048);
    for (round, (first, second)) in bad.into_iter().enumerate() {
        let mut batch = pair.slave.tx[0].reserve().unwrap();
        let slot = batch.next_slot();
        for number in 0..3 {
            batch.push(&packet(number, 60)).unwrap();
        }
        pair.rings[S2M].store_word(slot.wrapping_add(1), 0, first);
        pair.rings[S2M].store_word(slot.wrapping_add(1), 1, second);
        batch.commit();
        let mut batch = pair.master.rx[0].recv(10).unwrap();
        let seen: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
        drop(batch);
        assert_eq!(seen, [packet(0, 60), packet(2, 60)], "round {round}");
        let counters = pair.master.rx[0].counters();
        assert_eq!((counters.dropped, counters.bad_descriptors), (round as u64 + 1, round as u64 + 1));
        // The slave never reads its offsets back; write the good one for the next round.
        pair.rings[S2M].store_word(slot.wrapping_add(1), 1, batch_offset(&pair, slot.wrapping_add(1)));
    }
}

fn batch_offset(pair: &Pair, slot: u16) -> u64 {
    offset_to_word(pair.slave.tx[0].slot_offset(slot))
}

#[test]
fn a_bad_part_drops_the_whole_chain_and_a_long_one_too() {
    let slave = InterfaceConfig::slave(0).ring_size(64).buffer_size(100);
    let mut pair = Pair::new(slave, InterfaceConfig::master(0).max_packet(1000));
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    batch.push(&packet(0, 500)).unwrap();
    batch.push(&packet(1, 1001)).unwrap();
    batch.push(&packet(2, 1000)).unwrap();
    pair.rings[S2M].store_word(2, 0, head(FLAG_NEXT, 9, 100));
    batch.commit();
    let mut batch = pair.master.rx[0].recv(10).unwrap();
    let seen: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
    drop(batch);
    assert_eq!(seen, [packet(2, 1000)]);
    let counters = pair.master.rx[0].counters();
    assert_eq!((counters.dropped, counters.packets), (2, 1));
    // All slots are back, and no NEXT is left behind to glue packets later.
    assert!((0..64).all(|slot| !DescriptorHead::from_word(pair.rings[S2M].load_word(slot, 0)).has_next()));
    pair.slave.tx[0].send(&packet(3, 1000)).unwrap();
    assert_eq!(pair.master.rx[0].recv_into(&mut [0; 2000]), Ok(Some(1000)));
}

#[test]
fn a_chain_without_an_end_waits_and_fills_the_ring_only_once() {
    let mut pair = Pair::sized(8, 100);
    for slot in 0..8 {
        pair.rings[S2M].store_word(slot, 0, head(FLAG_NEXT, 0, 10));
    }
    for count in 1..8 {
        pair.rings[S2M].store_head(count);
        assert!(pair.master.rx[0].recv(10).unwrap().is_empty());
        // Met before: not worth waking up for again.
        assert_eq!(pair.master.rx[0].wait(Some(std::time::Duration::from_millis(1))), Ok(false));
    }
    pair.rings[S2M].store_head(8);
    assert!(matches!(breach(pair.master.rx[0].recv(10)), Breach::EndlessChain { slot: 0, .. }));
    assert_eq!(pair.master.rx[0].recv(10).unwrap_err(), RecvError::Disconnected);
    assert!(matches!(pair.master.handle.fault(), Some(Breach::EndlessChain { .. })));
}

#[test]
fn more_than_the_buffer_holds_takes_a_slave_down() {
    let mut pair = Pair::sized(8, 100);
    pair.rings[M2S].store_word(0, 0, head(0, 0, 101));
    pair.rings[M2S].store_tail(1);
    assert!(matches!(
        breach(pair.slave.rx[0].recv(10)),
        Breach::OverCapacity { length: 101, capacity: 100, slot: 0, .. }
    ));
    assert_eq!(pair.slave.tx[0].send(&[1]), Err(SendError::Disconnected));
}

#[test]
fn a_slave_ignores_the_place_that_a_master_writes() {
    let mut pair = Pair::sized(8, 100);
    let mut batch = pair.master.tx[0].reserve().unwrap();
    batch.push(&packet(1, 60)).unwrap();
    batch.commit();
    pair.rings[M2S].store_word(0, 0, head(0, 0xffff, 60));
    pair.rings[M2S].store_word(0, 1, u64::MAX);
    let mut batch = pair.slave.rx[0].recv(1).unwrap();
    assert_eq!((&mut batch).into_iter().next().unwrap().to_vec(), packet(1, 60));
}

#[test]
fn an_overrun_is_survived_counted_and_bounded() {
    let strict = |config: InterfaceConfig| config.ring_size(16).buffer_size(100).resync_limit(3);
    let mut pair = Pair::new(strict(InterfaceConfig::slave(0)), strict(InterfaceConfig::master(0)));
    for round in 0..2u64 {
        // S2M: head runs over the ring.
        for _ in 0..3 {
            let tail = pair.rings[S2M].load_tail();
            pair.rings[S2M].store_head(tail.wrapping_add(40_000));
            assert!(pair.master.rx[0].recv(10).unwrap().is_empty());
            assert_eq!(pair.rings[S2M].load_tail(), tail.wrapping_add(40_000));
        }
        // M2S: tail runs over head; all buffers are posted again.
        for _ in 0..3 {
            let tail = pair.rings[M2S].load_tail();
            pair.rings[M2S].store_tail(tail.wrapping_add(17));
            assert!(pair.slave.rx[0].recv(10).unwrap().is_empty());
            assert_eq!(pair.rings[M2S].load_head(), tail.wrapping_add(17 + 16));
        }
        assert_eq!(pair.master.rx[0].counters().resyncs, (round + 1) * 3);
        assert_eq!(pair.slave.rx[0].counters().resyncs, (round + 1) * 3);
        // A packet in between and the count starts anew.
        for (ring, is_s2m) in [(S2M, true), (M2S, false)] {
            let ring = &pair.rings[ring];
            let slot = if is_s2m { ring.load_head() } else { ring.load_tail() };
            ring.store_word(slot, 0, head(0, 0, 60));
            if is_s2m {
                ring.store_head(slot.wrapping_add(1));
                assert_eq!(pair.master.rx[0].recv_into(&mut [0; 100]), Ok(Some(60)));
            } else {
                ring.store_tail(slot.wrapping_add(1));
                assert_eq!(pair.slave.rx[0].recv_into(&mut [0; 100]), Ok(Some(60)));
            }
        }
    }
    for _ in 0..3 {
        let tail = pair.rings[S2M].load_tail();
        pair.rings[S2M].store_head(tail.wrapping_sub(1));
        assert!(pair.master.rx[0].recv(10).unwrap().is_empty());
    }
    let tail = pair.rings[S2M].load_tail();
    pair.rings[S2M].store_head(tail.wrapping_sub(1));
    assert!(matches!(breach(pair.master.rx[0].recv(10)), Breach::Overrun { count: 3, .. }));
}

#[test]
fn resynchronisation_can_be_switched_off() {
    let strict = |config: InterfaceConfig| config.ring_size(16).resync_limit(0);
    let mut pair = Pair::new(strict(InterfaceConfig::slave(0)), strict(InterfaceConfig::master(0)));
    pair.rings[S2M].store_head(17);
    assert_eq!(breach(pair.master.rx[0].recv(1)).to_string(), "rx 0 head 17 out of 0 to 16");
    pair.rings[M2S].store_tail(17);
    assert!(matches!(breach(pair.slave.rx[0].recv(1)), Breach::Cursor { cursor: "tail", .. }));
}

#[test]
fn a_sender_whose_peer_moves_out_of_range_goes_down() {
    for found in [1u16, 17, 32_768, 65_535] {
        let mut pair = Pair::sized(16, 100);
        // S2M: the master returns slots that it never had. Noticed when slots are needed.
        pair.rings[S2M].store_tail(found);
        let error = (0..18).find_map(|_| pair.slave.tx[0].send(&[1; 60]).err()).unwrap();
        match found {
            1 => assert_eq!(error, SendError::Full),
            _ => assert!(matches!(error, SendError::Breach(Breach::Cursor { .. })), "{found} {error}"),
        }
    }
    for found in [17u16, 32_768, 65_535] {
        let mut pair = Pair::sized(16, 100);
        pair.rings[M2S].store_head(found);
        let error = pair.master.tx[0].send(&[1; 60]).unwrap_err();
        assert!(matches!(error, SendError::Breach(Breach::Cursor { cursor: "head", .. })), "{error}");
    }
}

#[test]
fn bad_buffers_go_back_empty_and_the_packet_uses_the_next() {
    let mut pair = Pair::sized(8, 100);
    for (slot, word, offset) in
        [(0, head(0, 7, 100), 0), (2, head(0, 0, 0), 0), (3, head(0, 0, 100), u32::MAX), (5, head(0, 0, u32::MAX), 0)]
    {
        pair.rings[M2S].store_word(slot, 0, word);
        pair.rings[M2S].store_word(slot, 1, offset_to_word(offset));
    }
    // Two good ones in a row are 6 and 7 alone.
    pair.master.tx[0].send(&packet(1, 150)).unwrap();
    assert_eq!(pair.rings[M2S].load_tail(), 8);
    assert_eq!(pair.master.tx[0].counters().bad_descriptors, 4);
    let lengths: Vec<_> =
        (0..8).map(|slot| DescriptorHead::from_word(pair.rings[M2S].load_word(slot, 0)).length).collect();
    assert_eq!(lengths, [0, 0, 0, 0, 0, 0, 100, 50]);
    let mut batch = pair.slave.rx[0].recv(10).unwrap();
    let seen: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
    assert_eq!(seen, [packet(1, 150)]);
}

#[test]
fn the_same_bad_words_posted_again_are_as_bad_and_good_ones_as_good() {
    let mut pair = Pair::sized(8, 100);
    for round in 0..8u8 {
        // Bad twice, good twice, and again.
        let bad = round % 4 < 2;
        if bad {
            pair.rings[M2S].store_word(0, 0, head(0, 7, 100));
        }
        let good = if bad { 7 } else { 8 };
        let mut batch = pair.master.tx[0].reserve().unwrap();
        let pushed = (0..8).take_while(|_| batch.push(&[round; 100]).is_ok()).count();
        assert_eq!((pushed, batch.commit()), (good, good), "round {round}");
        let mut batch = pair.slave.rx[0].recv(10).unwrap();
        let seen: Vec<_> = (&mut batch).into_iter().map(|packet| packet.to_vec()).collect();
        assert_eq!(seen, vec![vec![round; 100]; good]);
    }
    assert_eq!(pair.master.tx[0].counters().bad_descriptors, 4);
}

#[test]
fn a_ring_of_bad_buffers_ends() {
    let mut pair = Pair::sized(8, 100);
    for slot in 0..8 {
        pair.rings[M2S].store_word(slot, 0, head(0, 9, 100));
    }
    assert_eq!(pair.master.tx[0].send(&[1; 60]), Err(SendError::Full));
}

#[test]
fn a_slave_that_posts_useless_buffers_as_fast_as_they_go_back_holds_nobody() {
    let mut pair = Pair::sized(8, 100);
    for slot in 0..8 {
        pair.rings[M2S].store_word(slot, 0, head(0, 9, 100));
    }
    let mut looks = 0;
    pair.master.tx[0].core.ring.before_each_look(move |ring| {
        looks += 1;
        assert!(looks < 1000, "it is held");
        ring.store_head(ring.load_tail().wrapping_add(8));
    });
    assert_eq!(pair.master.tx[0].send(&[1; 60]), Err(SendError::Full));
}

#[test]
fn after_an_overrun_every_buffer_is_posted_whole() {
    let mut pair = Pair::sized(8, 100);
    let ring = &pair.rings[M2S];
    let before: Vec<_> = (0..8).map(|slot| ring.load_word(slot, 0)).collect();
    // What a master leaves in slots that it used, or in any.
    (0..8).for_each(|slot| ring.store_word(slot, 0, head(FLAG_NEXT, 9, 1)));
    ring.store_tail(100);
    assert!(pair.slave.rx[0].recv(1).unwrap().is_empty());
    assert_eq!(ring.load_head(), 108);
    assert_eq!((0..8).map(|slot| ring.load_word(slot, 0)).collect::<Vec<_>>(), before);
}
