//! Times without a link.

use std::time::Duration;

use serde::Serialize;

use super::Report;
use crate::commands::bench::reconnect::Outages;
use crate::output::json::milliseconds;

/// Those of a whole run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct OutagesReport {
    outages: u64,
    without_link_ms: f64,
}

impl From<Outages> for OutagesReport {
    fn from(outages: Outages) -> Self {
        Self { outages: outages.count, without_link_ms: milliseconds(outages.time) }
    }
}

/// One of them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct OutageReport {
    /// Why the link went down.
    reason: String,
    without_link_ms: f64,
    /// Whether it came back.
    is_back: bool,
}

/// A time without a link that is over, or was waited for in vain.
pub(crate) fn outage(reason: &str, time: Duration, is_back: bool) -> Report {
    Report::Outage(OutageReport { reason: reason.to_owned(), without_link_ms: milliseconds(time), is_back })
}

/// What people are told of all of them; nothing without any.
pub(crate) fn outages(outages: Outages) -> Option<String> {
    let times = if outages.count == 1 { "1 time".to_owned() } else { format!("{} times", outages.count) };
    (outages.count > 0).then(|| format!("no link: {times}, {:.3} s in all", outages.time.as_secs_f64()))
}
