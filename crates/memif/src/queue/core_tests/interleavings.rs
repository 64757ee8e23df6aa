//! Packets from core to core under loom, which tries every order of the two threads that the orderings allow.

use loom::sync::Arc;

use super::{Seen, Shared, other, receiver, sender, walk, write};
use crate::config::Role;
use crate::queue::tx_core::Room;
use crate::ring::tests::interleavings::Modelled;

/// Packets through a ring of two slots: each arrives whole, once and in order, and none is read before it is there.
fn passes_packets(role: Role, packets: &'static [&'static [u32]]) {
    loom::model(move || {
        let memory = Arc::new(Modelled::new());
        let mut rx = receiver(other(role), 1, Shared(Arc::clone(&memory)), false);
        let mut tx = sender(role, 1, Shared(memory));
        let thread = loom::thread::spawn(move || {
            for lengths in packets {
                let next = tx.cursor.published();
                let len: u32 = lengths.iter().sum();
                let slots = loop {
                    match tx.find_room(next, len as usize, 1, u16::MAX).expect("an honest ring") {
                        Room::Slots(slots) => break slots,
                        Room::Short => loom::thread::yield_now(),
                        // A buffer that was read before it was posted.
                        room => panic!("{room:?}"),
                    }
                };
                assert_eq!(usize::from(slots), lengths.len());
                let end = write(&tx, next, lengths);
                tx.cursor.publish(end, &tx.ring);
            }
        });
        let mut expected = packets.iter();
        while expected.len() > 0 {
            let available = rx.available().expect("an honest ring");
            let seen = walk(&mut rx, available).expect("an honest sender");
            if seen.is_empty() {
                loom::thread::yield_now();
                continue;
            }
            for packet in seen {
                assert_eq!(packet, Seen::Packet(expected.next().expect("a packet").to_vec()));
            }
            let held = rx.cursor.held();
            rx.post_held(held);
            rx.give_back(held);
        }
        thread.join().unwrap();
    });
}

#[test]
fn s2m_passes_packets() {
    passes_packets(Role::Slave, &[&[7], &[8], &[9]]);
}

#[test]
fn m2s_passes_packets() {
    passes_packets(Role::Master, &[&[7], &[8], &[9]]);
}

#[test]
fn s2m_passes_chains_whole() {
    passes_packets(Role::Slave, &[&[100, 8], &[9]]);
}

#[test]
fn m2s_passes_chains_whole() {
    passes_packets(Role::Master, &[&[100, 8], &[9]]);
}
