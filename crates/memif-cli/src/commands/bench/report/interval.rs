//! Figures of each period.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::counts::real;
use crate::error::Error;
use crate::output::json::milliseconds;
use crate::output::times::{self, TimesReport};
use crate::output::{report, say};

/// Which way packets went that were counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    Sent,
    Received,
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_interval")]
struct IntervalReport {
    from_ms: f64,
    to_ms: f64,
    /// `null` for round trips.
    way: Option<Way>,
    packets: u64,
    packets_per_second: f64,
    bits_per_second: Option<f64>,
    /// `null` for rates.
    round_trip: Option<TimesReport>,
}

/// A stretch of time, and how its ends are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) from: Duration,
    pub(crate) to: Duration,
    /// Decimals of its ends, in seconds.
    pub(crate) decimals: usize,
}

impl Period {
    /// How many decimals the ends of periods of that length need: one at least, and no more than microseconds.
    pub(crate) fn decimals(length: Duration) -> usize {
        let exact = |unit: u32| length.subsec_nanos().is_multiple_of(unit);
        [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000].into_iter().position(exact).map_or(6, |at| at + 1)
    }

    fn rate(self, count: u64) -> f64 {
        real(count) / (self.to.saturating_sub(self.from)).as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (decimals, width) = (self.decimals, self.decimals + 5);
        write!(f, "[{:>width$.decimals$}-{:.decimals$} s]", self.from.as_secs_f64(), self.to.as_secs_f64())
    }
}

/// Says how many packets and bytes went that way in a period.
pub(crate) fn counts(way: Way, period: Period, (packets, bytes): (u64, u64)) -> Result<(), Error> {
    let (pps, bps) = (period.rate(packets), 8.0 * period.rate(bytes));
    let verb = if way == Way::Sent { "sent" } else { "received" };
    let (mpps, gbps) = (pps / 1e6, bps / 1e9);
    say(format_args!("{period} {packets} {verb}: {mpps:.3} Mpps, {gbps:.3} Gb/s"))?;
    report(&IntervalReport {
        from_ms: milliseconds(period.from),
        to_ms: milliseconds(period.to),
        way: Some(way),
        packets,
        packets_per_second: pps,
        bits_per_second: Some(bps),
        round_trip: None,
    })
}

/// Says how long round trips of a period took.
pub(crate) fn round_trips(period: Period, found: &Histogram<u64>) -> Result<(), Error> {
    say(format_args!("{period} {} round trips: {}", found.len(), times::words(found)))?;
    report(&IntervalReport {
        from_ms: milliseconds(period.from),
        to_ms: milliseconds(period.to),
        way: None,
        packets: found.len(),
        packets_per_second: period.rate(found.len()),
        bits_per_second: None,
        round_trip: Some(TimesReport::new(found)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_short_periods_are_told_apart() {
        let text = |length| {
            let length = Duration::from_micros(length);
            Period { from: length, to: 2 * length, decimals: Period::decimals(length) }.to_string()
        };
        assert_eq!(text(1_000_000), "[   1.0-2.0 s]");
        assert_eq!(text(250_000), "[   0.25-0.50 s]");
        assert_eq!(text(50_000), "[   0.05-0.10 s]");
        assert_eq!(text(1_000), "[   0.001-0.002 s]");
        assert_eq!(text(1), "[   0.000001-0.000002 s]");
    }
}
