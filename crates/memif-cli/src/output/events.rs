//! One line for each event of a link, in words.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use memif::{ConnectError, Event, InterfaceKey, SocketAddress};

use super::advice;
use super::json::{self, EventReport};
use super::said::{Said, Told};

/// How long a master may say that it has no such interface before that is told: many begin to listen before they have
/// it, as a DPDK does whose port is not started.
const STARTING: Duration = Duration::from_secs(1);

/// Turns events into lines, and keeps silent about what it has said already.
#[derive(Debug)]
pub(crate) struct Reporter {
    address: SocketAddress,
    /// What connecting failed with since the interface was last connected.
    failures: HashMap<InterfaceKey, Failures>,
    /// Why slaves have no link.
    refusals: Said,
    /// Why nobody can be taken in.
    acceptance: Said,
    /// Whether that was told, so that the end of it is news.
    accept_failed: bool,
}

/// What connecting failed with.
#[derive(Debug, Default)]
struct Failures {
    said: Said,
    /// When somebody answered who had not before.
    answered: Option<Instant>,
}

impl Reporter {
    /// A reporter for the socket at that address.
    pub(crate) fn new(address: SocketAddress) -> Self {
        Self {
            address,
            failures: HashMap::new(),
            refusals: Said::default(),
            acceptance: Said::default(),
            accept_failed: false,
        }
    }

    /// What is to be said about an event, or `None` when there is nothing new to say now. `name` says how an interface
    /// is called in the line, `id` which it is for programs.
    pub(crate) fn tell(
        &mut self,
        event: &Event,
        name: impl Fn(InterfaceKey) -> String,
        id: impl Fn(InterfaceKey) -> u32,
    ) -> Option<Told> {
        self.tell_at(Instant::now(), event, name, id)
    }

    fn tell_at(
        &mut self,
        now: Instant,
        event: &Event,
        name: impl Fn(InterfaceKey) -> String,
        id: impl Fn(InterfaceKey) -> u32,
    ) -> Option<Told> {
        let told = Told { line: self.line(event, &name)?, report: self.report(event, &id), nobody: is_nobody(event) };
        match event {
            Event::Connected { interface, .. } => {
                let failures = self.failures.remove(interface).unwrap_or_default();
                Some(match failures.said.unsaid() {
                    0 => told,
                    count => {
                        let more = format!(" (failed attempts that were not told: {count})");
                        Told { line: told.line + &more, ..told }
                    }
                })
            }
            Event::Disconnected { interface, .. } => {
                self.failures.remove(interface);
                Some(told)
            }
            Event::ConnectFailed { interface, error, retry_in } => {
                let other = |told: Told| Told {
                    line: format!("{}: not connected for other reasons, see -v", name(*interface)),
                    report: told.report.map(EventReport::for_other_reasons),
                    nobody: false,
                };
                let failures = self.failures.entry(*interface).or_default();
                if told.nobody {
                    failures.answered = None;
                } else if failures.answered.is_none() {
                    failures.answered = Some(now);
                }
                let starting = is_missing_interface(error)
                    && retry_in.is_some()
                    && failures.answered.is_some_and(|since| now < since + STARTING);
                if starting {
                    failures.said.hold(now, &error.to_string(), told, other);
                    return None;
                }
                failures.said.tell(now, &error.to_string(), told, other)
            }
            // Once per link.
            Event::SurplusQueues { .. } => Some(told),
            Event::Refused { reason, .. } => self.tell_refusal(now, &reason.to_string(), told),
            Event::Left { reason, interface, .. } => {
                self.tell_refusal(now, &format!("{reason} {}", interface.is_some()), told)
            }
            Event::AcceptFailed { error } => {
                let told = self.acceptance.tell(now, &error.to_string(), told, |told| Told {
                    line: "no slave is taken in for other reasons, see -v".to_owned(),
                    report: told.report.map(EventReport::for_other_reasons),
                    ..told
                });
                self.accept_failed |= told.is_some();
                told
            }
            Event::AcceptResumed => std::mem::take(&mut self.accept_failed).then_some(told),
            _ => None,
        }
    }

