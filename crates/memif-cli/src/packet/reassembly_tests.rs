//! Packets cut by `fragments` and put together again; and fragments that no honest sender makes.

use super::*;
use crate::packet::echo::{self, Manner};
use crate::packet::mutations::{apply, changes};
use crate::packet::{fragments, icmp6};
use etherparse::IcmpEchoHeader;
use proptest::prelude::*;
use std::net::Ipv4Addr;

fn request(len: usize) -> Vec<u8> {
    let ends = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
    let mut packet = Vec::new();
    let header = IcmpEchoHeader { id: 1, seq: 2 };
    echo::append_request(
        &mut packet,
        ends,
        header,
        Manner { dont_fragment: false, ..Manner::default() },
        len,
        |bytes| {
            bytes.iter_mut().zip(0_usize..).for_each(|(byte, at)| *byte = (at / 8).to_le_bytes()[0]);
        },
    );
    packet
}

fn cut(packet: &[u8], longest: usize) -> Vec<Vec<u8>> {
    cut_as(packet, longest, 5)
}

fn cut_as(packet: &[u8], longest: usize, identification: u32) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    fragments::cut(packet, longest, identification, |part| parts.push(part.to_vec())).unwrap();
    parts
}

/// Takes all, of which only the last may complete the packet.
fn put_together(reassembly: &mut Reassembly, parts: &[Vec<u8>]) -> Vec<u8> {
    let now = Instant::now();
    let (last, others) = parts.split_last().unwrap();
    for part in others {
        assert_eq!(reassembly.take(now, part), Taken::Kept);
    }
    assert_eq!(reassembly.take(now, last), Taken::Complete);
    reassembly.packet().clone()
}

#[test]
fn whole_packets_are_left_alone() {
    let mut reassembly = Reassembly::default();
    for packet in [request(100), icmp6::tests::echo(100), vec![], vec![0x45], vec![0x60; 39], vec![0xff; 60]] {
        assert_eq!(reassembly.take(Instant::now(), &packet), Taken::Whole);
    }
}

#[test]
fn what_was_cut_comes_together_in_any_order() {
    for whole in [request(4000), request(65_507), icmp6::tests::echo(4000), icmp6::tests::echo(65_000)] {
        for longest in [576, 1280, 1500] {
            let mut reassembly = Reassembly::default();
            let mut parts = cut(&whole, longest);
            assert!(parts.len() > 2 && parts.iter().all(|part| part.len() <= longest));
            parts.iter_mut().for_each(|part| part.extend([0; 3])); // padding
            assert_eq!(put_together(&mut reassembly, &parts), whole);
            assert!(reassembly.longest_fragment() <= longest && reassembly.longest_fragment() > longest - 8);
            parts.reverse();
            assert_eq!(put_together(&mut reassembly, &parts), whole);
            assert_eq!(reassembly.given_up(), GivenUp::default());
        }
    }
}

#[test]
fn packets_are_told_apart() {
    let whole = icmp6::tests::echo(2000);
    let mut reassembly = Reassembly::default();
    let (one, other) = (cut_as(&whole, 1280, 1), cut_as(&whole, 1280, 2));
    let now = Instant::now();
    assert_eq!(reassembly.take(now, &one[0]), Taken::Kept);
    assert_eq!(reassembly.take(now, &other[1]), Taken::Kept);
    assert_eq!(reassembly.take(now, &one[1]), Taken::Complete);
    assert_eq!(reassembly.take(now, &other[0]), Taken::Complete);
}

#[test]
fn parts_that_overlap_or_contradict_take_their_packet_with_them() {
    let parts = cut(&request(4000), 1500);
    let longer = cut(&request(4400), 1500);
    let odd = {
        // More follow, and yet it is no multiple of eight bytes.
        let mut part = cut(&request(60), 68).remove(0);
        part[3] -= 1;
        part[10..12].fill(0);
        let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&part[..20]).ones_complement();
        part[10..12].copy_from_slice(&sum.to_ne_bytes());
        part
    };
    let now = Instant::now();
    for (first, second) in [
        (&parts[0], &parts[0]),                     // twice
        (&parts[0], &cut(&request(4000), 1000)[1]), // another cut
        (&parts[2], &longer[2]),                    // two ends
        (&longer[2], &parts[2]),
        (&cut(&request(9000), 1500)[4], &parts[2]), // an end before what came
        (&parts[1], &odd),
    ] {
        let mut reassembly = Reassembly::default();
        assert_eq!(reassembly.take(now, first), Taken::Kept);
        assert_eq!(reassembly.take(now, second), Taken::Refused(1));
        assert_eq!(reassembly.given_up().packets, 1);
        assert!(reassembly.waiting.is_empty());
    }
}

#[test]
fn broken_fragments_are_refused() {
    let mut reassembly = Reassembly::default();
    let mut refused = |packet: &[u8]| assert_eq!(reassembly.take(Instant::now(), packet), Taken::Refused(0));
    let part = cut(&request(4000), 1500).remove(0);
    refused(&part[..1499]);
    let mut wrong = part;
    wrong[8] ^= 1;
    refused(&wrong);
    let part = cut(&icmp6::tests::echo(4000), 1500).remove(0);
    refused(&part[..47]);
    let mut empty = part[..48].to_vec();
    empty[4..6].copy_from_slice(&[0, 8]);
    refused(&empty);
    let mut beyond = part.clone();
    beyond[42..44].copy_from_slice(&0xfff9_u16.to_be_bytes());
    refused(&beyond);
}

