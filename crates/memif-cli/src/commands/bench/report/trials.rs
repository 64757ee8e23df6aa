//! The search for the rate without loss.

use std::fmt::Write as _;

use serde::Serialize;

use crate::commands::bench::ndr::{Found, Trial};
use crate::output::json::milliseconds;
use crate::packet::numbered::Sizes;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_ndr_trial")]
pub(crate) struct TrialReport {
    packet_bytes: Option<usize>,
    /// `null`: as fast as it goes.
    asked_per_second: Option<f64>,
    offered_packets: u64,
    arrived_packets: u64,
    lost_packets: u64,
    duration_ms: f64,
    /// `null`: it says nothing of a rate.
    passed: Option<bool>,
}

/// The head of a table of trials.
pub(crate) const TRIALS: &str = "       Mpps       offered       arrived       lost";

/// One trial of the search for the rate.
pub(crate) fn trial(sizes: Sizes, trial: &Trial, loss: f64) -> (String, TrialReport) {
    let passed = trial.passed(loss);
    let verdict = match (trial.rate, passed) {
        (None, _) => "as fast as it goes",
        (_, Some(true)) => "passed",
        (_, Some(false)) => "lost",
        (_, None) => "not judged, the generator fell behind",
    };
    let row = format!(
        "{:>11.4} {:>13} {:>13} {:>10} {verdict}",
        trial.rate.unwrap_or_else(|| trial.arrived_rate()) / 1e6,
        trial.offered,
        trial.arrived,
        trial.lost(),
    );
    let report = TrialReport {
        packet_bytes: sizes.fixed(),
        asked_per_second: trial.rate,
        offered_packets: trial.offered,
        arrived_packets: trial.arrived,
        lost_packets: trial.lost(),
        duration_ms: milliseconds(trial.time),
        passed,
    };
    (row, report)
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_ndr")]
pub(crate) struct NdrReport {
    packet_bytes: Option<usize>,
    allowed_loss_percent: f64,
    /// 0 where no rate passed.
    packets_per_second: f64,
    /// `null` where the rates above it lost packets, or are more than arrive as fast as it goes.
    not_judged_per_second: Option<f64>,
}

/// The rate that was found.
pub(crate) fn ndr(sizes: Sizes, loss: f64, found: &Found) -> (String, NdrReport) {
    let mut text = if found.rate > 0.0 {
        let rate = found.rate / 1e6;
        format!("{sizes} bytes: {rate:.4} Mpps with no more than {} % lost", loss * 100.0)
    } else if found.not_judged.is_some() {
        format!("{sizes} bytes: no rate was found")
    } else {
        format!("{sizes} bytes: no rate without loss was found; give --loss, longer rings, or a quieter machine")
    };
    if let Some(from) = found.not_judged {
        let _ = write!(
            text,
            "; from {:.4} Mpps on it is not known, as the generator fell behind each time: a quieter machine tells",
            from / 1e6
        );
    }
    let report = NdrReport {
        packet_bytes: sizes.fixed(),
        allowed_loss_percent: loss * 100.0,
        packets_per_second: found.rate,
        not_judged_per_second: found.not_judged,
    };
    (text, report)
}
