//! Figures of each period.

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

fn period(from: Duration, to: Duration) -> String {
    format!("[{:>6.1}-{:.1} s]", from.as_secs_f64(), to.as_secs_f64())
}

fn rate(count: u64, from: Duration, to: Duration) -> f64 {
    real(count) / (to.saturating_sub(from)).as_secs_f64().max(f64::MIN_POSITIVE)
}

/// Says how many packets and bytes went that way in a period.
pub(crate) fn counts(way: Way, from: Duration, to: Duration, (packets, bytes): (u64, u64)) -> Result<(), Error> {
    let (pps, bps) = (rate(packets, from, to), 8.0 * rate(bytes, from, to));
    let verb = if way == Way::Sent { "sent" } else { "received" };
    let (mpps, gbps) = (pps / 1e6, bps / 1e9);
    say(format_args!("{} {packets} {verb}: {mpps:.3} Mpps, {gbps:.3} Gb/s", period(from, to)))?;
    report(&IntervalReport {
        from_ms: milliseconds(from),
        to_ms: milliseconds(to),
        way: Some(way),
        packets,
        packets_per_second: pps,
        bits_per_second: Some(bps),
        round_trip: None,
    })
}

/// Says how long round trips of a period took.
pub(crate) fn round_trips(from: Duration, to: Duration, found: &Histogram<u64>) -> Result<(), Error> {
    say(format_args!("{} {} round trips: {}", period(from, to), found.len(), times::words(found)))?;
    report(&IntervalReport {
        from_ms: milliseconds(from),
        to_ms: milliseconds(to),
        way: None,
        packets: found.len(),
        packets_per_second: rate(found.len(), from, to),
        bits_per_second: None,
        round_trip: Some(TimesReport::new(found)),
    })
}
