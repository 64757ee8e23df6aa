//! One run of ping without input, output or clock: what to send when, and what a received packet means.
//!
//! The caller asks [`Engine::poll`] what to do now, tells [`Engine::sent`] when it sent what it was given, and
//! hands every received packet to [`Engine::handle`].

use std::collections::HashMap;
use std::mem;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use etherparse::EtherType;

use super::heard::{Heard, Reply};
use super::payload::Pattern;
use super::plan::{Plan, sequence};
use super::statistics::Statistics;
use crate::packet::echo::{self, Echo, NotEcho};
use crate::packet::reassembly::{Reassembly, Taken};
use crate::packet::{Encapsulation, Ends, Mac, arp, checksum, frame, icmp_error, icmp6};

/// Time between two questions for an ethernet address.
const ASK_INTERVAL: Duration = Duration::from_secs(1);
/// A request is sent at least that often when the next one only waits for a reply, as ping(8) does.
const FLOOD_INTERVAL: Duration = Duration::from_millis(10);
/// How long replies that are under way are waited for after [`Engine::stop`].
const STOP_PATIENCE: Duration = Duration::from_secs(1);

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
    /// Nobody told the ethernet address of the target.
    Unresolved,
}

/// A request that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    number: u64,
    at: Instant,
    answered: bool,
    /// Whether somebody said that it did not arrive.
    refused: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Asking for the ethernet address since `since` (set by the first question), the next time at `due`.
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
    reassembly: Reassembly,
    /// When the run is over whatever comes.
    deadline: Option<Instant>,
    statistics: Statistics,
}

