//! Handshakes that masters have under way: when newcomers wait in the kernel, and who of those that are not admitted to
//! an interface yet has to go when there are too many.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::Socket;
use super::turn::MANY_MESSAGES;
use crate::error::Breach;
use crate::sys::Credentials;

/// Age below which a half-open connection is not closed for a newer one while all goes well: an honest slave has said
/// INIT by then, even one that brings up hundreds of interfaces on a busy machine. Newer ones wait in the kernel
/// meanwhile.
const GRACE: Duration = Duration::from_millis(250);
/// After a connection was closed for a newer one nobody has grace for so long, or idle connections could be used
/// to keep everybody waiting.
const HURRY: Duration = Duration::from_secs(1);

/// Handshakes under way, younger than [`GRACE`], beyond which newcomers wait in the kernel. More at a time would not be
/// done any sooner, and each holds the descriptors that its slave has sent so far.
const MANY: usize = 64;
/// As many as may be left of them when the next are let in: changing what epoll watches costs as much as a message.
const FEW: usize = MANY / 2;

/// Half-open connections by token, hence oldest first.
#[derive(Debug, Default)]
pub(super) struct HalfOpen {
    connections: BTreeMap<u64, Accepted>,
    /// All that are not connected yet, those that were admitted too, and when they came.
    under_way: BTreeMap<u64, Instant>,
    /// Whether newcomers wait until some of these are done, and until when they do not, since it was in vain.
    crowded: bool,
    no_crowd: Option<Instant>,
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

    /// Handshakes that are not done.
    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether newcomers once waited for handshakes of which none was done.
    #[cfg(test)]
    pub(super) fn waited_in_vain(&self) -> bool {
        self.no_crowd.is_some()
    }

    pub(super) fn contains(&self, token: u64) -> bool {
        self.connections.contains_key(&token)
    }

    pub(super) fn insert(&mut self, token: u64, now: Instant, who: Option<Credentials>) {
        let owner = who.map_or_else(Owner::default, |who| Owner { uid: Some(who.uid), pid: who.pid });
        self.connections.insert(token, Accepted { since: now, owner });
        self.under_way.insert(token, now);
    }

    /// It was admitted.
    pub(super) fn remove(&mut self, token: u64) -> bool {
        self.connections.remove(&token).is_some()
    }

    /// It is connected, or closed.
    pub(super) fn forget(&mut self, token: u64) -> bool {
        self.connections.remove(&token);
        self.under_way.remove(&token).is_some()
    }

    /// Until when newer connections should wait for so many handshakes to be done, if they should. One that
    /// takes longer than honest ones do does not count.
    fn crowd(&self, now: Instant, most: usize) -> Option<Instant> {
        if self.under_way.len() < most || self.no_crowd.is_some_and(|until| now < until) {
            return None;
        }
        let young = |since: &Instant| since.checked_add(GRACE).filter(|until| now < *until);
        self.under_way.values().rev().map_while(young).nth(most.saturating_sub(1))
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
    pub(super) fn wait_for_room(&mut self) -> Option<Instant> {
        let now = Instant::now();
        if let Some(until) = self.half_open.crowd(now, MANY) {
            self.half_open.crowded = true;
            return Some(until);
        }
        self.half_open.grace(now).filter(|_| self.is_full_of_half_open())
    }

    /// The listener's pause is over. If nothing of what it waited for happened, nobody is waited for in the next time.
    pub(super) fn waited_for_room(&mut self) {
        if std::mem::take(&mut self.half_open.crowded) {
            self.half_open.no_crowd = Instant::now().checked_add(HURRY);
        }
        self.resume_listener();
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
        // Where the listener waits for more than that, it looks and waits again.
        if self.half_open.remove(token) && !self.half_open.crowded && !self.is_full_of_half_open() {
            self.resume_listener();
        }
    }

    /// A handshake of a master is done, or given up: newcomers that waited for that come in.
    pub(super) fn no_longer_under_way(&mut self, token: u64) {
        let done = self.half_open.forget(token) && self.half_open.crowded;
        if done && self.half_open.crowd(Instant::now(), FEW).is_none() {
            self.half_open.crowded = false;
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
        assert_eq!(victim(&[(2, 1), (2, 1), (1, 1), (1, 2), (1, 3)]).map(|token| token > 1), Some(true));
    }

    #[test]
    fn newcomers_wait_for_the_young_alone() {
        let start = Instant::now();
        let mut half_open = HalfOpen::default();
        let later = |ms| start + Duration::from_millis(ms);
        for token in 0..64 {
            half_open.insert(token, later(token), None);
        }
        assert_eq!(half_open.crowd(later(70), 64), Some(start + GRACE));
        assert_eq!(half_open.crowd(later(70), 65), None);
        // The oldest one does not count any more.
        assert_eq!(half_open.crowd(start + GRACE, 64), None);
        assert_eq!(half_open.crowd(start + GRACE, 63), Some(later(1) + GRACE));
        // One is admitted, and still counts; one is done.
        assert!(half_open.remove(5) && half_open.crowd(later(70), 64).is_some());
        assert!(half_open.forget(5) && half_open.crowd(later(70), 64).is_none());
        half_open.no_crowd = Some(later(1000));
        assert_eq!(half_open.crowd(later(70), 10), None);
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
