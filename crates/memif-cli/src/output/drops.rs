//! Packets that were dropped, by reason: counted, in words, and as JSON.

use std::fmt;
use std::marker::PhantomData;
use std::ops::AddAssign;

use serde::{Serialize, Serializer};

/// Why a packet was dropped: an enum without fields.
pub(crate) trait Reason: Copy + fmt::Display + Serialize + 'static {
    /// All of them, in the order in which they are declared and printed.
    const ALL: &'static [Self];

    /// The place of a reason among [`ALL`](Self::ALL).
    fn index(self) -> usize;
}

/// A count for each of `N` reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Drops<R, const N: usize> {
    counts: [u64; N],
    reason: PhantomData<R>,
}

impl<R, const N: usize> Default for Drops<R, N> {
    fn default() -> Self {
        Self::from_counts([0; N])
    }
}

impl<R, const N: usize> Drops<R, N> {
    /// How many reasons there are.
    pub(crate) const REASONS: usize = N;

    /// The counts in the order of the reasons.
    pub(crate) fn from_counts(counts: [u64; N]) -> Self {
        Self { counts, reason: PhantomData }
    }

    /// The counts in the order of the reasons.
    pub(crate) fn counts(&self) -> [u64; N] {
        self.counts
    }

    /// Packets dropped for any reason.
    pub(crate) fn all(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl<R: Reason, const N: usize> Drops<R, N> {
    /// Counts packets that were dropped.
    #[inline]
    pub(crate) fn add(&mut self, reason: R, packets: u64) {
        if let Some(count) = self.counts.get_mut(reason.index()) {
            *count += packets;
        }
    }

    /// Packets dropped for that reason.
    pub(crate) fn of(&self, reason: R) -> u64 {
        self.counts.get(reason.index()).copied().unwrap_or_default()
    }

    /// The counts, each with what its reason is called by programs.
    pub(crate) fn named(&self) -> Vec<(String, u64)> {
        let name = |reason: R| match serde_json::to_value(reason) {
            Ok(serde_json::Value::String(name)) => name,
            // A reason is a word.
            _ => reason.to_string(),
        };
        self.by_reason().map(|(reason, count)| (name(reason), count)).collect()
    }

    fn by_reason(&self) -> impl Iterator<Item = (R, u64)> {
        R::ALL.iter().copied().zip(self.counts)
    }
}

impl<R, const N: usize> AddAssign for Drops<R, N> {
    fn add_assign(&mut self, other: Self) {
        for (sum, count) in self.counts.iter_mut().zip(other.counts) {
            *sum += count;
        }
    }
}

/// How many, and in brackets for which reasons, as far as there were any.
impl<R: Reason, const N: usize> fmt::Display for Drops<R, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all();
        write!(f, "{all} dropped")?;
        let mut separator = " (";
        for (reason, count) in self.by_reason().filter(|(_, count)| *count > 0) {
            write!(f, "{separator}{reason}: {count}")?;
            separator = ", ";
        }
        if all > 0 { f.write_str(")") } else { Ok(()) }
    }
}

/// An object with a field for each reason.
impl<R: Reason, const N: usize> Serialize for Drops<R, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.by_reason())
    }
}

/// Asserts that each reason has a count of its own.
#[cfg(test)]
pub(crate) fn assert_apart<R: Reason, const N: usize>(_: Drops<R, N>) {
    assert_eq!(R::ALL.len(), N);
    for (at, reason) in R::ALL.iter().enumerate() {
        assert_eq!(reason.index(), at, "{reason}");
    }
}
