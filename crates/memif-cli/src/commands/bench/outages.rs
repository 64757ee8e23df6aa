//! Times without a link: counted, in words, and for programs.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::output::json::milliseconds;

/// Times without a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outages {
    pub(crate) count: u64,
    /// All of them together, as this end noticed.
    pub(crate) time: Duration,
    /// Whether the last one was waited for in vain.
    pub(crate) for_good: bool,
}

impl Outages {
    /// Those after `before`, which were some of these.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { count: self.count - before.count, time: self.time - before.time, ..self }
    }
}

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

/// One of them, which is over or was waited for in vain.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_outage")]
pub(crate) struct OutageReport {
    /// Why the link went down.
    reason: String,
    without_link_ms: f64,
    /// Whether it came back.
    is_back: bool,
}

impl OutageReport {
    pub(crate) fn new(reason: &str, time: Duration, is_back: bool) -> Self {
        Self { reason: reason.to_owned(), without_link_ms: milliseconds(time), is_back }
    }
}

/// What people are told of all of them; nothing without any.
pub(crate) fn told(outages: Outages) -> Option<String> {
    let times = if outages.count == 1 { "1 time".to_owned() } else { format!("{} times", outages.count) };
    (outages.count > 0).then(|| format!("no link: {times}, {:.3} s in all", outages.time.as_secs_f64()))
}
