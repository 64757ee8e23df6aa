//! Memory that answers differently on every load.

use proptest::prelude::*;

use super::{BUFFER, receiver, sender, walk};
use crate::config::Role;
use crate::queue::tx_core::Room;
use crate::ring::tests::adversary::Liar;

/// Answers of which a part looks like lengths, flags and small steps of a cursor.
fn answers() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(prop_oneof![Just(0u16), Just(1), 0u16..40, any::<u16>()], 0..2000)
}

proptest! {
    #[test]
    fn no_answer_leads_a_walk_out_of_the_ring_or_a_region(
        log2 in 0u8..=5,
        slave: bool,
        empty_segments: bool,
        answers in answers(),
    ) {
        let role = if slave { Role::Slave } else { Role::Master };
        let rounds = answers.len() / 8;
        let mut rx = receiver(role, log2, Liar::new(answers), empty_segments);
        let size = rx.cursor.size();
        for round in 0..rounds {
            let before = rx.cursor.next();
            match rx.available() {
                Ok(available) => {
                    prop_assert!(available <= size - rx.cursor.held());
                    // What lies where, and that nothing is walked over twice, is checked in there.
                    if walk(&mut rx, available).is_err() {
                        return Ok(());
                    }
                    prop_assert!(rx.cursor.next().wrapping_sub(before) <= available);
                    prop_assert!(rx.unfinished <= available);
                }
                Err(overrun) => {
                    if rx.resynchronise(overrun).is_err() {
                        return Ok(());
                    }
                    rx.note_valid();
                    prop_assert_eq!((rx.cursor.held(), rx.unfinished), (0, 0));
                }
            }
            prop_assert!(rx.cursor.held() <= size);
            let slots = rx.cursor.held() / (1 + (round % 3) as u16);
            rx.post_held(slots);
            rx.give_back(slots);
        }
    }

    #[test]
    fn no_answer_makes_a_sender_fill_what_is_not_there(
        log2 in 0u8..=5,
        slave: bool,
        answers in answers(),
    ) {
        let role = if slave { Role::Slave } else { Role::Master };
        let rounds = answers.len() / 8;
        let mut tx = sender(role, log2, Liar::new(answers));
        let size = tx.cursor.size();
        let mut next = tx.cursor.published();
        for round in 0..rounds {
            let len = 1 + (round % 7) * 60;
            let Ok(room) = tx.find_room(next, len, 1, u16::MAX) else { return Ok(()) };
            match room {
                Room::Slots(slots) => {
                    let lengths = (0..slots).map(|i| tx.room(next.wrapping_add(i)).len());
                    prop_assert!(lengths.clone().all(|length| (1..=BUFFER as usize).contains(&length)));
                    prop_assert!(lengths.sum::<usize>() >= len);
                    next = next.wrapping_add(slots);
                }
                Room::Useless(slots) => next = next.wrapping_add(slots),
                Room::Short => {}
                Room::TooSmall => prop_assert!(false, "as many as there are were asked for"),
            }
            prop_assert!(next.wrapping_sub(tx.cursor.published()) <= size);
            prop_assert!(tx.cursor.free(next) <= size);
            if round % 3 == 0 {
                tx.cursor.publish(next, &tx.ring);
            }
        }
    }
}
