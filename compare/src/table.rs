//! Figures of the rounds, what they come to, and the tables.

use std::fmt::Write as _;

use serde::Serialize;

use crate::job::Report;
use crate::metric::Metric;
use crate::row::{BARE, BARE_AGAIN, OURS, REFERENCE, RUST, Relation, Row};

/// Everything that was measured for a row: figures by metric, contender and round, NaN where a slice failed.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) values: Vec<Vec<Vec<f64>>>,
    /// By contender: why it has no figures, or the first failure.
    pub(crate) failures: Vec<Option<String>>,
    /// Part of the cores' time that the host of a virtual machine kept for others meanwhile.
    pub(crate) stolen: f64,
    /// Slices that do not count because the cores were at another distance.
    pub(crate) left_out: usize,
    /// Slices at different distances of the cores count together, because too few are alike.
    pub(crate) mixed: bool,
    /// By contender and round: round trips.
    pub(crate) times: Vec<Vec<Vec<(u64, u64)>>>,
    /// By contender and round: nanoseconds of a cache line between the cores, there and back, where that is known.
    pub(crate) distances: Vec<Vec<Option<f64>>>,
}

/// A contender's figures in one metric.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) contender: String,
    pub(crate) metric: &'static str,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) to_reference: Option<f64>,
    pub(crate) to_bare: Option<f64>,
    pub(crate) rounds: Vec<f64>,
    pub(crate) failure: Option<String>,
}

/// A target and what came of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) text: String,
    pub(crate) ratio: f64,
    pub(crate) reached: bool,
}

/// A row for programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) lines: Vec<Line>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) noise: Option<Noise>,
    /// Part of the cores' time that the host of a virtual machine kept for others.
    pub(crate) stolen: f64,
    /// Nanoseconds of a cache line between the cores, there and back, in the slices that count, and how many slices do
    /// not because it was another.
    pub(crate) distance: f64,
    pub(crate) left_out: usize,
    pub(crate) mixed: bool,
}

/// What the two runs of the bare ring in each round say of a row.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Noise {
    /// Median of how far apart the two were, as a part of their mean.
    pub(crate) apart: f64,
    /// From the first quartile of all of them to the third, as a part of their median.
    pub(crate) spread: f64,
    /// What they made of the fastest library or API, by the median of the pairs: what makes clearly less is no limit of
    /// that work, but met something that the others did not.
    pub(crate) to_best: f64,
}

impl Noise {
    /// Whether the machine was too noisy, or the bare ring is not known.
    fn is_loud(&self) -> bool {
        self.apart.is_nan() || self.apart > TOO_NOISY || self.spread.is_nan() || self.spread > TOO_SPREAD
    }

    /// Why the row cannot be judged, if so.
    fn reason(&self) -> Option<&'static str> {
        if self.is_loud() {
            Some("TOO NOISY, nothing here can be judged")
        } else if self.to_best < TOO_SLOW {
            Some("NO LIMIT, since others make clearly more: this row cannot be called quiet")
        } else {
            None
        }
    }
}

/// Distances of cores count as the same up to this factor.
const SAME: f64 = 1.5;

/// Beyond this noise nothing can be judged.
pub(crate) const TOO_NOISY: f64 = 0.1;
/// Nor where half of the bare ring's slices spread by more than that.
const TOO_SPREAD: f64 = 0.2;
/// Nor against a bare ring that makes less than this part of somebody else's rate.
const TOO_SLOW: f64 = 0.75;

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// From the first quartile to the third, as a part of the median.
fn spread(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let at = |part: usize| sorted.get((sorted.len().saturating_sub(1) * part).div_ceil(4)).copied().unwrap_or(f64::NAN);
    (at(3) - at(1)) / median(&sorted)
}

/// Median of the ratios of pairs that were measured in the same round.
pub(crate) fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(&of.iter().zip(to).map(|(a, b)| a / b).collect::<Vec<_>>())
}

/// Whether two distances of cores are about the same.
fn is_same(distance: f64, other: f64) -> bool {
    (other / SAME..=other * SAME).contains(&distance)
}

impl Measured {
    pub(crate) fn new(row: Row) -> Self {
        let (metrics, contenders) = (row.metrics.len(), row.contenders.len());
        Self {
            row,
            values: vec![vec![Vec::new(); contenders]; metrics],
            failures: vec![None; contenders],
            stolen: 0.0,
            left_out: 0,
            mixed: false,
            times: vec![Vec::new(); contenders],
            distances: vec![Vec::new(); contenders],
        }
    }

