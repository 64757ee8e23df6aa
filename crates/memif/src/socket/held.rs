//! Descriptors that the handshakes of slaves hold, all together.

use rustix::process::{Resource, getrlimit};

use super::number_map::NumberMap;

/// As many may be held together, however few this process may have.
const LEAST: usize = 512;
/// One in so many of the descriptors that this process may have, where that is more.
const SHARE: u64 = 4;

/// How many each unfinished handshake holds, by its token, and how many all may hold.
#[derive(Debug)]
pub(super) struct HeldDescriptors {
    by: NumberMap<u64, usize>,
    total: usize,
    limit: usize,
}

impl HeldDescriptors {
    /// None, and as many as this process can spare.
    pub(super) fn new() -> Self {
        // No limit is as good as one that nobody reaches.
        let all = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
        Self::with_limit(usize::try_from(all / SHARE).unwrap_or(usize::MAX).max(LEAST))
    }

    pub(super) fn with_limit(limit: usize) -> Self {
        Self { by: NumberMap::default(), total: 0, limit }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    #[cfg(test)]
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// A handshake holds so many now.
    pub(super) fn set(&mut self, token: u64, count: usize) {
        let before = if count == 0 { self.by.remove(&token) } else { self.by.insert(token, count) };
        self.total = self.total.saturating_sub(before.unwrap_or(0)).saturating_add(count);
    }

    /// Who holds most, when all together hold too many. One alone has the limits of its interface.
    pub(super) fn over_limit(&self) -> Option<u64> {
        if self.total <= self.limit || self.by.len() < 2 {
            return None;
        }
        self.by.iter().max_by_key(|(_, count)| **count).map(|(token, _)| *token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_most_has_to_go_unless_it_is_alone() {
        let mut held = HeldDescriptors::with_limit(10);
        held.set(1, 11);
        assert_eq!((held.over_limit(), held.total()), (None, 11));
        held.set(1, 4);
        held.set(2, 6);
        assert_eq!(held.over_limit(), None);
        held.set(3, 1);
        assert_eq!((held.over_limit(), held.total()), (Some(2), 11));
        held.set(2, 0);
        held.set(9, 0);
        assert_eq!((held.over_limit(), held.total()), (None, 5));
        assert!(HeldDescriptors::new().limit() >= LEAST);
    }
}
