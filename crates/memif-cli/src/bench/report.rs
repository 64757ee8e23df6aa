//! What was measured, as rows of a table and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use super::crowd::{Cost, Crowd};
use super::generator::Sent;
use super::latency::Answers;
use super::ndr::Trial;
use super::packet::Sizes;
use super::setup::Setups;
use super::sink::{Received, real};
use crate::json::milliseconds;

/// Rows of a histogram for people.
const ROWS: i32 = 10;
/// Characters of its longest bar.
const BAR: f64 = 40.0;

/// A report, printed by [`output::report`](crate::output::report).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type")]
pub(crate) enum Report {
    #[serde(rename = "bench_link")]
    Link(LinkReport),
    #[serde(rename = "bench_throughput")]
    Throughput(ThroughputReport),
    #[serde(rename = "bench_generator")]
    Generator(GeneratorReport),
    #[serde(rename = "bench_echo")]
    Echo { returned_packets: u64 },
    #[serde(rename = "bench_latency")]
    Latency(Box<LatencyReport>),
    #[serde(rename = "bench_ndr_trial")]
    Trial(TrialReport),
    #[serde(rename = "bench_ndr")]
    Ndr(NdrReport),
    #[serde(rename = "bench_setup")]
    Setup(Box<SetupReport>),
    #[serde(rename = "bench_interfaces")]
    Crowd(Box<CrowdReport>),
}

/// What the figures after it hold for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LinkReport {
    pub(crate) work: &'static str,
    /// `both`, `generator`, `sink` or `echo`.
    pub(crate) part: &'static str,
    /// Of this end; of the generator where both are ours.
    pub(crate) role: String,
    pub(crate) rx_mode: String,
    pub(crate) ring_size_slots: u32,
    pub(crate) buffer_size_bytes: u32,
    pub(crate) queues: u8,
    pub(crate) burst_packets: usize,
    /// Processors: of the generator and of the other end where both are ours, else of this end if it keeps to one.
    pub(crate) cpus: Vec<usize>,
    pub(crate) threads: bool,
}

