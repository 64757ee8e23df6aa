//! Packets that are kept beyond their batch.

use std::collections::HashSet;
use std::sync::mpsc;

use proptest::prelude::*;

use super::{Pair, packet};
use crate::config::InterfaceConfig;
use crate::error::KeepError;
use crate::queue::KeptPacket;

fn pair(ring_size: u32, buffer_size: u32, spares: u32) -> Pair {
    let sized = |config: InterfaceConfig| config.ring_size(ring_size).buffer_size(buffer_size);
    Pair::new(sized(InterfaceConfig::slave(0)).spare_buffers(spares), sized(InterfaceConfig::master(0)))
}

fn keep_one(pair: &mut Pair, bytes: &[u8]) -> Result<KeptPacket, KeepError> {
    pair.master.tx[0].send(bytes).unwrap();
    let mut batch = pair.slave.rx[0].recv(1).unwrap();
    let received = batch.packets().next().unwrap();
    assert_eq!(received.to_vec(), bytes);
    received.keep().map_err(|not_kept| {
        assert_eq!(not_kept.packet.to_vec(), bytes, "still there to be copied");
        not_kept.into()
    })
}

#[test]
fn what_is_kept_stays_while_the_ring_turns() {
    let mut pair = pair(8, 100, 4);
    assert_eq!(pair.slave.rx[0].free_spares(), 4);
    let (one, two) = (packet(1, 60), packet(2, 250));
    let (first, second) = (keep_one(&mut pair, &one).unwrap(), keep_one(&mut pair, &two).unwrap());
    assert_eq!((first.len(), second.len(), second.segments().len()), (60, 250, 3));
    assert_eq!(pair.slave.rx[0].free_spares(), 0);
    for number in 3..100 {
        assert_eq!(keep_one(&mut pair, &packet(number, 100)).unwrap_err(), KeepError::NoSpare);
        assert_eq!((first.to_vec(), second.to_vec()), (one.clone(), two.clone()));
    }
    drop(first);
    // One is free, and a chain of two segments takes two.
    assert_eq!(keep_one(&mut pair, &packet(100, 101)).unwrap_err(), KeepError::NoSpare);
    let third = keep_one(&mut pair, &packet(101, 100)).unwrap();
    assert_eq!((second.to_vec(), third.to_vec()), (two, packet(101, 100)));
    drop((second, third));
    assert_eq!(pair.slave.rx[0].free_spares(), 4);
    let counters = pair.slave.rx[0].counters();
    assert_eq!((counters.packets, counters.dropped, counters.resyncs), (101, 0, 0));
}

#[test]
fn parts_of_what_is_kept_are_read_and_sent_on() {
    let mut pair = pair(8, 100, 8);
    let bytes = packet(7, 450);
    let kept = keep_one(&mut pair, &bytes).unwrap();
    for from in [0, 1, 99, 100, 250, 449, 450, 1000] {
        let mut part = [0; 130];
        let len = kept.read(from, &mut part);
        assert_eq!(part[..len], bytes[from.min(450)..(from + 130).min(450)], "from {from}");
    }
    let mut batch = pair.slave.tx[0].reserve().unwrap();
    batch.push_kept(&kept).unwrap();
    batch.push_kept(&kept).unwrap_err();
    assert_eq!(batch.commit(), 1);
    assert_eq!(pair.master.rx[0].recv(1).unwrap().packets().next().unwrap().to_vec(), bytes);
}

#[test]
fn who_has_no_spares_is_told_what_to_do() {
    let mut pair = pair(8, 100, 0);
    assert_eq!(keep_one(&mut pair, &[1; 60]).unwrap_err(), KeepError::NoSpares);
    pair.slave.tx[0].send(&[1; 60]).unwrap();
    let mut batch = pair.master.rx[0].recv(1).unwrap();
    let not_kept = batch.packets().next().unwrap().keep().unwrap_err();
    assert_eq!(not_kept.error, KeepError::Master);
    assert!(not_kept.to_string().contains("copy it"));
}

#[test]
fn what_is_kept_outlives_its_link() {
    let mut pair = pair(8, 100, 2);
    let kept = keep_one(&mut pair, &packet(1, 150)).unwrap();
    pair.slave.handle.shut();
    drop(pair);
    assert_eq!(kept.to_vec(), packet(1, 150));
}

