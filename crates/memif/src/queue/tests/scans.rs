//! Packets of every kind on one ring, taken in parts.

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::queue::RxQueue;
use crate::ring::RingMemory;
use crate::wire::ring::{DescriptorHead, FLAG_NEXT};

const SLOTS: u16 = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Plain,
    Chained,
    /// One descriptor without a byte.
    Bad,
    /// A chain with a descriptor without a byte at that place.
    BadChain(u16),
    /// A chain that is longer than the receiver takes.
    Long,
}

use Kind::{Bad, BadChain, Chained, Long, Plain};

impl Kind {
    fn len(self) -> usize {
        match self {
            Plain | Bad => 90,
            Chained | BadChain(_) => 250,
            Long => 301,
        }
    }

    fn slots(self) -> u16 {
        match self {
            Plain | Bad => 1,
            Chained | BadChain(_) => 3,
            Long => 4,
        }
    }

    fn arrives(self) -> bool {
        matches!(self, Plain | Chained)
    }

    /// Descriptors that count as bad.
    fn bad(self) -> u64 {
        u64::from(!self.arrives())
    }
}

/// Puts packets of these kinds on the ring, receives at most `max` with each call and takes `take` of those.
fn in_parts(pair: &mut Pair, ring: usize, kinds: &[Kind], max: usize, take: usize) {
    let at = format!("ring {ring}, {kinds:?}, {take} of {max}");
    let (tx, rx) = match ring {
        0 => (&mut pair.slave.tx[0], &mut pair.master.rx[0]),
        _ => (&mut pair.master.tx[0], &mut pair.slave.rx[0]),
    };
    let before = rx.counters();
    let mut batch = tx.reserve().unwrap();
    for (number, kind) in (0..).zip(kinds) {
        let first = batch.next_slot();
        batch.push(&packet(number, kind.len())).unwrap();
        let bad = match kind {
            Bad => first,
            BadChain(part) => first.wrapping_add(*part),
            _ => continue,
        };
        let head = DescriptorHead::from_word(pair.rings[ring].load_word(bad, 0));
        pair.rings[ring].store_word(bad, 0, DescriptorHead { length: 0, ..head }.to_word());
    }
    batch.commit();

    let good: Vec<_> = (0..).zip(kinds).filter(|(_, kind)| kind.arrives()).map(|(n, k)| packet(n, k.len())).collect();
    let mut seen = vec![];
    for call in 0.. {
        let left = good.len() - seen.len();
        let mut batch = rx.recv(max).unwrap();
        assert_eq!(batch.len(), left.min(max), "{at}");
        seen.extend(batch.packets().take(take).map(|packet| packet.to_vec()));
        assert_eq!(batch.len(), left.min(max) - left.min(max).min(take), "{at}");
        drop(batch);
        assert_eq!(seen[..], good[..seen.len()], "{at}");
        if left == 0 {
            break;
        }
        assert!(call < 100, "{at}");
    }
    let after = rx.counters();
    let bytes: usize = good.iter().map(Vec::len).sum();
    assert_eq!((after.packets - before.packets, after.bytes - before.bytes), (good.len() as u64, bytes as u64));
    let dropped = kinds.iter().filter(|kind| !kind.arrives()).count() as u64;
    assert_eq!(after.dropped - before.dropped, dropped, "{at}");
    let bad: u64 = kinds.iter().map(|kind| kind.bad()).sum();
    assert_eq!(after.bad_descriptors - before.bad_descriptors, bad, "{at}");
    // Everything is the sender's again, and no NEXT is left in what a master gave back.
    let (head, tail) = (pair.rings[ring].load_head(), pair.rings[ring].load_tail());
    assert_eq!(head.wrapping_sub(tail), if ring == 0 { 0 } else { SLOTS }, "{at}");
    let next =
        (0..SLOTS).any(|slot| DescriptorHead::from_word(pair.rings[ring].load_word(slot, 0)).flags & FLAG_NEXT != 0);
    assert!(!next, "{at}");
}

