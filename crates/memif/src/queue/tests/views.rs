//! How queues stand to others.

use super::{Pair, packet};
use crate::ring::RingMemory;

#[test]
fn slots_in_use_are_seen_from_both_ends() {
    let mut pair = Pair::sized(8, 100);
    let views = |pair: &Pair| {
        let (slave, master) = (&pair.slave, &pair.master);
        [(slave.tx[0].view(), master.rx[0].view()), (master.tx[0].view(), slave.rx[0].view())]
    };
    let used = |pair: &Pair, way: usize| {
        let (from, to) = &views(pair)[way];
        (from.details().used_slots, to.details().used_slots)
    };
    for way in [0, 1] {
        let mut packets = 0;
        assert_eq!(used(&pair, way), (0, 0));
        // A packet, a chain of three, and one that fills the ring.
        for (len, slots) in [(60, 1), (250, 4), (400, 8)] {
            let tx = if way == 0 { &mut pair.slave.tx[0] } else { &mut pair.master.tx[0] };
            tx.send(&packet(1, len)).unwrap();
            packets += 1;
            assert_eq!(used(&pair, way), (slots, slots));
        }
        for (most, left) in [(1, 7), (8, 0)] {
            let rx = if way == 0 { &mut pair.master.rx[0] } else { &mut pair.slave.rx[0] };
            packets -= rx.recv(most).unwrap().packets().count();
            assert_eq!(used(&pair, way), (left, left));
        }
        assert_eq!(packets, 0);
    }
}

#[test]
fn a_peer_cannot_make_more_slots_used_than_there_are() {
    let pair = Pair::sized(8, 100);
    for (ring, view) in [(0, pair.master.rx[0].view()), (1, pair.slave.rx[0].view())] {
        for (head, tail) in [(9, 0), (0, 1), (u16::MAX, 0), (0x8000, 0)] {
            pair.rings[ring].store_head(head);
            pair.rings[ring].store_tail(tail);
            let details = view.details();
            assert!(details.used_slots <= details.ring_size, "{details:?}");
        }
    }
}

#[test]
fn a_view_says_when_its_counters_are_the_last() {
    let mut pair = Pair::sized(8, 100);
    pair.slave.tx[0].send(&packet(1, 60)).unwrap();
    pair.slave.tx[0].send(&packet(2, 60)).unwrap();
    let (views, mut rx) = ([pair.master.rx[0].view(), pair.master.tx[0].view()], pair.master.rx.remove(0));
    let is_over = || views.iter().map(|view| view.is_over()).collect::<Vec<_>>();
    // The peer leaves, and the driver lets go of its link.
    pair.master.handle.leave();
    drop(pair);
    assert_eq!(is_over(), [false, false]);
    assert_eq!(rx.recv(8).unwrap().packets().count(), 2);
    assert_eq!(is_over(), [false, false]);
    drop(rx);
    assert_eq!(is_over(), [true, true]);
    assert_eq!(views[0].details().counters.packets, 2);
}
