//! Figures: what a row has of each slice.

use crate::job::Report;

/// A figure of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Million packets per second.
    Rate,
    /// Nanoseconds that half of the round trips did not exceed, and that 99 % did not.
    P50,
    P99,
    /// Milliseconds that half of the waits did not exceed, and the longest of them.
    Wait,
    LongestWait,
    /// Microseconds per thing that was counted.
    Each,
    /// Gbit per second, and seconds of a processor per GB, where bytes were counted.
    Gigabits,
    SecondsPerGigabyte,
    /// Million packets per second of a processor.
    RatePerProcessor,
    /// MiB of memory of the process, and its descriptors.
    Memory,
    Descriptors,
}

impl Metric {
    pub(crate) fn of(self, report: &Report) -> f64 {
        match self {
            Metric::Rate => report.packets as f64 * 1e3 / report.nanoseconds,
            Metric::P50 => percentile(&report.times, 0.5),
            Metric::P99 => percentile(&report.times, 0.99),
            Metric::Wait => percentile(&report.times, 0.5) / 1e6,
            Metric::LongestWait => percentile(&report.times, 1.0) / 1e6,
            Metric::Each => report.nanoseconds / report.packets as f64 / 1e3,
            Metric::Gigabits => report.packets as f64 * 8.0 / report.nanoseconds,
            // Without a process that does the work there is nothing to say.
            Metric::SecondsPerGigabyte | Metric::RatePerProcessor if report.cpu == 0.0 => f64::NAN,
            Metric::SecondsPerGigabyte => report.cpu * 1e9 / report.packets as f64,
            Metric::RatePerProcessor => report.packets as f64 / 1e6 / report.cpu,
            Metric::Memory => report.kibibytes as f64 / 1024.0,
            Metric::Descriptors => report.descriptors as f64,
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Metric::Rate => "Mpps",
            Metric::P50 => "p50 ns",
            Metric::P99 => "p99 ns",
            Metric::Wait => "median ms",
            Metric::LongestWait => "longest ms",
            Metric::Each => "µs",
            Metric::Gigabits => "Gbit/s",
            Metric::SecondsPerGigabyte => "CPU s/GB",
            Metric::RatePerProcessor => "million per CPU s",
            Metric::Memory => "MiB",
            Metric::Descriptors => "descriptors",
        }
    }
}

/// The value that a part of the counted values does not exceed.
pub(crate) fn percentile(times: &[(u64, u64)], part: f64) -> f64 {
    let all: u64 = times.iter().map(|(_, count)| count).sum();
    let wanted = (all as f64 * part).ceil() as u64;
    let mut seen = 0;
    for (value, count) in times {
        seen += count;
        if seen >= wanted {
            return *value as f64;
        }
    }
    f64::NAN
}
