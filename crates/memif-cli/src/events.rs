//! One line for each event of a link, in words.

use std::collections::{HashMap, HashSet};

use memif::{Event, InterfaceKey, Peer, SocketAddress};

use crate::advice;
use crate::json::{self, Report};

/// Reasons that are told before it is said that there are more: a peer chooses its reasons, and must not fill
/// memory or a log with them.
const REASONS: usize = 16;

/// Turns events into lines, and keeps silent about what it has said already.
#[derive(Debug)]
pub(crate) struct Reporter {
    address: SocketAddress,
    /// What connecting failed with since the interface was last connected.
    failures: HashMap<InterfaceKey, Said>,
    /// Reasons for which connections were refused since any interface was last connected.
    refusals: Said,
}

impl Reporter {
    /// A reporter for the socket at that address.
    pub(crate) fn new(address: SocketAddress) -> Self {
        Self { address, failures: HashMap::new(), refusals: Said::default() }
    }

    /// The line for an event, or `None` when there is nothing new to say. `name` says how the interface is
    /// called in it.
    pub(crate) fn line(
        &mut self,
        event: &Event,
        name: impl Fn(InterfaceKey) -> String,
    ) -> Option<String> {
        match event {
            Event::Connected { interface, link } => {
                self.failures.remove(interface);
                self.refusals = Said::default();
                Some(format!("{}: connected to {}", name(*interface), peer(&link.peer)))
            }
            Event::Disconnected { interface, reason } => {
                Some(format!("{}: link down: {reason}", name(*interface)))
            }
            Event::ConnectFailed { interface, error, retry_in } => {
                let then = if retry_in.is_some() { "trying again" } else { "not tried again" };
                let line = || {
                    let advice = advice::connect(error, &self.address);
                    format!("{}: not connected: {error}; {advice} ({then})", name(*interface))
                };
                self.failures.entry(*interface).or_default().first(error.to_string(), line)
            }
            Event::SurplusQueues { interface, rx_queues } => {
                Some(format!("{}: {}", name(*interface), advice::surplus(*rx_queues)))
            }
            Event::Refused { reason, peer: from } => {
                self.refusals.first(reason.to_string(), || {
                    format!("refused {}: {reason}; {}", peer(from), advice::refusal(reason))
                })
            }
            _ => None,
        }
    }

    /// The same for programs, of an event that had a line. `id` gives the id of an interface.
    pub(crate) fn report(&self, event: &Event, id: impl Fn(InterfaceKey) -> u32) -> Option<Report> {
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
            _ => None,
        }
    }

    /// Why an event kept a link from coming up, and what to do.
    pub(crate) fn cause(&self, event: &Event) -> Option<String> {
        match event {
            Event::ConnectFailed { error, .. } => {
                Some(format!("{error}; {}", advice::connect(error, &self.address)))
            }
            Event::Refused { reason, peer: from } => {
                Some(format!("refused {}: {reason}; {}", peer(from), advice::refusal(reason)))
            }
            _ => None,
        }
    }
}

/// What was said already.
#[derive(Debug, Default)]
struct Said(HashSet<String>);

impl Said {
    /// The line about `reason` when it is new and there are not too many.
    fn first(&mut self, reason: String, line: impl FnOnce() -> String) -> Option<String> {
        if self.0.len() >= REASONS || !self.0.insert(reason) {
            return None;
        }
        let more =
            if self.0.len() == REASONS { " (other reasons are shown by -v only)" } else { "" };
        Some(line() + more)
    }
}

/// A peer as far as it is known: program, interface, process.
fn peer(peer: &Peer) -> String {
    let mut text = if peer.app_name.is_empty() {
        "a peer".to_owned()
    } else {
        format!("\"{}\"", peer.app_name)
    };
    if !peer.interface_name.is_empty() {
        text += &format!(" interface \"{}\"", peer.interface_name);
    }
    if let Some(credentials) = &peer.credentials {
        text += &format!(" ({credentials})");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use memif::Breach;

    fn refused(id: u32) -> Event {
        Event::Refused { reason: Breach::UnknownId(id), peer: Peer::default() }
    }

    #[test]
    fn every_reason_is_told_once_with_advice() {
        let mut reporter = Reporter::new(SocketAddress::Abstract(b"x".to_vec()));
        let line = reporter.line(&refused(1), |_| String::new()).unwrap();
        assert_eq!(
            line,
            "refused a peer: unmatched interface id 1; check the id at both ends (here: --id)"
        );
        assert_eq!(reporter.line(&refused(1), |_| String::new()), None);
        assert!(reporter.line(&refused(2), |_| String::new()).is_some());
        assert!(reporter.cause(&refused(1)).unwrap().contains("unmatched interface id 1"));
    }

    #[test]
    fn a_peer_cannot_fill_memory_with_reasons() {
        let mut reporter = Reporter::new(SocketAddress::Abstract(b"x".to_vec()));
        let lines: Vec<_> =
            (0..1000).filter_map(|id| reporter.line(&refused(id), |_| String::new())).collect();
        assert_eq!(lines.len(), REASONS);
        assert!(lines[REASONS - 1].ends_with("(other reasons are shown by -v only)"));
        assert_eq!(reporter.refusals.0.len(), REASONS);
    }
}