    fn tell_refusal(&mut self, now: Instant, reason: &str, told: Told) -> Option<Told> {
        self.refusals.tell(now, reason, told, |told| Told {
            line: "slaves got no link for other reasons, see -v".to_owned(),
            report: told.report.map(EventReport::for_other_reasons),
            ..told
        })
    }

    /// When there is something to say although nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        let failures = self.failures.values().map(|failures| &failures.said);
        failures.chain([&self.refusals, &self.acceptance]).filter_map(Said::due).min()
    }

    /// What is to be said by now although nothing happened: how often what was said came again.
    pub(crate) fn overdue(&mut self) -> Vec<Told> {
        let now = Instant::now();
        let failures = self.failures.values_mut().map(|failures| &mut failures.said);
        let all = failures.chain([&mut self.refusals, &mut self.acceptance]);
        all.flat_map(|said| said.overdue(now)).collect()
    }

    /// What is still to be said at the end.
    pub(crate) fn finish(&mut self) -> Vec<Told> {
        let now = Instant::now();
        let failures = self.failures.values_mut().map(|failures| &mut failures.said);
        let all = failures.chain([&mut self.refusals, &mut self.acceptance]);
        all.flat_map(|said| said.finish(now)).collect()
    }

    /// The line for an event, or `None` when there is none.
    fn line(&self, event: &Event, name: impl Fn(InterfaceKey) -> String) -> Option<String> {
        match event {
            Event::Connected { interface, link } => Some(format!("{}: connected to {}", name(*interface), link.peer)),
            Event::Disconnected { interface, reason } => Some(format!("{}: link down: {reason}", name(*interface))),
            Event::ConnectFailed { interface, error, retry_in } => {
                let then = if retry_in.is_some() { "trying again" } else { "not tried again" };
                let advice = advice::connect(error, &self.address);
                Some(format!("{}: not connected: {error}; {advice} ({then})", name(*interface)))
            }
            Event::SurplusQueues { interface, rx_queues } => {
                Some(format!("{}: {}", name(*interface), advice::surplus(*rx_queues)))
            }
            Event::AcceptResumed => Some("slaves are taken in again".to_owned()),
            _ => self.cause(event),
        }
    }

    /// The same for programs. `id` gives the id of an interface.
    fn report(&self, event: &Event, id: impl Fn(InterfaceKey) -> u32) -> Option<EventReport> {
        match event {
            Event::Connected { interface, .. } | Event::Disconnected { interface, .. } => {
                json::event(event, id(*interface), "")
            }
            Event::SurplusQueues { interface, rx_queues } => {
                json::event(event, id(*interface), &advice::surplus(*rx_queues))
            }
            Event::ConnectFailed { interface, error, .. } => {
                json::event(event, id(*interface), &advice::connect(error, &self.address))
            }
            Event::Refused { reason, .. } => json::event(event, 0, advice::refusal(reason)),
            Event::Left { interface, .. } => json::event(event, interface.map_or(0, id), advice::LEFT),
            Event::AcceptFailed { error } => json::event(event, 0, advice::accept(error)),
            Event::AcceptResumed => json::event(event, 0, ""),
            _ => None,
        }
    }

    /// Why an event kept a link from coming up, and what to do.
    pub(crate) fn cause(&self, event: &Event) -> Option<String> {
        match event {
            Event::ConnectFailed { error, .. } => Some(format!("{error}; {}", advice::connect(error, &self.address))),
            Event::Refused { reason, peer } => Some(format!("refused {}: {reason}; {}", peer, advice::refusal(reason))),
            Event::Left { interface, reason, peer } => {
                let before = match interface {
                    None => "it asked for an interface",
                    Some(_) => "its link was up",
                };
                Some(format!("{} left before {before}: {reason}; {}", peer, advice::LEFT))
            }
            Event::AcceptFailed { error } => {
                Some(format!("no slave can be taken in: {error}; {}", advice::accept(error)))
            }
            _ => None,
        }
    }
}

/// Whether it is that a slave found nobody to answer.
fn is_nobody(event: &Event) -> bool {
    let Event::ConnectFailed { error, .. } = event else { return false };
    matches!(error, ConnectError::NotFound | ConnectError::NobodyListens | ConnectError::NotASocket)
}

