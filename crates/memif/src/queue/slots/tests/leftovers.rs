//! What a peer that left had published before.

use super::{Bed, M2S, S2M, head};
use crate::error::{Breach, RecvError, SendError};
use crate::queue::slots::{Received, RefillError};
use crate::queue::tests::packet;
use crate::ring::RingMemory;
use crate::wire::ring::FLAG_NEXT;

/// Three packets, one of them a chain, that way; then the receiver's driver sees that the sender has left.
fn left(ring: usize) -> Bed {
    let mut bed = Bed::sized(8, 100);
    let (from, to) = bed.direction(ring);
    for (number, len) in [(1, 60), (2, 250), (3, 60)] {
        assert!(from.send_packet(&packet(number, len)));
    }
    assert_eq!(to.rx.leftovers(), 0);
    to.handle.leave();
    bed
}

#[test]
fn it_is_handed_out_first_and_goes_back() {
    for ring in [S2M, M2S] {
        for told in [false, true] {
            let mut bed = left(ring);
            let (_, to) = bed.direction(ring);
            if told {
                to.rx.keeper().tell();
            }
            assert_eq!(to.rx.leftovers(), 5);
            let (slots, more) = to.receive(2);
            assert_eq!((slots.len(), more), (2, true));
            to.refill(2);
            assert_eq!(to.rx.leftovers(), 3);
            let (slots, more) = to.receive(8);
            assert_eq!((slots.len(), more), (3, false));
            to.refill(3);
            assert_eq!(to.rx_counters().packets, 3);
            for _ in 0..2 {
                let nothing = to.rx.receive(8, |_| unreachable!());
                if told {
                    assert_eq!(nothing, Err(RecvError::Disconnected));
                } else {
                    assert_eq!(nothing, Ok(Received { count: 0, more: false }));
                }
            }
            assert_eq!(to.rx.refill(u16::MAX, 0, None), Ok(()));
            assert!(!to.rx.keeper().is_broken());
        }
    }
}

#[test]
fn a_sender_goes_on_until_its_user_was_told() {
    for ring in [S2M, M2S] {
        let mut bed = Bed::sized(8, 100);
        let (from, _) = bed.direction(ring);
        let slots = from.allocate(1, 60);
        from.handle.leave();
        from.send(&slots);
        assert_eq!(from.tx.ready(), Ok(()));
        assert!(from.send_packet(&packet(1, 60)));
        from.tx.keeper().tell();
        assert_eq!(from.tx.ready(), Err(SendError::Disconnected));
        assert_eq!(from.tx.allocate(1, 60, None, |_| ()), Err(SendError::Disconnected));
    }
}

#[test]
fn one_look_at_the_cursor_says_how_much_it_is() {
    for ring in [S2M, M2S] {
        let mut bed = left(ring);
        assert_eq!(bed.direction(ring).1.receive(1).0.len(), 1);
        // Whoever has the memory yet goes on.
        let publish = |bed: &Bed| match ring {
            S2M => bed.rings[ring].store_head(bed.rings[ring].load_head().wrapping_add(1)),
            _ => bed.rings[ring].store_tail(bed.rings[ring].load_tail().wrapping_add(1)),
        };
        publish(&bed);
        let (_, to) = bed.direction(ring);
        assert_eq!(to.receive(8).0.len(), 4);
        to.refill(8);
        publish(&bed);
        assert_eq!(bed.direction(ring).1.receive(8), (vec![], false));
    }
}

#[test]
fn a_cursor_out_of_range_leaves_nothing() {
    for ring in [S2M, M2S] {
        for taken in [0, 2] {
            let mut bed = Bed::sized(8, 100);
            let (from, to) = bed.direction(ring);
            assert!(from.send_packet(&packet(1, 60)) && from.send_packet(&packet(2, 250)));
            // A part of the chain may be out already.
            assert_eq!(to.receive(taken).0.len(), usize::from(taken));
            to.handle.leave();
            match ring {
                S2M => bed.rings[ring].store_head(40_000),
                _ => bed.rings[ring].store_tail(40_000),
            }
            let (_, to) = bed.direction(ring);
            to.rx.keeper().tell();
            assert_eq!(to.rx.leftovers(), 0);
            assert_eq!(to.rx.receive(8, |_| unreachable!()), Err(RecvError::Disconnected));
            assert_eq!(to.rx_counters().resyncs, 0);
        }
    }
}

#[test]
fn bad_packets_and_a_chain_without_an_end_are_no_leftovers() {
    for ring in [S2M, M2S] {
        let mut bed = left(ring);
        // The first is empty, and the end of the last says that there is more.
        bed.rings[ring].store_word(0, 0, head(0, 0, 0));
        bed.rings[ring].store_word(4, 0, head(FLAG_NEXT, 0, 10));
        let (_, to) = bed.direction(ring);
        to.rx.keeper().tell();
        assert_eq!(to.receive(8).0.len(), 3);
        assert_eq!(to.rx.leftovers(), 0);
        assert_eq!(to.rx.receive(8, |_| unreachable!()), Err(RecvError::Disconnected));
    }
}

#[test]
fn nothing_is_left_of_a_link_that_ended_otherwise() {
    for ring in [S2M, M2S] {
        let mut bed = left(ring);
        let (_, to) = bed.direction(ring);
        assert_eq!(to.receive(1).0.len(), 1);
        // A breach that another queue found.
        to.handle.shut();
        assert!(to.rx.keeper().is_broken());
        assert_eq!(to.rx.leftovers(), 0);
        assert_eq!(to.rx.receive(8, |_| unreachable!()), Err(RecvError::Disconnected));
        assert_eq!(to.rx.refill(1, 0, None), Err(RefillError::Disconnected));
    }
}

#[test]
fn a_breach_among_the_leftovers_ends_them() {
    let mut bed = left(M2S);
    bed.rings[M2S].store_word(4, 0, head(0, 0, 101));
    let mut received = 0;
    let result = bed.slave.rx.receive(8, |_| received += 1);
    assert!(matches!(result, Err(RecvError::Breach(Breach::OverCapacity { slot: 4, .. }))));
    assert_eq!(received, 4);
    assert_eq!(bed.slave.rx.receive(8, |_| ()), Err(RecvError::Disconnected));
}
