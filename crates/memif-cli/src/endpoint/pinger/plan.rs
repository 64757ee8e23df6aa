//! What a run of ping does, and its packets: those that it sends, and which of those that come are its own.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::{EtherType, IcmpEchoHeader};

use super::payload::Pattern;
use crate::packet::echo::{self, Echo, Manner};
use crate::packet::{Encapsulation, Ends, Mac, Station, arp, icmp6};

/// What a run does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) mac: Mac,
    pub(crate) ends: Ends,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) manner: Manner,
    /// ICMP id, to tell our replies from those of other programs.
    pub(crate) id: u16,
    /// Bytes after the ICMP header, at most what a packet of the link has room for.
    pub(crate) size: usize,
    /// Requests to send; without end when `None`.
    pub(crate) count: Option<u64>,
    /// Time between requests; `None` sends the next one when the reply came.
    pub(crate) interval: Option<Duration>,
    /// How long an answer is waited for: to the question for an ethernet address, and to the last requests.
    pub(crate) timeout: Duration,
    /// How long the run takes at most.
    pub(crate) deadline: Option<Duration>,
}

impl Plan {
    /// Whether so many replies are fewer than were to come by the deadline, where both numbers are set.
    pub(crate) fn falls_short(&self, received: u64) -> bool {
        self.deadline.is_some() && self.count.is_some_and(|count| received < count)
    }

    /// Bytes of each request as it is sent.
    pub(crate) fn packet_len(&self) -> usize {
        self.encapsulation.header_len() + headers(self.ends) + self.size
    }

    /// Writes the question who has the address of the target.
    pub(crate) fn write_question(&self, packet: &mut Vec<u8>) {
        packet.clear();
        match self.ends {
            Ends::V4 { own, target } => {
                self.encapsulation.append_header(packet, Mac::BROADCAST, self.mac, EtherType::ARP);
                packet.extend(arp::request(Station { mac: self.mac, ip: own }, target));
            }
            Ends::V6 { own, target } => {
                if let Some(question) = icmp6::solicit((self.mac, own), target) {
                    self.encapsulation.append_header(packet, question.to, self.mac, EtherType::IPV6);
                    packet.extend(question.packet);
                }
            }
        }
    }

    /// Writes the request of that number.
    pub(crate) fn write_request(&self, number: u64, to: Mac, packet: &mut Vec<u8>) {
        packet.clear();
        let header = IcmpEchoHeader { id: self.id, seq: sequence(number) };
        let fill = |payload: &mut [u8]| Pattern::new(self.id, number).fill(payload);
        match self.ends {
            Ends::V4 { own, target } => {
                self.encapsulation.append_header(packet, to, self.mac, EtherType::IPV4);
                echo::append_request(packet, (own, target), header, self.manner, self.size, fill);
            }
            Ends::V6 { own, target } => {
                self.encapsulation.append_header(packet, to, self.mac, EtherType::IPV6);
                icmp6::append_request(packet, (own, target), header, self.manner.time_to_live, self.size, fill);
            }
        }
    }

    /// The echo message of the family that is spoken, if the packet is one.
    pub(crate) fn read_echo(&self, packet: &[u8]) -> Option<Echo> {
        match self.ends {
            Ends::V4 { .. } => echo::parse(packet).ok(),
            Ends::V6 { .. } => match icmp6::parse(packet) {
                Ok(icmp6::Message::Echo(echo)) => Some(echo),
                _ => None,
            },
        }
    }

    /// Source and destination of a packet of the family that is spoken, unverified.
    pub(crate) fn ends_of(&self, packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
        match self.ends {
            Ends::V4 { .. } => echo::ends(packet).map(|(from, to)| (from.into(), to.into())),
            Ends::V6 { .. } => icmp6::ends(packet).map(|(from, to)| (from.into(), to.into())),
        }
    }

    /// Whether it says that it comes from the target, unverified.
    pub(crate) fn is_from_target(&self, packet: &[u8]) -> bool {
        self.ends_of(packet) == Some((self.ends.target(), self.ends.own()))
    }

    /// Whether it is a reply to one of the requests.
    pub(crate) fn is_ours(&self, reply: &Echo) -> bool {
        !reply.request
            && reply.source == self.ends.target()
            && reply.destination == self.ends.own()
            && reply.id == self.id
    }
}

/// Bytes of the IP and ICMP headers of a request.
pub(crate) fn headers(ends: Ends) -> usize {
    match ends {
        Ends::V4 { .. } => echo::HEADERS,
        Ends::V6 { .. } => icmp6::HEADERS,
    }
}

/// The ICMP sequence number of request `number`: its low 16 bits.
pub(crate) fn sequence(number: u64) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}
