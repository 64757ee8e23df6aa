//! Counts and times of a run, and how they are printed: in the manner of ping(8).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;

use crate::output::json::milliseconds;

/// Counts and round trip times.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Statistics {
    /// Requests sent.
    pub(crate) transmitted: u64,
    /// Requests to which a reply came whose every byte was right.
    pub(crate) received: u64,
    /// Further replies to the same request.
    pub(crate) duplicates: u64,
    /// Replies with a wrong byte or length, and packets with a checksum that shows more than a wrong checksum.
    pub(crate) corrupted: u64,
    /// Replies whose ICMP checksum was wrong and nothing else. They count as received or as duplicates, too.
    pub(crate) wrong_checksums: u64,
    /// Errors that were told about requests.
    pub(crate) errors: u64,
    /// Packets from the target of which only a part came.
    pub(crate) incomplete: u64,
    /// From the first request to the last that was sent or answered.
    pub(crate) time: Duration,
    shortest: Duration,
    longest: Duration,
    /// Sums of the times in milliseconds and of their squares.
    sum: f64,
    squares: f64,
}

impl Statistics {
    /// Counts one good reply.
    pub(crate) fn reply(&mut self, round_trip: Duration) {
        let first = self.received == 0;
        self.shortest = if first { round_trip } else { self.shortest.min(round_trip) };
        self.longest = self.longest.max(round_trip);
        self.received += 1;
        let time = milliseconds(round_trip);
        self.sum += time;
        self.squares += time * time;
    }

    /// Whether requests were sent and every one was answered.
    pub(crate) fn complete(&self) -> bool {
        self.transmitted > 0 && self.received == self.transmitted
    }

    /// Whether requests were sent and nothing at all came back.
    pub(crate) fn is_silence(&self) -> bool {
        let came = [self.received, self.duplicates, self.corrupted, self.errors, self.incomplete];
        self.transmitted > 0 && came == [0; 5]
    }

    /// Adds the counts of another run that followed this one.
    pub(crate) fn add(&mut self, other: &Self) {
        if other.received > 0 {
            let first = self.received == 0;
            self.shortest = if first { other.shortest } else { self.shortest.min(other.shortest) };
            self.longest = self.longest.max(other.longest);
        }
        self.transmitted += other.transmitted;
        self.received += other.received;
        self.duplicates += other.duplicates;
        self.corrupted += other.corrupted;
        self.wrong_checksums += other.wrong_checksums;
        self.errors += other.errors;
        self.incomplete += other.incomplete;
        self.time += other.time;
        self.sum += other.sum;
        self.squares += other.squares;
    }
}

/// Counts and times of a run, for programs.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "ping_statistics")]
pub(crate) struct StatisticsReport {
    target: IpAddr,
    transmitted_packets: u64,
    received_packets: u64,
    duplicate_packets: u64,
    corrupted_packets: u64,
    wrong_icmp_checksum_packets: u64,
    icmp_errors: u64,
    incomplete_packets: u64,
    loss_percent: f64,
    duration_ms: f64,
    /// `null` without a reply, as the three that follow.
    round_trip_min_ms: Option<f64>,
    round_trip_avg_ms: Option<f64>,
    round_trip_max_ms: Option<f64>,
    round_trip_mdev_ms: Option<f64>,
}

impl Statistics {
    /// For programs.
    pub(crate) fn report(&self, target: IpAddr) -> StatisticsReport {
        let some = |value: f64| (self.received > 0).then_some(value);
        let (mean, deviation) = self.mean_and_deviation();
        #[expect(clippy::cast_precision_loss, reason = "a count of more than 2^52 takes centuries")]
        let lost = self.transmitted.saturating_sub(self.received) as f64;
        #[expect(clippy::cast_precision_loss, reason = "a count of more than 2^52 takes centuries")]
        let loss_percent = lost * 100.0 / self.transmitted.max(1) as f64;
        StatisticsReport {
            target,
            transmitted_packets: self.transmitted,
            received_packets: self.received,
            duplicate_packets: self.duplicates,
            corrupted_packets: self.corrupted,
            wrong_icmp_checksum_packets: self.wrong_checksums,
            icmp_errors: self.errors,
            incomplete_packets: self.incomplete,
            loss_percent,
            duration_ms: milliseconds(self.time),
            round_trip_min_ms: some(milliseconds(self.shortest)),
            round_trip_avg_ms: some(mean),
            round_trip_max_ms: some(milliseconds(self.longest)),
            round_trip_mdev_ms: some(deviation),
        }
    }

