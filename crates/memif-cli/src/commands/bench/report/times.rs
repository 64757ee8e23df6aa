//! Times: of round trips, and of links that come and go.

use serde::Serialize;

use crate::commands::bench::latency::Answers;
use crate::commands::bench::outages::OutagesReport;
use crate::commands::bench::setup::Setups;
use crate::counts::real;
use crate::error::Error;
use crate::output::json::milliseconds;
use crate::output::so_far;
use crate::output::times::{self, TimesReport};
use crate::packet::numbered::Sizes;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_latency")]
pub(crate) struct LatencyReport {
    packet_bytes: Option<usize>,
    /// Which of several runs of the same; `null` where there is one.
    run: Option<u32>,
    /// `null`: one in flight.
    asked_per_second: Option<f64>,
    sent_packets: u64,
    received_packets: u64,
    lost_packets: u64,
    corrupted_packets: u64,
    duration_ms: f64,
    received_per_second: Option<f64>,
    #[serde(flatten)]
    outages: OutagesReport,
    round_trip: TimesReport,
}

/// What came of round trips.
pub(crate) fn latency(sizes: Sizes, rate: Option<f64>, run: Option<u32>, answers: &Answers) -> LatencyReport {
    let seconds = answers.time.as_secs_f64();
    LatencyReport {
        packet_bytes: sizes.fixed(),
        run,
        asked_per_second: rate,
        sent_packets: answers.sent,
        received_packets: answers.received,
        lost_packets: answers.sent.saturating_sub(answers.received),
        corrupted_packets: answers.corrupted,
        duration_ms: milliseconds(answers.time),
        received_per_second: (seconds > 0.0).then(|| real(answers.received) / seconds),
        outages: answers.outages.into(),
        round_trip: TimesReport::new(&answers.times),
    }
}

/// Says what came back until now.
pub(crate) fn latency_so_far(sizes: Sizes, rate: Option<f64>, answers: &Answers) -> Result<(), Error> {
    let line = times::words(&answers.times);
    let (received, sent) = (answers.received, answers.sent);
    so_far(format_args!("{received} of {sent} packets came back: {line}"), &latency(sizes, rate, None, answers))
}

/// Says what links took until now.
pub(crate) fn setup_so_far(setups: &Setups) -> Result<(), Error> {
    so_far(format_args!("{} links: {}", setups.whole.len(), times::words(&setups.whole)), &setup(setups))
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_setup")]
pub(crate) struct SetupReport {
    links: u64,
    duration_ms: f64,
    connect: TimesReport,
    delete: TimesReport,
    connect_and_delete: TimesReport,
}

/// What links take.
pub(crate) fn setup(setups: &Setups) -> SetupReport {
    SetupReport {
        links: setups.whole.len(),
        duration_ms: milliseconds(setups.time),
        connect: TimesReport::new(&setups.connect),
        delete: TimesReport::new(&setups.delete),
        connect_and_delete: TimesReport::new(&setups.whole),
    }
}