#[test]
fn another_thread_gives_back() {
    let mut pair = pair(64, 100, 40);
    let (sender, receiver) = mpsc::channel::<(u64, KeptPacket)>();
    let other = std::thread::spawn(move || {
        let mut held = Vec::new();
        for (number, kept) in receiver {
            held.push((number, kept));
            if held.len() == 20 {
                held.sort_by_key(|(number, _)| number.wrapping_mul(0x9e37_79b9));
                for (number, kept) in held.drain(..15) {
                    assert_eq!(kept.to_vec(), packet(number, 60 + (number % 100) as usize));
                }
            }
        }
        held.len() as u64
    });
    let (rounds, mut kept) = (if cfg!(miri) { 100 } else { 20_000_u64 }, 0);
    for number in 0..rounds {
        match keep_one(&mut pair, &packet(number, 60 + (number % 100) as usize)) {
            Ok(packet) => {
                kept += 1;
                sender.send((number, packet)).unwrap();
            }
            Err(error) => assert_eq!(error, KeepError::NoSpare),
        }
    }
    drop(sender);
    assert!(other.join().unwrap() <= 20 && kept > 0);
    assert_eq!(pair.slave.rx[0].free_spares(), 40);
}

#[derive(Clone, Debug)]
enum Step {
    Send {
        len: usize,
    },
    Keep,
    Drop,
    /// In place, into the ring of the other direction.
    Forward,
    GiveBack {
        which: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (1..350_usize).prop_map(|len| Step::Send { len }),
        2 => Just(Step::Keep),
        1 => Just(Step::Drop),
        1 => Just(Step::Forward),
        2 => (0..8_usize).prop_map(|which| Step::GiveBack { which }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 3 } else { 300 }, ..Default::default() })]

    #[test]
    fn no_buffer_is_posted_while_it_is_kept(steps in prop::collection::vec(step(), 1..120), spares in 0..7_u32) {
        let mut pair = pair(8, 100, spares);
        let (mut under_way, mut kept) = (std::collections::VecDeque::new(), Vec::<(Vec<u8>, KeptPacket)>::new());
        for (number, step) in steps.into_iter().enumerate() {
            let rx = &mut pair.slave.rx[0];
            match step {
                Step::Send { len } => {
                    let bytes = packet(number as u64, len);
                    if pair.master.tx[0].send(&bytes).is_ok() {
                        under_way.push_back(bytes);
                    }
                }
                Step::Keep | Step::Drop | Step::Forward => {
                    let free = rx.free_spares();
                    let mut batch = rx.recv(1).unwrap();
                    let next = batch.packets().next();
                    let expected = under_way.pop_front();
                    prop_assert_eq!(next.as_ref().map(|packet| packet.to_vec()), expected.clone());
                    let (Some(next), Some(expected)) = (next, expected) else { continue };
                    match step {
                        Step::Keep => {
                            let segments = next.segments().len();
                            match next.keep() {
                                Ok(packet) => kept.push((expected, packet)),
                                Err(error) => {
                                    prop_assert!(segments > free);
                                    let reason = if spares > 0 { KeepError::NoSpare } else { KeepError::NoSpares };
                                    prop_assert_eq!(error.error, reason);
                                }
                            }
                        }
                        Step::Forward => {
                            let mut out = pair.slave.tx[0].reserve().unwrap();
                            out.forward(next).map_err(|error| error.error).unwrap();
                            prop_assert_eq!(out.commit(), 1);
                            let mut arrived = pair.master.rx[0].recv(1).unwrap();
                            prop_assert_eq!(arrived.packets().next().unwrap().to_vec(), expected);
                        }
                        _ => {}
                    }
                }
                Step::GiveBack { which } => {
                    if !kept.is_empty() {
                        kept.swap_remove(which % kept.len());
                    }
                }
            }
            let rx = &pair.slave.rx[0];
            let segments: usize = kept.iter().map(|(_, packet)| packet.segments().len()).sum();
            prop_assert_eq!(rx.free_spares() + segments, spares as usize);
            for (bytes, packet) in &kept {
                prop_assert_eq!(&packet.to_vec(), bytes);
            }
            let posted: HashSet<u32> = (0..8).map(|slot| rx.slot_offset(slot)).collect();
            prop_assert_eq!(posted.len(), 8, "two slots have one buffer");
            let region = pair.slave.rx[0].region_address();
            for segment in kept.iter().flat_map(|(_, packet)| packet.segments()) {
                prop_assert!(!posted.contains(&((segment.as_ptr() as usize - region) as u32)));
            }
        }
    }
}
