//! Connections that were accepted and are not admitted to an interface yet: who has to go when there are too many.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::Socket;
use super::event::Credentials;
use super::turn::MANY_MESSAGES;
use crate::error::Breach;

/// Age below which a half-open connection is not closed for a newer one while all goes well: an honest slave has said INIT by
/// then, even one that brings up hundreds of interfaces on a busy machine. Newer ones wait in the kernel meanwhile.
const GRACE: Duration = Duration::from_millis(250);
/// After a connection was closed for a newer one nobody has grace for so long, or idle connections could be used
/// to keep everybody waiting.
const HURRY: Duration = Duration::from_secs(1);

/// Half-open connections by token, hence oldest first.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    connections: BTreeMap<u64, Accepted>,
    hurry: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Accepted {
    since: Instant,
    owner: Owner,
}

/// Who has a connection. Unknown ones count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Owner {
    uid: Option<u32>,
    pid: u32,
}

impl HalfOpen {
    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    pub(super) fn contains(&self, token: u64) -> bool {
        self.connections.contains_key(&token)
    }

    pub(super) fn insert(&mut self, token: u64, now: Instant, who: Option<Credentials>) {
        let owner =
            who.map_or_else(Owner::default, |who| Owner { uid: Some(who.uid), pid: who.pid });
        self.connections.insert(token, Accepted { since: now, owner });
    }

    pub(super) fn remove(&mut self, token: u64) -> bool {
        self.connections.remove(&token).is_some()
    }

    /// Who goes next: of the user that has most connections, of the process of theirs that has most, the oldest.
    fn victim(&self) -> Option<(u64, Instant)> {
        let owners = || self.connections.values().map(|accepted| accepted.owner);
        let uid = most(owners().map(|owner| owner.uid))?;
        let owner = most(owners().filter(|owner| owner.uid == uid))?;
        let mut theirs = self.connections.iter().filter(|(_, accepted)| accepted.owner == owner);
        theirs.next().map(|(token, accepted)| (*token, accepted.since))
    }

    /// Until when a newer connection should wait, if it should.
    fn grace(&self, now: Instant) -> Option<Instant> {
        if self.hurry.is_some_and(|until| now < until) {
            return None;
        }
        let (_, since) = self.victim()?;
        since.checked_add(GRACE).filter(|until| now < *until)
    }
}

/// What occurs most often.
fn most<T: Copy + Ord + std::hash::Hash>(items: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = HashMap::new();
    for item in items {
        *counts.entry(item).or_insert(0_usize) += 1;
    }
    counts.into_iter().max_by_key(|(item, count)| (*count, *item)).map(|(item, _)| item)
}

impl Socket {
    fn is_full_of_half_open(&self) -> bool {
        self.half_open.len() >= self.options.max_half_open
    }

    /// Until when accepting should wait for room, if it should.
    pub(super) fn wait_for_room(&self) -> Option<Instant> {
        self.half_open.grace(Instant::now()).filter(|_| self.is_full_of_half_open())
    }

    /// Closes a half-open connection if there are too many.
    pub(super) fn make_room(&mut self) {
        let victim = self.half_open.victim().filter(|_| self.is_full_of_half_open());
        let Some((token, _)) = victim else { return };
        // Its INIT may be here and not read yet.
        self.serve(token, false, MANY_MESSAGES);
        if self.half_open.contains(token) {
            self.half_open.hurry = Instant::now().checked_add(HURRY);
            self.command(token, |connection| connection.refuse(Breach::Evicted));
        }
    }

    /// A connection was admitted or closed: a listener that waited for that goes on.
    pub(super) fn no_longer_half_open(&mut self, token: u64) {
        if self.half_open.remove(token) && !self.is_full_of_half_open() {
            self.resume_listener();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(owners: &[(u32, u32)]) -> HalfOpen {
        let mut half_open = HalfOpen::default();
        for (token, (uid, pid)) in (0..).zip(owners) {
            let who = Credentials { pid: *pid, uid: *uid, gid: 0 };
            half_open.insert(token, Instant::now(), Some(who));
        }
        half_open
    }

    #[test]
    fn the_user_and_the_process_with_most_connections_lose_one() {
        let victim = |owners: &[_]| with(owners).victim().map(|(token, _)| token);
        assert_eq!(victim(&[]), None);
        assert_eq!(victim(&[(1, 1), (1, 1)]), Some(0));
        // One flood of user 2 against many processes of one connection each.
        assert_eq!(victim(&[(1, 1), (1, 2), (1, 3), (2, 9), (2, 9), (2, 9), (2, 9)]), Some(3));
        // One process floods, another one of the same user does not.
        assert_eq!(victim(&[(1, 1), (1, 9), (1, 9)]), Some(1));
        // Many processes of one user are worse than one process of another one.
        assert_eq!(
            victim(&[(2, 1), (2, 1), (1, 1), (1, 2), (1, 3)]).map(|token| token > 1),
            Some(true)
        );
    }

    #[test]
    fn there_is_no_grace_for_a_while_after_it_was_in_vain() {
        let mut half_open = with(&[(1, 1)]);
        let now = Instant::now();
        assert!(half_open.grace(now).is_some_and(|until| until <= now + GRACE));
        assert_eq!(half_open.grace(now + GRACE), None);
        half_open.hurry = Some(now + HURRY);
        assert_eq!(half_open.grace(now), None);
    }
}
