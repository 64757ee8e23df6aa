//! The answers of a responder: bytes in, bytes out, counts.

use std::time::Instant;

use etherparse::EtherType;

use super::tally::{Reason, Tally};
use crate::packet::echo::{Echo, NotEcho};
use crate::packet::reassembly::{Reassembly, Taken};
use crate::packet::station::{is_any_host, is_host6};
use crate::packet::{Addresses, Encapsulation, Mac, Station, arp, echo, fragments, frame, icmp6};

/// Answers ARP, neighbour solicitations and echo requests for one station.
#[derive(Debug)]
pub(crate) struct Responder {
    mac: Mac,
    addresses: Addresses,
    encapsulation: Encapsulation,
    tally: Tally,
    last: Answer,
    reassembly: Reassembly,
    /// Answers that do not fit where the question was.
    answers: Vec<Vec<u8>>,
    /// Of the last answer that was cut.
    identification: u32,
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The buffer now holds the answer, so many bytes long.
    Reply(usize),
    /// The answer is elsewhere: in one packet or several.
    Packets,
    /// Nothing yet: it is a part of a packet.
    Kept,
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
    /// A responder that has those addresses.
    pub(crate) fn new(mac: Mac, addresses: Addresses, encapsulation: Encapsulation) -> Self {
        Self {
            mac,
            addresses,
            encapsulation,
            tally: Tally::default(),
            last: Answer::Echo,
            reassembly: Reassembly::default(),
            answers: Vec::new(),
            identification: 0,
        }
    }

    /// Changes the IP addresses; the ethernet address stays, so that nobody has to learn it anew.
    pub(crate) fn readdress(&mut self, addresses: Addresses) {
        self.addresses = addresses;
    }

    /// Counts of all packets so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }

    /// Looks at one packet and, where it asks for an answer, makes that, if it can in the place of the packet.
    pub(crate) fn answer(&mut self, now: Instant, packet: &mut [u8]) -> Verdict {
        self.tally.received += 1;
        let verdict = match self.encapsulation {
            Encapsulation::Ip => self.answer_ip(now, packet),
            Encapsulation::Ethernet | Encapsulation::Vlan(_) => self.answer_ethernet(now, packet),
        };
        let given_up = self.reassembly.given_up().fragments;
        self.tally.fragments = self.tally.fragments.saturating_sub(given_up);
        self.tally.dropped.add(Reason::Fragment, given_up);
        verdict.unwrap_or_else(|reason| {
            self.tally.dropped.add(reason, 1);
            Verdict::Drop(reason)
        })
    }

    /// The packets of an answer, which for [`Verdict::Reply`] is in `packet`.
    pub(crate) fn answers<'a>(&'a self, verdict: Verdict, packet: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let (here, elsewhere) = match verdict {
            Verdict::Reply(len) => (packet.get(..len), &[][..]),
            Verdict::Packets => (None, &self.answers[..]),
            Verdict::Kept | Verdict::Drop(_) => (None, &[][..]),
        };
        here.into_iter().chain(elsewhere.iter().map(Vec::as_slice))
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

    fn answer_ethernet(&mut self, now: Instant, packet: &mut [u8]) -> Result<Verdict, Reason> {
        let header = frame::parse(packet).ok_or(Reason::Malformed)?;
        if header.destination != self.mac && !header.destination.is_group() {
            return Err(Reason::OtherStation);
        }
        if !header.source.is_station() {
            return Err(Reason::Source);
        }
        if !self.encapsulation.takes(header.vlan) {
            return Err(Reason::OtherVlan);
        }
        let (head, body) = packet.split_at_mut_checked(header.body).ok_or(Reason::Malformed)?;
        match header.ether_type {
            EtherType::ARP => {
                let len = self.answer_arp(body)?;
                return Ok(self.reply_to(head, header.source, len));
            }
            EtherType::IPV6 if self.addresses.speaks_ipv6() => {
                if let Some(verdict) = self.answer_solicitation(body, header.source)? {
                    return Ok(verdict);
                }
            }
            EtherType::IPV4 | EtherType::IPV6 => {}
            _ => return Err(Reason::OtherNetwork),
        }
        // An echo request to a group would be answered by all of it.
        if header.destination.is_group() {
            return Err(Reason::OtherStation);
        }
        match self.answer_ip(now, body)? {
            Verdict::Reply(len) => Ok(self.reply_to(head, header.source, len)),
            Verdict::Packets => {
                for answer in &mut self.answers {
                    let body = std::mem::take(answer);
                    self.encapsulation.append_header(answer, header.source, self.mac, header.ether_type);
                    answer.extend(body);
                }
                Ok(Verdict::Packets)
            }
            verdict => Ok(verdict),
        }
    }

    /// The answer behind that header, which becomes its own.
    fn reply_to(&self, head: &mut [u8], station: Mac, len: usize) -> Verdict {
        frame::address(head, station, self.mac);
        Verdict::Reply(head.len() + len)
    }

