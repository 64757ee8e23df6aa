//! What a responder answers, and what it does not.

use super::*;
use crate::packet::Framing;
use crate::packet::arp::tests::{reply_frame, request_frame};
use crate::packet::echo::Manner;
use crate::packet::icmp6::tests as six;
use etherparse::{IcmpEchoHeader, VlanId};
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn station(last: u8) -> Station {
    let ip = Ipv4Addr::new(192, 168, 1, last);
    Station { mac: Mac::from_ip(ip.into()), ip }
}

fn request_ip(source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Vec<u8> {
    let mut packet = Vec::new();
    let header = IcmpEchoHeader { id: 1, seq: 2 };
    echo::append_request(&mut packet, (source, destination), header, Manner::default(), len, |p| p.fill(0x5a));
    packet
}

fn request_ethernet(to: Mac, len: usize) -> Vec<u8> {
    let mut packet = frame::header(to, station(1).mac, EtherType::IPV4).to_vec();
    packet.extend(request_ip(station(1).ip, station(2).ip, len));
    packet
}

/// Bytes of an ARP packet in an ethernet frame.
const ARP_FRAME: usize = 14 + arp::PACKET_LEN;

fn ethernet() -> Responder {
    six(Framing::Ethernet)
}

fn responder(last: u8, encapsulation: Encapsulation) -> Responder {
    Responder::new(station(last).mac, [IpAddr::V4(station(last).ip)].into_iter().collect(), encapsulation)
}

/// With an IPv6 address, too.
fn six(framing: Framing) -> Responder {
    let addresses = [IpAddr::V4(station(2).ip), six::B.into()].into_iter().collect();
    Responder::new(station(2).mac, addresses, framing.into())
}

fn dropped(mut packet: Vec<u8>) -> Reason {
    let mut responder = ethernet();
    match responder.answer(Instant::now(), &mut packet) {
        Verdict::Drop(reason) => {
            assert_eq!(responder.tally().dropped.of(reason), 1);
            reason
        }
        _ => panic!("answered"),
    }
}

#[test]
fn echo_requests_of_all_sizes_are_answered() {
    for len in [0, 56, 1472, 9000, 65_535 - echo::HEADERS - frame::ETHERNET_HEADER] {
        let mut responder = ethernet();
        let mut packet = request_ethernet(station(2).mac, len);
        packet.extend([0; 20]); // padding is not sent back
        let wanted = packet.len() - 20;
        assert_eq!(responder.answer(Instant::now(), &mut packet), Verdict::Reply(wanted));
        let header = frame::parse(&packet).unwrap();
        assert_eq!((header.destination, header.source), (station(1).mac, station(2).mac));
        let reply = echo::parse(&packet[14..]).unwrap();
        assert!(!reply.request);
        assert_eq!((reply.source, reply.destination), (station(2).ip.into(), station(1).ip.into()));
        assert_eq!(reply.payload(&packet[14..]), vec![0x5a; len]);
        assert_eq!((responder.tally().received, responder.tally().echoes), (1, 1));
    }
}

#[test]
fn arp_requests_are_answered_with_the_own_address() {
    let mut packet = request_frame(station(1), station(2).ip);
    packet.resize(60, 0);
    let mut responder = ethernet();
    assert_eq!(responder.answer(Instant::now(), &mut packet), Verdict::Reply(ARP_FRAME));
    assert_eq!(packet[..ARP_FRAME], reply_frame(station(2), station(1)));
    assert_eq!(responder.tally().arps, 1);
}

#[test]
fn in_ip_mode_the_packet_starts_with_the_ip_header() {
    let mut responder = six(Framing::Ip);
    let mut packet = request_ip(station(1).ip, station(2).ip, echo::MAX_PAYLOAD);
    assert_eq!(responder.answer(Instant::now(), &mut packet), Verdict::Reply(65_535));
    assert!(!echo::parse(&packet).unwrap().request);
    // No ARP there: the first bytes of such a frame are no IPv4 header.
    let mut arp = request_frame(station(1), station(2).ip);
    assert_eq!(responder.answer(Instant::now(), &mut arp), Verdict::Drop(Reason::OtherNetwork));
    assert_eq!(responder.answer(Instant::now(), &mut []), Verdict::Drop(Reason::Malformed));
}

fn ethernet6(to: Mac, packet: Vec<u8>) -> Vec<u8> {
    let mut frame = frame::header(to, station(1).mac, EtherType::IPV6).to_vec();
    frame.extend(packet);
    frame
}

#[test]
fn solicitations_and_echo_requests_of_ipv6_are_answered() {
    let group = Mac([0x33, 0x33, 0xff, 0x34, 0x56, 0x78]);
    let mut responder = ethernet();
    for packet in [six::solicitation_of_b(), six::probe()] {
        let mut packet = ethernet6(group, packet);
        let verdict = responder.answer(Instant::now(), &mut packet);
        assert_eq!(verdict, Verdict::Packets);
        let frames: Vec<_> = responder.answers(verdict, &packet).collect();
        assert_eq!((frames.len(), &frames[0][6..12], frames[0][54]), (1, &station(2).mac.0[..], 136));
    }
    for len in [0, 56, 9000] {
        let mut packet = ethernet6(station(2).mac, six::echo(len));
        packet.extend([0; 7]); // padding is not sent back
        assert_eq!(responder.answer(Instant::now(), &mut packet), Verdict::Reply(14 + 48 + len));
        assert_eq!(packet[..12], [station(1).mac.0, station(2).mac.0].concat());
        assert_eq!(packet[12..14], EtherType::IPV6.0.to_be_bytes());
        assert_eq!(icmp6::ends(&packet[14..]), Some((six::B, six::A)));
        assert_eq!(packet[54], 129);
    }
    let tally = responder.tally();
    assert_eq!((tally.received, tally.neighbours, tally.echoes), (5, 2, 3));
    let mut ip = six(Framing::Ip);
    assert_eq!(ip.answer(Instant::now(), &mut six::echo(56)), Verdict::Reply(104));
    assert_eq!(ip.answer(Instant::now(), &mut six::solicitation_of_b()), Verdict::Drop(Reason::OtherAddress));
}

#[test]
fn other_packets_of_ipv6_are_dropped_with_their_reasons() {
    let own = station(2).mac;
    let mut without = responder(2, Encapsulation::Ethernet);
    for packet in [six::solicitation_of_b(), six::echo(8)] {
        let verdict = without.answer(Instant::now(), &mut ethernet6(own, packet));
        assert_eq!(verdict, Verdict::Drop(Reason::NoIpv6));
    }
    assert_eq!(dropped(ethernet6(Mac::BROADCAST, six::echo(8))), Reason::OtherStation);
    assert_eq!(dropped(ethernet6(own, six::echo(8)[..39].to_vec())), Reason::Malformed);
    let mut hops = six::solicitation_of_b();
    hops[7] = 64;
    assert_eq!(dropped(ethernet6(own, hops)), Reason::Discovery);
    let request = [128, 0, 0, 0, 0, 7, 0, 9];
    for source in [Ipv6Addr::UNSPECIFIED, Ipv6Addr::LOCALHOST, six::B] {
        let packet = six::packet(source, six::B, 64, &request);
        assert_eq!(dropped(ethernet6(own, packet)), Reason::Source);
    }
    let elsewhere = six::packet(six::B, six::A, 64, &request);
    assert_eq!(dropped(ethernet6(own, elsewhere)), Reason::OtherAddress);
}

#[test]
fn on_a_vlan_its_frames_alone_are_answered_with_its_tag() {
    let vlan = VlanId::try_new(7).unwrap();
    let tag = [0x81, 0x00, 0xe0, 0x07]; // with a priority, which goes back
    let mut responder = Responder::new(station(2).mac, six(Framing::Ip).addresses, Encapsulation::Vlan(vlan));
    let tagged = |mut frame: Vec<u8>| {
        frame.splice(12..12, tag);
        frame
    };
    let mut arp = tagged(request_frame(station(1), station(2).ip));
    assert_eq!(responder.answer(Instant::now(), &mut arp), Verdict::Reply(ARP_FRAME + 4));
    assert_eq!(arp, tagged(reply_frame(station(2), station(1))));
    let mut echo = tagged(request_ethernet(station(2).mac, 100));
    assert_eq!(responder.answer(Instant::now(), &mut echo), Verdict::Reply(echo.len()));
    assert_eq!(echo[12..16], tag);
    assert!(!echo::parse(&echo[18..]).unwrap().request);
    let mut question = tagged(ethernet6(Mac::BROADCAST, six::solicitation_of_b()));
    let verdict = responder.answer(Instant::now(), &mut question);
    let frame = responder.answers(verdict, &question).next().unwrap();
    assert_eq!((&frame[12..18], frame[58]), (&[0x81, 0x00, 0x00, 0x07, 0x86, 0xdd][..], 136));
    let mut elsewhere = request_ethernet(station(2).mac, 100);
    assert_eq!(responder.answer(Instant::now(), &mut elsewhere), Verdict::Drop(Reason::OtherVlan));
}

#[test]
fn several_addresses_are_answered_for() {
    let ips = [station(2).ip, station(5).ip].map(IpAddr::V4);
    let mut responder = Responder::new(station(2).mac, ips.into_iter().collect(), Encapsulation::Ethernet);
    for last in [2, 5] {
        let mut arp = request_frame(station(1), station(last).ip);
        assert_eq!(responder.answer(Instant::now(), &mut arp), Verdict::Reply(ARP_FRAME));
        assert_eq!(arp, reply_frame(Station { mac: station(2).mac, ip: station(last).ip }, station(1)));
        let mut request = frame::header(station(2).mac, station(1).mac, EtherType::IPV4).to_vec();
        request.extend(request_ip(station(1).ip, station(last).ip, 8));
        assert_eq!(responder.answer(Instant::now(), &mut request), Verdict::Reply(50));
        assert_eq!(echo::ends(&request[14..]), Some((station(last).ip, station(1).ip)));
    }
    let mut arp = request_frame(station(1), station(6).ip);
    assert_eq!(responder.answer(Instant::now(), &mut arp), Verdict::Drop(Reason::OtherArp));
}

/// The frames of a request that was cut.
fn cut(ether_type: EtherType, packet: &[u8], longest: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    fragments::cut(packet, longest, 9, |part| {
        frames.push([&frame::header(station(2).mac, station(1).mac, ether_type)[..], part].concat());
    })
    .unwrap();
    frames
}

#[test]
fn requests_in_fragments_are_answered_in_fragments_of_their_length() {
    for (ether_type, request) in
        [(EtherType::IPV4, request_ip(station(1).ip, station(2).ip, 4000)), (EtherType::IPV6, six::echo(4000))]
    {
        let mut responder = ethernet();
        let mut pinger = Reassembly::default();
        let mut frames = cut(ether_type, &request, 1500);
        let last = frames.pop().unwrap();
        for mut frame in frames {
            assert_eq!(responder.answer(Instant::now(), &mut frame), Verdict::Kept);
        }
        let mut last = last;
        let verdict = responder.answer(Instant::now(), &mut last);
        let mut taken = Taken::Whole;
        for answer in responder.answers(verdict, &last) {
            let header = frame::parse(answer).unwrap();
            assert_eq!((header.destination, header.ether_type), (station(1).mac, ether_type));
            assert!(answer.len() <= 1514);
            taken = pinger.take(Instant::now(), &answer[14..]);
        }
        assert_eq!(taken, Taken::Complete);
        assert_eq!(pinger.packet().len(), request.len());
        let tally = responder.tally();
        assert_eq!((tally.received, tally.echoes, tally.fragments, tally.dropped.all()), (3, 1, 2, 0));
    }
}

#[test]
fn fragments_without_the_rest_are_counted_as_dropped() {
    let mut responder = ethernet();
    let start = Instant::now();
    let request = request_ip(station(1).ip, station(2).ip, 4000);
    for mut frame in cut(EtherType::IPV4, &request, 1500).into_iter().take(2) {
        assert_eq!(responder.answer(start, &mut frame), Verdict::Kept);
    }
    // The rest comes too late.
    let later = start + std::time::Duration::from_secs(60);
    let mut last = cut(EtherType::IPV4, &request, 1500).remove(2);
    assert_eq!(responder.answer(later, &mut last), Verdict::Kept);
    assert_eq!((responder.tally().fragments, responder.tally().dropped.of(Reason::Fragment)), (1, 2));
    // And twice the same.
    let mut last = cut(EtherType::IPV4, &request, 1500).remove(2);
    assert_eq!(responder.answer(later, &mut last), Verdict::Drop(Reason::Fragment));
    let tally = responder.tally();
    assert_eq!((tally.received, tally.fragments, tally.dropped.of(Reason::Fragment)), (4, 0, 4));
}

#[test]
fn another_address_is_answered_for_after_the_change() {
    let mut responder = ethernet();
    responder.readdress([IpAddr::V4(station(9).ip)].into_iter().collect());
    let answer = responder.answer(Instant::now(), &mut request_ethernet(station(2).mac, 8));
    assert_eq!(answer, Verdict::Drop(Reason::OtherAddress));
    let mut packet = request_frame(station(1), station(9).ip).to_vec();
    assert_eq!(responder.answer(Instant::now(), &mut packet), Verdict::Reply(ARP_FRAME));
    let own = Station { mac: station(2).mac, ip: station(9).ip };
    assert_eq!(packet, reply_frame(own, station(1)));
}

#[test]
fn everything_else_is_dropped_with_its_reason() {
    let good = || request_ethernet(station(2).mac, 8);
    assert_eq!(dropped(good()[..13].to_vec()), Reason::Malformed);
    assert_eq!(dropped(request_ethernet(station(3).mac, 8)), Reason::OtherStation);
    assert_eq!(dropped(request_ethernet(Mac::BROADCAST, 8)), Reason::OtherStation);
    let mut from_group = good();
    from_group[6] |= 1;
    assert_eq!(dropped(from_group), Reason::Source);
    let mut other = good();
    other[12..14].copy_from_slice(&[0x88, 0xb5]);
    assert_eq!(dropped(other), Reason::OtherNetwork);
    let mut tagged = good();
    tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
    assert_eq!(dropped(tagged.clone()), Reason::OtherVlan);
    assert_eq!(dropped(tagged[..17].to_vec()), Reason::Malformed);
    assert_eq!(dropped(request_frame(station(1), station(3).ip).to_vec()), Reason::OtherArp);
    assert_eq!(dropped(request_frame(station(2), station(2).ip).to_vec()), Reason::Source);
    assert_eq!(dropped(reply_frame(station(1), station(2)).to_vec()), Reason::OtherArp);
    assert_eq!(dropped(request_frame(station(1), station(2).ip)[..40].to_vec()), Reason::Malformed);

    let with_ip = |source, destination| {
        let mut packet = good()[..14].to_vec();
        packet.extend(request_ip(source, destination, 8));
        dropped(packet)
    };
    assert_eq!(with_ip(station(1).ip, station(3).ip), Reason::OtherAddress);
    assert_eq!(with_ip(station(2).ip, station(2).ip), Reason::Source);
    assert_eq!(with_ip(Ipv4Addr::BROADCAST, station(2).ip), Reason::Source);
    assert_eq!(with_ip(Ipv4Addr::UNSPECIFIED, station(2).ip), Reason::Source);

    let mut broken = good();
    *broken.last_mut().unwrap() ^= 1;
    assert_eq!(dropped(broken), Reason::IcmpChecksum);
    let mut broken = good();
    broken[14 + 8] ^= 1;
    assert_eq!(dropped(broken), Reason::HeaderChecksum);
    // A reply is no request: two responders do not answer each other for ever.
    let mut reply = good();
    let mut responder = ethernet();
    responder.answer(Instant::now(), &mut reply);
    reply[..6].copy_from_slice(&station(1).mac.0);
    let mut other = self::responder(1, Encapsulation::Ethernet);
    assert_eq!(other.answer(Instant::now(), &mut reply), Verdict::Drop(Reason::OtherMessage));
}

#[test]
fn an_answer_that_was_not_sent_is_no_answer() {
    let mut responder = ethernet();
    for mut packet in [
        request_ethernet(station(2).mac, 8),
        request_frame(station(1), station(2).ip),
        ethernet6(Mac::BROADCAST, six::solicitation_of_b()),
    ] {
        assert!(!matches!(responder.answer(Instant::now(), &mut packet), Verdict::Drop(_)));
        responder.unanswered();
    }
    let tally = responder.tally();
    assert_eq!((tally.received, tally.echoes, tally.arps, tally.neighbours), (3, 0, 0, 0));
    assert_eq!(tally.dropped.of(Reason::RingFull), 3);
}

proptest! {
    #[test]
    fn any_bytes_are_answered_or_dropped_without_a_panic(mut bytes: Vec<u8>) {
        ethernet().answer(Instant::now(), &mut bytes);
        six(Framing::Ip).answer(Instant::now(), &mut bytes);
    }

    #[test]
    fn a_reply_is_never_longer_than_the_request(
        len in 0usize..128,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        arp_instead: bool,
    ) {
        let mut packet = if arp_instead {
            request_frame(station(1), station(2).ip)
        } else {
            request_ethernet(station(2).mac, len)
        };
        for (at, value) in changes {
            let at = at.index(packet.len());
            packet[at] = value;
        }
        if let Verdict::Reply(reply) = ethernet().answer(Instant::now(), &mut packet) {
            prop_assert!(reply <= packet.len());
        }
    }
}