    /// Of the times, in milliseconds; without a reply both are 0.
    fn mean_and_deviation(&self) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a count of more than 2^52 takes centuries")]
        let count = self.received.max(1) as f64;
        let mean = self.sum / count;
        (mean, (self.squares / count - mean * mean).max(0.0).sqrt())
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets transmitted, {} received", self.transmitted, self.received)?;
        if self.duplicates > 0 {
            write!(f, ", +{} duplicates", self.duplicates)?;
        }
        if self.corrupted > 0 {
            write!(f, ", +{} corrupted", self.corrupted)?;
        }
        if self.wrong_checksums > 0 {
            write!(f, ", {} with a wrong ICMP checksum", self.wrong_checksums)?;
        }
        if self.errors > 0 {
            write!(f, ", +{} errors", self.errors)?;
        }
        if self.incomplete > 0 {
            write!(f, ", +{} of which fragments are missing", self.incomplete)?;
        }
        if self.transmitted > 0 {
            write!(f, ", {}% packet loss", percent(self.transmitted - self.received, self.transmitted))?;
        }
        write!(f, ", time {}ms", self.time.as_millis())?;
        if self.received > 0 {
            let (mean, deviation) = self.mean_and_deviation();
            // A unit in which the shortest has digits.
            let (unit, times) = if self.shortest < SHORT { ("us", 1000.0) } else { ("ms", 1.0) };
            write!(
                f,
                "\nrtt min/avg/max/mdev = {:.3}/{:.3}/{:.3}/{:.3} {unit}",
                milliseconds(self.shortest) * times,
                mean * times,
                milliseconds(self.longest) * times,
                deviation * times,
            )?;
        }
        Ok(())
    }
}

/// Times below this are printed in microseconds: as milliseconds with three decimals they would have two digits at
/// most.
const SHORT: Duration = Duration::from_micros(100);

/// A round trip time as ping(8) prints it, with four digits and never more than three decimals; and with three digits
/// where it is so short that this leaves less.
pub(crate) struct RoundTrip(pub(crate) Duration);

impl fmt::Display for RoundTrip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = milliseconds(self.0);
        let (time, decimals, unit) = match self.0.as_nanos() {
            100_000_000.. => (time, 0, "ms"),
            10_000_000.. => (time, 1, "ms"),
            1_000_000.. => (time, 2, "ms"),
            100_000.. => (time, 3, "ms"),
            10_000.. => (time * 1e3, 1, "us"),
            1_000.. => (time * 1e3, 2, "us"),
            _ => (time * 1e6, 0, "ns"),
        };
        write!(f, "{time:.decimals$} {unit}")
    }
}

