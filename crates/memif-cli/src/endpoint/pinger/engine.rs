//! One run of ping without input, output or clock: what to send when, and what a received packet means.
//!
//! The caller asks [`Engine::poll`] what to do now, tells [`Engine::sent`] when it sent what it was given, and
//! hands every received packet to [`Engine::handle`].

use std::collections::HashMap;
use std::mem;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use etherparse::{EtherType, IcmpEchoHeader};

use super::payload::{Difference, Pattern};
use super::statistics::Statistics;
use crate::packet::checksum;
use crate::packet::echo::{self, Echo, NotEcho};
use crate::packet::{Framing, Mac, Station, arp, frame};

/// Time between two ARP requests.
const ARP_INTERVAL: Duration = Duration::from_secs(1);
/// A request is sent at least that often when the next one only waits for a reply, as ping(8) does.
const FLOOD_INTERVAL: Duration = Duration::from_millis(10);
/// How long replies that are under way are waited for after [`Engine::stop`].
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// What a run does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) own: Station,
    pub(crate) target: Ipv4Addr,
    pub(crate) framing: Framing,
    /// ICMP id, to tell our replies from those of other programs.
    pub(crate) id: u16,
    /// Bytes after the ICMP header, at most [`echo::MAX_PAYLOAD`].
    pub(crate) size: usize,
    /// Requests to send; without end when `None`.
    pub(crate) count: Option<u64>,
    /// Time between requests; `None` sends the next one when the reply came.
    pub(crate) interval: Option<Duration>,
    /// How long an answer is waited for: to ARP, and to the last requests.
    pub(crate) timeout: Duration,
}

impl Plan {
    /// Bytes of each request as it is sent.
    pub(crate) fn packet_len(&self) -> usize {
        self.framing.header_len() + echo::HEADERS + self.size
    }
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send the packet that was written, tell [`Engine::sent`] when, and ask again.
    Send,
    /// Nothing before that time, unless a packet arrives.
    Wait(Instant),
    /// The run is over.
    Finished(Finish),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    /// Everything was sent, and every answer came or its time is over.
    Done,
    /// Nobody answered ARP.
    Unresolved,
}

/// What a received packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The ethernet address that was asked for.
    Resolved(Mac),
    /// A reply with every byte as it was sent, but perhaps for the checksum.
    Reply(Reply),
    /// A reply to a request that was answered already.
    Duplicate(Reply),
    /// A reply with a wrong byte.
    Corrupt(u16, Difference),
    /// A reply of the wrong length.
    Length { sequence: u16, found: usize },
    /// A packet from the target with a wrong checksum.
    Checksum(NotEcho),
    /// Nothing that belongs to this run.
    Other,
}

/// A reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// Bytes of the ICMP message.
    pub(crate) icmp_len: usize,
    pub(crate) sequence: u16,
    pub(crate) time_to_live: u8,
    pub(crate) round_trip: Duration,
    /// Whether its ICMP checksum was right. Every other byte was.
    pub(crate) checksum_ok: bool,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    at: Instant,
    answered: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Asking for the ethernet address since `since` (set by the first request), the next time at `due`.
    Resolving {
        since: Option<Instant>,
        due: Option<Instant>,
    },
    /// Sending; the next request is due at that time, at once when `None`.
    Sending {
        to: Mac,
        due: Option<Instant>,
    },
    /// Waiting for the last replies.
    Draining {
        until: Instant,
    },
    Over(Finish),
}

/// A run of ping.
#[derive(Debug)]
pub(crate) struct Engine {
    plan: Plan,
    state: State,
    /// By ICMP sequence number. An entry is replaced when the number comes round.
    sent: HashMap<u16, Sent>,
    first: Option<Instant>,
    last: Option<Instant>,
    /// Requests that count as unanswered from now on: everything up to this number.
    written_off: u64,
    /// Packets with a wrong ICMP checksum, put right.
    repaired: Vec<u8>,
    statistics: Statistics,
}

impl Engine {
    /// A run that has sent nothing yet.
    pub(crate) fn new(plan: Plan) -> Self {
        let state = first_state(plan.framing);
        Self {
            plan,
            state,
            sent: HashMap::new(),
            first: None,
            last: None,
            written_off: 0,
            repaired: Vec::new(),
            statistics: Statistics::default(),
        }
    }

    /// What the run does.
    pub(crate) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Counts and times so far.
    pub(crate) fn statistics(&self) -> Statistics {
        let time = self.first.zip(self.last).map(|(first, last)| last.duration_since(first));
        let mut statistics = self.statistics;
        statistics.time = time.unwrap_or_default();
        statistics
    }