    /// Takes in what a slice brought; nothing where it failed.
    pub(crate) fn add(&mut self, contender: usize, report: Option<Report>) {
        for (values, metric) in self.values.iter_mut().zip(self.row.metrics) {
            let value = report.as_ref().map_or(f64::NAN, |report| metric.of(report));
            values[contender].push(value);
        }
        let report = report.unwrap_or_default();
        self.distances[contender].push(report.distance);
        self.times[contender].push(report.times);
    }

    /// The distance of the cores in most slices: the one that most others are close to.
    fn usual_distance(&self) -> f64 {
        let all: Vec<f64> = self.distances.iter().flatten().flatten().copied().collect();
        let close = |to: f64| all.iter().filter(|distance| is_same(**distance, to)).count();
        let most = all.iter().map(|distance| close(*distance)).max().unwrap_or(0);
        let central: Vec<f64> = all.iter().copied().filter(|d| close(*d) == most).collect();
        // Values that were measured, not a mean of two that are far apart.
        central.iter().copied().min_by(f64::total_cmp).unwrap_or(f64::NAN)
    }

    fn is_usual(&self, contender: usize, round: usize, usual: f64) -> bool {
        let distance = self.distances[contender].get(round).copied().flatten();
        distance.is_none_or(|distance| is_same(distance, usual))
    }

    /// The least number of slices of one contender that count.
    pub(crate) fn least_counting(&self) -> usize {
        let usual = self.usual_distance();
        let count = |(contender, rounds): (usize, &Vec<_>)| {
            (0..rounds.len()).filter(|round| self.is_usual(contender, *round, usual)).count()
        };
        self.distances.iter().enumerate().map(count).min().unwrap_or(0)
    }

    /// Leaves out slices in which the cores were nearer or farther from each other than in most: figures of both kinds
    /// of slices, and ratios across them, say nothing.
    ///
    /// Where that would leave nothing of somebody, all stay, and the table says that they can't be compared.
    pub(crate) fn leave_out_other_distances(&mut self) {
        self.mixed = self.least_counting() == 0;
        if self.mixed {
            return;
        }
        let usual = self.usual_distance();
        for contender in 0..self.distances.len() {
            for round in 0..self.distances[contender].len() {
                if self.is_usual(contender, round, usual) {
                    continue;
                }
                self.left_out += 1;
                for values in &mut self.values {
                    values[contender][round] = f64::NAN;
                }
                self.times[contender][round].clear();
            }
        }
    }

    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.row.contenders.iter().position(|(contender, _)| contender == name)
    }

    pub(crate) fn of(&self, metric: Metric, name: &str) -> Option<&[f64]> {
        let at = self.row.metrics.iter().position(|m| *m == metric)?;
        Some(&self.values[at][self.place(name)?])
    }

    pub(crate) fn summary(&self) -> Summary {
        let mut lines = Vec::new();
        for (at, metric) in self.row.metrics.iter().enumerate() {
            for (contender, (name, _)) in self.row.contenders.iter().enumerate() {
                let rounds = self.values[at][contender].clone();
                let to = |base: &str| {
                    // A variant is compared with the same variant.
                    let variant = name.split_once(", ").map(|(_, variant)| variant);
                    let base = self
                        .place(base)
                        .map(|_| base.to_owned())
                        .or_else(|| variant.map(|variant| format!("{base}, {variant}")))?;
                    let base = self.of(*metric, &base).filter(|_| *name != base)?;
                    Some(ratio(&rounds, base)).filter(|ratio| ratio.is_finite())
                };
                lines.push(Line {
                    contender: name.clone(),
                    metric: metric.title(),
                    median: median(&rounds),
                    min: rounds.iter().copied().fold(f64::NAN, f64::min),
                    max: rounds.iter().copied().fold(f64::NAN, f64::max),
                    to_reference: to(REFERENCE),
                    to_bare: to(BARE),
                    failure: self.failures[contender].clone(),
                    rounds,
                });
            }
        }
        Summary {
            id: self.row.id,
            title: self.row.title,
            lines,
            verdicts: self.verdicts(),
            noise: self.noise(),
            stolen: self.stolen,
            distance: self.usual_distance(),
            left_out: self.left_out,
            mixed: self.mixed,
        }
    }

    fn noise(&self) -> Option<Noise> {
        let metric = self.row.metrics[0];
        let (bare, again) = self.of(metric, BARE).zip(self.of(metric, BARE_AGAIN))?;
        let pairs = bare.iter().zip(again);
        let apart = median(&pairs.map(|(a, b)| (a - b).abs() / ((a + b) / 2.0)).collect::<Vec<_>>());
        let memif = self.row.contenders.iter().map(|(name, _)| name.as_str());
        let memif = memif.filter(|name| *name == RUST || *name == OURS || name.starts_with(REFERENCE));
        // Of a time less is more.
        let to_best = memif.filter_map(|name| self.of(metric, name)).map(|other| match metric {
            Metric::Rate => ratio(bare, other),
            _ => ratio(other, bare),
        });
        let to_best = to_best.filter(|ratio| ratio.is_finite()).fold(f64::INFINITY, f64::min);
        Some(Noise { apart, spread: spread(&[bare, again].concat()), to_best })
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for target in &self.row.targets {
            let (who, base) = (self.of(target.metric, &target.who), self.of(target.metric, &target.base));
            let (Some(who), Some(base)) = (who, base) else { continue };
            let ratio = ratio(who, base);
            let (words, reached) = match target.relation {
                Relation::AtLeast => ("at least", ratio >= target.ratio),
                Relation::AtMost => ("at most", ratio <= target.ratio),
            };
            verdicts.push(Verdict {
                text: format!(
                    "{}: {} {words} {} times {}",
                    target.metric.title(),
                    target.who,
                    target.ratio,
                    target.base
                ),
                ratio,
                reached,
            });
        }
        verdicts
    }
}

