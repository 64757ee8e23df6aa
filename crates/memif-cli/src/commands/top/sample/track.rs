//! One ring over time: what its cursors, looked at now and then, tell of rate, fill and stalls.
//!
//! Cursors have 16 bits. How often one is looked at follows the rate, so that it goes a quarter of a turn in between.
//! A look that comes late, as on a busy machine, may miss whole turns: then the figures of that period are marked as
//! the least that it was. Two things tell: a cursor that went half a turn or more between two looks, and a rate that
//! would have taken it half a turn in the longest time between two looks of the period. The latter rate comes from
//! pairs of looks that are so close that no turn fits between them. Without those, a cursor that makes whole turns
//! between two looks would seem to stand still.

use std::time::Duration;

use memif_watch::{Cursors, Ring};

use super::contents::Sampled;
use crate::commands::top::figures::RingFigures;

/// Numbers of a cursor.
const TURN: f64 = 65_536.0;
/// Part of a turn that a cursor goes between two looks.
const AIM: f64 = TURN / 4.0;
/// Beyond that between two looks, a turn may have been missed.
const HALF_TURN: f64 = TURN / 2.0;
/// Looks that are no further apart than that miss no turn: it would take 65 million packets per second.
const CLOSE: Duration = Duration::from_millis(1);
/// Looks at a ring that carries something are at most so far apart, and at least.
const LONGEST_GAP: Duration = Duration::from_millis(40);
const SHORTEST_GAP: Duration = Duration::from_micros(200);
/// A ring that has carried nothing for so long is idle.
const IDLE_AFTER: Duration = Duration::from_secs(1);
/// What is left of a rate at the next look, if that finds less.
const FADE: f64 = 0.75;

/// A ring that is watched.
#[derive(Clone, Debug)]
pub(super) struct Track {
    ring: Ring,
    last: Option<(Duration, Cursors)>,
    /// Slots per second by which the next look is planned.
    pace: f64,
    /// When something was carried last.
    moved: Duration,
    slots: u64,
    slots_at_least: bool,
    peak: u16,
    period: Period,
    sampled: Sampled,
    problem: Option<String>,
}

/// What the looks of a period found.
#[derive(Clone, Debug, Default)]
struct Period {
    slots: u64,
    time: Duration,
    /// The longest time between two looks.
    longest: Duration,
    /// Whether a cursor went so far between two looks that it may have been a turn more.
    far: bool,
    /// Slots and time between looks that were close to each other.
    close_slots: u64,
    close_time: Duration,
    looks: u32,
    impossible: u32,
    full: u32,
    empty: u32,
    /// Slots between the two ends: all looks together, and at most.
    in_flight: u64,
    peak: u16,
}

impl Period {
    /// Whether a turn may have been missed.
    fn may_have_missed(&self) -> bool {
        let rate = match self.close_time.as_secs_f64() {
            0.0 => 0.0,
            time => as_f64(self.close_slots) / time,
        };
        self.far || rate * self.longest.as_secs_f64() >= HALF_TURN
    }
}

impl Track {
    pub(super) fn new(ring: Ring, now: Duration) -> Self {
        Self {
            ring,
            last: None,
            pace: 0.0,
            moved: now,
            slots: 0,
            slots_at_least: false,
            peak: 0,
            period: Period::default(),
            sampled: Sampled::default(),
            problem: None,
        }
    }

    pub(super) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Takes what a look found. Gives how far the sender's cursor went since the last one.
    pub(super) fn look(&mut self, at: Duration, cursors: Cursors) -> u16 {
        self.problem = None;
        let sent = cursors.sent(self.ring.direction);
        let went = self.last.map_or(0, |(_, last)| sent.wrapping_sub(last.sent(self.ring.direction)));
        if let Some((before, _)) = self.last {
            self.go(went, at.saturating_sub(before));
        }
        if went > 0 || self.last.is_none() {
            self.moved = at;
        }
        self.last = Some((at, cursors));

        let period = &mut self.period;
        period.looks += 1;
        let (Some(in_flight), Some(room)) = (self.ring.in_flight(&cursors), self.ring.room(&cursors)) else {
            period.impossible += 1;
            return went;
        };
        period.in_flight += u64::from(in_flight);
        period.peak = period.peak.max(in_flight);
        self.peak = self.peak.max(in_flight);
        // A slave that has posted no buffer yet leaves no room in a ring that is not full.
        period.full += u32::from(room == 0 && in_flight > 0);
        period.empty += u32::from(in_flight == 0);
        went
    }

    fn go(&mut self, went: u16, time: Duration) {
        let period = &mut self.period;
        self.slots += u64::from(went);
        period.slots += u64::from(went);
        period.time += time;
        period.longest = period.longest.max(time);
        period.far |= f64::from(went) >= HALF_TURN;
        if time <= CLOSE {
            period.close_slots += u64::from(went);
            period.close_time += time;
        }
        let rate = f64::from(went) / time.as_secs_f64().max(1e-6);
        self.pace = rate.max(self.pace * FADE);
    }

