//! Events that wait for the caller, and what becomes of them when nobody takes them.

use std::collections::VecDeque;

use super::event::{DisconnectReason, Event, Link};
use super::key::InterfaceKey;
use crate::error::ConnectError;

/// Events waiting beyond which links that came and went unseen are not told of.
const FEW: usize = 16;
/// Events waiting beyond which failed attempts are not told of.
const MANY: usize = 1024;

/// Events in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct EventQueue(VecDeque<Event>);

impl EventQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[cfg(any(test, feature = "raw"))]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        self.0.pop_front()
    }

    /// Adds an event. Peers can bring failures about as fast as they like, so those are dropped when the caller does
    /// not take them.
    pub(super) fn push(&mut self, event: Event) {
        let dispensable = matches!(
            event,
            Event::Refused { .. } | Event::Left { .. } | Event::ConnectFailed { .. } | Event::SurplusQueues { .. }
        );
        // What is over before anybody heard of it is no news; so at most one of both waits.
        if matches!(event, Event::AcceptResumed)
            && let Some(unseen) = self.0.iter().position(|event| matches!(event, Event::AcceptFailed { .. }))
        {
            self.0.remove(unseen);
            return;
        }
        if !dispensable || self.0.len() < MANY {
            self.0.push_back(event);
        }
    }

    /// A link is down. A caller who does not take events would otherwise hold the memory of every link that a peer sets
    /// up and drops again.
    pub(super) fn push_disconnected(&mut self, key: InterfaceKey, reason: DisconnectReason) {
        if self.0.len() > FEW {
            // The last thing that is told must be how things stand.
            let last = self.0.iter().rposition(|event| match event {
                Event::Connected { interface, .. } | Event::Disconnected { interface, .. } => *interface == key,
                _ => false,
            });
            let unseen = last.filter(|last| matches!(self.0.get(*last), Some(Event::Connected { .. })));
            if let Some(unseen) = unseen {
                self.0.remove(unseen);
                // And what that link brought.
                let mut at = 0;
                self.0.retain(|event| {
                    at += 1;
                    at <= unseen || event.interface() != Some(key)
                });
                return;
            }
        }
        self.push(Event::Disconnected { interface: key, reason });
    }

    /// A receive queue of the present link was signalled. Once is enough for a caller who does not take events.
    pub(super) fn push_readable(&mut self, key: InterfaceKey, queue: u8) {
        let event = Event::Readable { interface: key, queue };
        let mut of_this_link = self
            .0
            .iter()
            .rev()
            .take_while(|event| !matches!(event, Event::Connected { interface, .. } if *interface == key));
        let told = of_this_link.any(
            |event| matches!(event, Event::Readable { interface, queue: of } if (*interface, *of) == (key, queue)),
        );
        if !told {
            self.0.push_back(event);
        }
    }

    /// Takes a link of the interface, and failures to connect it before that. From the start every time: events are
    /// taken back, too.
    pub(super) fn take_connected(&mut self, wanted: InterfaceKey, last: &mut Option<ConnectError>) -> Option<Link> {
        let mut at = 0;
        while let Some(event) = self.0.get(at) {
            match event {
                Event::Connected { interface, .. } if *interface == wanted => match self.0.remove(at) {
                    Some(Event::Connected { link, .. }) => return Some(link),
                    _ => return None,
                },
                Event::ConnectFailed { interface, error, .. } if *interface == wanted => {
                    *last = Some(error.clone());
                    self.0.remove(at);
                }
                _ => at += 1,
            }
        }
        None
    }

    /// Takes all events of an interface back.
    pub(super) fn forget(&mut self, key: InterfaceKey) {
        self.0.retain(|event| event.interface() != Some(key));
    }

    /// Takes back that a queue was signalled.
    pub(super) fn forget_readable(&mut self, key: InterfaceKey, of: u8) {
        self.0.retain(
            |event| !matches!(event, Event::Readable { interface, queue } if (*interface, *queue) == (key, of)),
        );
    }

    /// Takes the question of a connection back.
    pub(super) fn forget_request(&mut self, token: u64) {
        self.0.retain(|event| !matches!(event, Event::Requested(request) if request.token == token));
    }

    #[cfg(test)]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Event> {
        self.0.iter()
    }

    /// Puts events before all others.
    #[cfg(test)]
    pub(super) fn put_back(&mut self, mut before: VecDeque<Event>) {
        before.append(&mut self.0);
        self.0 = before;
    }
}

