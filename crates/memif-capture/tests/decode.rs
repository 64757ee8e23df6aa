//! Packets as lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed step is a failed test")]

use etherparse::{PacketBuilder, PacketBuilderStep, TcpOptionElement, VlanId};
use memif_capture::LinkType;
use memif_capture::decode::line;
use proptest::prelude::*;

const FROM: [u8; 6] = [2, 0, 0, 0, 0, 1];
const TO: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PAYLOAD: &[u8] = b"\x1b[31mred";

fn told(data: &[u8]) -> String {
    line(LinkType::Ethernet, data, data.len()).to_string()
}

fn raw(data: &[u8]) -> String {
    line(LinkType::RawIp, data, data.len()).to_string()
}

fn ethernet() -> PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2(FROM, TO)
}

fn udp4(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = Vec::new();
    ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1000, port).write(&mut packet, payload).unwrap();
    packet
}

fn typed(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&TO[..], &FROM, &ether_type.to_be_bytes(), payload].concat()
}

#[test]
fn tcp() {
    let mut packet = Vec::new();
    let syn = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1000, 80, 7, 512).syn();
    let options = [
        TcpOptionElement::MaximumSegmentSize(1460),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::Timestamp(1, 0),
        TcpOptionElement::Noop,
        TcpOptionElement::WindowScale(7),
    ];
    syn.options(&options).unwrap().write(&mut packet, &[]).unwrap();
    assert_eq!(
        told(&packet),
        "IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [S], seq 7, win 512, \
         options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0"
    );
    // Cut after the ports, and within the options.
    assert_eq!(told(&packet[..40]), "IP 10.0.0.1 > 10.0.0.2: [|tcp]");
    assert_eq!(
        line(LinkType::Ethernet, &packet[..60], packet.len()).to_string(),
        "IP 10.0.0.1.1000 > 10.0.0.2.80: Flags [S], seq 7, win 512, options [|tcp], length 0"
    );

    let mut packet = Vec::new();
    let push = PacketBuilder::ipv6([0; 16], [1; 16], 64).tcp(80, 1000, u32::MAX, 512).psh().ack(9).fin().urg(3);
    push.write(&mut packet, PAYLOAD).unwrap();
    assert_eq!(
        raw(&packet),
        "IP6 ::.80 > 101:101:101:101:101:101:101:101.1000: Flags [FP.U], seq 4294967295:7, ack 9, win 512, urg 3, length 8"
    );
}

#[test]
fn udp_and_padding() {
    let packet = udp4(53, PAYLOAD);
    assert_eq!(told(&packet), "IP 10.0.0.1.1000 > 10.0.0.2.53: UDP, length 8");
    let padded = [&packet[..], &[0; 30]].concat();
    assert_eq!(told(&padded), told(&packet));
    assert_eq!(told(&packet[..36]), "IP 10.0.0.1 > 10.0.0.2: [|udp]");
    assert_eq!(told(&packet[..30]), "IP [|ip]");
    assert_eq!(told(&packet[..13]), "[|ether] length 13");
    assert_eq!(told(&[]), "[|ether] length 0");
    assert_eq!(raw(&[]), "[|ip]");
    assert_eq!(raw(&[0x50, 1]), "IP version 5, length 2");
}

#[test]
fn tags_and_types() {
    let mut packet = Vec::new();
    let tagged = ethernet().double_vlan(VlanId::try_new(100).unwrap(), VlanId::try_new(7).unwrap());
    tagged.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut packet, &[]).unwrap();
    assert_eq!(told(&packet), "vlan 100, p 0, vlan 7, p 0, IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 0");
    assert_eq!(told(&packet[..16]), "[|vlan]");

    let unknown = "02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 0x88b5, length 22";
    assert_eq!(told(&typed(0x88b5, PAYLOAD)), unknown);
    assert_eq!(
        told(&typed(8, &[0x42, 0x42, 3, 0])),
        "02:00:00:00:00:01 > 02:00:00:00:00:02, 802.3, length 8: LLC, dsap 0x42, ssap 0x42, ctrl 0x03"
    );
    // As many tags as there is room for.
    let many = [&TO[..], &FROM, &[0x81, 0, 0, 1].repeat(300)].concat();
    assert!(told(&many).len() < 300 && told(&many).ends_with("more layers"), "{}", told(&many));
}