    fn answer_arp(&mut self, body: &mut [u8]) -> Result<usize, Reason> {
        let arp = arp::parse(body).ok_or(Reason::Malformed)?;
        if !arp.request || !self.addresses.has4(arp.target.ip) {
            return Err(Reason::OtherArp);
        }
        // A sender of 0.0.0.0 is a probe for a double address (RFC 5227), which must be answered.
        if !arp.sender.mac.is_station() || self.addresses.has4(arp.sender.ip) {
            return Err(Reason::Source);
        }
        let reply = arp::reply(Station { mac: self.mac, ip: arp.target.ip }, arp.sender);
        body.get_mut(..reply.len()).ok_or(Reason::Malformed)?.copy_from_slice(&reply);
        self.answered(Answer::Arp);
        Ok(reply.len())
    }

    /// The answer when the IPv6 packet is a solicitation for our address, and `None` when it is something else.
    fn answer_solicitation(&mut self, packet: &[u8], from: Mac) -> Result<Option<Verdict>, Reason> {
        let asked = match icmp6::parse(packet) {
            Ok(icmp6::Message::Solicitation(asked)) => asked,
            Err(NotEcho::Discovery) => return Err(Reason::Discovery),
            Ok(icmp6::Message::Echo(_) | icmp6::Message::Advertisement(_)) | Err(_) => return Ok(None),
        };
        if !self.addresses.has6(asked.target) {
            return Err(Reason::OtherAddress);
        }
        if asked.asker.is_some_and(|asker| !is_host6(asker) || self.addresses.has6(asker)) {
            return Err(Reason::Source);
        }
        let answer = icmp6::advertisement(self.mac, &asked, from).ok_or(Reason::Malformed)?;
        let mut frame = Vec::new();
        self.encapsulation.append_header(&mut frame, answer.to, self.mac, EtherType::IPV6);
        frame.extend(answer.packet);
        self.answers = vec![frame];
        self.answered(Answer::Neighbour);
        Ok(Some(Verdict::Packets))
    }

    fn answer_ip(&mut self, now: Instant, packet: &mut [u8]) -> Result<Verdict, Reason> {
        match packet.first().map(|first| first >> 4) {
            Some(4) => {
                let (_, destination) = echo::ends(packet).ok_or(Reason::Malformed)?;
                if !self.addresses.has4(destination) {
                    return Err(Reason::OtherAddress);
                }
            }
            Some(6) if !self.addresses.speaks_ipv6() => return Err(Reason::NoIpv6),
            Some(6) => {
                let (_, destination) = icmp6::ends(packet).ok_or(Reason::Malformed)?;
                if !self.addresses.has6(destination) {
                    return Err(Reason::OtherAddress);
                }
            }
            Some(_) => return Err(Reason::OtherNetwork),
            None => return Err(Reason::Malformed),
        }
        match self.reassembly.take(now, packet) {
            Taken::Whole => self.answer_echo(packet).map(Verdict::Reply),
            Taken::Kept => {
                self.tally.fragments += 1;
                Ok(Verdict::Kept)
            }
            Taken::Refused(before) => {
                self.tally.fragments = self.tally.fragments.saturating_sub(before);
                self.tally.dropped.add(Reason::Fragment, before);
                Err(Reason::Fragment)
            }
            Taken::Complete => self.answer_in_fragments(),
        }
    }

    /// The answer to a request that came in fragments leaves in such that are no longer.
    fn answer_in_fragments(&mut self) -> Result<Verdict, Reason> {
        let longest = self.reassembly.longest_fragment();
        let mut packet = std::mem::take(self.reassembly.packet());
        let len = self.answer_echo(&mut packet)?;
        self.answers.clear();
        self.identification = self.identification.wrapping_add(1);
        let answer = packet.get(..len).unwrap_or_default();
        fragments::cut(answer, longest, self.identification, |part| self.answers.push(part.to_vec()))
            .ok_or(Reason::Malformed)?;
        Ok(Verdict::Packets)
    }

    /// Turns an echo request to one of our addresses into its reply.
    fn answer_echo(&mut self, packet: &mut [u8]) -> Result<usize, Reason> {
        let four = packet.first().is_some_and(|first| first >> 4 == 4);
        let request = if four { echo::parse(packet)? } else { six(packet)? };
        if !request.request {
            return Err(Reason::OtherMessage);
        }
        if !is_any_host(request.source) || self.addresses.all().any(|own| own == request.source) {
            return Err(Reason::Source);
        }
        let reply_in_place = if four { echo::reply_in_place } else { icmp6::reply_in_place };
        reply_in_place(packet, &request).ok_or(Reason::Malformed)?;
        self.answered(Answer::Echo);
        Ok(request.packet_len())
    }
}

/// An echo message of IPv6.
fn six(packet: &[u8]) -> Result<Echo, Reason> {
    match icmp6::parse(packet)? {
        icmp6::Message::Echo(echo) => Ok(echo),
        // Answered before; and there are no ethernet addresses to ask for in IP mode.
        icmp6::Message::Solicitation(_) | icmp6::Message::Advertisement(_) => Err(Reason::OtherMessage),
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
