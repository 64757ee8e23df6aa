//! Figures of several runs of the same.

use hdrhistogram::Histogram;
use memif::Role;
use serde::Serialize;

use crate::commands::bench::spread::Spread;
use crate::counts::real;
use crate::output::times::short_time;
use crate::packet::numbered::Sizes;

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_spread")]
pub(crate) struct SpreadReport {
    work: &'static str,
    packet_bytes: Option<usize>,
    /// Of the sender; `null` for round trips.
    from_role: Option<String>,
    runs: usize,
    figures: Vec<FigureReport>,
}

#[derive(Clone, Debug, Serialize)]
struct FigureReport {
    /// The field of the reports of the runs.
    figure: &'static str,
    median: f64,
    min: f64,
    max: f64,
    spread_percent: f64,
}

fn report(work: &'static str, sizes: Sizes, from: Option<Role>, figures: &[(&'static str, Spread)]) -> SpreadReport {
    SpreadReport {
        work,
        packet_bytes: sizes.fixed(),
        from_role: from.map(|role| role.to_string()),
        runs: figures.first().map_or(0, |(_, spread)| spread.runs),
        figures: figures
            .iter()
            .map(|(figure, spread)| FigureReport {
                figure,
                median: spread.median,
                min: spread.least,
                max: spread.greatest,
                spread_percent: spread.percent(),
            })
            .collect(),
    }
}

/// What several runs one way came to: packets and bits per second. `way` names the direction where there are two.
pub(crate) fn spread_of_rates(
    sizes: Sizes,
    from: Role,
    way: Option<&str>,
    (pps, bps): (Spread, Spread),
) -> (String, SpreadReport) {
    let figures = [("packets_per_second", pps), ("bits_per_second", bps)];
    (rates(sizes, way, (pps, bps)), report("throughput", sizes, Some(from), &figures))
}

/// What several runs both ways together came to.
pub(crate) fn spread_of_both_ways(sizes: Sizes, rates_of_runs: (Spread, Spread)) -> String {
    rates(sizes, Some("both ways"), rates_of_runs)
}

fn rates(sizes: Sizes, way: Option<&str>, (pps, bps): (Spread, Spread)) -> String {
    let of = |spread: Spread, unit: f64| {
        format!("{:.3} ({:.3}..{:.3})", spread.median / unit, spread.least / unit, spread.greatest / unit)
    };
    let way = way.map(|way| format!(", {way}")).unwrap_or_default();
    format!(
        "{sizes:>8} median of {} runs{way}: {} Mpps, {} Gb/s; spread {:.1} %",
        pps.runs,
        of(pps, 1e6),
        of(bps, 1e9),
        pps.percent()
    )
}

/// The quantiles that runs are compared by: their fields in reports, and their names.
const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50_ns", "p50", 0.5),
    ("p99_ns", "p99", 0.99),
    ("p99_9_ns", "p99.9", 0.999),
    ("p99_99_ns", "p99.99", 0.9999),
    ("max_ns", "max", 1.0),
];

/// What several runs of round trips came to; `None` where there are not several.
pub(crate) fn spread_of_times(sizes: Sizes, runs: &[Histogram<u64>]) -> Option<(String, SpreadReport)> {
    let of = |quantile| {
        let runs = runs.iter().filter(|times| !times.is_empty());
        Spread::of(runs.map(|times| real(times.value_at_quantile(quantile))))
    };
    let (mut words, mut figures) = (Vec::new(), Vec::new());
    for (figure, name, quantile) in QUANTILES {
        let spread = of(quantile).filter(|spread| spread.runs > 1)?;
        let [median, least, greatest] = [spread.median, spread.least, spread.greatest].map(short_time);
        words.push(format!("{name} {median} ({least}..{greatest})"));
        figures.push((figure, spread));
    }
    let runs = figures.first().map_or(0, |(_, spread)| spread.runs);
    let text = format!("{sizes:>8} median of {runs} runs: {}", words.join(", "));
    Some((text, report("latency", sizes, None, &figures)))
}