/// A share in percent with up to six digits, without zeros at its end, as `%g` prints it. A share that is
/// not all or nothing is never printed as such.
fn percent(part: u64, whole: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "only digits that are not printed get lost")]
    let share = part as f64 * 100.0 / whole as f64;
    let decimals: usize = match share {
        100.0.. => 0,
        10.0.. => 4,
        1.0.. => 5,
        _ => 6,
    };
    let text = format!("{share:.decimals$}");
    if !text.contains('.') {
        return text;
    }
    match text.trim_end_matches('0').trim_end_matches('.') {
        "0" if part > 0 => "0.000001".to_owned(),
        "100" if part < whole => "99.9999".to_owned(),
        text => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_is_as_ping_prints_it() {
        let mut statistics = Statistics { transmitted: 3, ..Statistics::default() };
        for micros in [100, 200, 300] {
            statistics.reply(Duration::from_micros(micros));
        }
        statistics.time = Duration::from_millis(2002);
        assert!(statistics.complete());
        assert_eq!(
            statistics.to_string(),
            "3 packets transmitted, 3 received, 0% packet loss, time 2002ms\n\
             rtt min/avg/max/mdev = 0.100/0.200/0.300/0.082 ms"
        );
        let nothing = Statistics { transmitted: 2, ..Statistics::default() };
        assert_eq!(nothing.to_string(), "2 packets transmitted, 0 received, 100% packet loss, time 0ms");
        assert!(nothing.is_silence() && !statistics.is_silence());
        assert!(!Statistics { corrupted: 1, ..nothing }.is_silence());
        let unsent = Statistics::default();
        assert!(!unsent.complete() && !unsent.is_silence());
        assert_eq!(unsent.to_string(), "0 packets transmitted, 0 received, time 0ms");
    }

    #[test]
    fn duplicates_and_corruption_are_named() {
        let statistics = Statistics { transmitted: 3, duplicates: 1, corrupted: 2, ..Statistics::default() };
        assert!(statistics.to_string().contains("0 received, +1 duplicates, +2 corrupted, 100%"));
        let statistics = Statistics { transmitted: 1, wrong_checksums: 1, ..Statistics::default() };
        assert!(statistics.to_string().contains("0 received, 1 with a wrong ICMP checksum, 100%"));
        let statistics = Statistics { transmitted: 1, errors: 2, incomplete: 1, ..Statistics::default() };
        assert!(statistics.to_string().contains("0 received, +2 errors, +1 of which fragments are missing, 100%"));
    }

    #[test]
    fn short_times_of_a_summary_have_digits() {
        let mut statistics = Statistics { transmitted: 2, ..Statistics::default() };
        statistics.reply(Duration::from_nanos(210));
        statistics.reply(Duration::from_micros(1_200));
        assert!(statistics.to_string().ends_with("rtt min/avg/max/mdev = 0.210/600.105/1200.000/599.895 us"));
    }

    #[test]
    fn runs_add_up() {
        let mut one = Statistics { transmitted: 1, ..Statistics::default() };
        one.reply(Duration::from_millis(3));
        let mut two = Statistics { transmitted: 2, ..Statistics::default() };
        two.reply(Duration::from_millis(1));
        let mut sum = Statistics::default();
        sum.add(&one);
        sum.add(&Statistics::default());
        sum.add(&two);
        assert_eq!((sum.transmitted, sum.received), (3, 2));
        assert!(sum.to_string().contains("33.3333% packet loss"));
        assert!(sum.to_string().contains("= 1.000/2.000/3.000/1.000 ms"));
    }

    #[test]
    fn percent_is_short_and_honest() {
        assert_eq!(percent(0, 7), "0");
        assert_eq!(percent(7, 7), "100");
        assert_eq!(percent(1, 2), "50");
        assert_eq!(percent(1, 3), "33.3333");
        assert_eq!(percent(1, 80), "1.25");
        assert_eq!(percent(1, u64::MAX), "0.000001");
        assert_eq!(percent(u64::MAX - 1, u64::MAX), "100");
        assert_eq!(percent(999_999_999, 1_000_000_000), "99.9999");
    }

    #[test]
    fn times_have_four_digits() {
        let short = |nanos| RoundTrip(Duration::from_nanos(nanos)).to_string();
        assert_eq!(short(210), "210 ns");
        assert_eq!(short(4_120), "4.12 us");
        assert_eq!(short(41_230), "41.2 us");
        assert_eq!(short(114_000), "0.114 ms");
        let text = |micros| RoundTrip(Duration::from_micros(micros)).to_string();
        assert_eq!(text(1234), "1.23 ms");
        assert_eq!(text(12_345), "12.3 ms");
        assert_eq!(text(123_456), "123 ms");
    }
}
