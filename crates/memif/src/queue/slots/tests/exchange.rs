//! Buffers that change places.

use super::{Bed, End, M2S, Slot};
use crate::queue::slots::{Enqueue, swap};
use crate::queue::tests::packet;
use crate::ring::RingMemory;

/// Receives one packet of the master that fits one buffer.
fn received(bed: &mut Bed, bytes: &[u8]) -> Slot {
    assert!(bed.master.send_packet(bytes));
    bed.slave.receive(1).0[0]
}

fn enqueue(slave: &mut End, slot: &Slot) -> Slot {
    let held = slave.rx.held(slot.index).unwrap();
    let index = slave.tx.enqueue(held).unwrap();
    Slot { index, ..*slot }
}

#[test]
fn received_buffers_are_sent_on_without_a_copy() {
    let mut bed = Bed::sized(8, 100);
    for number in 0..100 {
        let slot = received(&mut bed, &packet(number, 90));
        let queued = enqueue(&mut bed.slave, &slot);
        bed.slave.send(&[queued]);
        assert_eq!(bed.master.packets(), [packet(number, 90)]);
        bed.master.refill(1);
        bed.slave.refill(1);
    }
}

#[test]
fn only_what_is_held_changes_places_and_only_at_a_slave() {
    let mut bed = Bed::sized(8, 100);
    let slot = received(&mut bed, &packet(1, 60));
    assert!(bed.slave.rx.held(slot.index.wrapping_add(1)).is_none());
    assert!(bed.slave.rx.held(slot.index).is_some());
    bed.slave.refill(1);
    assert!(bed.slave.rx.held(slot.index).is_none());
    assert!(bed.slave.tx.held(0).is_none());
    bed.slave.allocate(1, 60);
    assert!(bed.slave.tx.held(0).is_some() && bed.slave.tx.held(1).is_none());
    assert!(bed.slave.tx.set_next(0) && bed.slave.tx.held(0).is_none());

    assert!(bed.slave.send_packet(&packet(1, 60)));
    let slot = bed.master.receive(1).0[0];
    bed.master.allocate(1, 60);
    assert!(bed.master.rx.held(slot.index).is_none());
    assert!(bed.master.tx.held(0).is_none());
}

#[test]
fn buffers_of_two_links_stay_apart() {
    let (mut one, mut other) = (Bed::sized(8, 100), Bed::sized(8, 100));
    let slot = received(&mut one, &packet(1, 60));
    let held = one.slave.rx.held(slot.index).unwrap();
    assert_eq!(other.slave.tx.enqueue(held), Err(Enqueue::Foreign));
    other.slave.allocate(1, 60);
    let held = one.slave.rx.held(slot.index).unwrap();
    assert!(!swap(held, other.slave.tx.held(0).unwrap()));
    let held = one.slave.rx.held(slot.index).unwrap();
    assert_eq!(one.master.tx.enqueue(held), Err(Enqueue::Foreign));
}

#[test]
fn a_full_ring_takes_no_buffer() {
    let mut bed = Bed::sized(4, 100);
    let slot = received(&mut bed, &packet(1, 60));
    bed.slave.allocate(4, 60);
    let held = bed.slave.rx.held(slot.index).unwrap();
    assert_eq!(bed.slave.tx.enqueue(held), Err(Enqueue::Full));
}

#[test]
fn held_buffers_change_places_within_a_queue_and_across() {
    let mut bed = Bed::sized(8, 100);
    let one = received(&mut bed, &packet(1, 60));
    let two = received(&mut bed, &packet(2, 60));
    let out = bed.slave.allocate(2, 100);
    let slave = &mut bed.slave;
    out.iter().zip([5, 6]).for_each(|(slot, i)| slave.write(slot.data, &packet(i, 100)));
    assert!(slave.rx.swap(one.index, two.index));
    assert!(slave.tx.swap(out[0].index, out[1].index));
    assert!(slave.rx.swap(one.index, one.index));
    assert!(!slave.rx.swap(one.index, two.index.wrapping_add(1)));
    assert!(!slave.tx.swap(out[0].index, 2));
    // Slot 0 of the transmit ring now holds what slot 1 was handed out with, and takes `one`'s for it.
    assert!(swap(slave.rx.held(one.index).unwrap(), slave.tx.held(out[0].index).unwrap()));
    slave.tx.send(0, two.data, 60, false).unwrap();
    slave.tx.send(1, out[0].data, 100, false).unwrap();
    slave.tx.publish();
    assert_eq!(bed.master.packets(), [packet(2, 60), packet(5, 100)]);
    // The receive slots: the buffer of transmit slot 1, and that of `one`.
    bed.slave.refill(2);
    for _ in 0..6 {
        assert!(bed.master.send_packet(&packet(9, 60)));
    }
    let (_, more) = bed.slave.receive(6);
    assert!(!more);
    bed.slave.refill(6);
    let slots: Vec<Slot> = (0..2).map(|i| received(&mut bed, &packet(i, 60))).collect();
    assert_eq!(slots.iter().map(|slot| slot.data).collect::<Vec<_>>(), [out[1].data, one.data]);
}

#[test]
fn after_an_overrun_a_slot_has_the_buffer_that_it_was_given() {
    for headroom in [0, 30] {
        let mut bed = Bed::sized(8, 100);
        for _ in 0..8 {
            received(&mut bed, &packet(0, 60));
        }
        bed.slave.rx.refill(8, headroom, None).unwrap();
        let posted: Vec<_> = (0..8).map(|slot| bed.rings[M2S].load_word(slot, 1)).collect();
        let slot = received(&mut bed, &packet(1, 60));
        let (queued, queued_from) = (enqueue(&mut bed.slave, &slot), slot.index % 8);
        // The master overruns the ring; the slave posts all of it again.
        let tail = bed.rings[M2S].load_tail().wrapping_add(20);
        bed.rings[M2S].store_tail(tail);
        assert_eq!(bed.slave.receive(8), (vec![], false));
        assert_eq!(bed.slave.rx_counters().resyncs, 1);
        // What is queued lies in no slot of the receive ring any more, and those still have their headroom.
        let (_, start) = bed.slave.place(queued.data, 1);
        for slot in 0..8 {
            let word = bed.rings[M2S].load_word(slot, 1);
            let offset = crate::wire::ring::offset_from_word(word);
            assert!(slot == queued_from || word == posted[usize::from(slot)], "slot {slot}");
            assert!(offset + 100 <= start || start + 100 <= offset, "slot {slot}");
        }
        bed.rings[M2S].store_tail(tail.wrapping_add(8));
        let (slots, _) = bed.slave.receive(8);
        assert_eq!(slots.len(), 8);
        assert!(slots.iter().all(|slot| slot.len == 100 - headroom));
        // So each of them can be sent on, behind what is queued.
        let mut out = vec![queued];
        out.extend(slots[..7].iter().map(|slot| enqueue(&mut bed.slave, slot)));
        bed.slave.send(&out);
        assert_eq!(bed.master.receive(8).0.len(), 8);
    }
}
