//! Many buffers sent with one call, and lengths that are a little more than was posted.

use super::{Bed, End, M2S, Slot, head};
use crate::queue::slots::{BadBuffer, Part, TxSlots};
use crate::queue::tests::packet;
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT, offset_to_word};

fn part(slot: &Slot, next: bool) -> Part {
    Part { index: slot.index, data: slot.data, len: slot.len, next }
}

fn lengths(bed: &Bed, slots: std::ops::Range<u16>) -> Vec<(u32, bool)> {
    slots
        .map(|slot| DescriptorHead::from_word(bed.rings[M2S].load_word(slot, 0)))
        .map(|head| (head.length, head.has_next()))
        .collect()
}

#[test]
fn one_call_sends_packets_of_several_buffers() {
    // The parts that end a packet.
    for ends in [&[0, 1, 2, 3, 4, 5][..], &[2, 5], &[1, 5], &[0, 5]] {
        let mut bed = Bed::sized(8, 100);
        // What the slave left in the flags is nothing.
        bed.rings[M2S].store_word(2, 0, head(FLAG_NEXT, 0, 100));
        let slots = bed.master.allocate(6, 100);
        for (number, slot) in (0..).zip(&slots) {
            bed.master.write(slot.data, &packet(number, 100));
        }
        let parts = slots.iter().enumerate().map(|(at, slot)| part(slot, !ends.contains(&at)));
        assert_eq!(bed.master.tx.send_all(parts), 6, "{ends:?}");
        bed.master.tx.check();
        bed.master.tx.publish();
        bed.master.tx.check();
        assert_eq!(bed.rings[M2S].load_tail(), 6, "{ends:?}");
        let sent: Vec<_> = (0..6).map(|at| (100, !ends.contains(&at))).collect();
        assert_eq!(lengths(&bed, 0..6), sent);
        let mut expected = vec![];
        let mut whole = vec![];
        for (number, at) in (0..).zip(0..6) {
            whole.extend(packet(number, 100));
            if ends.contains(&at) {
                expected.push(std::mem::take(&mut whole));
            }
        }
        assert_eq!(bed.slave.packets(), expected, "{ends:?}");
    }
}

#[test]
fn a_part_that_is_refused_ends_a_call() {
    let mut bed = Bed::sized(8, 100);
    let slots = bed.master.allocate(3, 100);
    let long = Part { len: 101 + TxSlots::LONGER, ..part(&slots[1], false) };
    let parts = [part(&slots[0], true), long, part(&slots[2], false)];
    assert_eq!(bed.master.tx.send_all(parts), 1);
    bed.master.tx.check();
    bed.master.tx.publish();
    // The packet is not whole.
    assert_eq!(bed.rings[M2S].load_tail(), 0);
    assert_eq!(bed.master.tx.send_all(slots[1..].iter().map(|slot| part(slot, false))), 2);
    bed.master.tx.publish();
    bed.master.tx.check();
    assert_eq!(lengths(&bed, 0..3), [(100, true), (100, false), (100, false)]);
    assert_eq!(bed.slave.receive(8).0.len(), 3);
}

fn send_longer(end: &mut End, len: u32) -> Result<(), BadBuffer> {
    let slot = end.allocate(1, 100)[0];
    let sent = end.tx.send(slot.index, slot.data, len, false);
    if sent.is_err() {
        assert!(end.tx.set_next(slot.index));
    }
    sent
}

#[test]
fn a_master_sends_a_little_more_than_was_posted_and_a_slave_does_not() {
    let mut bed = Bed::sized(8, 100);
    for more in [1, 14, TxSlots::LONGER] {
        assert_eq!(send_longer(&mut bed.master, 100 + more), Ok(()));
    }
    for more in [TxSlots::LONGER + 1, 1000, u32::MAX - 100] {
        assert_eq!(send_longer(&mut bed.master, 100 + more), Err(BadBuffer));
    }
    bed.master.tx.publish();
    assert_eq!(lengths(&bed, 0..3), [(101, false), (114, false), (164, false)]);
    assert_eq!(send_longer(&mut bed.slave, 101), Err(BadBuffer));
}

#[test]
fn what_is_longer_stays_in_its_region() {
    let mut bed = Bed::sized(8, 100);
    let size = u32::try_from(bed.master.tx.regions().next().unwrap().1).unwrap();
    bed.rings[M2S].store_word(0, 1, offset_to_word(size - 100 - 14));
    assert_eq!(send_longer(&mut bed.master, 100 + 15), Err(BadBuffer));
    assert_eq!(send_longer(&mut bed.master, 100 + 14), Ok(()));
}

#[test]
fn what_is_longer_runs_into_no_other_buffer_of_the_ring() {
    let mut bed = Bed::sized(8, 100);
    let base = crate::wire::ring::offset_from_word(bed.rings[M2S].load_word(0, 1));
    let at = |bed: &Bed, slot: u16, offset: u32| {
        bed.rings[M2S].store_word(slot, 1, offset_to_word(offset));
    };
    // Posted already, sent already, and posted since the last look.
    for (which, behind) in [(1, 0), (0, 1), (7, 0)] {
        let mut bed = Bed::sized(8, 100);
        if which == 7 {
            bed.rings[M2S].store_head(7);
        }
        at(&bed, behind, base);
        at(&bed, which, base + 114);
        if behind == 1 {
            assert_eq!(send_longer(&mut bed.master, 100), Ok(()));
            bed.master.tx.publish();
        }
        let slot = bed.master.allocate(1, 100)[0];
        bed.rings[M2S].store_head(8);
        assert!(bed.master.tx.send(slot.index, slot.data, 115, false).is_err(), "{which}");
        assert_eq!(bed.master.tx.send(slot.index, slot.data, 114, false), Ok(()), "{which}");
    }
    // One that begins before its end, too.
    at(&bed, 0, base);
    at(&bed, 3, base + 50);
    assert_eq!(send_longer(&mut bed.master, 101), Err(BadBuffer));
    assert_eq!(send_longer(&mut bed.master, 100), Ok(()));
}
