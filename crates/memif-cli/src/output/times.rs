//! Many times as a histogram: as a row of a table, as bars, and for programs.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::counts::{real, whole};
use crate::error::Error;

/// The longest time that a histogram tells, in nanoseconds: a minute.
const LONGEST_TIME: u64 = 60_000_000_000;
/// Digits of a time that a histogram keeps.
const DIGITS: u8 = 3;
/// Rows of a histogram for people.
const ROWS: i32 = 10;
/// Characters of its longest bar.
const BAR: f64 = 40.0;

/// Three of many times in nanoseconds, in words.
pub(crate) fn words(times: &Histogram<u64>) -> String {
    if times.is_empty() {
        return "no times yet".to_owned();
    }
    let at = |quantile| short_time(real(times.value_at_quantile(quantile)));
    format!("median {}, 99 % {}, longest {}", at(0.5), at(0.99), at(1.0))
}

/// A time in nanoseconds with the three digits that a histogram keeps, and its unit.
pub(crate) fn short_time(nanoseconds: f64) -> String {
    let units = [("us", 1e3), ("ms", 1e6), ("s", 1e9)];
    // From where three digits are rounded to the next unit.
    let unit = units.into_iter().rev().find(|(_, one)| nanoseconds >= 0.9995 * one);
    let Some((unit, one)) = unit else { return format!("{nanoseconds:.0} ns") };
    let number = nanoseconds / one;
    let decimals = if number < 9.995 {
        2
    } else if number < 99.95 {
        1
    } else {
        0
    };
    format!("{number:.decimals$} {unit}")
}

/// An empty histogram of times.
pub(crate) fn histogram() -> Result<Histogram<u64>, Error> {
    let no_room = |error: hdrhistogram::CreationError| Error::System {
        what: "no histogram".to_owned(),
        advice: "tell the makers of memif",
        source: std::io::Error::other(error),
    };
    Histogram::new_with_bounds(1, LONGEST_TIME, DIGITS).map_err(no_room)
}

/// Nanoseconds of a time.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST_TIME)
}

/// Times in nanoseconds; `null` without any.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TimesReport {
    count: u64,
    min_ns: Option<u64>,
    mean_ns: Option<f64>,
    p50_ns: Option<u64>,
    p90_ns: Option<u64>,
    p99_ns: Option<u64>,
    p99_9_ns: Option<u64>,
    p99_99_ns: Option<u64>,
    max_ns: Option<u64>,
    histogram: Vec<BucketReport>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct BucketReport {
    up_to_ns: u64,
    packets: u64,
}

/// Buckets, each a quarter longer than the one before.
fn buckets(times: &Histogram<u64>) -> Vec<BucketReport> {
    let mut found: Vec<BucketReport> = Vec::new();
    let mut up_to_ns = times.min().max(4);
    for value in times.iter_recorded() {
        while up_to_ns < value.value_iterated_to() {
            up_to_ns += up_to_ns / 4;
        }
        let packets = value.count_since_last_iteration();
        match found.last_mut() {
            Some(last) if last.up_to_ns == up_to_ns => last.packets += packets,
            _ => found.push(BucketReport { up_to_ns, packets }),
        }
    }
    found
}

impl TimesReport {
    pub(crate) fn new(times: &Histogram<u64>) -> Self {
        let any = !times.is_empty();
        let at = |quantile| any.then(|| times.value_at_quantile(quantile));
        Self {
            count: times.len(),
            min_ns: any.then(|| times.min()),
            mean_ns: any.then(|| times.mean()),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            p99_99_ns: at(0.9999),
            max_ns: any.then(|| times.max()),
            histogram: buckets(times),
        }
    }
}

/// The head of a table of times, and of its first column.
pub(crate) fn head(what: &str) -> String {
    format!(
        "{what:>8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "count", "min", "p50", "p90", "p99", "p99.9", "p99.99", "max"
    )
}

/// A row of it.
pub(crate) fn row(what: &str, times: &Histogram<u64>) -> String {
    let mut row = format!("{what:>8} {:>10}", times.len());
    let quantiles = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];
    for quantile in quantiles {
        let time = real(times.value_at_quantile(quantile));
        let text = if times.is_empty() { "-".to_owned() } else { short_time(time) };
        let _ = write!(row, " {text:>9}");
    }
    row
}

/// The distribution as bars: rows of equal ratio from the fastest hundredth to the slowest, and what is beyond.
pub(crate) fn bars(times: &Histogram<u64>) -> Vec<String> {
    if times.is_empty() {
        return Vec::new();
    }
    let low = real(times.value_at_quantile(0.01).max(1));
    let high = real(times.value_at_quantile(0.99)).max(low * 1.5);
    let step = (high / low).powf(1.0 / f64::from(ROWS));
    let mut rows: Vec<_> =
        (0..=ROWS).map(|row| (Some(whole(low * step.powi(row)) + 1), 0)).chain([(None, 0)]).collect();
    for value in times.iter_recorded() {
        let time = value.value_iterated_to();
        let row = rows.iter_mut().find(|row| row.0.is_none_or(|to| time <= to));
        row.into_iter().for_each(|row| row.1 += value.count_since_last_iteration());
    }
    let most = rows.iter().map(|row| row.1).max().unwrap_or(0).max(1);
    let bar = |count| whole((BAR * real(count) / real(most)).ceil());
    rows.into_iter()
        .map(|(to, count)| {
            let to = to.map_or_else(|| "beyond      ".to_owned(), |to| format!("to {:>9}", short_time(real(to))));
            let bar = "#".repeat(usize::try_from(bar(count)).unwrap_or(0));
            format!("  {to} {count:>10} {bar}").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_three_digits_and_a_unit() {
        let times = [1.0, 210.0, 999.4, 999.6, 1290.0, 9996.0, 47_647.0, 999_600.0, 12_345_678.0, 6e10];
        let texts = times.map(short_time);
        assert_eq!(
            texts,
            ["1 ns", "210 ns", "999 ns", "1.00 us", "1.29 us", "10.0 us", "47.6 us", "1.00 ms", "12.3 ms", "60.0 s"]
        );
    }

    #[test]
    fn the_rarest_times_have_a_column() {
        let mut times = histogram().unwrap();
        times.record_n(100, 99_980).unwrap();
        times.record_n(1000, 15).unwrap();
        times.record_n(50_000, 5).unwrap();
        let cells: Vec<_> = row("64", &times).split_whitespace().map(str::to_owned).collect();
        assert_eq!(cells[cells.len() - 4..], ["1.00", "us", "50.0", "us"], "{cells:?}");
        assert!(head("size").contains("p99.99"));
    }
}
