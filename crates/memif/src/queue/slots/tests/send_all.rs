//! Many buffers sent with one call, and bad ones between them.

use super::{Bed, M2S, Slot, head};
use crate::queue::slots::Part;
use crate::queue::tests::packet;
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT};

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
fn buffers_of_no_use_between_the_parts_of_one_call_go_along_empty() {
    // Of eight buffers these are bad; `ends` are the parts that end a packet.
    for (bad, ends, sent) in [
        (
            &[2, 5][..],
            &[0, 1, 2, 3, 4, 5][..],
            [
                (100, false),
                (100, false),
                (0, false),
                (100, false),
                (100, false),
                (0, false),
                (100, false),
                (100, false),
            ],
        ),
        (
            &[2, 5],
            &[2, 5],
            [
                (100, true),
                (100, true),
                (0, true),
                (100, false),
                (100, true),
                (0, true),
                (100, true),
                (100, false),
            ],
        ),
        (
            &[0, 1],
            &[1, 5],
            [
                (0, false),
                (0, false),
                (100, true),
                (100, false),
                (100, true),
                (100, true),
                (100, true),
                (100, false),
            ],
        ),
        // Between two packets each is one of its own.
        (
            &[3, 4],
            &[2, 5],
            [
                (100, true),
                (100, true),
                (100, false),
                (0, false),
                (0, false),
                (100, true),
                (100, true),
                (100, false),
            ],
        ),
    ] {
        let mut bed = Bed::sized(8, 100);
        for slot in bad {
            bed.rings[M2S].store_word(*slot, 0, head(FLAG_NEXT, 7, 100));
        }
        let slots = bed.master.allocate(6, 100);
        assert_eq!(slots.len(), 6);
        for (number, slot) in (0..).zip(&slots) {
            bed.master.write(slot.data, &packet(number, 100));
        }
        let parts = slots.iter().enumerate().map(|(at, slot)| part(slot, !ends.contains(&at)));
        assert_eq!(bed.master.tx.send_all(parts), 6, "{bad:?}");
        bed.master.tx.check();
        bed.master.tx.publish();
        bed.master.tx.check();
        assert_eq!(bed.rings[M2S].load_tail(), 8, "{bad:?}");
        assert_eq!(lengths(&bed, 0..8), sent, "{bad:?}");
        assert_eq!(bed.master.tx_counters().bad_descriptors, 2);
        let mut expected = vec![];
        let mut whole = vec![];
        for (number, at) in (0..).zip(0..6) {
            whole.extend(packet(number, 100));
            if ends.contains(&at) {
                expected.push(std::mem::take(&mut whole));
            }
        }
        assert_eq!(bed.slave.packets(), expected, "{bad:?}");
    }
}

#[test]
fn a_part_that_is_refused_ends_a_call_and_bad_buffers_before_it_are_still_good_for_nothing() {
    let mut bed = Bed::sized(8, 100);
    bed.rings[M2S].store_word(1, 0, head(0, 7, 100));
    let slots = bed.master.allocate(3, 100);
    let long = Part { len: 101, ..part(&slots[1], false) };
    let parts = [part(&slots[0], true), long, part(&slots[2], false)];
    assert_eq!(bed.master.tx.send_all(parts), 1);
    bed.master.tx.check();
    bed.master.tx.publish();
    // The packet is not whole.
    assert_eq!(bed.rings[M2S].load_tail(), 0);
    assert_eq!(bed.master.tx.send_all(slots[1..].iter().map(|slot| part(slot, false))), 2);
    bed.master.tx.publish();
    bed.master.tx.check();
    assert_eq!(lengths(&bed, 0..4), [(100, true), (0, true), (100, false), (100, false)]);
    assert_eq!(bed.slave.receive(8).0.len(), 4);
}
