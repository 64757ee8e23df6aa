//! Vectors of "Verifying the RSS hash calculation", through packets that have those addresses and ports.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpFragOffset, Ipv4Header, PacketBuilder, PacketBuilderStep, ip_number};
use proptest::prelude::*;

use super::*;

/// Destination, source, hash with ports, hash of the addresses alone.
const VECTORS: [(&str, &str, u32, u32); 8] = [
    ("161.142.100.80:1766", "66.9.149.187:2794", 0x51cc_c178, 0x323e_8fc2),
    ("65.69.140.83:4739", "199.92.111.2:14230", 0xc626_b0ea, 0xd718_262a),
    ("12.22.207.184:38024", "24.19.198.95:12898", 0x5c2b_394a, 0xd2d0_a5de),
    ("209.142.163.6:2217", "38.27.205.30:48228", 0xafc7_327f, 0x8298_9176),
    ("202.188.127.2:1303", "153.39.163.191:44251", 0x10e8_28a2, 0x5d18_09c5),
    ("[3ffe:2501:200:3::1]:1766", "[3ffe:2501:200:1fff::7]:2794", 0x4020_7d3d, 0x2cc1_8cd5),
    ("[ff02::1]:4739", "[3ffe:501:8::260:97ff:fe40:efab]:14230", 0xdde5_1bbf, 0x0f0c_461c),
    ("[fe80::200:f8ff:fe21:67cf]:38024", "[3ffe:1900:4545:3:200:f8ff:fe21:67cf]:44251", 0x02d1_feef, 0x4b61_e985),
];

fn ip(from: IpAddr, to: IpAddr) -> PacketBuilderStep<etherparse::IpHeaders> {
    let ethernet = PacketBuilder::ethernet2([2; 6], [4; 6]);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), 64),
        (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), 64),
        _ => panic!("two addresses of one kind"),
    }
}

/// As TCP, as UDP, and as a protocol without ports.
fn packets(from: SocketAddr, to: SocketAddr) -> [Vec<u8>; 3] {
    let mut all = [vec![], vec![], vec![]];
    let payload = [7; 20];
    ip(from.ip(), to.ip()).tcp(from.port(), to.port(), 1, 1024).write(&mut all[0], &payload).unwrap();
    ip(from.ip(), to.ip()).udp(from.port(), to.port()).write(&mut all[1], &payload).unwrap();
    ip(from.ip(), to.ip()).write(&mut all[2], ip_number::SCTP, &payload).unwrap();
    all
}

/// With so many tags behind the addresses.
fn tagged(frame: &[u8], tags: usize) -> Vec<u8> {
    let tag = [0x81, 0x00, 0x20, 0x05];
    [&frame[..12], &tag.repeat(tags), &frame[12..]].concat()
}

#[test]
fn the_published_vectors_hold() {
    let hash = FlowHash::default();
    for (to, from, with_ports, addresses) in VECTORS {
        let [tcp, udp, sctp] = packets(from.parse().unwrap(), to.parse().unwrap());
        for (frame, expected) in [(tcp, with_ports), (udp, with_ports), (sctp, addresses)] {
            for tags in 0..3 {
                assert_eq!(hash.hash(Mode::Ethernet, &tagged(&frame, tags)), expected, "{from} {tags} tags");
            }
            assert_eq!(hash.hash(Mode::Ip, &frame[14..]), expected, "{from}");
            assert_eq!(hash.queue(Mode::Ethernet, &frame, 128), (expected & 127) as usize);
            assert_eq!(hash.queue(Mode::Ethernet, &frame, 3), (expected & 127) as usize % 3);
            assert_eq!(hash.queue(Mode::Ethernet, &frame, 0), 0);
        }
    }
}

/// The ports stand in the first fragment alone; all of them have to take one queue.
#[test]
fn fragments_of_a_packet_have_one_hash() {
    let header = |offset: u16, more: bool| {
        let mut header = Ipv4Header::new(20, 64, ip_number::UDP, [66, 9, 149, 187], [161, 142, 100, 80]).unwrap();
        header.fragment_offset = IpFragOffset::try_new(offset).unwrap();
        header.more_fragments = more;
        header.header_checksum = header.calc_header_checksum();
        let mut packet = header.to_bytes().to_vec();
        packet.extend([0x0a, 0xea, 0x06, 0xe6, 0, 20, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        packet
    };
    let hash = FlowHash::default();
    for (offset, more) in [(0, true), (1, true), (2, false)] {
        assert_eq!(hash.hash(Mode::Ip, &header(offset, more)), 0x323e_8fc2);
    }
    assert_eq!(hash.hash(Mode::Ip, &header(0, false)), 0x51cc_c178);
}

#[test]
fn what_is_not_ip_has_none() {
    let hash = FlowHash::default();
    let arp = tagged(&[[2; 12].as_slice(), &[0x08, 0x06], &[0; 28]].concat(), 0);
    for packet in [&arp[..], &[], &[0; 13], &[0xff; 60]] {
        assert_eq!(hash.hash(Mode::Ethernet, packet), 0);
    }
    assert_eq!(hash.hash(Mode::PuntInject, &packets_of_first()), 0);
    assert_eq!(hash.hash(Mode::Ip, &[]), 0);
}

fn packets_of_first() -> Vec<u8> {
    let (to, from, ..) = VECTORS[0];
    let [tcp, ..] = packets(from.parse().unwrap(), to.parse().unwrap());
    tcp
}

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<u32>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(IpAddr::V4(ip.into()), port))
}

proptest! {
    #[test]
    fn both_directions_have_one_symmetric_hash(one in address(), two in address()) {
        let hash = FlowHash::symmetric();
        for (there, back) in packets(one, two).iter().zip(&packets(two, one)) {
            prop_assert_eq!(hash.hash(Mode::Ethernet, there), hash.hash(Mode::Ethernet, back));
        }
    }

    /// What is cut off behind the headers, or in them, costs no more than the ports.
    #[test]
    fn whatever_comes_is_hashed(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..200_usize) {
        let hash = FlowHash::default();
        for mode in [Mode::Ethernet, Mode::Ip, Mode::PuntInject] {
            let _ = hash.hash(mode, &bytes);
            prop_assert!(hash.queue(mode, &bytes, 5) < 5);
        }
        let whole = packets_of_first();
        let _ = hash.hash(Mode::Ethernet, whole.get(..cut).unwrap_or(&whole));
    }
}
