//! Whether an adaptive wait looks at the ring for a while before it sleeps: as long as that pays.

use std::time::{Duration, Instant};

/// Spins in vain that are put up with one after the other. A machine that is busy with others now and then, or a peer
/// that is, makes one or two.
const PATIENCE: u32 = 4;
/// Waits of which one tries again whether a spin pays, so that the usual wait never pays for it,
const TRIED_WAIT: u32 = 8;
/// and how far apart such tries are at least: with the default spin they take a hundredth of the time, and a peer that
/// got a processor of its own is found long before a tenth of a second is over.
const TRY_PAUSE: Duration = Duration::from_millis(5);

/// What a queue knows about its spins.
///
/// On a processor that both ends share, a spin only keeps the peer from answering: the packet comes when the spin is
/// over and this end sleeps. The same where packets are far apart. So spins in vain end spinning, and one that brings a
/// packet brings it back. Neither end can see where the other runs, and it may be moved at any time; hence the tries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spin {
    longest: Duration,
    /// What is put up with, for all spins in vain together.
    patience: Duration,
    /// Spun since a spin last brought a packet.
    in_vain: Duration,
    /// Waits since the last spin that had none.
    without: u32,
    /// When the last spin in vain was over.
    last: Option<Instant>,
}

impl Spin {
    pub(super) fn new(longest: Duration) -> Self {
        let patience = longest.saturating_mul(PATIENCE);
        Self { longest, patience, in_vain: Duration::ZERO, without: 0, last: None }
    }

    /// Whether the next wait spins anyway. Asks no clock.
    #[inline]
    pub(super) fn pays(&self) -> bool {
        self.in_vain < self.patience
    }

    /// How long the wait that begins now is to spin.
    pub(super) fn time(&mut self, now: Instant) -> Duration {
        if self.pays() {
            return self.longest;
        }
        self.without = self.without.saturating_add(1);
        let rested = |last| now.saturating_duration_since(last) >= TRY_PAUSE;
        if self.without >= TRIED_WAIT && self.last.is_none_or(rested) { self.longest } else { Duration::ZERO }
    }

    /// A spin brought a packet.
    #[inline]
    pub(super) fn brought_one(&mut self) {
        self.in_vain = Duration::ZERO;
    }

    /// Grows with each spin in vain until one brings a packet.
    #[cfg(all(test, not(loom)))]
    pub(super) fn in_vain_so_far(&self) -> Duration {
        self.in_vain
    }

    /// A spin of that length was in vain.
    pub(super) fn was_in_vain(&mut self, spun: Duration, now: Instant) {
        self.in_vain = self.in_vain.saturating_add(spun.min(self.longest));
        self.without = 0;
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(50);

    /// Spins of so many waits at that distance, all in vain.
    fn spins(spin: &mut Spin, now: &mut Instant, waits: u32, apart: Duration) -> u32 {
        let mut spins = 0;
        for _ in 0..waits {
            *now += apart;
            let time = spin.time(*now);
            if !time.is_zero() {
                spins += 1;
                spin.was_in_vain(time, *now);
            }
        }
        spins
    }

    #[test]
    fn a_spin_that_never_pays_is_rare() {
        for (apart, most) in [
            // By time: 5 milliseconds of 100.
            (Duration::from_micros(10), PATIENCE + 20),
            // By waits: one in eight.
            (Duration::from_secs(1), PATIENCE + 10_000 / TRIED_WAIT),
        ] {
            let (mut spin, mut now) = (Spin::new(LONGEST), Instant::now());
            assert_eq!(spins(&mut spin, &mut now, PATIENCE, apart), PATIENCE);
            assert!(!spin.pays());
            let tries = PATIENCE + spins(&mut spin, &mut now, 10_000 - PATIENCE, apart);
            assert!((most - 1..=most).contains(&tries), "{tries} spins, {apart:?} apart");
        }
    }

    #[test]
    fn a_spin_that_brings_a_packet_brings_spinning_back() {
        let (mut spin, mut now) = (Spin::new(LONGEST), Instant::now());
        spins(&mut spin, &mut now, 100, Duration::from_micros(10));
        assert!(!spin.pays());
        let mut waits = 0;
        while spin.time(now).is_zero() {
            now += Duration::from_micros(10);
            waits += 1;
        }
        assert!(waits <= 500, "{waits} waits, ten microseconds apart, until the next try");
        spin.brought_one();
        assert!(spin.pays());
        // Not every one has to.
        for _ in 0..100 {
            assert_eq!(spins(&mut spin, &mut now, PATIENCE - 1, LONGEST), PATIENCE - 1);
            spin.brought_one();
        }
    }

    #[test]
    fn spins_that_the_caller_cuts_short_count_by_their_time() {
        let (mut spin, now) = (Spin::new(LONGEST), Instant::now());
        for _ in 0..10 * PATIENCE {
            assert!(spin.pays());
            spin.was_in_vain(LONGEST / 10, now);
        }
        assert!(!spin.pays());
        // However long the processor was away meanwhile.
        let mut spin = Spin::new(LONGEST);
        spin.was_in_vain(Duration::from_secs(1), now);
        assert!(spin.pays());
    }

    #[test]
    fn no_spin_is_no_spin() {
        let (mut spin, now) = (Spin::new(Duration::ZERO), Instant::now());
        assert!(!spin.pays());
        for wait in 0..100 {
            assert!(spin.time(now + wait * TRY_PAUSE).is_zero());
        }
    }
}