/// A figure with as many digits as it deserves.
fn figure(value: f64) -> String {
    if !value.is_finite() {
        "-".to_owned()
    } else if value.abs() >= 1000.0 {
        format!("{value:.0}")
    } else if value.abs() >= 100.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

impl Summary {
    pub(crate) fn markdown(&self) -> String {
        let mut out = format!("### {}\n\n", self.title);
        let _ = writeln!(out, "| | | median | min..max | to reference | to bare ring |");
        let _ = writeln!(out, "|---|---|---:|---:|---:|---:|");
        for line in &self.lines {
            let optional = |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), figure);
            let _ = writeln!(
                out,
                "| {} | {} | {} | {}..{} | {} | {} |",
                line.contender,
                line.metric,
                figure(line.median),
                figure(line.min),
                figure(line.max),
                optional(line.to_reference),
                optional(line.to_bare),
            );
        }
        out.push('\n');
        // Every metric has the same.
        let first = self.lines.first().map(|line| line.metric);
        for line in self.lines.iter().filter(|line| Some(line.metric) == first) {
            if let Some(failure) = &line.failure {
                let _ = writeln!(out, "- {}: {failure}", line.contender);
            }
        }
        for verdict in &self.verdicts {
            let word = if verdict.reached { "reached" } else { "NOT reached" };
            let _ = writeln!(out, "- {word}: {} (is {})", verdict.text, figure(verdict.ratio));
        }
        if let Some(noise) = self.noise {
            let judged = noise.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
            let _ = writeln!(
                out,
                "- noise: the bare ring against itself differs by {:.1} %, half of its slices by {:.1} %{judged}",
                noise.apart * 100.0,
                noise.spread * 100.0
            );
        }
        if self.distance.is_finite() {
            let _ = write!(out, "- cores: a cache line there and back in {:.0} ns", self.distance);
            if self.mixed {
                out.push_str(" in most slices, others count too: nothing here can be judged");
            } else if self.left_out > 0 {
                let _ = write!(out, "; {} slices with another distance left out", self.left_out);
            }
            out.push('\n');
        }
        if self.stolen >= 0.01 {
            let _ = writeln!(out, "- stolen: the host kept {:.0} % of the cores' time", self.stolen * 100.0);
        }
        out.push('\n');
        out
    }
}

/// How many targets were reached, and whether the machine was quiet enough to say so.
pub(crate) fn judgement(summaries: &[Summary]) -> String {
    let verdicts = || summaries.iter().flat_map(|summary| &summary.verdicts);
    let (all, reached) = (verdicts().count(), verdicts().filter(|v| v.reached).count());
    let mut out = format!("{reached} of {all} targets reached.");
    let noises: Vec<Noise> = summaries.iter().filter_map(|summary| summary.noise).collect();
    let loud = noises.iter().filter(|noise| noise.is_loud()).count();
    let no_limit = noises.iter().filter(|noise| !noise.is_loud() && noise.reason().is_some()).count();
    if loud > 0 {
        let _ = write!(
            out,
            " The machine was TOO NOISY to judge {loud} of {} rows: there the bare ring against itself differs by more \
             than {:.0} %, or half of its slices by more than {:.0} %.",
            noises.len(),
            TOO_NOISY * 100.0,
            TOO_SPREAD * 100.0
        );
    } else if !noises.is_empty() {
        let worst = noises.iter().map(|noise| noise.apart).fold(0.0, f64::max) * 100.0;
        let _ = write!(out, " The bare ring against itself spreads by {worst:.1} % at most.");
    }
    if no_limit > 0 {
        let _ = write!(out, " In {no_limit} rows the bare ring is no limit.");
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests;
