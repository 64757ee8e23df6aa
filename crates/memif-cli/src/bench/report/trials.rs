//! The search for the rate without loss.

use serde::Serialize;

use super::{Report, packet_bytes};
use crate::bench::ndr::Trial;
use crate::bench::packet::Sizes;
use crate::json::milliseconds;

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
