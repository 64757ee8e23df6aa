//! Runs of frames, and what cutting and joining make of them.

use std::convert::Infallible;

use etherparse::{IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader};
use tun_rs::{VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_UDP_L4, VirtioNetHdr};

pub(super) use super::super::cut::{Cut, Unknown};
pub(super) use super::super::join::{Joined, Joiner, Source};
pub(super) use super::super::parts::*;
pub(super) use crate::packet::Framing;

pub(super) const ALL: Offloads = Offloads { tcp: true, udp: true };

/// What the frames of a test start with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) framing: Framing,
    pub(super) tags: &'static [u16],
    pub(super) v6: bool,
    pub(super) udp: bool,
}

pub(super) const fn kind(framing: Framing, tags: &'static [u16], v6: bool, udp: bool) -> Kind {
    Kind { framing, tags, v6, udp }
}

pub(super) const KINDS: [Kind; 10] = [
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
pub(super) struct Step {
    pub(super) sequence: u32,
    pub(super) id: u16,
    pub(super) flags: u8,
}

impl Kind {
    /// Bytes before the IP header.
    pub(super) fn network(self) -> usize {
        if self.framing == Framing::Ethernet { 14 + 4 * self.tags.len() } else { 0 }
    }

    /// Bytes before the transport header.
    pub(super) fn transport(self) -> usize {
        self.network() + if self.v6 { IPV6_HEADER } else { IPV4_HEADER }
    }

    /// Bytes before the payload; TCP has 12 bytes of options.
    pub(super) fn headers(self) -> usize {
        self.transport() + if self.udp { UDP_HEADER } else { TCP_HEADER + 12 }
    }

    pub(super) fn checksum(self) -> usize {
        if self.udp { UDP_CHECKSUM } else { TCP_CHECKSUM }
    }

    /// A frame whose checksums are etherparse's.
    pub(super) fn frame(self, step: Step, payload: &[u8]) -> Vec<u8> {
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
    pub(super) fn large(self, step: Step, payload: &[u8], size: u16) -> (VirtioNetHdr, Vec<u8>) {
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
pub(super) fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 256) as u8).collect()
}

/// The frames of a packet.
pub(super) fn cut(header: &VirtioNetHdr, packet: &mut [u8], framing: Framing) -> Result<Vec<Vec<u8>>, Unknown> {
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
pub(super) fn join(frames: &[Vec<u8>], framing: Framing, offloads: Offloads) -> Vec<Vec<u8>> {
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
pub(super) fn cut_again(packets: &[Vec<u8>], framing: Framing) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for bytes in packets {
        let header = VirtioNetHdr::decode(bytes).unwrap();
        let mut packet = bytes[HEADER..].to_vec();
        frames.extend(cut(&header, &mut packet, framing).unwrap());
    }
    frames
}

/// A run of frames without a gap.
pub(super) fn run(kind: Kind, first: Step, sizes: &[usize]) -> Vec<Vec<u8>> {
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

pub(super) const FIRST: Step = Step { sequence: u32::MAX - 2000, id: u16::MAX - 1, flags: ACK };
