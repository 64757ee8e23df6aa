//! How fast packets are sent.

use crate::counts::{real, whole};
use crate::units::decimal;

/// When packets are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Pace {
    /// As they were captured, so many times as fast.
    Captured(f64),
    /// At a rate, whatever their times were.
    Rate(Rate),
    /// As fast as it goes.
    Top,
}

/// From so many packets per second on, which no link carries, a number without a unit was meant as bits most likely.
const DOUBTFUL: f64 = 1e8;

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rate {
    /// Packets per second.
    Packets(f64),
    /// Bits of packets per second.
    Bits(f64),
}

/// A rate: 100k and 100kpps are packets per second, 10Mbps bits per second.
pub(super) fn parse_rate(text: &str) -> Result<Rate, String> {
    let (number, rate): (_, fn(f64) -> Rate) = match (text.strip_suffix("bps"), text.strip_suffix("pps")) {
        (Some(bits), _) => (bits, Rate::Bits),
        (None, packets) => (packets.unwrap_or(text), Rate::Packets),
    };
    let found = decimal(number).filter(|number| (1e-3..=1e12).contains(number)).ok_or_else(|| {
        "give packets per second, as in 250000, 100k or 1.5Mpps, or bits per second, as in 500kbps or 10Gbps".to_owned()
    })?;
    if number == text && found >= DOUBTFUL {
        return Err(format!("are these bits or packets per second? Give {text}bps or {text}pps"));
    }
    Ok(rate(found))
}

/// How many times as fast.
pub(super) fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse::<f64>().ok().filter(|speed| (1e-6..=1e6).contains(speed));
    speed.ok_or_else(|| "give a factor, as in 2 for twice as fast or 0.5 for half as fast".to_owned())
}

/// When the packets of a file are due, in nanoseconds from the first one that is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pace: Pace,
    /// The time of the first packet that has one.
    first: Option<i128>,
    /// When the last one is due.
    last: u64,
    packets: u64,
    bytes: u64,
}

impl Schedule {
    pub(super) fn new(pace: Pace) -> Self {
        Self { pace, first: None, last: 0, packets: 0, bytes: 0 }
    }

    /// When the next packet is due, and whether it was captured before one that stands before it in the file: that is
    /// then due at once, as one without a time is.
    pub(super) fn next(&mut self, time: Option<i128>, bytes: usize) -> (u64, bool) {
        let due = match self.pace {
            Pace::Top => Some(0),
            Pace::Captured(speed) => time.map(|time| {
                let since = time - *self.first.get_or_insert(time);
                u64::try_from(since).map_or(0, |since| scaled(since, speed))
            }),
            Pace::Rate(rate) => Some(self.at(rate)),
        };
        self.packets += 1;
        self.bytes += bytes as u64;
        let earlier = due.is_some_and(|due| due < self.last);
        self.last = self.last.max(due.unwrap_or_default());
        (self.last, earlier)
    }

    /// How long all of them take together: one mean distance longer than from the first to the last, so that the next
    /// pass keeps the rate.
    pub(super) fn length(&self) -> u64 {
        match self.pace {
            Pace::Top => 0,
            Pace::Captured(_) => self.last.saturating_add(self.last / self.packets.saturating_sub(1).max(1)),
            Pace::Rate(rate) => self.at(rate),
        }
    }

    fn at(&self, rate: Rate) -> u64 {
        whole(match rate {
            Rate::Packets(rate) => real(self.packets) / rate * 1e9,
            Rate::Bits(rate) => real(self.bytes) * 8.0 / rate * 1e9,
        })
    }
}

#[expect(clippy::float_cmp, reason = "as it was given")]
fn scaled(since: u64, speed: f64) -> u64 {
    // As a whole number where that is all, since a time of years in nanoseconds has more digits than a decimal one.
    if speed == 1.0 { since } else { whole(real(since) / speed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dues(pace: Pace, times: &[Option<i128>]) -> (Vec<(u64, bool)>, u64) {
        let mut schedule = Schedule::new(pace);
        let dues = times.iter().map(|time| schedule.next(*time, 125)).collect();
        (dues, schedule.length())
    }

    #[test]
    fn captured_times_are_kept_or_scaled() {
        let times = [Some(5_000), Some(6_000), Some(6_000), None, Some(5_500), Some(9_000)];
        let (found, length) = dues(Pace::Captured(1.0), &times);
        assert_eq!(found, [(0, false), (1000, false), (1000, false), (1000, false), (1000, true), (4000, false)]);
        assert_eq!(length, 4800);
        let (found, _) = dues(Pace::Captured(2.0), &[Some(0), Some(10_000)]);
        assert_eq!(found, [(0, false), (5000, false)]);
        // Before the first one, and years behind it.
        let (found, length) = dues(Pace::Captured(1.0), &[Some(0), Some(i128::MIN / 2), Some(i128::MAX / 2)]);
        assert_eq!(found, [(0, false), (0, false), (0, false)]);
        assert_eq!(length, 0);
        assert_eq!(dues(Pace::Captured(1.0), &[None]).1, 0);
    }

    #[test]
    fn a_rate_is_of_packets_or_bits() {
        let times = [Some(77), None, Some(1)];
        let expected = vec![(0, false), (1_000_000, false), (2_000_000, false)];
        assert_eq!(dues(Pace::Rate(parse_rate("1k").unwrap()), &times), (expected.clone(), 3_000_000));
        assert_eq!(dues(Pace::Rate(parse_rate("1Mbps").unwrap()), &times), (expected, 3_000_000));
        assert_eq!(dues(Pace::Top, &times), (vec![(0, false); 3], 0));
    }

    #[test]
    fn rates_and_speeds_say_what_to_give() {
        assert_eq!(parse_rate("1.5M"), Ok(Rate::Packets(1.5e6)));
        assert_eq!(parse_rate("10Gbps"), Ok(Rate::Bits(1e10)));
        assert_eq!(parse_rate("0.5"), Ok(Rate::Packets(0.5)));
        assert_eq!((parse_rate("100kpps"), parse_rate("1Gpps")), (Ok(Rate::Packets(1e5)), Ok(Rate::Packets(1e9))));
        for text in ["10G", "100M", "100000000"] {
            assert!(parse_rate(text).unwrap_err().contains(&format!("{text}bps or {text}pps")), "{text}");
        }
        for text in ["", "0", "-1", "bps", "pps", "1e3Q", "fast", "inf", "nan", "1 k"] {
            assert!(parse_rate(text).unwrap_err().contains("100k or 1.5Mpps"), "{text}");
        }
        for text in ["", "0", "-1", "x2", "inf", "nan"] {
            assert!(parse_speed(text).unwrap_err().contains("twice as fast"), "{text}");
        }
    }
}
