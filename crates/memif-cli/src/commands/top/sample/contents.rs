//! What packets a ring carries, by the descriptors of some of its slots.
//!
//! A slave writes a packet's length and leaves it until the slot's next turn; a master writes it over the room that the
//! slave gave, and the slave gives room anew as soon as it has the packet. Masters clear the mark of a chain when they
//! have read a slot. So chains, and lengths that a master wrote, are read of slots between the two ends alone, and
//! count if those are there still afterwards.

use std::time::Duration;

use memif::MAX_PACKET_SIZE;
use memif_watch::{Cursors, Descriptor, Link, Ring, RingDirection};

use crate::commands::top::figures::Contents;

/// Slots that are looked at.
const SLOTS: u16 = 8;
/// How often, at most.
const EVERY: Duration = Duration::from_millis(100);
/// What is left of what was seen before, each time that slots are seen.
const FADE: f64 = 0.9;

/// Slots that were seen, those of long ago for less.
#[derive(Clone, Debug, Default)]
pub(super) struct Sampled {
    last: Option<Duration>,
    lengths: Average,
    ends: Average,
    found: Vec<Descriptor>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Average {
    sum: f64,
    weight: f64,
}

impl Average {
    fn add(&mut self, values: impl Iterator<Item = f64>) {
        let (mut sum, mut weight) = (0.0, 0.0);
        for value in values {
            (sum, weight) = (sum + value, weight + 1.0);
        }
        if weight > 0.0 {
            (self.sum, self.weight) = (self.sum * FADE + sum, self.weight * FADE + weight);
        }
    }

    fn get(self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

impl Sampled {
    /// Looks at slots that were sent lately, if the last time is long enough ago. `went` were sent since the last look.
    pub(super) fn look(&mut self, at: Duration, link: &Link, ring: &Ring, cursors: &Cursors, went: u16) {
        if self.last.is_some_and(|last| at < last + EVERY) {
            return;
        }
        let sent = cursors.sent(ring.direction);
        self.found.clear();
        let between = ring.in_flight(cursors).unwrap_or_default().min(SLOTS);
        if between > 0 {
            let from = sent.wrapping_sub(between);
            let read = link.descriptors(ring, from, between, &mut self.found);
            let Some(after) = link.cursors(ring).ok().filter(|_| read.is_ok()) else { return };
            // Slots are given back in their order.
            let left = usize::from(still_between(ring, &after, sent, between));
            let first = self.found.len().saturating_sub(left);
            self.found.drain(..first);
            self.add(true);
        } else if ring.direction == RingDirection::S2m && went > 0 {
            let slots = went.min(SLOTS).min(ring.size);
            if link.descriptors(ring, sent.wrapping_sub(slots), slots, &mut self.found).is_ok() {
                self.add(false);
            }
        } else {
            return;
        }
        self.last = Some(at);
    }

    fn add(&mut self, chains: bool) {
        let lengths = self.found.iter().map(|slot| slot.length).filter(|length| *length <= MAX_PACKET_SIZE);
        self.lengths.add(lengths.map(f64::from));
        if chains {
            self.ends.add(self.found.iter().map(|slot| f64::from(u8::from(!slot.has_next()))));
        }
    }

    pub(super) fn contents(&self) -> Contents {
        Contents { bytes_per_slot: self.lengths.get(), packets_per_slot: self.ends.get() }
    }
}

/// How many of the `between` slots up to `sent` are still between the two ends.
fn still_between(ring: &Ring, after: &Cursors, sent: u16, between: u16) -> u16 {
    let Some(in_flight) = ring.in_flight(after) else { return 0 };
    let later = after.sent(ring.direction).wrapping_sub(sent);
    in_flight.saturating_sub(later).min(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(length: u32, flags: u16) -> Descriptor {
        Descriptor { flags, region: 0, length, offset: 0 }
    }

    #[test]
    fn lengths_and_chains_are_averages() {
        let mut sampled = Sampled::default();
        assert_eq!(sampled.contents(), Contents::default());
        // A packet of 9000 bytes in buffers of 2048, and what no packet can be.
        sampled.found = [2048, 2048, 2048, 2048].map(|length| slot(length, 1)).to_vec();
        sampled.found.extend([slot(808, 0)]);
        sampled.add(true);
        sampled.found = vec![slot(u32::MAX, 0)];
        sampled.add(false);
        let contents = sampled.contents();
        assert_eq!((contents.bytes_per_slot, contents.packets_per_slot), (Some(1800.0), Some(0.2)));
        // What comes now weighs more than what came before.
        sampled.found = vec![slot(64, 0); 8];
        for _ in 0..50 {
            sampled.add(true);
        }
        let contents = sampled.contents();
        assert!(contents.bytes_per_slot.unwrap() < 80.0 && contents.packets_per_slot.unwrap() > 0.99, "{contents:?}");
    }

    #[test]
    fn slots_that_were_given_back_do_not_count() {
        let ring =
            |direction| Ring { direction, index: 0, size: 16, cache_line: memif_watch::CacheLine::Of64, offset: 0 };
        let at = |head, tail| Cursors { head, tail, flags: 0 };
        let s2m = ring(RingDirection::S2m);
        // Four were looked at, up to 10; then two were taken, one more came, all was taken.
        assert_eq!(still_between(&s2m, &at(10, 6), 10, 4), 4);
        assert_eq!(still_between(&s2m, &at(10, 8), 10, 4), 2);
        assert_eq!(still_between(&s2m, &at(12, 8), 10, 4), 2);
        assert_eq!(still_between(&s2m, &at(12, 12), 10, 4), 0);
        assert_eq!(still_between(&s2m, &at(99, 12), 10, 4), 0);
        let m2s = ring(RingDirection::M2s);
        assert_eq!(still_between(&m2s, &at(22, 10), 10, 4), 4);
        assert_eq!(still_between(&m2s, &at(24, 10), 10, 4), 2);
        assert_eq!(still_between(&m2s, &at(24, 12), 10, 4), 2);
    }
}
