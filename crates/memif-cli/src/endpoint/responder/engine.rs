//! The answers of a responder: bytes in, bytes out, counts.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::EtherType;

use super::tally::{Reason, Tally};
use crate::packet::echo::NotEcho;
use crate::packet::station::{is_host, is_host6};
use crate::packet::{Framing, Mac, Station, arp, echo, frame, icmp6};

/// Answers ARP, neighbour solicitations and echo requests for one station.
#[derive(Clone, Debug)]
pub(crate) struct Responder {
    own: Station,
    ip6: Option<Ipv6Addr>,
    framing: Framing,
    tally: Tally,
    last: Answer,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The buffer now holds the answer, so many bytes long.
    Reply(usize),
    /// This frame is the answer: it may be longer than the question.
    Frame([u8; icmp6::ADVERTISEMENT_LEN]),
    /// Nothing; the reason is counted.
    Drop(Reason),
}

/// The kinds of answers, as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Echo,
    Arp,
    Neighbour,
}

impl Responder {
    /// A responder that has those addresses on a link of that kind.
    pub(crate) fn new(own: Station, framing: Framing) -> Self {
        Self { own, ip6: None, framing, tally: Tally::default(), last: Answer::Echo }
    }

    /// Changes the IP addresses; the ethernet address stays, so that nobody has to learn it anew.
    pub(crate) fn readdress(&mut self, ip: Ipv4Addr, ip6: Option<Ipv6Addr>) {
        self.own.ip = ip;
        self.ip6 = ip6;
    }

    /// Counts of all packets so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Looks at one packet and, where it asks for an answer, gives that or writes it over the packet.
    pub(crate) fn answer(&mut self, packet: &mut [u8]) -> Verdict {
        self.tally.received += 1;
        let verdict = match self.framing {
            Framing::Ethernet => self.answer_ethernet(packet),
            Framing::Ip => self.answer_ip(packet).map(Verdict::Reply),
        };
        verdict.unwrap_or_else(|reason| {
            self.tally.dropped.add(reason, 1);
            Verdict::Drop(reason)
        })
    }

    /// Takes the count of the last answer back, which could not be sent.
    pub(crate) fn unanswered(&mut self) {
        let count = self.count(self.last);
        *count = count.saturating_sub(1);
        self.tally.dropped.add(Reason::RingFull, 1);
    }

    fn answered(&mut self, answer: Answer) {
        self.last = answer;
        *self.count(answer) += 1;
    }

    fn count(&mut self, answer: Answer) -> &mut u64 {
        match answer {
            Answer::Echo => &mut self.tally.echoes,
            Answer::Arp => &mut self.tally.arps,
            Answer::Neighbour => &mut self.tally.neighbours,
        }
    }

    fn answer_ethernet(&mut self, packet: &mut [u8]) -> Result<Verdict, Reason> {
        let header = frame::parse(packet).ok_or(Reason::Malformed)?;
        if header.destination != self.own.mac && !header.destination.is_group() {
            return Err(Reason::OtherStation);
        }
        if !header.source.is_station() {
            return Err(Reason::Source);
        }
        let (head, body) = packet.split_at_mut(frame::ETHERNET_HEADER);
        match header.ether_type {
            EtherType::ARP => return self.answer_arp(packet).map(Verdict::Reply),
            EtherType::IPV6 if self.ip6.is_some() => {
                if let Some(frame) = self.answer_solicitation(body, header.source)? {
                    return Ok(Verdict::Frame(frame));
                }
            }
            EtherType::IPV4 | EtherType::IPV6 => {}
            _ => return Err(Reason::OtherNetwork),
        }
        // An echo request to a group would be answered by all of it.
        if header.destination.is_group() {
            return Err(Reason::OtherStation);
        }
        let len = self.answer_ip(body)?;
        let reply = frame::header(header.source, self.own.mac, header.ether_type);
        head.copy_from_slice(&reply);
        Ok(Verdict::Reply(head.len() + len))
    }

    fn answer_arp(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let body = packet.get(frame::ETHERNET_HEADER..).unwrap_or_default();
        let arp = arp::parse(body).ok_or(Reason::Malformed)?;
        if !arp.request || arp.target.ip != self.own.ip {
            return Err(Reason::OtherArp);
        }
        // A sender of 0.0.0.0 is a probe for a double address (RFC 5227), which must be answered.
        if !arp.sender.mac.is_station() || arp.sender.ip == self.own.ip {
            return Err(Reason::Source);
        }
        let reply = arp::reply(self.own, arp.sender);
        packet.get_mut(..reply.len()).ok_or(Reason::Malformed)?.copy_from_slice(&reply);
        self.answered(Answer::Arp);
        Ok(reply.len())
    }

