//! The answers of a responder: bytes in, bytes out, counts.

use std::net::Ipv4Addr;

use etherparse::EtherType;

use super::tally::{Reason, Tally};
use crate::net::{Framing, Station, arp, echo, frame};

/// Answers ARP and ICMP echo requests for one address.
#[derive(Clone, Debug)]
pub(crate) struct Responder {
    own: Station,
    framing: Framing,
    tally: Tally,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The buffer now holds the answer, so many bytes long.
    Reply(usize),
    /// Nothing; the reason is counted.
    Drop(Reason),
}

impl Responder {
    /// A responder that has that address on a link of that kind.
    pub(crate) fn new(own: Station, framing: Framing) -> Self {
        Self { own, framing, tally: Tally::default() }
    }

    /// Counts of all packets so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Looks at one packet and, where it asks for an answer, writes that over it.
    pub(crate) fn answer(&mut self, packet: &mut [u8]) -> Verdict {
        self.tally.received += 1;
        let verdict = match self.framing {
            Framing::Ethernet => self.answer_ethernet(packet),
            Framing::Ip => self.answer_ip(packet),
        };
        verdict.map_or_else(
            |reason| {
                self.tally.drop_one(reason);
                Verdict::Drop(reason)
            },
            Verdict::Reply,
        )
    }

    /// Takes the count of one answer back that could not be sent.
    pub(crate) fn unanswered(&mut self, answer: &[u8]) {
        let is_arp = self.framing == Framing::Ethernet
            && frame::parse(answer).is_some_and(|header| header.ether_type == EtherType::ARP);
        let count = if is_arp { &mut self.tally.arps } else { &mut self.tally.echoes };
        *count = count.saturating_sub(1);
        self.tally.drop_one(Reason::RingFull);
    }

    fn answer_ethernet(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let header = frame::parse(packet).ok_or(Reason::Malformed)?;
        if header.destination != self.own.mac && !header.destination.is_group() {
            return Err(Reason::OtherStation);
        }
        if !header.source.is_station() {
            return Err(Reason::Source);
        }
        match header.ether_type {
            EtherType::ARP => self.answer_arp(packet),
            // An echo request to a group would be answered by all of it.
            EtherType::IPV4 if header.destination.is_group() => Err(Reason::OtherStation),
            EtherType::IPV4 => {
                let (head, body) = packet.split_at_mut(frame::ETHERNET_HEADER);
                let len = self.answer_ip(body)?;
                head.copy_from_slice(&frame::header(header.source, self.own.mac, EtherType::IPV4));
                Ok(head.len() + len)
            }
            _ => Err(Reason::OtherNetwork),
        }
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
        self.tally.arps += 1;
        Ok(reply.len())
    }

    fn answer_ip(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        if packet.first().is_some_and(|first| first >> 4 != 4) {
            return Err(Reason::OtherNetwork);
        }
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
        self.tally.echoes += 1;
        Ok(request.packet_len())
    }
}

/// Whether an address can be that of one host elsewhere.
pub(crate) fn is_host(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mac;
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
        Responder::new(station(2), Framing::Ethernet)
    }

    fn dropped(mut packet: Vec<u8>) -> Reason {
        let mut responder = ethernet();
        match responder.answer(&mut packet) {
            Verdict::Drop(reason) => {
                assert_eq!(responder.tally().dropped(reason), 1);
                reason
            }
            Verdict::Reply(_) => panic!("answered"),
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
        let mut responder = Responder::new(station(2), Framing::Ip);
        let mut packet = request_ip(station(1).ip, station(2).ip, echo::MAX_PAYLOAD);
        assert_eq!(responder.answer(&mut packet), Verdict::Reply(65_535));
        assert!(!echo::parse(&packet).unwrap().request);
        // No ARP there: the first bytes of such a frame are no IPv4 header.
        let mut arp = arp::request(station(1), station(2).ip).to_vec();
        assert_eq!(responder.answer(&mut arp), Verdict::Drop(Reason::OtherNetwork));
        assert_eq!(responder.answer(&mut []), Verdict::Drop(Reason::Malformed));
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
        let mut ipv6 = good();
        ipv6[12..14].copy_from_slice(&EtherType::IPV6.0.to_be_bytes());
        assert_eq!(dropped(ipv6), Reason::OtherNetwork);
        assert_eq!(dropped(arp::request(station(1), station(3).ip).to_vec()), Reason::OtherArp);
        assert_eq!(dropped(arp::request(station(2), station(2).ip).to_vec()), Reason::Source);
        assert_eq!(dropped(arp::reply(station(1), station(2)).to_vec()), Reason::OtherArp);
        assert_eq!(
            dropped(arp::request(station(1), station(2).ip)[..40].to_vec()),
            Reason::Malformed
        );

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
        for mut packet in
            [request_ethernet(station(2).mac, 8), arp::request(station(1), station(2).ip).to_vec()]
        {
            let Verdict::Reply(len) = responder.answer(&mut packet) else { panic!("dropped") };
            responder.unanswered(&packet[..len]);
        }
        let tally = responder.tally();
        assert_eq!((tally.received, tally.echoes, tally.arps), (2, 0, 0));
        assert_eq!(tally.dropped(Reason::RingFull), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_or_dropped_without_a_panic(mut bytes: Vec<u8>) {
            ethernet().answer(&mut bytes);
            Responder::new(station(2), Framing::Ip).answer(&mut bytes);
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