/// Bytes of each packet; `null` where they differ.
fn packet_bytes(sizes: Sizes) -> Option<usize> {
    match sizes {
        Sizes::Fixed(size) => Some(size),
        Sizes::Imix => None,
    }
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThroughputReport {
    /// `null` where they differ, or where the generator is not ours.
    packet_bytes: Option<usize>,
    sent_packets: Option<u64>,
    received_packets: u64,
    lost_packets: Option<u64>,
    missing_packets: Option<u64>,
    corrupted_packets: Option<u64>,
    /// What the rates were measured over, without the start.
    measured_packets: u64,
    measured_ms: f64,
    packets_per_second: Option<f64>,
    bits_per_second: Option<f64>,
}

/// The head of a table of throughput.
pub(crate) const THROUGHPUT: &str =
    "    size       Mpps       Gb/s          sent      received       lost  corrupted";

/// A row of it.
pub(crate) fn throughput(sizes: Option<Sizes>, received: &Received) -> (String, Report) {
    let (pps, bps) = received.rates().unzip();
    let number = |value: Option<f64>, unit: f64| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{:.3}", value / unit))
    };
    let count =
        |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let corrupted = received.numbered.then_some(received.corrupted);
    let row = format!(
        "{:>8} {:>10} {:>10} {:>13} {:>13} {:>10} {:>10}",
        sizes.map_or_else(|| "-".to_owned(), |sizes| sizes.to_string()),
        number(pps, 1e6),
        number(bps, 1e9),
        count(received.sent.map(|sent| sent.0)),
        received.packets,
        count(received.lost()),
        count(corrupted),
    );
    let report = Report::Throughput(ThroughputReport {
        packet_bytes: sizes.and_then(packet_bytes),
        sent_packets: received.sent.map(|sent| sent.0),
        received_packets: received.packets,
        lost_packets: received.lost(),
        missing_packets: received.numbered.then_some(received.missing),
        corrupted_packets: corrupted,
        measured_packets: received.measured_packets,
        measured_ms: milliseconds(received.time),
        packets_per_second: pps,
        bits_per_second: bps,
    });
    (row, report)
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct GeneratorReport {
    packet_bytes: Option<usize>,
    offered_packets: u64,
    sent_packets: u64,
    duration_ms: f64,
    packets_per_second: f64,
    bits_per_second: f64,
}

/// What a generator did whose sink is somewhere else.
pub(crate) fn generator(sizes: Sizes, sent: &Sent) -> (String, Report) {
    let seconds = sent.time.as_secs_f64().max(f64::MIN_POSITIVE);
    let (pps, bps) = (real(sent.packets) / seconds, 8.0 * real(sent.bytes) / seconds);
    let text = format!(
        "sent {} packets of {sizes} bytes in {:.3} s: {:.3} Mpps, {:.3} Gb/s; {} found the ring full at their time",
        sent.packets,
        seconds,
        pps / 1e6,
        bps / 1e9,
        sent.offered - sent.packets,
    );
    let report = Report::Generator(GeneratorReport {
        packet_bytes: packet_bytes(sizes),
        offered_packets: sent.offered,
        sent_packets: sent.packets,
        duration_ms: milliseconds(sent.time),
        packets_per_second: pps,
        bits_per_second: bps,
    });
    (text, report)
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

fn times(times: &Histogram<u64>) -> TimesReport {
    let any = !times.is_empty();
    let at = |quantile| any.then(|| times.value_at_quantile(quantile));
    TimesReport {
        count: times.len(),
        min_ns: any.then(|| times.min()),
        mean_ns: any.then(|| times.mean()),
        p50_ns: at(0.5),
        p90_ns: at(0.9),
        p99_ns: at(0.99),
        p99_9_ns: at(0.999),
        max_ns: any.then(|| times.max()),
        histogram: buckets(times),
    }
}

/// The head of a table of times, and of its first column.
pub(crate) fn times_head(what: &str) -> String {
    format!(
        "{what:>8} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "count", "min us", "p50 us", "p90 us", "p99 us", "p99.9 us", "max us"
    )
}

/// A row of it.
pub(crate) fn times_row(what: &str, times: &Histogram<u64>) -> String {
    let mut row = format!("{what:>8} {:>10}", times.len());
    let quantiles = [0.0, 0.5, 0.9, 0.99, 0.999, 1.0];
    for quantile in quantiles {
        let text = if times.is_empty() {
            "-".to_owned()
        } else {
            format!("{:.3}", real(times.value_at_quantile(quantile)) / 1e3)
        };
        let _ = write!(row, " {text:>10}");
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
    let mut rows: Vec<_> = (0..=ROWS)
        .map(|row| (Some(super::generator::whole(low * step.powi(row)) + 1), 0))
        .chain([(None, 0)])
        .collect();
    for value in times.iter_recorded() {
        let time = value.value_iterated_to();
        let row = rows.iter_mut().find(|row| row.0.is_none_or(|to| time <= to));
        row.into_iter().for_each(|row| row.1 += value.count_since_last_iteration());
    }
    let most = rows.iter().map(|row| row.1).max().unwrap_or(0).max(1);
    let bar = |count| super::generator::whole((BAR * real(count) / real(most)).ceil());
    rows.into_iter()
        .map(|(to, count)| {
            let to = to.map_or_else(
                || "beyond        ".to_owned(),
                |to| format!("to {:>8.3} us", real(to) / 1e3),
            );
            let bar = "#".repeat(usize::try_from(bar(count)).unwrap_or(0));
            format!("  {to} {count:>10} {bar}").trim_end().to_owned()
        })
        .collect()
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LatencyReport {
    packet_bytes: Option<usize>,
    /// `null`: one in flight.
    asked_per_second: Option<f64>,
    sent_packets: u64,
    received_packets: u64,
    lost_packets: u64,
    corrupted_packets: u64,
    duration_ms: f64,
    received_per_second: Option<f64>,
    round_trip: TimesReport,
}

/// What came of round trips.
pub(crate) fn latency(sizes: Sizes, rate: Option<f64>, answers: &Answers) -> Report {
    let seconds = answers.time.as_secs_f64();
    Report::Latency(Box::new(LatencyReport {
        packet_bytes: packet_bytes(sizes),
        asked_per_second: rate,
        sent_packets: answers.sent,
        received_packets: answers.received,
        lost_packets: answers.sent.saturating_sub(answers.received),
        corrupted_packets: answers.corrupted,
        duration_ms: milliseconds(answers.time),
        received_per_second: (seconds > 0.0).then(|| real(answers.received) / seconds),
        round_trip: times(&answers.times),
    }))
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct TrialReport {
    packet_bytes: Option<usize>,
    /// `null`: as fast as it goes.
    asked_per_second: Option<f64>,
    offered_packets: u64,
    arrived_packets: u64,
    lost_packets: u64,
    duration_ms: f64,
    passed: bool,
}

/// The head of a table of trials.
pub(crate) const TRIALS: &str = "       Mpps       offered       arrived       lost";

/// One trial of the search for the rate.
pub(crate) fn trial(sizes: Sizes, trial: &Trial, loss: f64) -> (String, Report) {
    let passed = trial.rate.is_some() && trial.passed(loss);
    let verdict = match trial.rate {
        None => "as fast as it goes",
        Some(_) if passed => "passed",
        Some(_) if trial.was_offered() => "lost",
        Some(_) => "the generator fell behind",
    };
    let row = format!(
        "{:>11.4} {:>13} {:>13} {:>10} {verdict}",
        trial.rate.unwrap_or_else(|| trial.arrived_rate()) / 1e6,
        trial.offered,
        trial.arrived,
        trial.lost(),
    );
    let report = Report::Trial(TrialReport {
        packet_bytes: packet_bytes(sizes),
        asked_per_second: trial.rate,
        offered_packets: trial.offered,
        arrived_packets: trial.arrived,
        lost_packets: trial.lost(),
        duration_ms: milliseconds(trial.time),
        passed,
    });
    (row, report)
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct NdrReport {
    packet_bytes: Option<usize>,
    allowed_loss_percent: f64,
    /// 0 where every rate lost packets.
    packets_per_second: f64,
}

/// The rate that was found.
pub(crate) fn ndr(sizes: Sizes, loss: f64, rate: f64) -> (String, Report) {
    let text = if rate > 0.0 {
        format!("{sizes} bytes: {:.4} Mpps with no more than {} % lost", rate / 1e6, loss * 100.0)
    } else {
        format!(
            "{sizes} bytes: no rate without loss was found; give --loss, longer rings, or a quieter machine"
        )
    };
    let report = NdrReport {
        packet_bytes: packet_bytes(sizes),
        allowed_loss_percent: loss * 100.0,
        packets_per_second: rate,
    };
    (text, Report::Ndr(report))
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct SetupReport {
    links: u64,
    duration_ms: f64,
    connect: TimesReport,
    delete: TimesReport,
    connect_and_delete: TimesReport,
}

/// What links take.
pub(crate) fn setup(setups: &Setups) -> Report {
    Report::Setup(Box::new(SetupReport {
        links: setups.whole.len(),
        duration_ms: milliseconds(setups.time),
        connect: times(&setups.connect),
        delete: times(&setups.delete),
        connect_and_delete: times(&setups.whole),
    }))
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CrowdReport {
    interfaces: u32,
    set_up_ms: f64,
    this_end: CostReport,
    before: CostReport,
    /// `null` where it is not a process of ours.
    other_end: Option<CostReport>,
    lost_packets: u64,
    /// Two wake-ups each.
    round_trip: TimesReport,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct CostReport {
    resident_bytes: u64,
    shared_bytes: u64,
    descriptors: u64,
}

impl From<Cost> for CostReport {
    fn from(cost: Cost) -> Self {
        let Cost { own, shared, descriptors } = cost;
        Self { resident_bytes: own, shared_bytes: shared, descriptors }
    }
}

/// What many interfaces take, in words and for programs.
pub(crate) fn crowd(crowd: &Crowd) -> (Vec<String>, Report) {
    let count = crowd.count;
    let each = |time: Duration| time / count.max(1);
    let mebi = |bytes: u64| real(bytes) / f64::from(1 << 20);
    let cost = |name: &str, cost: Cost| {
        format!(
            "  {name}: {:.1} MiB of its own, {:.1} MiB shared, {} descriptors",
            mebi(cost.own),
            mebi(cost.shared),
            cost.descriptors
        )
    };
    let mut lines = vec![
        format!(
            "{count} interfaces: up in {:.3} ms, {:.1} us each",
            milliseconds(crowd.set_up),
            milliseconds(each(crowd.set_up)) * 1e3
        ),
        cost("before", crowd.before),
        cost("this end", crowd.cost),
    ];
    lines.extend(crowd.other.map(|other| cost("other end", other)));
    lines.push(if crowd.round_trips.is_empty() {
        "  nothing came back, so nothing is known of wake-ups: start the peer with --part echo"
            .to_owned()
    } else {
        let half = |quantile| real(crowd.round_trips.value_at_quantile(quantile)) / 2e3;
        format!(
            "  one wake-up, half a round trip: p50 {:.2} us, p99 {:.2} us ({} round trips)",
            half(0.5),
            half(0.99),
            crowd.round_trips.len()
        )
    });
    let report = Report::Crowd(Box::new(CrowdReport {
        interfaces: count,
        set_up_ms: milliseconds(crowd.set_up),
        this_end: crowd.cost.into(),
        before: crowd.before.into(),
        other_end: crowd.other.map(Into::into),
        lost_packets: crowd.lost,
        round_trip: times(&crowd.round_trips),
    }));
    (lines, report)
}