    /// Takes that it could not be looked at.
    pub(super) fn fail(&mut self, why: String) {
        self.problem = Some(why);
        self.last = None;
        self.pace = 0.0;
    }

    /// Whether a second look is wanted right after one that found the cursor somewhere else, to see how fast it goes
    /// now: the one before was so long ago that turns may have been missed.
    pub(super) fn wants_a_close_look(&self, went: u16) -> bool {
        went > 0 && self.gap(LONGEST_GAP) > CLOSE
    }

    /// How long until the next look, if rings that carry nothing are looked at every `idle`, and slow ones every
    /// `longest` at least, or every 40 ms where that is less.
    pub(super) fn next_look(&self, idle: Duration, longest: Duration) -> Duration {
        let impossible = self.last.is_some_and(|(_, cursors)| self.ring.in_flight(&cursors).is_none());
        let at = self.last.map(|(at, _)| at);
        let is_idle = at.is_none_or(|at| at.saturating_sub(self.moved) >= IDLE_AFTER);
        // What a forged ring says is worth no more looks than what an idle one does.
        if impossible || is_idle { idle } else { self.gap(longest).min(idle) }
    }

    fn gap(&self, longest: Duration) -> Duration {
        let (seconds, longest) = (AIM / self.pace.max(1.0), LONGEST_GAP.max(longest));
        Duration::try_from_secs_f64(seconds).unwrap_or(longest).clamp(SHORTEST_GAP, longest)
    }

    pub(super) fn sampled(&mut self) -> &mut Sampled {
        &mut self.sampled
    }

    /// Ends the period.
    pub(super) fn figures(&mut self) -> RingFigures {
        let period = std::mem::take(&mut self.period);
        let at_least = period.may_have_missed();
        self.slots_at_least |= at_least;
        let time = period.time.as_secs_f64();
        let possible = period.looks - period.impossible;
        let share = |count: u32| (possible > 0).then(|| f64::from(count) / f64::from(possible));
        let cursors = self.last.map(|(_, cursors)| cursors);
        let slots_of_ring = f64::from(self.ring.size.max(1)) * f64::from(possible);
        let problem = self.problem.clone().or_else(|| {
            (period.impossible > 0)
                .then(|| format!("cursors that cannot be, in {} of {} looks", period.impossible, period.looks))
        });
        RingFigures {
            direction: self.ring.direction,
            index: self.ring.index,
            size: self.ring.size,
            slots_per_second: (time > 0.0).then(|| as_f64(period.slots) / time),
            at_least,
            slots: self.slots,
            slots_at_least: self.slots_at_least,
            contents: self.sampled.contents(),
            in_flight: cursors.and_then(|cursors| self.ring.in_flight(&cursors)),
            fill: (possible > 0).then(|| as_f64(period.in_flight) / slots_of_ring),
            peak: period.peak,
            peak_ever: self.peak,
            full: share(period.full),
            empty: share(period.empty),
            looks: period.looks,
            cursors,
            problem,
        }
    }

    /// Forgets the highest fill.
    pub(super) fn forget_peak(&mut self) {
        self.peak = 0;
    }
}