impl Engine {
    /// A run that has sent nothing yet.
    pub(crate) fn new(plan: Plan) -> Self {
        let state = first_state(plan.encapsulation);
        Self {
            plan,
            state,
            sent: HashMap::new(),
            first: None,
            last: None,
            written_off: 0,
            repaired: Vec::new(),
            reassembly: Reassembly::default(),
            deadline: None,
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
        statistics.incomplete += self.reassembly.waiting();
        statistics.time = time.unwrap_or_default();
        statistics
    }

    /// Says what to do now, and writes the packet where that is to send one.
    pub(crate) fn poll(&mut self, now: Instant, packet: &mut Vec<u8>) -> Step {
        let deadline = match (self.deadline, self.plan.deadline) {
            (None, Some(time)) => Some(*self.deadline.insert(now + time)),
            (deadline, _) => deadline,
        };
        if deadline.is_some_and(|deadline| now >= deadline) {
            return match self.state {
                State::Over(finish) => Step::Finished(finish),
                State::Resolving { .. } => self.finish(Finish::Unresolved),
                State::Sending { .. } | State::Draining { .. } => self.finish(Finish::Done),
            };
        }
        match self.next(now, packet) {
            Step::Wait(until) => Step::Wait(deadline.map_or(until, |deadline| until.min(deadline))),
            step => step,
        }
    }

    fn next(&mut self, now: Instant, packet: &mut Vec<u8>) -> Step {
        match self.state {
            State::Resolving { since, due } => {
                let give_up = since.map(|since| since + self.plan.timeout);
                if give_up.is_some_and(|give_up| now >= give_up) {
                    return self.finish(Finish::Unresolved);
                }
                match (due, give_up) {
                    (Some(due), Some(give_up)) if now < due => Step::Wait(due.min(give_up)),
                    _ => {
                        self.plan.write_question(packet);
                        Step::Send
                    }
                }
            }
            State::Sending { to, due } => match due {
                _ if self.all_sent() => {
                    let last = self.last.unwrap_or(now);
                    self.state = State::Draining { until: last + self.plan.timeout };
                    self.next(now, packet)
                }
                Some(due) if now < due => Step::Wait(due),
                _ => {
                    self.plan.write_request(self.statistics.transmitted + 1, to, packet);
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
                *due = Some(now + ASK_INTERVAL);
            }
            State::Sending { due, .. } => {
                *due = Some(now + self.plan.interval.unwrap_or(FLOOD_INTERVAL));
                self.statistics.transmitted += 1;
                let number = self.statistics.transmitted;
                let request = Sent { number, at: now, answered: false, refused: false };
                self.sent.insert(sequence(number), request);
                self.first.get_or_insert(now);
                self.last = Some(now);
            }
            State::Draining { .. } | State::Over(_) => {}
        }
    }

    /// Takes a received packet.
    pub(crate) fn handle(&mut self, now: Instant, packet: &[u8]) -> Heard {
        let mut from = Mac::BROADCAST;
        let packet = match self.plan.encapsulation {
            Encapsulation::Ip => packet,
            Encapsulation::Ethernet | Encapsulation::Vlan(_) => {
                let Some(header) = frame::parse(packet) else { return Heard::Other };
                if header.destination != self.plan.mac || !self.plan.encapsulation.takes(header.vlan) {
                    return Heard::Other;
                }
                from = header.source;
                let body = packet.get(header.body..).unwrap_or_default();
                match header.ether_type {
                    EtherType::ARP => return self.handle_arp(now, body),
                    EtherType::IPV4 | EtherType::IPV6 => body,
                    _ => return Heard::Other,
                }
            }
        };
        let mut whole = Vec::new();
        let taken = match self.plan.ends_of(packet) {
            Some(ends) if ends == (self.plan.ends.target(), self.plan.ends.own()) => self.reassembly.take(now, packet),
            _ => Taken::Whole,
        };
        self.statistics.incomplete += self.reassembly.given_up().packets;
        let packet = match taken {
            Taken::Whole => packet,
            Taken::Kept | Taken::Refused(_) => return Heard::Fragment,
            Taken::Complete => {
                mem::swap(&mut whole, self.reassembly.packet());
                &whole
            }
        };
        let heard = self.handle_ip(now, packet, from);
        if taken == Taken::Complete {
            mem::swap(&mut whole, self.reassembly.packet());
        }
        heard
    }

    fn handle_ip(&mut self, now: Instant, packet: &[u8], from: Mac) -> Heard {
        let read = match self.plan.ends {
            Ends::V4 { .. } => echo::parse(packet),
            Ends::V6 { .. } => match icmp6::parse(packet) {
                Ok(icmp6::Message::Echo(echo)) => Ok(echo),
                Ok(icmp6::Message::Advertisement(told)) => {
                    return self.handle_neighbour(now, told.target.into(), told.mac.unwrap_or(from));
                }
                Ok(icmp6::Message::Solicitation(_)) => return Heard::Other,
                Err(fault) => Err(fault),
            },
        };
        match read {
            Ok(reply) if self.plan.is_ours(&reply) => self.handle_reply(now, &reply, packet, true),
            Err(NotEcho::OtherMessage) => self.handle_error(packet),
            Err(NotEcho::IcmpChecksum) => self.handle_wrong_checksum(now, packet),
            Err(fault @ NotEcho::HeaderChecksum) if self.plan.is_from_target(packet) => {
                self.statistics.corrupted += 1;
                Heard::Checksum(fault)
            }
            _ => Heard::Other,
        }
    }

    /// Takes what may be an error about a request of ours.
    fn handle_error(&mut self, packet: &[u8]) -> Heard {
        let ends = self.plan.ends;
        let Some(error) = icmp_error::parse(packet).filter(|error| {
            let about = error.invoking;
            error.to == ends.own()
                && (about.source, about.destination, about.id) == (ends.own(), ends.target(), self.plan.id)
        }) else {
            return Heard::Other;
        };
        let Some(sent) = self.sent.get_mut(&error.invoking.sequence).filter(|sent| !sent.answered) else {
            return Heard::Other;
        };
        // What was redirected was passed on all the same.
        if error.reason != icmp_error::Reason::Redirect {
            sent.refused = true;
            self.statistics.errors += 1;
            let newest = sent.number == self.statistics.transmitted;
            self.go_on(newest);
        }
        Heard::Error(error)
    }

    /// Takes a packet whose ICMP checksum is wrong. Some responders send only such, libmemif's example among them:
    /// if everything else in it is right it is a reply, and the checksum is a fault of its own.
    fn handle_wrong_checksum(&mut self, now: Instant, packet: &[u8]) -> Heard {
        let mut repaired = mem::take(&mut self.repaired);
        repaired.clear();
        repaired.extend_from_slice(packet);
        let reply = checksum::repair(&mut repaired)
            .and_then(|()| self.plan.read_echo(&repaired))
            .filter(|reply| self.plan.is_ours(reply) && self.sent.contains_key(&reply.sequence));
        let heard = match reply {
            Some(reply) => self.handle_reply(now, &reply, &repaired, false),
            None if self.plan.is_from_target(packet) => {
                self.statistics.corrupted += 1;
                Heard::Checksum(NotEcho::IcmpChecksum)
            }
            None => Heard::Other,
        };
        self.repaired = repaired;
        heard
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
            _ => first_state(self.plan.encapsulation),
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
        let open = |sent: &&Sent| !sent.answered && !sent.refused && sent.number > self.written_off;
        self.sent.values().filter(open).count()
    }

    fn finish(&mut self, finish: Finish) -> Step {
        self.state = State::Over(finish);
        Step::Finished(finish)
    }

    fn handle_arp(&mut self, now: Instant, body: &[u8]) -> Heard {
        match arp::parse(body) {
            Some(arp) if !arp.request => self.handle_neighbour(now, arp.sender.ip.into(), arp.sender.mac),
            _ => Heard::Other,
        }
    }

    /// Takes what somebody tells of an ethernet address.
    fn handle_neighbour(&mut self, now: Instant, ip: IpAddr, mac: Mac) -> Heard {
        let State::Resolving { .. } = self.state else { return Heard::Other };
        if ip != self.plan.ends.target() || !mac.is_station() {
            return Heard::Other;
        }
        self.state = State::Sending { to: mac, due: Some(now) };
        Heard::Resolved(mac)
    }

    /// Lets the next request go at once where that is what was asked for, and the fate of the last one is known.
    fn go_on(&mut self, newest: bool) {
        if let (None, true, State::Sending { due, .. }) = (self.plan.interval, newest, &mut self.state) {
            *due = None;
        }
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
        self.go_on(newest);
        Heard::Reply(heard)
    }
}

fn first_state(encapsulation: Encapsulation) -> State {
    match encapsulation {
        Encapsulation::Ethernet | Encapsulation::Vlan(_) => State::Resolving { since: None, due: None },
        Encapsulation::Ip => State::Sending { to: Mac::BROADCAST, due: None },
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