/// Whether it is what masters say, or do, that do not have the interface, or not yet.
fn is_missing_interface(error: &ConnectError) -> bool {
    match error {
        ConnectError::UnknownId | ConnectError::Closed(_) => true,
        ConnectError::Refused(words) => advice::says_unknown_id(words),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use memif::{Peer, Refusal};

    fn refused(id: u32) -> Event {
        Event::Refused { reason: Refusal::UnknownId(id), peer: Peer::default() }
    }

    fn reporter() -> Reporter {
        Reporter::new(SocketAddress::Abstract(b"x".to_vec()))
    }

    fn line(reporter: &mut Reporter, now: Instant, event: &Event) -> Option<String> {
        let told = reporter.tell_at(now, event, |_| "link".to_owned(), |_| 0);
        told.map(|told| told.line)
    }

    #[test]
    fn every_reason_is_told_once_with_advice() {
        let (mut reporter, now) = (reporter(), Instant::now());
        assert_eq!(
            line(&mut reporter, now, &refused(1)).unwrap(),
            "refused a peer: unmatched interface id 1; check the id at both ends (here: --id)"
        );
        assert_eq!(line(&mut reporter, now, &refused(1)), None);
        assert!(line(&mut reporter, now, &refused(2)).is_some());
        assert!(reporter.cause(&refused(1)).unwrap().contains("unmatched interface id 1"));
        let told = reporter.finish();
        assert_eq!(told.len(), 1);
        assert!(told[0].line.ends_with("(here: --id) (once more)"), "{told:?}");
    }

    #[test]
    fn a_slave_that_leaves_is_told_of() {
        let (mut reporter, now) = (reporter(), Instant::now());
        let left = Event::Left { interface: None, reason: memif::DisconnectReason::Hangup, peer: Peer::default() };
        assert_eq!(
            line(&mut reporter, now, &left).unwrap(),
            "a peer left before it asked for an interface: closed by the peer without a reason; its own output says \
             why, perhaps: look there"
        );
        assert_eq!(line(&mut reporter, now, &left), None);
    }

    /// A key, which a socket alone can make.
    fn key() -> InterfaceKey {
        let address = format!("@memif-events-{}", std::process::id());
        let mut socket = memif::Socket::builder(&address).open().unwrap();
        socket.add_interface(memif::InterfaceConfig::slave(0)).unwrap()
    }

    #[test]
    fn a_master_may_take_a_second_to_have_the_interface() {
        let (mut reporter, key, start) = (reporter(), key(), Instant::now());
        let failed =
            |error: ConnectError| Event::ConnectFailed { interface: key, error, retry_in: Some(Duration::ZERO) };
        let missing = failed(ConnectError::Refused("ID not found".to_owned()));
        let last = STARTING - Duration::from_millis(1);
        let nobody = failed(ConnectError::NobodyListens);
        assert!(line(&mut reporter, start, &nobody).is_some());
        for later in [Duration::ZERO, last] {
            assert_eq!(line(&mut reporter, start + later, &missing), None);
        }
        // It went away again: it is the next one's second.
        assert_eq!(line(&mut reporter, start + last, &nobody), None);
        for later in [last, 2 * last] {
            assert_eq!(line(&mut reporter, start + later, &missing), None);
        }
        let told = line(&mut reporter, start + last + STARTING, &missing).unwrap();
        assert!(told.contains("ID not found; check --id"), "{told}");
        assert!(told.ends_with("(trying again)"), "{told}");
        // What has nothing to do with starting is told at once, and so is what is not tried again.
        let mut reporter = self::reporter();
        let secret = failed(ConnectError::Refused("Incorrect secret".to_owned()));
        assert!(line(&mut reporter, start, &secret).is_some());
        let last = Event::ConnectFailed { interface: key, error: ConnectError::UnknownId, retry_in: None };
        assert!(line(&mut reporter, start, &last).is_some());
    }

    #[test]
    fn a_peer_cannot_fill_memory_with_reasons() {
        let (mut reporter, now) = (reporter(), Instant::now());
        let lines: Vec<_> = (0..1000).filter_map(|id| line(&mut reporter, now, &refused(id))).collect();
        assert_eq!(lines.len(), 17);
        assert_eq!(lines[16], "slaves got no link for other reasons, see -v");
    }
}
