//! Cutting and joining undo each other, and agree with packets that another library made.

use std::convert::Infallible;

use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader};
use proptest::prelude::*;
use tun_rs::{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4, VirtioNetHdr};

use super::cut::{Cut, Unknown};
use super::join::{Joined, Joiner, Source};
use super::*;
use crate::packet::Framing;
use crate::packet::mutations::{self, changes};

const ALL: Offloads = Offloads { tcp: true, udp: true };

/// What the frames of a test start with.
#[derive(Clone, Copy, Debug)]
struct Kind {
    framing: Framing,
    tags: &'static [u16],
    v6: bool,
    udp: bool,
}

const fn kind(framing: Framing, tags: &'static [u16], v6: bool, udp: bool) -> Kind {
    Kind { framing, tags, v6, udp }
}

const KINDS: [Kind; 10] = [
    kind(Framing::Ethernet, &[], false, false),
    kind(Framing::Ethernet, &[], true, false),
    kind(Framing::Ethernet, &[], false, true),
    kind(Framing::Ethernet, &[], true, true),
    kind(Framing::Ethernet, &[0x8100], false, false),
    kind(Framing::Ethernet, &[0x88a8, 0x8100], true, true),
    kind(Framing::Ip, &[], false, false),
    kind(Framing::Ip, &[], true, false),
    kind(Framing::Ip, &[], false, true),
    kind(Framing::Ip, &[], true, true),
];

/// What differs between frames of a flow.
#[derive(Clone, Copy, Debug)]
struct Step {
    sequence: u32,
    id: u16,
    flags: u8,
}

impl Kind {
    /// Bytes before the IP header.
    fn network(self) -> usize {
        if self.framing == Framing::Ethernet { 14 + 4 * self.tags.len() } else { 0 }
    }

    /// Bytes before the transport header.
    fn transport(self) -> usize {
        self.network() + if self.v6 { IPV6_HEADER } else { IPV4_HEADER }
    }

    /// Bytes before the payload; TCP has 12 bytes of options.
    fn headers(self) -> usize {
        self.transport() + if self.udp { UDP_HEADER } else { TCP_HEADER + 12 }
    }

    fn checksum(self) -> usize {
        if self.udp { UDP_CHECKSUM } else { TCP_CHECKSUM }
    }

    /// A frame whose checksums are etherparse's.
    fn frame(self, step: Step, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.framing == Framing::Ethernet {
            bytes.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
            for tag in self.tags {
                bytes.extend(tag.to_be_bytes());
                bytes.extend([0x20, 0x07]);
            }
            bytes.extend(if self.v6 { [0x86, 0xdd] } else { [8, 0] });
        }
        let ip = if self.v6 {
            let header = Ipv6Header { source: [0xfd; 16], destination: [7; 16], hop_limit: 64, ..Default::default() };
            IpHeaders::Ipv6(header, Default::default())
        } else {
            let mut header = Ipv4Header::new(0, 64, IpNumber::TCP, [10, 0, 0, 1], [10, 0, 0, 2]).unwrap();
            header.identification = step.id;
            IpHeaders::Ipv4(header, Default::default())
        };
        let ip = PacketBuilder::ip(ip);
        if self.udp {
            ip.udp(4000, 5000).write(&mut bytes, payload).unwrap();
        } else {
            let mut header = TcpHeader::new(4000, 5000, step.sequence, 8000);
            header.acknowledgment_number = 77;
            header.set_options_raw(&[1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8]).unwrap();
            header.ack = step.flags & ACK != 0;
            header.psh = step.flags & PSH != 0;
            header.fin = step.flags & FIN != 0;
            header.ece = step.flags & ECE != 0;
            header.cwr = step.flags & CWR != 0;
            ip.tcp_header(header).write(&mut bytes, payload).unwrap();
        }
        assert_eq!(bytes.len(), self.headers() + payload.len());
        bytes
    }