    /// The answer when the IPv6 packet is a solicitation for our address, and `None` when it is something else.
    fn answer_solicitation(
        &mut self,
        packet: &[u8],
        from: Mac,
    ) -> Result<Option<[u8; icmp6::ADVERTISEMENT_LEN]>, Reason> {
        let asked = match icmp6::parse(packet) {
            Ok(icmp6::Request::Solicitation(asked)) => asked,
            Err(NotEcho::Discovery) => return Err(Reason::Discovery),
            Ok(icmp6::Request::Echo(_)) | Err(_) => return Ok(None),
        };
        if Some(asked.target) != self.ip6 {
            return Err(Reason::OtherAddress);
        }
        if asked.asker.is_some_and(|asker| !is_host6(asker) || Some(asker) == self.ip6) {
            return Err(Reason::Source);
        }
        let frame = icmp6::advertisement(self.own.mac, &asked, from).ok_or(Reason::Malformed)?;
        self.answered(Answer::Neighbour);
        Ok(Some(frame))
    }

    fn answer_ip(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        match packet.first().map(|first| first >> 4) {
            Some(4) => self.answer_ip4(packet),
            Some(6) => self.answer_ip6(packet),
            Some(_) => Err(Reason::OtherNetwork),
            None => Err(Reason::Malformed),
        }
    }

    fn answer_ip4(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let (_, destination) = echo::ends(packet).ok_or(Reason::Malformed)?;
        if destination != self.own.ip {
            return Err(Reason::OtherAddress);
        }
        let request = echo::parse(packet)?;
        if !request.request {
            return Err(Reason::OtherMessage);
        }
        if !is_host(request.source) || request.source == self.own.ip {
            return Err(Reason::Source);
        }
        echo::reply_in_place(packet, &request).ok_or(Reason::Malformed)?;
        self.answered(Answer::Echo);
        Ok(request.packet_len())
    }