    /// Says what to do now, and writes the packet where that is to send one.
    pub(crate) fn poll(&mut self, now: Instant, packet: &mut Vec<u8>) -> Step {
        match self.state {
            State::Resolving { since, due } => {
                let give_up = since.map(|since| since + self.plan.timeout);
                if give_up.is_some_and(|give_up| now >= give_up) {
                    return self.finish(Finish::Unresolved);
                }
                match (due, give_up) {
                    (Some(due), Some(give_up)) if now < due => Step::Wait(due.min(give_up)),
                    _ => {
                        packet.clear();
                        packet.extend(arp::request(self.plan.own, self.plan.target));
                        Step::Send
                    }
                }
            }
            State::Sending { to, due } => match due {
                _ if self.all_sent() => {
                    let last = self.last.unwrap_or(now);
                    self.state = State::Draining { until: last + self.plan.timeout };
                    self.poll(now, packet)
                }
                Some(due) if now < due => Step::Wait(due),
                _ => {
                    self.write_request(to, packet);
                    Step::Send
                }
            },
            State::Draining { until } => {
                if self.outstanding() == 0 || now >= until {
                    return self.finish(Finish::Done);
                }
                Step::Wait(until)
            }
            State::Over(finish) => Step::Finished(finish),
        }
    }

    /// Notes that the packet which [`Engine::poll`] wrote last leaves at that time.
    pub(crate) fn sent(&mut self, now: Instant) {
        match &mut self.state {
            State::Resolving { since, due } => {
                since.get_or_insert(now);
                *due = Some(now + ARP_INTERVAL);
            }
            State::Sending { due, .. } => {
                *due = Some(now + self.plan.interval.unwrap_or(FLOOD_INTERVAL));
                self.statistics.transmitted += 1;
                let number = self.statistics.transmitted;
                let request = Sent { number, at: now, answered: false };
                self.sent.insert(sequence(number), request);
                self.first.get_or_insert(now);
                self.last = Some(now);
            }
            State::Draining { .. } | State::Over(_) => {}
        }
    }

    /// Takes a received packet.
    pub(crate) fn handle(&mut self, now: Instant, packet: &[u8]) -> Heard {
        let packet = match self.plan.framing {
            Framing::Ip => packet,
            Framing::Ethernet => {
                let Some(header) = frame::parse(packet) else { return Heard::Other };
                if header.destination != self.plan.own.mac {
                    return Heard::Other;
                }
                let body = packet.get(frame::ETHERNET_HEADER..).unwrap_or_default();
                match header.ether_type {
                    EtherType::ARP => return self.handle_arp(now, body),
                    EtherType::IPV4 => body,
                    _ => return Heard::Other,
                }
            }
        };
        match echo::parse(packet) {
            Ok(reply) if self.is_ours(&reply) => self.handle_reply(now, &reply, packet, true),
            Err(NotEcho::IcmpChecksum) => self.handle_wrong_checksum(now, packet),
            Err(fault @ NotEcho::HeaderChecksum) if self.is_from_target(packet) => {
                self.statistics.corrupted += 1;
                Heard::Checksum(fault)
            }
            _ => Heard::Other,
        }
    }

    /// Takes a packet whose ICMP checksum is wrong. Some responders send only such, libmemif's example among them:
    /// if everything else in it is right it is a reply, and the checksum is a fault of its own.
    fn handle_wrong_checksum(&mut self, now: Instant, packet: &[u8]) -> Heard {
        let mut repaired = mem::take(&mut self.repaired);
        repaired.clear();
        repaired.extend_from_slice(packet);
        let reply = checksum::repair(&mut repaired)
            .and_then(|()| echo::parse(&repaired).ok())
            .filter(|reply| self.is_ours(reply) && self.sent.contains_key(&reply.sequence));
        let heard = match reply {
            Some(reply) => self.handle_reply(now, &reply, &repaired, false),
            None if self.is_from_target(packet) => {
                self.statistics.corrupted += 1;
                Heard::Checksum(NotEcho::IcmpChecksum)
            }
            None => Heard::Other,
        };
        self.repaired = repaired;
        heard
    }

    fn is_from_target(&self, packet: &[u8]) -> bool {
        echo::ends(packet) == Some((self.plan.target, self.plan.own.ip))
    }