    /// What the kernel gives for a run that starts with that step: all of it behind one header, and in place of the
    /// checksum the sum of the pseudo header.
    fn large(self, step: Step, payload: &[u8], size: u16) -> (VirtioNetHdr, Vec<u8>) {
        let mut packet = self.frame(step, payload);
        let (network, transport) = (self.network(), self.transport());
        let (addresses, number) = if self.v6 { (8..40, 6) } else { (12..20, 9) };
        let proto = if self.udp { 17 } else { 6 };
        assert_eq!(packet[network + number], proto);
        let words = packet[network..][addresses].chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1]));
        let mut pseudo = words.sum::<u32>() + u32::from(proto) + u32::try_from(packet.len() - transport).unwrap();
        while pseudo > 0xffff {
            pseudo = (pseudo & 0xffff) + (pseudo >> 16);
        }
        packet[transport + self.checksum()..][..2].copy_from_slice(&u16::try_from(pseudo).unwrap().to_be_bytes());
        let short = |value: usize| u16::try_from(value).unwrap();
        let header = VirtioNetHdr {
            flags: NEEDS_CHECKSUM,
            gso_type: match (self.udp, self.v6) {
                (false, false) => VIRTIO_NET_HDR_GSO_TCPV4,
                (false, true) => VIRTIO_NET_HDR_GSO_TCPV6,
                (true, _) => VIRTIO_NET_HDR_GSO_UDP_L4,
            },
            // As the kernel: what lies in one piece there.
            hdr_len: short(self.headers() + 100),
            gso_size: size,
            csum_start: short(transport),
            csum_offset: short(self.checksum()),
        };
        (header, packet)
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn read(&self, offset: usize, to: &mut [u8]) {
        to.copy_from_slice(&self[offset..offset + to.len()]);
    }
}

/// Any bytes of a payload.
fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 256) as u8).collect()
}

/// The frames of a packet.
fn cut(header: &VirtioNetHdr, packet: &mut [u8], framing: Framing) -> Result<Vec<Vec<u8>>, Unknown> {
    let mut cut = Cut::new(header, packet, framing)?;
    let mut frames = Vec::new();
    let all = cut.left(packet.len());
    while let Some((head, payload)) = cut.frame(packet) {
        let frame = [head, payload].concat();
        // Until it goes on, it says the same.
        let (head, payload) = cut.frame(packet).unwrap();
        assert_eq!([head, payload].concat(), frame);
        frames.push(frame);
        cut.advance(packet.len());
    }
    assert!(cut.is_done());
    assert_eq!(all, frames.len() as u64);
    Ok(frames)
}

/// What the kernel gets for those frames, which come in one go.
fn join(frames: &[Vec<u8>], framing: Framing, offloads: Offloads) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    let mut counted = (0, 0);
    let mut out = |joined: Joined<'_>| {
        packets.push(joined.bytes.to_vec());
        counted = (counted.0 + joined.frames, counted.1 + joined.frame_bytes);
        Ok::<(), Infallible>(())
    };
    let mut joiner = Joiner::new(framing, offloads);
    for frame in frames {
        joiner.add(frame, &mut out).unwrap();
    }
    joiner.flush(&mut out).unwrap();
    assert_eq!(counted, (frames.len() as u64, frames.iter().map(|frame| frame.len() as u64).sum()));
    packets
}

/// The frames that the kernel would make of what it got.
fn cut_again(packets: &[Vec<u8>], framing: Framing) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for bytes in packets {
        let header = VirtioNetHdr::decode(bytes).unwrap();
        let mut packet = bytes[HEADER..].to_vec();
        frames.extend(cut(&header, &mut packet, framing).unwrap());
    }
    frames
}