/// Counts are far below what a float holds exactly.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53 for a hundred years")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use memif_watch::RingDirection;

    const SIZE: u16 = 1024;
    const IDLE: Duration = Duration::from_millis(100);

    fn track(direction: RingDirection) -> Track {
        Track::new(
            Ring { direction, index: 0, size: SIZE, cache_line: memif_watch::CacheLine::Of64, offset: 0 },
            Duration::ZERO,
        )
    }

    /// Cursors of a ring on which so many slots were sent in all, `behind` of them not yet given back.
    fn sent(track: &Track, slots: u64, behind: u16) -> Cursors {
        let sent = (slots % 65_536) as u16;
        match track.ring().direction {
            RingDirection::S2m => Cursors { head: sent, tail: sent.wrapping_sub(behind), flags: 0 },
            RingDirection::M2s => Cursors { head: sent.wrapping_add(SIZE - behind), tail: sent, flags: 1 },
        }
    }

    /// Looks for so long at a ring that carries `rate`, when the track wants to; gives the looks and the figures.
    fn watch(track: &mut Track, from: Duration, time: Duration, rate: f64) -> (u32, RingFigures) {
        // The last close look of the time before may have come after its end.
        let mut at = track.last.map_or(from, |(last, _)| last.max(from));
        let mut looks = 0;
        while at <= from + time {
            let slots = |at: Duration| (rate * at.as_secs_f64()) as u64;
            let went = track.look(at, sent(track, slots(at), 8));
            looks += 1;
            if track.wants_a_close_look(went) {
                let close = at + Duration::from_micros(200);
                track.look(close, sent(track, slots(close), 8));
                looks += 1;
            }
            at += track.next_look(IDLE, LONGEST_GAP);
        }
        (looks, track.figures())
    }

    #[test]
    fn rates_are_those_of_the_ring_in_both_directions() {
        for direction in [RingDirection::S2m, RingDirection::M2s] {
            for rate in [0.0, 100.0, 65_536.0, 1e6, 14.88e6, 60e6] {
                let mut track = track(direction);
                // From nothing to that rate it has to find out first.
                watch(&mut track, Duration::ZERO, Duration::from_secs(1), rate);
                let (looks, figures) = watch(&mut track, Duration::from_secs(1), Duration::from_secs(2), rate);
                let found = figures.slots_per_second.unwrap();
                assert!((found - rate).abs() <= rate * 0.001 + 30.0, "{rate}: {found}");
                assert!(!figures.at_least, "{rate}: {figures:?}");
                // No more looks than it takes: idle rings cost next to nothing.
                let most = if rate == 0.0 { 22.0 } else { 120.0 + 2.0 * rate / AIM * 2.2 };
                assert!(f64::from(looks) <= most, "{rate}: {looks} looks");
            }
        }
    }

    #[test]
    fn a_start_from_nothing_is_noticed_whatever_the_cursor_seems_to_have_done() {
        // A whole number of turns in the time between two looks: the cursor seems to stand still or to creep.
        for extra in [1_u64, 3, 100, 20_000, 40_000, 65_000] {
            let rate = (65_536.0 * 50.0 + extra as f64) / 0.1;
            let mut track = track(RingDirection::S2m);
            watch(&mut track, Duration::ZERO, Duration::from_secs(3), 0.0);
            let (_, first) = watch(&mut track, Duration::from_secs(4), Duration::from_secs(1), rate);
            assert!(first.at_least, "{extra}: {first:?}");
            let (_, second) = watch(&mut track, Duration::from_secs(5), Duration::from_secs(1), rate);
            let found = second.slots_per_second.unwrap();
            assert!(!second.at_least && (found - rate).abs() < rate * 0.001, "{extra}: {second:?}");
            assert!(second.slots_at_least);
        }
    }

    #[test]
    fn a_look_that_comes_late_makes_it_the_least() {
        let mut track = track(RingDirection::S2m);
        let rate = 5e6;
        watch(&mut track, Duration::ZERO, Duration::from_secs(1), rate);
        let (_, before) = watch(&mut track, Duration::from_secs(1), Duration::from_secs(1), rate);
        assert!(!before.at_least);
        // 30 ms without a look: more than two turns.
        watch(&mut track, Duration::from_micros(2_030_000), Duration::from_secs(1), rate);
        let mut late = track.clone();
        let figures = watch(&mut late, Duration::from_micros(3_060_000), Duration::from_secs(1), rate).1;
        assert!(figures.at_least && figures.slots_per_second.unwrap() < rate, "{figures:?}");
    }

    #[test]
    fn fill_peak_and_stalls() {
        for direction in [RingDirection::S2m, RingDirection::M2s] {
            let mut track = track(direction);
            for (number, behind) in (1..).zip([0, 0, 512, SIZE]) {
                track.look(Duration::from_millis(number), sent(&track, 5000, behind));
            }
            let figures = track.figures();
            assert_eq!((figures.fill, figures.peak, figures.in_flight), (Some(0.375), SIZE, Some(SIZE)));
            assert_eq!((figures.full, figures.empty), (Some(0.25), Some(0.5)));
            track.look(Duration::from_millis(9), sent(&track, 5000, 1));
            let figures = track.figures();
            assert_eq!((figures.peak, figures.peak_ever), (1, SIZE));
            track.forget_peak();
            assert_eq!(track.figures().peak_ever, 0);
        }
        // Nothing posted yet is no full ring.
        let mut track = track(RingDirection::M2s);
        track.look(Duration::ZERO, Cursors::default());
        let figures = track.figures();
        assert_eq!((figures.full, figures.empty), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn forged_cursors_are_told_and_cost_no_more_looks_than_idle_ones() {
        let mut track = track(RingDirection::S2m);
        for number in 0..50_u16 {
            let at = Duration::from_millis(u64::from(number));
            track.look(at, Cursors { head: number.wrapping_mul(7919), tail: number.wrapping_mul(104), flags: 0xffff });
            if number > 0 {
                assert!(
                    track.next_look(IDLE, LONGEST_GAP) == IDLE
                        || track.ring().in_flight(&track.last.unwrap().1).is_some()
                );
            }
        }
        let figures = track.figures();
        assert!(figures.problem.unwrap().contains("cannot be"));
        track.fail("gone".to_owned());
        assert_eq!(track.next_look(IDLE, LONGEST_GAP), IDLE);
        let figures = track.figures();
        assert_eq!(
            (figures.problem.as_deref(), figures.slots_per_second, figures.in_flight),
            (Some("gone"), None, None)
        );
    }
}