    /// Ends the run: nothing more is sent, and replies under way are waited for a little.
    pub(crate) fn stop(&mut self, now: Instant) {
        match self.state {
            State::Over(_) => {}
            State::Draining { until } => {
                self.state = State::Draining { until: until.min(now + STOP_PATIENCE) };
            }
            State::Resolving { .. } | State::Sending { .. } => {
                self.state = State::Draining { until: now + STOP_PATIENCE };
            }
        }
    }

    /// Notes that the link went down: what is under way is lost, and the peer may have another ethernet
    /// address when it comes back.
    pub(crate) fn link_down(&mut self) {
        self.written_off = self.statistics.transmitted;
        self.state = match self.state {
            State::Over(finish) => State::Over(finish),
            State::Draining { .. } => State::Over(Finish::Done),
            _ if self.all_sent() => State::Over(Finish::Done),
            _ => first_state(self.plan.framing),
        };
    }

    /// How the run ended, if it did.
    pub(crate) fn finished(&self) -> Option<Finish> {
        match self.state {
            State::Over(finish) => Some(finish),
            _ => None,
        }
    }

    fn all_sent(&self) -> bool {
        self.plan.count.is_some_and(|count| self.statistics.transmitted >= count)
    }

    /// Requests that may still be answered.
    fn outstanding(&self) -> usize {
        let open = |sent: &&Sent| !sent.answered && sent.number > self.written_off;
        self.sent.values().filter(open).count()
    }

    fn finish(&mut self, finish: Finish) -> Step {
        self.state = State::Over(finish);
        Step::Finished(finish)
    }

    fn write_request(&self, to: Mac, packet: &mut Vec<u8>) {
        let plan = &self.plan;
        packet.clear();
        if plan.framing == Framing::Ethernet {
            packet.extend(frame::header(to, plan.own.mac, EtherType::IPV4));
        }
        let number = self.statistics.transmitted + 1;
        let header = IcmpEchoHeader { id: plan.id, seq: sequence(number) };
        echo::append_request(packet, (plan.own.ip, plan.target), header, plan.size, |payload| {
            Pattern::new(plan.id, number).fill(payload);
        });
    }

    fn handle_arp(&mut self, now: Instant, body: &[u8]) -> Heard {
        let State::Resolving { .. } = self.state else { return Heard::Other };
        match arp::parse(body) {
            Some(arp) if !arp.request && arp.sender.ip == self.plan.target && arp.sender.mac.is_station() => {
                self.state = State::Sending { to: arp.sender.mac, due: Some(now) };
                Heard::Resolved(arp.sender.mac)
            }
            _ => Heard::Other,
        }
    }

    fn is_ours(&self, reply: &Echo) -> bool {
        !reply.request
            && reply.source == self.plan.target
            && reply.destination == self.plan.own.ip
            && reply.id == self.plan.id
    }

    /// `checksum_ok` tells whether the ICMP checksum was right as the packet came.
    fn handle_reply(&mut self, now: Instant, reply: &Echo, packet: &[u8], checksum_ok: bool) -> Heard {
        let Some(sent) = self.sent.get_mut(&reply.sequence) else { return Heard::Other };
        let payload = reply.payload(packet);
        if payload.len() != self.plan.size {
            self.statistics.corrupted += 1;
            return Heard::Length { sequence: reply.sequence, found: payload.len() };
        }
        if let Some(difference) = Pattern::new(self.plan.id, sent.number).difference(payload) {
            self.statistics.corrupted += 1;
            return Heard::Corrupt(reply.sequence, difference);
        }
        let round_trip = now.saturating_duration_since(sent.at);
        let heard = Reply {
            icmp_len: reply.icmp_len(),
            sequence: reply.sequence,
            time_to_live: reply.time_to_live,
            round_trip,
            checksum_ok,
        };
        self.statistics.wrong_checksums += u64::from(!checksum_ok);
        if sent.answered {
            self.statistics.duplicates += 1;
            return Heard::Duplicate(heard);
        }
        sent.answered = true;
        self.statistics.reply(round_trip);
        self.last = self.last.max(Some(now));
        let newest = sent.number == self.statistics.transmitted;
        if let (None, true, State::Sending { due, .. }) = (self.plan.interval, newest, &mut self.state) {
            *due = None;
        }
        Heard::Reply(heard)
    }
}

fn first_state(framing: Framing) -> State {
    match framing {
        Framing::Ethernet => State::Resolving { since: None, due: None },
        Framing::Ip => State::Sending { to: Mac::BROADCAST, due: None },
    }
}

/// The ICMP sequence number of request `number`: its low 16 bits.
fn sequence(number: u64) -> u16 {
    let [low, high, ..] = number.to_le_bytes();
    u16::from_le_bytes([low, high])
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