    fn answer_ip6(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let own = self.ip6.ok_or(Reason::NoIpv6)?;
        let (source, destination) = icmp6::ends(packet).ok_or(Reason::Malformed)?;
        if destination != own {
            return Err(Reason::OtherAddress);
        }
        let icmp6::Request::Echo(request) = icmp6::parse(packet)? else {
            // There are no ethernet addresses to ask for in IP mode.
            return Err(Reason::OtherMessage);
        };
        if !is_host6(source) || source == own {
            return Err(Reason::Source);
        }
        icmp6::reply_in_place(packet, &request).ok_or(Reason::Malformed)?;
        self.answered(Answer::Echo);
        Ok(request.packet_len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::icmp6::tests as six;
    use etherparse::IcmpEchoHeader;
    use proptest::prelude::*;

    fn station(last: u8) -> Station {
        let ip = Ipv4Addr::new(192, 168, 1, last);
        Station { mac: Mac::from_ip(ip), ip }
    }

    fn request_ip(source: Ipv4Addr, destination: Ipv4Addr, len: usize) -> Vec<u8> {
        let mut packet = Vec::new();
        let header = IcmpEchoHeader { id: 1, seq: 2 };
        echo::append_request(&mut packet, (source, destination), header, len, |p| p.fill(0x5a));
        packet
    }

    fn request_ethernet(to: Mac, len: usize) -> Vec<u8> {
        let mut packet = frame::header(to, station(1).mac, EtherType::IPV4).to_vec();
        packet.extend(request_ip(station(1).ip, station(2).ip, len));
        packet
    }

    fn ethernet() -> Responder {
        six(Framing::Ethernet)
    }

    fn six(framing: Framing) -> Responder {
        let mut responder = Responder::new(station(2), framing);
        responder.readdress(station(2).ip, Some(six::B));
        responder
    }

    fn dropped(mut packet: Vec<u8>) -> Reason {
        let mut responder = ethernet();
        match responder.answer(&mut packet) {
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
            assert_eq!(responder.answer(&mut packet), Verdict::Reply(wanted));
            let header = frame::parse(&packet).unwrap();
            assert_eq!((header.destination, header.source), (station(1).mac, station(2).mac));
            let reply = echo::parse(&packet[14..]).unwrap();
            assert!(!reply.request);
            assert_eq!((reply.source, reply.destination), (station(2).ip, station(1).ip));
            assert_eq!(reply.payload(&packet[14..]), vec![0x5a; len]);
            assert_eq!((responder.tally().received, responder.tally().echoes), (1, 1));
        }
    }

    #[test]
    fn arp_requests_are_answered_with_the_own_address() {
        let mut packet = arp::request(station(1), station(2).ip).to_vec();
        packet.resize(60, 0);
        let mut responder = ethernet();
        assert_eq!(responder.answer(&mut packet), Verdict::Reply(arp::FRAME_LEN));
        assert_eq!(packet[..arp::FRAME_LEN], arp::reply(station(2), station(1)));
        assert_eq!(responder.tally().arps, 1);
    }

    #[test]
    fn in_ip_mode_the_packet_starts_with_the_ip_header() {
        let mut responder = six(Framing::Ip);
        let mut packet = request_ip(station(1).ip, station(2).ip, echo::MAX_PAYLOAD);
        assert_eq!(responder.answer(&mut packet), Verdict::Reply(65_535));
        assert!(!echo::parse(&packet).unwrap().request);
        // No ARP there: the first bytes of such a frame are no IPv4 header.
        let mut arp = arp::request(station(1), station(2).ip).to_vec();
        assert_eq!(responder.answer(&mut arp), Verdict::Drop(Reason::OtherNetwork));
        assert_eq!(responder.answer(&mut []), Verdict::Drop(Reason::Malformed));
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
        for packet in [six::solicit(), six::probe()] {
            let verdict = responder.answer(&mut ethernet6(group, packet));
            let Verdict::Frame(frame) = verdict else { panic!("{verdict:?}") };
            assert_eq!(frame[6..12], station(2).mac.0);
            assert_eq!(frame[54], 136);
        }
        for len in [0, 56, 9000] {
            let mut packet = ethernet6(station(2).mac, six::echo(len));
            packet.extend([0; 7]); // padding is not sent back
            assert_eq!(responder.answer(&mut packet), Verdict::Reply(14 + 48 + len));
            assert_eq!(packet[..12], [station(1).mac.0, station(2).mac.0].concat());
            assert_eq!(packet[12..14], EtherType::IPV6.0.to_be_bytes());
            assert_eq!(icmp6::ends(&packet[14..]), Some((six::B, six::A)));
            assert_eq!(packet[54], 129);
        }
        let tally = responder.tally();
        assert_eq!((tally.received, tally.neighbours, tally.echoes), (5, 2, 3));
        let mut ip = six(Framing::Ip);
        assert_eq!(ip.answer(&mut six::echo(56)), Verdict::Reply(104));
        assert_eq!(ip.answer(&mut six::solicit()), Verdict::Drop(Reason::OtherAddress));
    }

    #[test]
    fn other_packets_of_ipv6_are_dropped_with_their_reasons() {
        let own = station(2).mac;
        let mut without = Responder::new(station(2), Framing::Ethernet);
        for packet in [six::solicit(), six::echo(8)] {
            let verdict = without.answer(&mut ethernet6(own, packet));
            assert_eq!(verdict, Verdict::Drop(Reason::NoIpv6));
        }
        assert_eq!(dropped(ethernet6(Mac::BROADCAST, six::echo(8))), Reason::OtherStation);
        assert_eq!(dropped(ethernet6(own, six::echo(8)[..39].to_vec())), Reason::Malformed);
        let mut hops = six::solicit();
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
    fn another_address_is_answered_for_after_the_change() {
        let mut responder = ethernet();
        responder.readdress(station(9).ip, None);
        let answer = responder.answer(&mut request_ethernet(station(2).mac, 8));
        assert_eq!(answer, Verdict::Drop(Reason::OtherAddress));
        let mut packet = arp::request(station(1), station(9).ip).to_vec();
        assert_eq!(responder.answer(&mut packet), Verdict::Reply(arp::FRAME_LEN));
        let own = Station { mac: station(2).mac, ip: station(9).ip };
        assert_eq!(packet, arp::reply(own, station(1)));
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
        let mut tagged = good();
        tagged[12..14].copy_from_slice(&EtherType::VLAN_TAGGED_FRAME.0.to_be_bytes());
        assert_eq!(dropped(tagged), Reason::OtherNetwork);
        assert_eq!(dropped(arp::request(station(1), station(3).ip).to_vec()), Reason::OtherArp);
        assert_eq!(dropped(arp::request(station(2), station(2).ip).to_vec()), Reason::Source);
        assert_eq!(dropped(arp::reply(station(1), station(2)).to_vec()), Reason::OtherArp);
        assert_eq!(dropped(arp::request(station(1), station(2).ip)[..40].to_vec()), Reason::Malformed);

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
        responder.answer(&mut reply);
        reply[..6].copy_from_slice(&station(1).mac.0);
        let mut other = Responder::new(station(1), Framing::Ethernet);
        assert_eq!(other.answer(&mut reply), Verdict::Drop(Reason::OtherMessage));
    }

    #[test]
    fn an_answer_that_was_not_sent_is_no_answer() {
        let mut responder = ethernet();
        for mut packet in [
            request_ethernet(station(2).mac, 8),
            arp::request(station(1), station(2).ip).to_vec(),
            ethernet6(Mac::BROADCAST, six::solicit()),
        ] {
            assert!(!matches!(responder.answer(&mut packet), Verdict::Drop(_)));
            responder.unanswered();
        }
        let tally = responder.tally();
        assert_eq!((tally.received, tally.echoes, tally.arps, tally.neighbours), (3, 0, 0, 0));
        assert_eq!(tally.dropped.of(Reason::RingFull), 3);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_dropped_without_a_panic(mut bytes: Vec<u8>) {
            ethernet().answer(&mut bytes);
            six(Framing::Ip).answer(&mut bytes);
        }

        #[test]
        fn a_reply_is_never_longer_than_the_request(
            len in 0usize..128,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            arp_instead: bool,
        ) {
            let mut packet = if arp_instead {
                arp::request(station(1), station(2).ip).to_vec()
            } else {
                request_ethernet(station(2).mac, len)
            };
            for (at, value) in changes {
                let at = at.index(packet.len());
                packet[at] = value;
            }
            if let Verdict::Reply(reply) = ethernet().answer(&mut packet) {
                prop_assert!(reply <= packet.len());
            }
        }
    }
}