/// A run of frames without a gap.
fn run(kind: Kind, first: Step, sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut step = first;
    let all = payload(sizes.iter().sum());
    let mut from = 0;
    sizes
        .iter()
        .map(|&size| {
            let frame = kind.frame(step, &all[from..from + size]);
            from += size;
            step.sequence = step.sequence.wrapping_add(u32::try_from(size).unwrap());
            step.id = step.id.wrapping_add(1);
            frame
        })
        .collect()
}

const FIRST: Step = Step { sequence: u32::MAX - 2000, id: u16::MAX - 1, flags: ACK };

#[test]
fn a_large_packet_is_cut_into_the_frames_of_its_run() {
    for kind in KINDS {
        for (len, size) in [(1, 1448), (1448, 1448), (1449, 1448), (40_000, 1448), (60_000, 8948), (17, 1)] {
            let (header, mut packet) = kind.large(FIRST, &payload(len), size);
            let size = usize::from(size);
            let sizes: Vec<_> = (0..len).step_by(size).map(|from| size.min(len - from)).collect();
            let frames = cut(&header, &mut packet, kind.framing).unwrap();
            assert_eq!(frames, run(kind, FIRST, &sizes), "{kind:?} {len} {size}");
        }
    }
}

#[test]
fn flags_are_where_a_network_card_leaves_them() {
    let kind = KINDS[0];
    let all = Step { flags: ACK | PSH | FIN | ECE | CWR, ..FIRST };
    let (mut header, mut packet) = kind.large(all, &payload(3000), 1000);
    header.gso_type |= GSO_ECN;
    let frames = cut(&header, &mut packet, kind.framing).unwrap();
    let flags: Vec<_> = frames.iter().map(|frame| frame[kind.transport() + TCP_FLAGS]).collect();
    assert_eq!(flags, [ACK | ECE | CWR, ACK | ECE, ACK | ECE | PSH | FIN]);
    for (number, frame) in frames.iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        let step = Step {
            sequence: FIRST.sequence.wrapping_add(1000 * number),
            id: FIRST.id.wrapping_add(number as u16),
            flags: flags[number as usize],
        };
        assert_eq!(*frame, kind.frame(step, &frame[kind.headers()..]));
    }
}

#[test]
fn a_checksum_that_was_left_out_is_completed() {
    for kind in KINDS {
        for len in [1, 22, 1000] {
            let (mut header, mut packet) = kind.large(FIRST, &payload(len), 0);
            header.gso_type = GSO_NONE;
            assert_eq!(cut(&header, &mut packet, kind.framing).unwrap(), [kind.frame(FIRST, &payload(len))]);
        }
    }
    // Whatever it is of: what stands there is part of the sum. Zero is said as ones.
    let header = VirtioNetHdr { flags: NEEDS_CHECKSUM, csum_start: 2, csum_offset: 2, ..VirtioNetHdr::default() };
    let mut packet = [9, 9, 0xff, 0xf0, 0x00, 0x0f];
    assert_eq!(cut(&header, &mut packet, Framing::Ip).unwrap(), [[9, 9, 0xff, 0xf0, 0xff, 0xff]]);
    // Without the flag nothing is touched.
    let mut packet = [9; 60];
    assert_eq!(cut(&VirtioNetHdr::default(), &mut packet, Framing::Ethernet).unwrap(), [[9; 60]]);
}

#[test]
fn extension_headers_and_options_are_in_every_frame() {
    // Hop by hop options of eight bytes before TCP.
    let kind = KINDS[7];
    let (mut header, packet) = kind.large(FIRST, &payload(3000), 1000);
    let mut extended = packet[..IPV6_HEADER].to_vec();
    extended[6] = 0;
    extended.extend([6, 0, 1, 4, 0, 0, 0, 0]);
    extended.extend(&packet[IPV6_HEADER..]);
    header.csum_start += 8;
    let frames = cut(&header, &mut extended, Framing::Ip).unwrap();
    for (frame, plain) in frames.iter().zip(run(kind, FIRST, &[1000; 3])) {
        assert_eq!(frame[IPV6_HEADER..][..8], [6, 0, 1, 4, 0, 0, 0, 0]);
        assert_eq!(word(frame, IPV6_LENGTH), word(&plain, IPV6_LENGTH).map(|length| length + 8));
        assert_eq!(frame[IPV6_HEADER + 8..], plain[IPV6_HEADER..]);
    }
}