#[test]
fn arp() {
    let request = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    assert_eq!(told(&typed(0x0806, &request)), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28");
    let mut reply = request;
    reply[7] = 2;
    assert_eq!(told(&typed(0x0806, &reply)), "ARP, Reply 10.0.0.1 is-at 02:00:00:00:00:01, length 28");
    assert_eq!(told(&typed(0x0806, &reply[..20])), "ARP, [|arp] length 20");
    reply[5] = 2;
    assert_eq!(told(&typed(0x0806, &reply)), "ARP, hardware 1, protocol 0x0800, operation 2, length 28");
}

#[test]
fn icmp() {
    let mut packet = Vec::new();
    let echo = ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).icmpv4_echo_request(3, 4);
    echo.write(&mut packet, PAYLOAD).unwrap();
    assert_eq!(told(&packet), "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 3, seq 4, length 16");

    let quoted = &udp4(53, &[])[14..];
    let mut error = Vec::new();
    let builder = PacketBuilder::ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64);
    builder.icmpv4_raw(3, 3, [0; 4]).write(&mut error, quoted).unwrap();
    assert_eq!(raw(&error), "IP 10.0.0.2 > 10.0.0.1: ICMP 10.0.0.2 udp port 53 unreachable, length 36");

    let mut packet = Vec::new();
    let target = [&[0; 4][..], &[0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]].concat();
    let builder = PacketBuilder::ipv6([1; 16], [2; 16], 255);
    builder.icmpv6_raw(135, 0, [0; 4]).write(&mut packet, &target[4..]).unwrap();
    assert!(raw(&packet).ends_with(": ICMP6, neighbor solicitation, who has fe80::9, length 24"), "{}", raw(&packet));
    let cut = line(LinkType::RawIp, &packet[..50], packet.len()).to_string();
    assert!(cut.ends_with(": ICMP6, neighbor solicitation [|icmp6], length 24"), "{cut}");
}

#[test]
fn fragments() {
    let mut packet = udp4(53, PAYLOAD);
    packet[18..20].copy_from_slice(&[0, 7]);
    packet[20..22].copy_from_slice(&[0x20, 0]);
    assert_eq!(told(&packet), "IP 10.0.0.1.1000 > 10.0.0.2.53: frag 7:16@0+ UDP, length 8");
    packet[20..22].copy_from_slice(&[0, 185]);
    assert_eq!(told(&packet), "IP 10.0.0.1 > 10.0.0.2: frag 7:16@1480 udp");

    let mut six = Vec::new();
    PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(1, 2).write(&mut six, PAYLOAD).unwrap();
    let fragment = [&six[..6], &[44, 64], &six[8..40], &[17, 0, 0, 1, 0, 0, 0, 9], &six[40..]].concat();
    let mut fragment = fragment;
    fragment[5] += 8;
    assert!(raw(&fragment).ends_with(".2: frag 9:16@0+ UDP, length 8"), "{}", raw(&fragment));
}