#[test]
fn bounds_hold() {
    let now = Instant::now();
    let whole = icmp6::tests::echo(60_000);
    let mut reassembly = Reassembly::default();
    // The oldest goes for one that is too many.
    for identification in 0..100 {
        let part = cut_as(&whole, 1280, identification).remove(1);
        assert_eq!(reassembly.take(now, &part), Taken::Kept);
        assert!(reassembly.waiting.len() <= MOST_PACKETS);
    }
    assert_eq!(reassembly.given_up(), GivenUp { packets: 84, fragments: 84 });
    // All go with time.
    let part = cut_as(&whole, 1280, 100).remove(1);
    reassembly.take(now + PATIENCE, &part);
    assert_eq!((reassembly.waiting(), reassembly.given_up().packets), (1, 16));
    // Every other fragment: more pieces than there may be.
    let parts = cut(&whole, 128);
    let taken: Vec<_> = parts.iter().step_by(2).map(|part| reassembly.take(now, part)).collect();
    assert_eq!(taken[..MOST_PIECES], [Taken::Kept; MOST_PIECES]);
    assert_eq!(taken[MOST_PIECES], Taken::Refused(64));
}

#[test]
fn a_packet_of_one_fragment_is_whole_at_once() {
    let whole = icmp6::tests::echo(64);
    let mut atomic = whole[..40].to_vec();
    atomic[4..6].copy_from_slice(&(u16::try_from(whole.len() - 40 + 8).unwrap()).to_be_bytes());
    atomic[6] = 44;
    atomic.extend([58, 0, 0, 0, 0, 0, 0, 1]);
    atomic.extend(&whole[40..]);
    let mut reassembly = Reassembly::default();
    assert_eq!(put_together(&mut reassembly, &[atomic]), whole);
}

#[test]
fn nothing_is_cut_where_nothing_fits() {
    for packet in [request(100), icmp6::tests::echo(100)] {
        for longest in [0, 19, 27, 47, 55] {
            let cut = fragments::cut(&packet, longest, 0, |part| assert!(part.len() <= longest));
            assert_eq!(cut.is_some(), packet[0] == 0x45 && longest >= 28, "{longest}");
        }
    }
    assert_eq!(fragments::cut(&[1; 100], 50, 0, |_| ()), None);
}

proptest! {
    #[test]
    fn any_bytes_are_taken_without_a_panic(packets: Vec<Vec<u8>>) {
        let mut reassembly = Reassembly::default();
        for packet in packets {
            reassembly.take(Instant::now(), &packet);
        }
    }

    #[test]
    fn any_changed_fragments_stay_within_the_bounds(
        six: bool,
        len in 100_usize..6000,
        longest in 68_usize..1500,
        changed in prop::collection::vec((any::<prop::sample::Index>(), changes()), 0..12),
    ) {
        let whole = if six { icmp6::tests::echo(len) } else { request(len) };
        let parts = cut(&whole, longest);
        let mut reassembly = Reassembly::default();
        for (which, changes) in changed {
            let mut part = which.get(&parts).clone();
            apply(changes, &mut part);
            if !six {
                part[10..12].fill(0);
                let header = usize::from(part[0] & 0xf) * 4;
                let sum = etherparse::checksum::Sum16BitWords::new();
                let sum = sum.add_slice(part.get(..header).unwrap_or_default()).ones_complement();
                part[10..12].copy_from_slice(&sum.to_ne_bytes());
            }
            let taken = reassembly.take(Instant::now(), &part);
            prop_assert!(reassembly.waiting.len() <= MOST_PACKETS);
            prop_assert!(taken != Taken::Complete || reassembly.packet().len() <= LONGEST + 40);
        }
    }

    /// In any order and cut to any length, as long as each part comes once.
    #[test]
    fn any_cut_comes_together(six: bool, len in 0_usize..9000, longest in 576_usize..2000, seed in any::<u64>()) {
        let whole = if six { icmp6::tests::echo(len) } else { request(len) };
        let mut parts = cut(&whole, longest);
        let mut random = seed;
        for at in (1..parts.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            parts.swap(at, usize::try_from(random >> 33).unwrap() % (at + 1));
        }
        if parts.len() > 1 {
            prop_assert_eq!(put_together(&mut Reassembly::default(), &parts), whole);
        } else {
            prop_assert_eq!(&parts[0], &whole);
        }
    }
}

#[test]
fn options_of_whoever_asks_make_no_more_fragments() {
    use etherparse::{Ipv4HeaderSlice, Ipv4Options};

    let plain = request(4000);
    let mut header = Ipv4HeaderSlice::from_slice(&plain).unwrap().to_header();
    let payload = plain[header.header_len()..].to_vec();
    header.options = Ipv4Options::from([1; 40]);
    header.total_len = (60 + payload.len()).try_into().unwrap();
    let with_options = [&header.to_bytes()[..], &payload].concat();
    let (few, same) = (cut(&plain, 68), cut(&with_options, 68));
    assert_eq!(same.len(), few.len());
    assert_eq!(put_together(&mut Reassembly::default(), &same)[20..], payload);
}