#[test]
fn what_the_kernel_says_must_fit_the_packet() {
    let kind = KINDS[0];
    let (good, packet) = kind.large(FIRST, &payload(3000), 1000);
    let wrong: [fn(&mut VirtioNetHdr); 8] = [
        |header| header.gso_size = 0,
        |header| header.gso_size = u16::MAX,
        |header| header.gso_type = 3,
        |header| header.gso_type = VIRTIO_NET_HDR_GSO_TCPV6,
        |header| header.csum_start = 3040,
        |header| header.csum_start = 10,
        |header| header.csum_offset = 6,
        |header| (header.gso_type, header.csum_start) = (GSO_NONE, u16::MAX),
    ];
    for (number, change) in wrong.iter().enumerate() {
        let mut header = good;
        change(&mut header);
        assert_eq!(cut(&header, &mut packet.clone(), kind.framing), Err(Unknown), "{number}");
    }
    assert_eq!(cut(&good, &mut packet[..50].to_vec(), kind.framing), Err(Unknown));
}

#[test]
fn a_run_of_frames_becomes_one_packet() {
    for kind in KINDS {
        for sizes in [&[1000; 40][..], &[1448, 1448, 1448, 7], &[8948; 6], &[1, 1, 1]] {
            let frames = run(kind, FIRST, sizes);
            let packets = join(&frames, kind.framing, ALL);
            assert_eq!(packets.len(), 1, "{kind:?} {sizes:?}");
            let header = VirtioNetHdr::decode(&packets[0]).unwrap();
            let size = u16::try_from(sizes[0]).unwrap();
            // All but the hint of what lies in one piece is what the kernel says of such a run.
            let (mut wanted, packet) = kind.large(FIRST, &payload(sizes.iter().sum()), size);
            wanted.hdr_len = u16::try_from(kind.headers()).unwrap();
            assert_eq!(format!("{header:?}"), format!("{wanted:?}"));
            assert_eq!(packets[0][HEADER..], packet, "{kind:?} {sizes:?}");
            assert_eq!(cut_again(&packets, kind.framing), frames);
        }
    }
}

#[test]
fn without_offloads_every_frame_passes_as_it_is() {
    for kind in KINDS {
        let frames = run(kind, FIRST, &[100; 5]);
        assert_eq!(join(&frames, kind.framing, Offloads::default()), frames);
        if kind.udp {
            let packets = join(&frames, kind.framing, Offloads { tcp: true, udp: false });
            assert_eq!(packets.len(), 5);
            assert_eq!(cut_again(&packets, kind.framing), frames);
        }
    }
}

