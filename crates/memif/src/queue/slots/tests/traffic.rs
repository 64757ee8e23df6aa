//! Peers that keep to the rules.

use super::{Bed, End, M2S, S2M, Slot};
use crate::config::InterfaceConfig;
use crate::error::{RecvError, SendError};
use crate::queue::slots::{BadBuffer, RefillError};
use crate::queue::tests::packet;
use crate::ring::RingMemory;
use crate::wire::ring::DescriptorHead;

#[test]
fn packets_cross_while_the_cursors_wrap_around() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(8, 100);
        let (from, to) = bed.direction(ring);
        let mut slots: u32 = 0;
        let mut number = 0;
        while slots < (1 << 16) + 100 {
            let sent: Vec<_> = (0..1 + number % 3)
                .map(|i| packet(number + i, 1 + ((number + i) * 37 % 300) as usize))
                .take_while(|bytes| from.send_packet(bytes))
                .collect();
            assert!(!sent.is_empty());
            assert_eq!(to.packets(), sent);
            to.refill(u16::MAX);
            number += sent.len() as u64;
            slots += sent.iter().map(|bytes| bytes.len().div_ceil(100) as u32).sum::<u32>();
        }
        let (tx, rx) = (from.tx_counters(), to.rx_counters());
        assert_eq!((tx.packets, tx.bytes), (rx.packets, rx.bytes));
        assert_eq!(tx.packets, number);
        assert_eq!((rx.dropped, rx.bad_descriptors, rx.resyncs, tx.bad_descriptors), (0, 0, 0, 0));
    }
}

#[test]
fn numbers_of_slots_run_on() {
    let mut bed = Bed::sized(4, 100);
    let (from, to) = bed.direction(S2M);
    for index in (0..=u16::MAX).chain(0..10) {
        let slots = from.allocate(1, 60);
        from.send(&slots);
        let (received, more) = to.receive(1);
        assert_eq!((slots[0].index, received[0].index, more), (index, index, false));
        to.refill(1);
    }
}

#[test]
fn a_chain_is_cut_by_count_and_goes_on() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(16, 100);
        let (from, to) = bed.direction(ring);
        for number in 0..50 {
            let bytes = [packet(number, 450), packet(number + 1, 60), packet(number, 250)];
            assert!(bytes.iter().all(|bytes| from.send_packet(bytes)));
            let mut parts: Vec<Slot> = vec![];
            for (max, more) in [(0, true), (2, true), (1, true), (4, true), (2, false), (2, false)] {
                let (slots, found) = to.receive(max);
                assert_eq!(found, more, "{max}");
                parts.extend(slots);
                // Parts of a chain may go back before its end has been taken.
                if max == 1 {
                    let first: Vec<_> = parts.iter().flat_map(|slot| to.read(slot)).collect();
                    assert_eq!(first, bytes[0][..300]);
                    to.refill(3);
                }
            }
            let ends: Vec<_> = parts.iter().map(|slot| slot.next).collect();
            assert_eq!(ends, [true, true, true, true, false, false, true, true, false]);
            let rest: Vec<_> = parts[3..].iter().flat_map(|slot| to.read(slot)).collect();
            assert_eq!(rest, [&bytes[0][300..], &bytes[1][..], &bytes[2][..]].concat());
            to.refill(6);
            assert_eq!(to.rx_counters().packets, 3 * (number + 1));
        }
    }
}

#[test]
fn no_next_stays_behind_in_slots_that_a_master_gives_back() {
    let mut bed = Bed::sized(8, 100);
    let (from, to) = bed.direction(S2M);
    assert!(from.send_packet(&packet(1, 450)));
    assert_eq!(to.packets().len(), 1);
    to.refill(2);
    let heads = |bed: &Bed| -> Vec<bool> {
        let word = |slot| DescriptorHead::from_word(bed.rings[S2M].load_word(slot, 0));
        (0..5).map(|slot| word(slot).has_next()).collect()
    };
    assert_eq!(heads(&bed), [false, false, true, true, false]);
    bed.master.refill(3);
    assert_eq!(heads(&bed), [false; 5]);
}

#[test]
fn slots_are_allocated_and_sent_in_parts_and_only_whole_packets_are_seen() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(16, 100);
        let (from, to) = bed.direction(ring);
        let mut slots = from.allocate(2, 250);
        slots.extend(from.allocate(3, 100));
        assert_eq!(slots.len(), 9);
        // All or nothing: 7 slots are left.
        assert_eq!(from.allocate(4, 250).len(), 6);
        let mut seen = 0;
        for (sent, slot) in slots.iter().enumerate() {
            from.send(std::slice::from_ref(slot));
            seen += to.receive(u16::MAX).0.len();
            assert_eq!(seen, [0, 0, 3, 3, 3, 6, 7, 8, 9][sent]);
        }
    }
}