impl Event {
    fn interface(&self) -> Option<InterfaceKey> {
        match self {
            Event::Connected { interface, .. }
            | Event::Disconnected { interface, .. }
            | Event::ConnectFailed { interface, .. }
            | Event::SurplusQueues { interface, .. }
            | Event::Readable { interface, .. } => Some(*interface),
            Event::Left { interface, .. } => *interface,
            Event::Refused { .. } | Event::AcceptFailed { .. } | Event::AcceptResumed | Event::Requested(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Refusal;
    use crate::link::InUse;
    use crate::socket::event::Peer;

    const ONE: InterfaceKey = InterfaceKey { socket: 0, number: 1 };
    const TWO: InterfaceKey = InterfaceKey { socket: 0, number: 2 };

    fn connected(interface: InterfaceKey) -> Event {
        let link = Link { rx: vec![], tx: vec![], peer: Peer::default(), in_use: InUse::of_nothing() };
        Event::Connected { interface, link }
    }

    #[test]
    fn the_end_of_a_shortage_is_told_to_those_who_heard_of_it() {
        let failed = || Event::AcceptFailed { error: std::io::ErrorKind::OutOfMemory.into() };
        let mut events = EventQueue::default();
        (0..2 * MANY).for_each(|_| events.push(refused()));
        let many = events.len();
        for _ in 0..3 {
            events.push(failed());
            events.push(Event::AcceptResumed);
        }
        assert_eq!(events.len(), many, "nobody heard of it");
        events.push(failed());
        assert!(std::iter::from_fn(|| events.pop()).any(|event| matches!(event, Event::AcceptFailed { .. })));
        events.push(Event::AcceptResumed);
        assert!(matches!(events.pop(), Some(Event::AcceptResumed)));
    }

    fn refused() -> Event {
        Event::Refused { reason: Refusal::Evicted, peer: Peer::default() }
    }

    /// The end of one link and what the next one brings are not one event.
    #[test]
    fn signals_of_two_links_are_told_apart() {
        let mut events = EventQueue::default();
        events.push_readable(ONE, 0);
        events.push_readable(ONE, 0);
        assert_eq!(events.len(), 1);
        events.push(connected(ONE));
        events.push_readable(ONE, 0);
        events.push_readable(ONE, 0);
        assert_eq!(events.len(), 3);
        events.push_readable(ONE, 1);
        events.push_readable(TWO, 0);
        assert_eq!(events.len(), 5);
        events.forget_readable(ONE, 0);
        assert_eq!(events.len(), 3);
    }

    #[test]
    fn failures_are_dropped_and_links_are_not() {
        let mut events = EventQueue::default();
        (0..2 * MANY).for_each(|_| events.push(refused()));
        assert_eq!(events.len(), MANY);
        events.push(connected(ONE));
        events.push_disconnected(TWO, DisconnectReason::Hangup);
        assert_eq!(events.len(), MANY + 2);
    }

    #[test]
    fn links_that_nobody_saw_are_taken_back_with_their_signals() {
        let mut events = EventQueue::default();
        events.push(connected(TWO));
        events.push_readable(ONE, 0);
        (0..FEW).for_each(|_| events.push(refused()));
        let before = events.len();
        for _ in 0..100 {
            events.push(connected(ONE));
            events.push_readable(ONE, 0);
            events.push_readable(TWO, 0);
            events.push_disconnected(ONE, DisconnectReason::Hangup);
        }
        assert_eq!(events.len(), before + 1, "the signal of the link before, and one of the other interface");
    }

    #[test]
    fn links_that_nobody_saw_are_taken_back() {
        let mut events = EventQueue::default();
        events.push(connected(ONE));
        events.push_disconnected(ONE, DisconnectReason::Hangup);
        assert_eq!(events.len(), 2, "while there are few, all is told");
        (0..FEW).for_each(|_| events.push(refused()));
        let before = events.len();
        for _ in 0..100 {
            events.push(connected(ONE));
            events.push_disconnected(ONE, DisconnectReason::Hangup);
        }
        assert_eq!(events.len(), before);
        // Of one that was seen, the end is told.
        events.push_disconnected(TWO, DisconnectReason::Hangup);
        assert_eq!(events.len(), before + 1);
    }

    #[test]
    fn a_link_is_found_among_other_events() {
        let mut events = EventQueue::default();
        let failed = |interface| Event::ConnectFailed { interface, error: ConnectError::Busy, retry_in: None };
        for event in [failed(ONE), failed(TWO), connected(TWO), connected(ONE), refused()] {
            events.push(event);
        }
        let mut last = None;
        assert!(events.take_connected(ONE, &mut last).is_some());
        assert_eq!((last.take(), events.len()), (Some(ConnectError::Busy), 3));
        assert!(events.take_connected(ONE, &mut last).is_none());
        events.forget(TWO);
        assert!(last.is_none() && matches!(events.pop(), Some(Event::Refused { .. })) && events.is_empty());
    }
}