#[test]
fn runs_end_where_the_kernel_ends_them() {
    let kind = KINDS[0];
    let joined = |frames: &[Vec<u8>]| {
        let packets = join(frames, kind.framing, ALL);
        assert_eq!(cut_again(&packets, kind.framing), frames);
        packets.len()
    };
    // No more than an IP packet holds: 44 frames of 1448 bytes, and one.
    assert_eq!(joined(&run(kind, FIRST, &[1448; 46])), 2);
    // Behind a shorter one nothing comes, nor a longer one.
    assert_eq!(joined(&run(kind, FIRST, &[100, 50, 100, 100])), 2);
    assert_eq!(joined(&run(kind, FIRST, &[100, 101, 101])), 2);
    let six = run(kind, FIRST, &[100; 6]);
    let step = |number: u32| Step {
        sequence: FIRST.sequence.wrapping_add(100 * number),
        id: FIRST.id.wrapping_add(number as u16),
        flags: ACK,
    };
    let with = |number: u32, flags| {
        let mut frames = six.clone();
        let payload = frames[number as usize][kind.headers()..].to_vec();
        frames[number as usize] = kind.frame(Step { flags, ..step(number) }, &payload);
        frames
    };
    // PSH ends a run, and so does what segments have not in common.
    assert_eq!(joined(&with(2, ACK | PSH)), 2);
    assert_eq!(joined(&with(5, ACK | PSH)), 1);
    assert_eq!(joined(&with(2, ACK | ECE)), 3);
    for flags in [ACK | FIN, ACK | CWR, ACK | PSH | CWR, 0] {
        assert_eq!(joined(&with(2, flags)), 3, "{flags:x}");
    }
    // Out of order, doubled, lost; a frame without payload between.
    let order = |order: &[usize]| joined(&order.iter().map(|&at| six[at].clone()).collect::<Vec<_>>());
    assert_eq!(order(&[0, 2, 1, 3]), 4);
    assert_eq!(order(&[0, 1, 1, 2]), 2);
    assert_eq!(order(&[0, 1, 3, 4]), 2);
    let mut frames = six.clone();
    frames.insert(3, kind.frame(step(3), &[]));
    assert_eq!(joined(&frames), 3);
    // Padding, as of a short frame.
    frames = six.clone();
    frames[2].extend([0; 6]);
    assert_eq!(joined(&frames), 3);
}

/// Each byte of the headers of a run, wrong in one frame: with its checksum put right or not, the frame is there
/// unchanged, and what the kernel takes for checked is what was right.
#[test]
fn every_header_byte_counts() {
    for kind in KINDS {
        let frames = run(kind, FIRST, &[100; 4]);
        for wrong in 0..4 {
            for at in 0..kind.headers() + 3 {
                let mut frames = frames.clone();
                frames[wrong][at] ^= 0x10;
                let packets = join(&frames, kind.framing, ALL);
                let again = cut_again(&packets, kind.framing);
                assert_eq!(again, frames, "{kind:?} byte {at} of frame {wrong}");
                assert!(packets.len() > 1, "{kind:?} byte {at} of frame {wrong}");
            }
        }
    }
}

#[test]
fn a_bad_checksum_reaches_the_kernel_as_such() {
    for kind in KINDS {
        for bad in 0..5 {
            let mut frames = run(kind, FIRST, &[100; 5]);
            let last = frames[bad].len() - 1;
            frames[bad][last] ^= 1;
            let packets = join(&frames, kind.framing, ALL);
            let found = packets.iter().find(|packet| packet[HEADER..] == frames[bad]).expect("the frame, alone");
            // Nothing is said of its checksum.
            assert_eq!(found[..HEADER], [0; HEADER]);
            assert_eq!(cut_again(&packets, kind.framing), frames);
        }
        if kind.udp {
            // None at all stays none.
            let mut frames = run(kind, FIRST, &[100; 5]);
            for frame in &mut frames {
                put_word(frame, kind.transport() + UDP_CHECKSUM, 0);
            }
            let packets = join(&frames, kind.framing, ALL);
            assert_eq!(packets.len(), 5);
            assert_eq!(cut_again(&packets, kind.framing), frames);
        }
    }
}

#[test]
fn fragments_pass_as_they_are() {
    for kind in KINDS.into_iter().filter(|kind| !kind.v6) {
        for fragment in [0x2000_u16, 0x0001, 0x2010] {
            let mut frames = run(kind, FIRST, &[100; 4]);
            for frame in &mut frames {
                put_word(frame, kind.network() + 6, fragment);
                let network = kind.network();
                complete_ipv4(&mut frame[network..network + IPV4_HEADER]);
            }
            let packets = join(&frames, kind.framing, ALL);
            assert_eq!(packets.len(), 4);
            assert_eq!(cut_again(&packets, kind.framing), frames);
        }
    }
}

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
