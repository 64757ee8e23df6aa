//! Handshakes that masters have under way: when newcomers wait in the kernel, and who of those that are not admitted to
//! an interface yet has to go when there are too many.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

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
#[derive(Debug)]
pub(super) struct HalfOpen {
    /// As many as may be at a time.
    limit: usize,
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
    /// None yet, and as many as that at a time.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            connections: BTreeMap::new(),
            under_way: BTreeMap::new(),
            crowded: false,
            no_crowd: None,
            hurry: None,
        }
    }

    #[cfg(test)]
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

    /// Until when the next has to wait in the kernel, if it has to.
    pub(super) fn wait_for_room(&mut self, now: Instant) -> Option<Instant> {
        if let Some(until) = self.crowd(now, MANY) {
            self.crowded = true;
            return Some(until);
        }
        if self.is_full() { self.grace(now) } else { None }
    }

    /// The wait is over. If nothing of what it was for happened, nobody is waited for in the next time.
    pub(super) fn waited(&mut self, now: Instant) {
        if std::mem::take(&mut self.crowded) {
            self.no_crowd = now.checked_add(HURRY);
        }
    }

    /// Who has to go so that there is room for one more.
    pub(super) fn in_the_way(&self) -> Option<u64> {
        if self.is_full() { self.victim().map(|(token, _)| token) } else { None }
    }

    /// One was closed for a newer one.
    pub(super) fn evicted(&mut self, now: Instant) {
        self.hurry = now.checked_add(HURRY);
    }

    /// It was admitted. Returns whether that makes room for whoever waits; where more is waited for than that, another
    /// look follows.
    pub(super) fn admitted(&mut self, token: u64) -> bool {
        self.connections.remove(&token).is_some() && !self.crowded && !self.is_full()
    }

    /// It is connected, or closed. Returns whether enough are, so that whoever waits comes in.
    pub(super) fn done(&mut self, token: u64, now: Instant) -> bool {
        let room = self.admitted(token);
        let done = self.under_way.remove(&token).is_some() && self.crowded;
        if done && self.crowd(now, FEW).is_none() {
            self.crowded = false;
            return true;
        }
        room
    }

    fn is_full(&self) -> bool {
        self.connections.len() >= self.limit
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

#[cfg(test)]
mod tests {
    use super::*;

    fn with(owners: &[(u32, u32)]) -> HalfOpen {
        let mut half_open = HalfOpen::new(64);
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
        let mut half_open = HalfOpen::new(64);
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
        half_open.admitted(5);
        assert!(half_open.crowd(later(70), 64).is_some());
        half_open.done(5, later(70));
        assert!(half_open.crowd(later(70), 64).is_none());
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

    /// Newcomers wait for a crowd, and come in when half of it is gone, or when the wait was in vain.
    #[test]
    fn whoever_waits_comes_in_when_enough_are_done() {
        let now = Instant::now();
        let mut half_open = HalfOpen::new(1000);
        let fill = |half_open: &mut HalfOpen, tokens: std::ops::Range<u64>| {
            tokens.for_each(|token| half_open.insert(token, now, None));
        };
        fill(&mut half_open, 0..63);
        assert_eq!(half_open.wait_for_room(now), None);
        fill(&mut half_open, 63..64);
        assert!(half_open.wait_for_room(now).is_some());
        let first = (0..64).find(|token| half_open.done(*token, now));
        assert_eq!(first, Some(MANY as u64 - FEW as u64));
        fill(&mut half_open, 100..164);
        assert!(half_open.wait_for_room(now).is_some());
        half_open.waited(now);
        assert!(half_open.waited_in_vain());
        assert_eq!(half_open.wait_for_room(now), None);
    }

    #[test]
    fn a_full_house_has_room_when_one_is_admitted() {
        let now = Instant::now();
        let mut half_open = HalfOpen::new(2);
        half_open.insert(1, now, None);
        assert_eq!((half_open.wait_for_room(now), half_open.in_the_way()), (None, None));
        half_open.insert(2, now, None);
        assert_eq!((half_open.wait_for_room(now), half_open.in_the_way()), (Some(now + GRACE), Some(1)));
        assert!(half_open.admitted(2));
        assert!(!half_open.admitted(2) && half_open.contains(1));
        half_open.insert(3, now, None);
        half_open.evicted(now);
        assert_eq!(half_open.wait_for_room(now), None);
        assert!(half_open.done(1, now) && !half_open.contains(1));
    }
}
