//! The same of generated runs and packets.

use proptest::prelude::*;
use tun_rs::VirtioNetHdr;

use super::runs::*;
use crate::packet::mutations::{self, changes};

/// A frame of one of two flows that goes on, or is of some other make.
#[derive(Clone, Debug)]
enum Next {
    Goes { second: bool, shorter: usize, flags: u8 },
    Jumps { second: bool, by: u32 },
    Changed { second: bool, changes: mutations::Changes },
    Other(Vec<u8>),
}

fn next() -> impl Strategy<Value = Next> {
    let flags = prop_oneof![20 => Just(ACK), 3 => Just(ACK | PSH), 1 => any::<u8>()];
    let shorter = prop_oneof![12 => Just(0), 1 => 0_usize..100];
    prop_oneof![
        30 => (prop::bool::weighted(0.1), shorter, flags)
            .prop_map(|(second, shorter, flags)| Next::Goes { second, shorter, flags }),
        1 => (any::<bool>(), any::<u32>()).prop_map(|(second, by)| Next::Jumps { second, by }),
        2 => (any::<bool>(), changes()).prop_map(|(second, changes)| Next::Changed { second, changes }),
        1 => prop::collection::vec(any::<u8>(), 1..200).prop_map(Next::Other),
    ]
}

proptest! {
    #[test]
    fn what_was_joined_is_cut_into_the_same_frames(
        kinds in (0..KINDS.len(), 0..KINDS.len()),
        size in 1_usize..2000,
        steps in prop::collection::vec(next(), 1..120),
    ) {
        let first = KINDS[kinds.0];
        let second = KINDS[kinds.1];
        let mut flows = [(first, FIRST), (Kind { framing: first.framing, tags: first.tags, ..second }, FIRST)];
        let mut frames = Vec::new();
        for next in steps {
            match next {
                Next::Goes { second, shorter, flags } => {
                    let (kind, step) = &mut flows[usize::from(second)];
                    let len = size.saturating_sub(shorter);
                    frames.push(kind.frame(Step { flags, ..*step }, &payload(len)));
                    step.sequence = step.sequence.wrapping_add(u32::try_from(len).unwrap());
                    step.id = step.id.wrapping_add(1);
                }
                Next::Jumps { second, by } => {
                    let (_, step) = &mut flows[usize::from(second)];
                    step.sequence = step.sequence.wrapping_add(by);
                }
                Next::Changed { second, changes } => {
                    let (kind, step) = flows[usize::from(second)];
                    let mut frame = kind.frame(step, &payload(size));
                    mutations::apply(changes, &mut frame);
                    frames.push(frame);
                }
                Next::Other(bytes) => frames.push(bytes),
            }
        }
        let packets = join(&frames, first.framing, ALL);
        prop_assert!(packets.len() <= frames.len());
        prop_assert_eq!(cut_again(&packets, first.framing), frames);
    }

    #[test]
    fn any_packet_of_the_kernel_is_cut_without_a_panic(
        at in 0..KINDS.len(),
        len in 1_usize..4000,
        fields in any::<(u8, u8, u16, u16, u16, u16)>(),
        changes in changes(),
        cut_off in any::<prop::sample::Index>(),
        keep in any::<u8>(),
    ) {
        let kind = KINDS[at];
        let (good, mut packet) = kind.large(FIRST, &payload(len), 1000);
        mutations::apply(changes, &mut packet);
        if keep & 1 == 0 {
            packet.truncate(cut_off.index(packet.len()));
        }
        let (flags, gso_type, hdr_len, gso_size, csum_start, csum_offset) = fields;
        let pick = |bit: u8, good, any| if keep & bit != 0 { good } else { any };
        let header = VirtioNetHdr {
            flags: if keep & 2 != 0 { good.flags } else { flags },
            gso_type: if keep & 4 != 0 { good.gso_type } else { gso_type },
            hdr_len,
            gso_size: pick(8, good.gso_size, gso_size),
            csum_start: pick(16, good.csum_start, csum_start),
            csum_offset: pick(32, good.csum_offset, csum_offset),
        };
        let mut cut = Cut::new(&header, &mut packet, kind.framing);
        if let Ok(cut) = &mut cut {
            while let Some((head, payload)) = cut.frame(&mut packet) {
                prop_assert!(head.len() + payload.len() <= packet.len());
                cut.advance(packet.len());
            }
        }
    }
}