#[test]
fn receiving_and_giving_back_go_at_their_own_paces() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(8, 100);
        let (from, to) = bed.direction(ring);
        let fill = |from: &mut End| (0..).take_while(|i| from.send_packet(&packet(*i, 60))).count();
        assert_eq!(fill(from), 8);
        assert_eq!(to.receive(5).0.len(), 5);
        to.refill(0);
        assert_eq!(fill(from), 0);
        to.refill(2);
        assert_eq!(fill(from), 2);
        assert_eq!(to.receive(3).0.len(), 3);
        // More than are held is all of them.
        to.refill(7);
        assert_eq!(fill(from), 6);
        assert_eq!(to.receive(u16::MAX).0.len(), 8);
        assert_eq!(to.receive(u16::MAX), (vec![], false));
        to.refill(u16::MAX);
        to.refill(u16::MAX);
        assert_eq!(fill(from), 8);
    }
}

#[test]
fn a_slave_posts_in_parts_when_the_link_comes_up() {
    let config = InterfaceConfig::slave(0).ring_size(8).buffer_size(100);
    let pair = crate::queue::tests::Pair::new(config.manual(), InterfaceConfig::master(0));
    let (mut slave, mut master) = (End::new(pair.slave), End::new(pair.master));
    assert_eq!(master.allocate(1, 60).len(), 0);
    slave.refill(3);
    assert_eq!(master.allocate(8, 60).len(), 3);
    slave.refill(u16::MAX);
    assert_eq!(master.allocate(8, 60).len(), 5);
}

#[test]
fn headroom_moves_the_data_and_shortens_the_buffer() {
    let mut bed = Bed::sized(4, 100);
    let (from, to) = bed.direction(M2S);
    let plain: Vec<Slot> = (0..4)
        .flat_map(|i| {
            assert!(from.send_packet(&packet(i, 60)));
            to.receive(1).0
        })
        .collect();
    for headroom in [100, 101, u32::MAX] {
        assert_eq!(to.rx.refill(4, headroom, None), Err(RefillError::Headroom));
    }
    assert_eq!(from.allocate(1, 10).len(), 0);
    to.rx.refill(4, 30, None).unwrap();
    let slots = from.allocate(5, 70);
    assert_eq!(slots.iter().map(|slot| slot.len).collect::<Vec<_>>(), [70; 4]);
    slots.iter().enumerate().for_each(|(i, slot)| from.write(slot.data, &packet(i as u64, 70)));
    from.send(&slots);
    let (received, _) = to.receive(4);
    for (i, (slot, before)) in received.iter().zip(&plain).enumerate() {
        assert_eq!(slot.data.addr(), before.data.addr() + 30);
        assert_eq!(to.read(slot), packet(i as u64, 70));
    }
}

#[test]
fn a_slave_may_move_data_within_its_buffer() {
    let mut bed = Bed::sized(8, 100);
    let (from, to) = bed.direction(S2M);
    for (moved, len) in [(0, 100), (1, 99), (40, 30), (99, 1), (100, 0)] {
        let slot = &from.allocate(1, 100)[0];
        for (wrong, len) in [(-1, 10), (1, 100), (101, 0), (0, 101), (0, u32::MAX), (i32::MIN, 1)] {
            let data = slot.data.wrapping_offset(wrong as isize);
            assert_eq!(from.tx.send(slot.index, data, len, false), Err(BadBuffer));
        }
        let data = slot.data.wrapping_add(moved);
        assert_eq!(from.tx.send(slot.index, std::ptr::null(), len, false), Err(BadBuffer));
        if len == 0 {
            from.tx.send(slot.index, data, len, false).unwrap();
            break;
        }
        from.write(data, &packet(7, len as usize));
        from.tx.send(slot.index, data, len, false).unwrap();
        from.tx.publish();
        assert_eq!(to.packets(), [packet(7, len as usize)]);
        to.refill(1);
    }
}

#[test]
fn only_the_next_slot_is_sent() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(8, 100);
        let (from, _) = bed.direction(ring);
        let send = |from: &mut End, slot: &Slot, index| from.tx.send(index, slot.data, slot.len, false);
        let slots = from.allocate(2, 60);
        assert_eq!(send(from, &slots[1], slots[1].index), Err(BadBuffer));
        assert_eq!(send(from, &slots[0], slots[0].index), Ok(()));
        assert_eq!(send(from, &slots[0], slots[0].index), Err(BadBuffer));
        assert_eq!(send(from, &slots[1], slots[1].index), Ok(()));
        // Nothing is allocated any more.
        assert_eq!(send(from, &slots[1], slots[1].index.wrapping_add(1)), Err(BadBuffer));
    }
}

