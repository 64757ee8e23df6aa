//! Many interfaces.

use std::time::Duration;

use serde::Serialize;

use crate::commands::bench::crowd::{Cost, Crowd};
use crate::counts::real;
use crate::error::Error;
use crate::output::json::milliseconds;
use crate::output::so_far;
use crate::output::times::{self, TimesReport, nanoseconds, short_time};

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_interfaces")]
pub(crate) struct CrowdReport {
    interfaces: u32,
    /// Those that got a link, and those that lost it before the end.
    links: usize,
    lost_links: u64,
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

/// So many interfaces, in words.
pub(crate) fn named(count: u32) -> String {
    if count == 1 { "1 interface".to_owned() } else { format!("{count} interfaces") }
}

/// What many interfaces take, in words and for programs.
pub(crate) fn crowd(crowd: &Crowd) -> (Vec<String>, CrowdReport) {
    let count = crowd.count;
    let each = |time: Duration| time / u32::try_from(crowd.up).unwrap_or(u32::MAX).max(1);
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
            "{}: {}up in {}, {} each",
            named(count),
            if crowd.up < usize::try_from(count).unwrap_or(usize::MAX) {
                format!("{} of them ", crowd.up)
            } else {
                String::new()
            },
            short_time(real(nanoseconds(crowd.set_up))),
            short_time(real(nanoseconds(each(crowd.set_up)))),
        ),
        cost("before", crowd.before),
        cost("this end", crowd.cost),
    ];
    lines.extend(crowd.other.map(|other| cost("other end", other)));
    lines.push(if crowd.round_trips.is_empty() {
        "  nothing came back, so nothing is known of wake-ups: start the peer with --part echo".to_owned()
    } else {
        let half = |quantile| short_time(real(crowd.round_trips.value_at_quantile(quantile)) / 2.0);
        format!(
            "  one wake-up, half a round trip: p50 {}, p99 {}, longest {} ({} round trips)",
            half(0.5),
            half(0.99),
            half(1.0),
            crowd.round_trips.len()
        )
    });
    let report = CrowdReport {
        interfaces: count,
        links: crowd.up,
        lost_links: crowd.went_down,
        set_up_ms: milliseconds(crowd.set_up),
        this_end: crowd.cost.into(),
        before: crowd.before.into(),
        other_end: crowd.other.map(Into::into),
        lost_packets: crowd.lost,
        round_trip: TimesReport::new(&crowd.round_trips),
    };
    (lines, report)
}

/// Says what was measured until now.
pub(crate) fn crowd_so_far(found: &Crowd) -> Result<(), Error> {
    let (trips, lost, line) = (found.round_trips.len(), found.lost, times::words(&found.round_trips));
    so_far(format_args!("{trips} round trips, {lost} lost: {line}"), &crowd(found).1)
}