#[test]
fn tunnels() {
    let inner = udp4(53, PAYLOAD);
    let vxlan = udp4(4789, &[&[8, 0, 0, 0, 0, 0, 100, 0], &inner[..]].concat());
    assert_eq!(
        told(&vxlan),
        "IP 10.0.0.1.1000 > 10.0.0.2.4789: VXLAN, flags [I] (0x08), vni 100: \
         IP 10.0.0.1.1000 > 10.0.0.2.53: UDP, length 8"
    );
    assert_eq!(told(&vxlan[..45]), "IP 10.0.0.1.1000 > 10.0.0.2.4789: VXLAN [|vxlan]");

    // With a sequence number and one extension, as a session of 5G has it.
    let length = u16::try_from(inner.len() - 14 + 8).unwrap().to_be_bytes();
    let header = [0x36, 255, length[0], length[1], 0, 0, 1, 2, 0, 5, 0, 0x85, 1, 0, 9, 0];
    let gtpu = udp4(2152, &[&header, &inner[14..]].concat());
    assert_eq!(
        told(&gtpu),
        "IP 10.0.0.1.1000 > 10.0.0.2.2152: GTP-U, teid 0x00000102, seq 5, extension 0x85, T-PDU: \
         IP 10.0.0.1.1000 > 10.0.0.2.53: UDP, length 8"
    );
    let echo = udp4(2152, &[0x32, 1, 0, 4, 0, 0, 0, 0, 0, 5, 0, 0]);
    assert_eq!(told(&echo), "IP 10.0.0.1.1000 > 10.0.0.2.2152: GTP-U, teid 0x00000000, seq 5, echo request, length 0");

    // Tunnels in tunnels end somewhere.
    let mut deep = udp4(53, &[]);
    for _ in 0..30 {
        deep = udp4(4789, &[&[8, 0, 0, 0, 0, 0, 100, 0], &deep[..]].concat());
    }
    assert!(told(&deep).len() < 1000 && told(&deep).ends_with("more layers"), "{}", told(&deep));
}

#[test]
fn headers_that_cannot_be() {
    let mut packet = udp4(53, PAYLOAD);
    packet[14] = 0x44;
    assert_eq!(told(&packet), "IP bad header length 16");
    let mut packet = udp4(53, PAYLOAD);
    packet[16..18].copy_from_slice(&[0, 19]);
    assert_eq!(told(&packet), "IP 10.0.0.1 > 10.0.0.2: bad length 19");
    let mut packet = udp4(53, PAYLOAD);
    packet[38..40].copy_from_slice(&[0, 7]);
    assert_eq!(told(&packet), "IP 10.0.0.1.1000 > 10.0.0.2.53: UDP, bad length 7");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    /// Whatever the bytes are, the line is short and of printable ASCII.
    #[test]
    fn any_bytes_are_a_short_line(
        start in prop::sample::select(starts()),
        rest in prop::collection::vec(any::<u8>(), 0..200),
        changed in prop::option::of((0..100_usize, any::<u8>())),
        kept in 0..300_usize,
        raw: bool,
    ) {
        let mut data = [&start[..], &rest].concat();
        if let Some((at, byte)) = changed && let Some(old) = data.get_mut(at) {
            *old = byte;
        }
        let length = data.len();
        data.truncate(kept);
        let link_type = if raw { LinkType::RawIp } else { LinkType::Ethernet };
        let line = line(link_type, &data, length).to_string();
        prop_assert!(!line.is_empty() && line.len() < 2000, "{line}");
        prop_assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{line:?}");
    }
}

/// What random bytes follow: nothing, or headers behind which they matter.
fn starts() -> Vec<Vec<u8>> {
    let mut tcp = Vec::new();
    ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(1, 2, 3, 4).write(&mut tcp, &[]).unwrap();
    let mut tcp6 = Vec::new();
    ethernet().ipv6([1; 16], [2; 16], 64).tcp(1, 2, 3, 4).write(&mut tcp6, &[]).unwrap();
    let vxlan = udp4(4789, &[8, 0, 0, 0, 0, 0, 1, 0]);
    let gtpu = udp4(2152, &[0x34, 255, 0, 100, 0, 0, 0, 1]);
    let raw = tcp[14..].to_vec();
    let icmp6 = [&tcp6[..20], &[58], &tcp6[21..54]].concat();
    vec![vec![], tcp[..46].to_vec(), tcp6[..54].to_vec(), icmp6, vxlan, gtpu, raw, typed(0x0806, &[0, 1, 8, 0, 6, 4])]
}