#[test]
fn what_was_not_sent_is_taken_back_and_nothing_else() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(8, 100);
        let (from, to) = bed.direction(ring);
        let slots = from.allocate(4, 60);
        from.send(&slots[..1]);
        for (index, can) in [(0, false), (5, false), (8, false), (u16::MAX, false), (4, true), (2, true)] {
            assert_eq!(from.tx.set_next(index), can, "{index}");
            from.tx.check();
        }
        // Ahead of what is left now.
        assert!(!from.tx.set_next(3));
        let again = from.allocate(1, 60);
        assert_eq!((again[0].index, again[0].data), (2, slots[2].data));
        from.send(&[slots[1], again[0]]);
        assert_eq!(to.receive(9).0.len(), 3);
    }
}

#[test]
fn the_user_chooses_places_within_the_region() {
    let mut bed = Bed::sized(8, 100);
    let (from, to) = bed.direction(S2M);
    let (_, size) = from.rx.regions().next().unwrap();
    let size = u32::try_from(size).unwrap();
    let mut offsets = vec![size - 400, size - 300, size - 200, size - 99].into_iter();
    let mut slots = vec![];
    let mut place = || offsets.next().unwrap_or(u32::MAX);
    let result = from.tx.allocate(2, 150, Some(&mut place), |slot| slots.push(slot));
    assert!(matches!(result, Err(SendError::TooLong { .. })), "{result:?}");
    // Of the second packet, one of whose places is bad, nothing was handed out.
    let places: Vec<_> = slots.iter().map(|slot| from.place(slot.data, slot.len).1).collect();
    assert_eq!(places, [size - 400, size - 300]);
    from.send(&slots);
    assert_eq!(to.receive(9).0.len(), 2);
    assert_eq!(from.allocate(1, 60)[0].index, 2);

    let (from, to) = bed.direction(M2S);
    let slots = from.allocate(3, 60);
    from.send(&slots);
    assert_eq!(to.receive(3).0.len(), 3);
    let mut offsets = [size - 100, size - 99].into_iter();
    let mut place = || offsets.next().unwrap();
    assert_eq!(to.rx.refill(3, 20, Some(&mut place)), Err(RefillError::Offset));
    // The first went back all the same.
    let slots = from.allocate(8, 60);
    assert_eq!(slots.len(), 6);
    assert_eq!(from.place(slots[5].data, 1).1, size - 100);
    from.send(&slots);
    let (received, _) = to.receive(9);
    assert_eq!(to.place(received[5].data, 60).1, size - 100);
}

fn none(_: Slot) {
    unreachable!();
}

#[test]
fn a_link_that_is_down_says_so() {
    let mut bed = Bed::sized(8, 100);
    for end in [&mut bed.slave, &mut bed.master] {
        end.handle.shut();
        assert_eq!(end.rx.receive(1, none), Err(RecvError::Disconnected));
        assert_eq!(end.rx.refill(1, 0, None), Err(RefillError::Disconnected));
        assert_eq!(end.tx.allocate(1, 1, None, none), Err(SendError::Disconnected));
        assert_eq!(end.tx.ready(), Err(SendError::Disconnected));
    }
}

/// As [`a_link_that_rests_has_no_tables_and_few_pages`](crate::queue::tests), with all buffers posted by their user.
#[test]
fn posting_whole_buffers_takes_no_tables_and_the_first_packets_bring_them() {
    let mut bed = None;
    let made = allocation_counter::measure(|| bed = Some(Bed::sized(1024, 2048)));
    assert!(made.bytes_current < 8192, "{} bytes of two ends", made.bytes_current);
    let mut bed = bed.unwrap();
    for ring in [S2M, M2S] {
        let (from, to) = bed.direction(ring);
        assert!(from.send_packet(&packet(1, 60)));
        assert_eq!(to.packets(), [packet(1, 60)]);
        to.refill(1);
        assert!(from.send_packet(&packet(2, 5000)));
        assert_eq!(to.packets(), [packet(2, 5000)]);
        to.refill(3);
    }
    assert!((bed.slave.tx_counters().packets, bed.slave.rx_counters().packets) == (2, 2));
}

/// Some slots are posted before there are tables, the others after the first packet came.
#[test]
fn buffers_that_were_posted_before_the_tables_are_known_by_them() {
    let sized = |config: InterfaceConfig| config.ring_size(8).buffer_size(100);
    let pair = crate::queue::tests::Pair::new(
        sized(InterfaceConfig::slave(0)).manual(),
        sized(InterfaceConfig::master(0)).manual(),
    );
    let (mut slave, mut master) = (End::new(pair.slave), End::new(pair.master));
    slave.refill(3);
    for number in 0..3 {
        assert!(master.send_packet(&packet(number, 100)));
    }
    assert!(!master.send_packet(&packet(3, 100)), "three are posted");
    assert_eq!(slave.packets(), [0, 1, 2].map(|number| packet(number, 100)));
    slave.rx.refill(2, 40, None).unwrap();
    slave.refill(u16::MAX);
    // With the headroom, and without.
    for len in [60, 60, 100, 100, 100, 100, 100, 100] {
        assert!(master.send_packet(&packet(len, len as usize)));
        assert_eq!(slave.packets(), [packet(len, len as usize)]);
    }
}
