//! Cases that were thought of.

use tun_rs::{VIRTIO_NET_HDR_GSO_TCPV6, VirtioNetHdr};

use super::runs::*;

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