#[test]
fn plain_chained_and_bad_packets_are_taken_in_parts_each_once() {
    let orders: &[&[Kind]] = &[
        &[Plain, Plain, Chained, Plain, Bad, Plain, Chained, Bad],
        &[Bad, Plain, Bad, Bad, Chained, Chained, Bad, Plain],
        &[Chained, Bad, Plain, BadChain(0), Plain, BadChain(1), Chained, BadChain(2), Plain],
        &[Plain, Long, Plain, Chained, Long, Bad, Plain, Plain],
        &[BadChain(2), Long, Bad, Bad, BadChain(0)],
        &[Bad, Chained],
        &[Plain, Plain, Plain, Bad],
    ];
    let limited = |config: InterfaceConfig| config.ring_size(u32::from(SLOTS)).buffer_size(100).max_packet(300);
    for ring in [0, 1] {
        // Senders that send what receivers do not take.
        let slave = if ring == 0 {
            limited(InterfaceConfig::slave(0)).max_packet(400)
        } else {
            limited(InterfaceConfig::slave(0))
        };
        let master = if ring == 0 {
            limited(InterfaceConfig::master(0))
        } else {
            limited(InterfaceConfig::master(0)).max_packet(400)
        };
        // The same queues for all of it, so that every order begins at many places of the ring.
        let mut pair = Pair::new(slave, master);
        for _ in 0..20 {
            for kinds in orders {
                assert!(kinds.iter().map(|kind| kind.slots()).sum::<u16>() <= SLOTS);
                for max in [1, 2, 3, 100] {
                    for take in 1..=max.min(4) {
                        in_parts(&mut pair, ring, kinds, max, take);
                    }
                }
            }
        }
    }
}

/// What is needed for packets is made with the first, or with the link where pages are.
#[test]
fn no_packets_make_a_receiver_allocate_but_the_first() {
    let sized = |config: InterfaceConfig, ahead| config.ring_size(u32::from(SLOTS)).buffer_size(64).prefault(ahead);
    for (ring, ahead) in [(0, false), (0, true), (1, false), (1, true)] {
        for len in [64, 65, 200, usize::from(SLOTS) * 64] {
            let bytes = packet(0, len);
            let (slave, master) = (InterfaceConfig::slave(0), InterfaceConfig::master(0));
            let mut pair = Pair::new(sized(slave, ahead), sized(master, ahead));
            let (tx, rx) = match ring {
                0 => (&mut pair.slave.tx[0], &mut pair.master.rx[0]),
                _ => (&mut pair.master.tx[0], &mut pair.slave.rx[0]),
            };
            let receive = |rx: &mut RxQueue| {
                allocation_counter::measure(|| {
                    for packet in &mut rx.recv(usize::MAX).unwrap() {
                        packet.copy_to(&mut [0; 100]);
                    }
                })
            };
            assert_eq!(receive(rx).count_total, 0, "nothing on the ring");
            if !ahead {
                tx.send(&[1]).unwrap();
                assert!(receive(rx).count_total <= 4);
            }
            for bad in [None, Some(0), Some(SLOTS - 1)] {
                let first = pair.rings[ring].load_tail();
                let sent = allocation_counter::measure(|| {
                    let mut batch = tx.reserve().unwrap();
                    while batch.push(&bytes).is_ok() {}
                    batch.commit();
                });
                if let Some(bad) = bad {
                    let slot = first.wrapping_add(bad);
                    let head = DescriptorHead::from_word(pair.rings[ring].load_word(slot, 0));
                    let none = DescriptorHead { length: 0, ..head };
                    pair.rings[ring].store_word(slot, 0, none.to_word());
                }
                let counts = (sent.count_total, receive(rx).count_total);
                assert_eq!(counts, (0, 0), "ring {ring}, {len} bytes, {bad:?}, made ahead: {ahead}");
            }
        }
    }
}
