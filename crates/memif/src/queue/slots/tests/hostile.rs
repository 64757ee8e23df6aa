//! A peer that writes what it likes.

use super::{Bed, M2S, S2M, Slot, head};
use crate::config::InterfaceConfig;
use crate::error::{Breach, RecvError, SendError};
use crate::queue::tests::packet;
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_from_word, offset_to_word};

/// Bytes of the region that both rings and all buffers lie in.
fn region_size(bed: &Bed) -> u32 {
    u32::try_from(bed.slave.rx.regions().next().unwrap().1).unwrap()
}

fn lengths(bed: &Bed, ring: usize, slots: std::ops::Range<u16>) -> Vec<(u32, bool)> {
    slots
        .map(|slot| DescriptorHead::from_word(bed.rings[ring].load_word(slot, 0)))
        .map(|head| (head.length, head.has_next()))
        .collect()
}

fn breach(result: Result<super::Received, RecvError>) -> Breach {
    match result {
        Err(RecvError::Breach(breach)) => breach,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_word_is_loaded_once() {
    let mut bed = Bed::sized(16, 100);
    for end in [&bed.slave, &bed.master] {
        end.rx.core.ring.loads();
        end.tx.core.ring.loads();
    }
    for round in 0..40u16 {
        for len in [60, 450, 100, 101] {
            assert!(bed.slave.send_packet(&packet(len, len as usize)));
            assert!(bed.master.send_packet(&packet(len, len as usize)));
        }
        assert!(bed.slave.tx.core.ring.loads().is_empty(), "a slave knows its buffers");
        let mut loads = bed.master.tx.core.ring.loads();
        loads.sort_unstable();
        let before = loads.len();
        loads.dedup();
        assert_eq!(loads.len(), before, "round {round}");

        // Cut by count, with refills in between.
        for max in [1, 2, 3, 16] {
            for end in [&mut bed.slave, &mut bed.master] {
                end.receive(max);
                end.refill(max);
            }
        }
        let slots = round * 9..(round + 1) * 9;
        let halves = |parts: std::ops::Range<usize>| -> Vec<(u16, usize)> {
            slots.clone().flat_map(|slot| parts.clone().map(move |part| (slot, part))).collect()
        };
        assert_eq!(bed.master.rx.core.ring.loads(), halves(0..2));
        assert_eq!(bed.slave.rx.core.ring.loads(), halves(0..1));
    }
    assert_eq!(bed.master.rx_counters().packets, 160);
    assert_eq!(bed.slave.rx_counters().packets, 160);
}

#[test]
fn a_word_that_changes_behind_the_look_changes_nothing() {
    let bad = [(head(FLAG_NEXT, 0xffff, u32::MAX), offset_to_word(u32::MAX)), (0, 0), (u64::MAX, 0)];
    for (first, second) in bad {
        for len in [60, 450] {
            let mut bed = Bed::sized(16, 100);
            for end in [&bed.slave, &bed.master] {
                for ring in [&end.rx.core.ring, &end.tx.core.ring] {
                    ring.after_each_load(move |ring, slot, part| {
                        ring.store_word(slot, part, if part == 0 { first } else { second });
                    });
                }
            }
            assert!(bed.slave.send_packet(&packet(1, len)));
            assert!(bed.master.send_packet(&packet(2, len)));
            assert_eq!(bed.master.packets(), [packet(1, len)]);
            assert_eq!(bed.slave.packets(), [packet(2, len)]);
        }
    }
}

#[test]
fn a_bad_descriptor_drops_its_packet_and_goes_back_with_its_neighbours() {
    let mut bed = Bed::sized(8, 100);
    let size = region_size(&bed);
    let bad = [
        (head(0, 0xffff, 60), 0),
        (head(0, 1, 60), 0),
        (head(0, 0, 60), size - 59),
        (head(0, 0, 60), u32::MAX),
        (head(0, 0, 0), 0),
        (head(0, 0, u32::MAX), 0),
        (head(0, 0, u32::MAX), u32::MAX),
    ];
    for (round, (word, offset)) in (1..).zip(bad) {
        let slots = bed.slave.allocate(3, 60);
        let at = slots[1].index;
        let good = bed.rings[S2M].load_word(at, 1);
        for slot in &slots {
            bed.slave.tx.send(slot.index, slot.data, 60, false).unwrap();
        }
        bed.rings[S2M].store_word(at, 0, word);
        bed.rings[S2M].store_word(at, 1, offset_to_word(offset));
        bed.slave.tx.publish();
        let (received, more) = bed.master.receive(2);
        assert_eq!((received.len(), more), (2, false));
        assert_eq!(received[1].index, slots[2].index);
        let counters = bed.master.rx_counters();
        assert_eq!((counters.dropped, counters.bad_descriptors), (round, round));
        // One back is one back, with the bad one behind it.
        bed.master.refill(1);
        assert_eq!(bed.rings[S2M].load_tail(), slots[2].index);
        bed.master.refill(1);
        assert_eq!(bed.rings[S2M].load_tail(), slots[2].index.wrapping_add(1));
        bed.rings[S2M].store_word(at, 1, good);
    }
}

#[test]
fn a_slot_that_was_left_out_is_held_by_nobody() {
    let mut bed = Bed::sized(8, 100);
    let slots = bed.master.allocate(3, 60);
    for slot in &slots {
        let len = if slot.index == 1 { 0 } else { 60 };
        bed.master.tx.send(slot.index, slot.data, len, false).unwrap();
    }
    bed.master.tx.publish();
    assert_eq!(bed.slave.receive(8).0.len(), 2);
    let held: Vec<_> = (0..3).map(|index| bed.slave.rx.held(index).is_some()).collect();
    assert_eq!(held, [true, false, true]);
    assert!(!bed.slave.rx.swap(0, 1));
    bed.slave.refill(1);
    assert_eq!(bed.rings[M2S].load_head(), 8 + 2);
    assert_eq!(lengths(&bed, M2S, 0..2), [(100, false); 2]);
}

#[test]
fn bad_packets_with_nothing_held_before_them_go_back_at_once() {
    let mut bed = Bed::sized(8, 100);
    let slots = bed.slave.allocate(2, 150);
    bed.slave.send(&slots);
    bed.rings[S2M].store_word(1, 0, head(0, 7, 50));
    bed.rings[S2M].store_word(3, 0, head(0, 7, 50));
    assert_eq!(bed.master.receive(8), (vec![], false));
    assert_eq!(bed.rings[S2M].load_tail(), 4);
    assert_eq!(lengths(&bed, S2M, 0..4).iter().filter(|(_, next)| *next).count(), 0);

    // A slave posts them as they were.
    bed.rings[M2S].store_word(0, 0, head(0, 0, 0));
    bed.rings[M2S].store_tail(1);
    assert_eq!(bed.slave.receive(8), (vec![], false));
    assert_eq!(bed.rings[M2S].load_head(), 9);
    assert_eq!(lengths(&bed, M2S, 0..1), [(100, false)]);
}

#[test]
fn empty_parts_belong_to_their_chain() {
    for ring in [S2M, M2S] {
        for empty in 0..3 {
            let mut bed = Bed::sized(8, 100);
            let (from, to) = bed.direction(ring);
            let mut slots = from.allocate(1, 300);
            from.write(slots[0].data, &packet(1, 100));
            slots[empty].len = 0;
            from.send(&slots);
            let (received, _) = to.receive(8);
            let seen: Vec<_> = received.iter().map(|slot| (slot.len, slot.next)).collect();
            let sent: Vec<_> = slots.iter().map(|slot| (slot.len, slot.next)).collect();
            assert_eq!(seen, sent);
            to.refill(8);
            // Without a byte in all of it there is no packet.
            let mut slots = from.allocate(1, 300);
            slots.iter_mut().for_each(|slot| slot.len = 0);
            from.send(&slots);
            let slots = from.allocate(1, 1);
            from.send(&[Slot { len: 0, ..slots[0] }]);
            assert!(from.send_packet(&packet(2, 60)));
            assert_eq!(to.packets(), [packet(2, 60)]);
            assert_eq!(to.rx_counters().dropped, 2);
        }
    }
}

#[test]
fn an_empty_part_has_an_address_inside_its_region() {
    let mut bed = Bed::sized(8, 100);
    let size = region_size(&bed);
    for (offset, dropped) in [(size, 1), (u32::MAX, 2), (size - 1, 2)] {
        let slots = bed.slave.allocate(1, 150);
        let (first, last) = (slots[0].index, slots[1].index);
        bed.slave.tx.send(first, slots[0].data, 100, true).unwrap();
        bed.slave.tx.send(last, slots[1].data, 50, false).unwrap();
        bed.rings[S2M].store_word(last, 0, head(0, 0, 0));
        bed.rings[S2M].store_word(last, 1, offset_to_word(offset));
        bed.slave.tx.publish();
        bed.master.receive(8);
        bed.master.refill(8);
        assert_eq!(bed.master.rx_counters().dropped, dropped, "{offset}");
    }
}

#[test]
fn a_chain_without_an_end_waits_and_fills_the_ring_only_once() {
    let mut bed = Bed::sized(8, 100);
    for slot in 0..8 {
        bed.rings[S2M].store_word(slot, 0, head(FLAG_NEXT, 0, 10));
    }
    for count in 1..8 {
        bed.rings[S2M].store_head(count);
        assert_eq!(bed.master.receive(10), (vec![], false));
        // Met before: not read again until more comes.
        bed.master.rx.core.ring.loads();
        assert_eq!(bed.master.receive(10), (vec![], false));
        assert!(bed.master.rx.core.ring.loads().is_empty());
    }
    bed.rings[S2M].store_word(6, 0, head(0, 0, 10));
    bed.rings[S2M].store_head(8);
    assert_eq!(bed.master.receive(10).0.len(), 7);
    bed.master.refill(10);
    for slot in 0..8 {
        bed.rings[S2M].store_word(slot, 0, head(FLAG_NEXT, 0, 10));
    }
    bed.rings[S2M].store_head(15);
    let result = bed.master.rx.receive(10, |_| unreachable!());
    assert!(matches!(breach(result), Breach::EndlessChain { slot: 7, .. }));
    assert_eq!(bed.master.rx.receive(1, |_| ()), Err(RecvError::Disconnected));
}

#[test]
fn a_chain_longer_than_any_packet_is_left_out() {
    let mut bed = Bed::sized(8, 30_000);
    for (len, count) in [(5535, 3), (5536, 0)] {
        let slots = bed.slave.allocate(1, 65_535);
        bed.slave.tx.send(slots[0].index, slots[0].data, 30_000, true).unwrap();
        bed.slave.tx.send(slots[1].index, slots[1].data, 30_000, true).unwrap();
        bed.slave.tx.send(slots[2].index, slots[2].data, len, false).unwrap();
        bed.slave.tx.publish();
        assert_eq!(bed.master.receive(8).0.len(), count);
        bed.master.refill(8);
    }
}

#[test]
fn more_than_the_buffer_holds_takes_a_slave_down() {
    for posted in [100, 70] {
        let mut bed = Bed::sized(8, 100);
        for _ in 0..8 {
            assert!(bed.master.send_packet(&[1]));
        }
        bed.slave.receive(8);
        bed.slave.rx.refill(8, 100 - posted, None).unwrap();
        bed.rings[M2S].store_word(0, 0, head(0, 0, posted));
        bed.rings[M2S].store_word(1, 0, head(0, 0xffff, posted + 1));
        bed.rings[M2S].store_word(1, 1, u64::MAX);
        bed.rings[M2S].store_tail(10);
        let mut received = 0;
        let result = bed.slave.rx.receive(8, |_| received += 1);
        assert!(matches!(breach(result), Breach::OverCapacity { slot: 9, capacity, .. } if capacity == posted));
        assert_eq!(received, 1);
        assert_eq!(bed.slave.tx.ready(), Err(SendError::Disconnected));
    }
}

#[test]
fn an_overrun_is_survived_counted_and_bounded() {
    let strict = |config: InterfaceConfig| config.ring_size(16).buffer_size(100).resync_limit(3);
    for ring in [S2M, M2S] {
        let mut bed = Bed::new(strict(InterfaceConfig::slave(0)), strict(InterfaceConfig::master(0)));
        let overrun = |bed: &Bed, by: u16| {
            let memory = &bed.rings[ring];
            match ring {
                S2M => memory.store_head(memory.load_tail().wrapping_add(by)),
                _ => memory.store_tail(memory.load_head().wrapping_add(by)),
            }
        };
        let arrive = |bed: &Bed, slots: u16| {
            let memory = &bed.rings[ring];
            let at = if ring == S2M { memory.load_head() } else { memory.load_tail() };
            (0..slots).for_each(|i| memory.store_word(at.wrapping_add(i), 0, head(0, 0, 60)));
            match ring {
                S2M => memory.store_head(at.wrapping_add(slots)),
                _ => memory.store_tail(at.wrapping_add(slots)),
            }
        };
        for round in 1..=2 {
            arrive(&bed, 2);
            assert_eq!(bed.direction(ring).1.receive(1).0.len(), 1);
            for by in [17, 40_000, 33_000] {
                overrun(&bed, by);
                assert_eq!(bed.direction(ring).1.receive(10), (vec![], false));
            }
            let (_, to) = bed.direction(ring);
            assert_eq!(to.rx_counters().resyncs, 3 * round);
            // Nothing is held any more.
            let cursors = (bed.rings[ring].load_head(), bed.rings[ring].load_tail());
            bed.direction(ring).1.refill(u16::MAX);
            assert_eq!((bed.rings[ring].load_head(), bed.rings[ring].load_tail()), cursors);
            // A packet in between, and the count starts anew.
            arrive(&bed, 1);
            assert_eq!(bed.direction(ring).1.receive(10).0.len(), 1);
            bed.direction(ring).1.refill(1);
        }
        for _ in 0..3 {
            overrun(&bed, 17);
            assert_eq!(bed.direction(ring).1.receive(10), (vec![], false));
        }
        overrun(&bed, 17);
        let result = bed.direction(ring).1.rx.receive(10, |_| unreachable!());
        assert!(matches!(breach(result), Breach::Overrun { count: 3, .. }));
    }
}

#[test]
fn resynchronisation_can_be_switched_off() {
    let strict = |config: InterfaceConfig| config.ring_size(16).resync_limit(0);
    let mut bed = Bed::new(strict(InterfaceConfig::slave(0)), strict(InterfaceConfig::master(0)));
    bed.rings[S2M].store_head(17);
    let result = bed.master.rx.receive(1, |_| unreachable!());
    assert_eq!(breach(result).to_string(), "rx 0 head 17 out of 0 to 16");
    bed.rings[M2S].store_tail(17);
    let result = bed.slave.rx.receive(1, |_| unreachable!());
    assert!(matches!(breach(result), Breach::Cursor { cursor: "tail", .. }));
}

#[test]
fn a_sender_whose_peer_moves_out_of_range_goes_down() {
    for found in [17u16, 32_768, 65_535] {
        let mut bed = Bed::sized(16, 100);
        bed.rings[S2M].store_tail(found);
        bed.rings[M2S].store_head(found);
        for (end, packets) in [(&mut bed.slave, 16), (&mut bed.master, 0)] {
            let mut given = 0;
            let result = end.tx.allocate(17, 60, None, |_| given += 1);
            assert!(matches!(result, Err(SendError::Breach(Breach::Cursor { .. }))), "{result:?}");
            assert_eq!(given, packets);
        }
    }
}

/// Posts slots of these lengths in place of what the slave posted; `None` is a bad one.
fn posted(lengths: &[Option<u32>], buffer_size: u32) -> Bed {
    let bed = Bed::sized(8, buffer_size);
    for (slot, length) in (0..).zip(lengths) {
        let word = length.map_or(head(0, 7, 100), |length| head(0, 0, length));
        bed.rings[M2S].store_word(slot, 0, word);
    }
    bed
}

#[test]
fn a_posted_buffer_that_breaks_the_rules_ends_the_link_by_name() {
    for (bad, packets, size, given) in [
        // Alone, empty, behind good ones, within a chain, and behind buffers that are too short.
        (&[None][..], 3, 60, 0),
        (&[Some(0)], 3, 60, 0),
        (&[Some(100), Some(100), None], 3, 60, 2),
        (&[Some(100), None], 1, 150, 0),
        (&[Some(50), None], 2, 100, 0),
    ] {
        let mut bed = posted(bad, 100);
        let mut handed = 0;
        let result = bed.master.tx.allocate(packets, size, None, |_| handed += 1);
        let Err(SendError::Breach(breach)) = result else { panic!("{bad:?}: {result:?}") };
        let slot = bad.len() - 1;
        assert!(breach.to_string().starts_with(&format!("tx 0 slot {slot}: posted ")), "{breach}");
        assert_eq!(handed, given, "{bad:?}");
        assert_eq!(bed.master.rx.receive(1, |_| ()), Err(RecvError::Disconnected));
        assert_eq!(bed.rings[M2S].load_tail(), 0);
    }
    let mut bed = posted(&[None], 100);
    let offset = offset_from_word(bed.rings[M2S].load_word(0, 1));
    let result = bed.master.tx.allocate(1, 60, None, |_| ());
    let Err(error) = result else { panic!("{result:?}") };
    let text = format!("tx 0 slot 0: posted 100 bytes at {offset} of region 7");
    assert_eq!(error.to_string(), format!("peer broke the protocol: {text}"));
}

#[test]
fn words_that_were_never_written_are_no_buffer() {
    let mut bed = Bed::sized(8, 100);
    bed.rings[M2S].store_word(0, 0, 0);
    bed.rings[M2S].store_word(0, 1, 0);
    let result = bed.master.tx.allocate(1, 60, None, |_| ());
    assert!(matches!(result, Err(SendError::Breach(Breach::PostedBuffer { length: 0, .. }))));
}

#[test]
fn what_lies_before_a_bad_buffer_is_sent() {
    let mut bed = posted(&[Some(100), Some(100), None], 100);
    assert!(bed.master.send_packet(&packet(1, 150)));
    assert_eq!(bed.slave.packets(), [packet(1, 150)]);
    assert!(bed.master.tx.allocate(1, 60, None, |_| ()).is_err());
}

#[test]
fn buffers_that_are_merely_short_stay_for_shorter_packets() {
    let mut bed = posted(&[Some(90); 8], 100);
    for _ in 0..20 {
        assert!(bed.master.allocate(1, 91).is_empty());
        // Two of them are no room for 181 bytes, and three would be more than the user counts on.
        assert!(bed.master.allocate(1, 181).is_empty());
        assert_eq!(bed.master.allocate(2, 181).len(), 3);
        assert!(bed.master.tx.set_next(0));
    }
    assert_eq!(bed.rings[M2S].load_tail(), 0);
    assert_eq!(bed.master.tx_counters().bad_descriptors, 0);
    assert!(bed.master.send_packet(&packet(1, 90)));
    assert!(bed.master.send_packet(&packet(2, 180)));
    assert_eq!(bed.slave.packets(), [packet(1, 90), packet(2, 180)]);
}

#[test]
fn short_buffers_make_longer_chains_for_fewer_packets_and_never_beyond_the_array() {
    // Of buffers of 100 bytes each of these packets takes as many as `each`; the array has `packets` times that.
    for (posted_lengths, packets, size, each, chains) in [
        (&[Some(50); 8][..], 4, 100, 1, &[2, 2][..]),
        (&[Some(50); 8], 1, 100, 1, &[]),
        (&[Some(50); 8], 2, 150, 2, &[3]),
        (&[Some(50); 8], 3, 150, 2, &[3, 3]),
        (&[Some(40); 8], 3, 100, 1, &[3]),
        // Longer ones behind them are not used beyond the array, either.
        (&[Some(50), Some(50), Some(100), Some(100), Some(100), Some(100), Some(100), Some(100)], 3, 100, 1, &[2, 1]),
        (&[Some(50), Some(50), Some(100), Some(100)], 2, 100, 1, &[2]),
    ] {
        let mut bed = posted(posted_lengths, 100);
        let slots = bed.master.allocate(packets, size);
        assert!(slots.len() <= usize::from(packets * each));
        let mut found = vec![];
        let mut parts = 0;
        for slot in &slots {
            parts += 1;
            if !slot.next {
                found.push(std::mem::take(&mut parts));
            }
        }
        assert_eq!((found.as_slice(), parts), (chains, 0), "{packets} of {size}");
        bed.master.send(&slots);
        assert_eq!(bed.slave.packets().len(), chains.len());
    }
}

#[test]
fn a_full_ring_stays_full_however_often_it_is_asked() {
    let mut bed = Bed::sized(8, 100);
    for end in [&mut bed.master, &mut bed.slave] {
        assert_eq!(end.allocate(8, 100).len(), 8);
        for _ in 0..5000 {
            assert!(end.allocate(1, 60).is_empty());
        }
    }
}

#[test]
fn a_posted_place_is_used_as_it_was_read() {
    let mut bed = Bed::sized(8, 100);
    let word = bed.rings[M2S].load_word(0, 1);
    let slots = bed.master.allocate(1, 60);
    bed.rings[M2S].store_word(0, 0, head(0, 9, 1));
    bed.rings[M2S].store_word(0, 1, u64::MAX);
    bed.master.send(&slots);
    assert_eq!(bed.master.place(slots[0].data, 60), (0, offset_from_word(word)));
    assert_eq!(bed.rings[M2S].load_word(0, 0), head(0, 0, 60));
}
