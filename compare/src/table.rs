//! Figures of the rounds, what they come to, and the tables.

use std::fmt::Write as _;

use serde::Serialize;

use crate::rows::{BARE, BARE_AGAIN, Metric, REFERENCE, Relation, Row};

/// Everything that was measured for a row: figures by metric, contender and round, NaN where a slice failed.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) row: Row,
    pub(crate) values: Vec<Vec<Vec<f64>>>,
    /// By contender: why it has no figures, or the first failure.
    pub(crate) failures: Vec<Option<String>>,
    /// By contender: round trips of all rounds.
    pub(crate) times: Vec<Vec<(u64, u64)>>,
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
    /// Median of how far apart the two runs of the bare ring in one round were, as a part of their mean.
    pub(crate) noise: Option<f64>,
}

/// Beyond this noise nothing can be judged.
pub(crate) const TOO_NOISY: f64 = 0.1;

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// Median of the ratios of pairs that were measured in the same round.
pub(crate) fn ratio(of: &[f64], to: &[f64]) -> f64 {
    median(&of.iter().zip(to).map(|(a, b)| a / b).collect::<Vec<_>>())
}

impl Measured {
    pub(crate) fn new(row: Row) -> Self {
        let (metrics, contenders) = (row.metrics.len(), row.contenders.len());
        Self {
            row,
            values: vec![vec![Vec::new(); contenders]; metrics],
            failures: vec![None; contenders],
            times: vec![Vec::new(); contenders],
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
        let metric = self.row.metrics[0];
        let noise = self.of(metric, BARE).zip(self.of(metric, BARE_AGAIN)).map(|(a, b)| {
            median(
                &a.iter().zip(b).map(|(a, b)| (a - b).abs() / ((a + b) / 2.0)).collect::<Vec<_>>(),
            )
        });
        Summary { id: self.row.id, title: self.row.title, lines, verdicts: self.verdicts(), noise }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        for target in &self.row.targets {
            let (who, base) =
                (self.of(target.metric, &target.who), self.of(target.metric, &target.base));
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
        for line in &self.lines {
            if let Some(failure) = &line.failure {
                let _ = writeln!(out, "- {}: {failure}", line.contender);
            }
        }
        for verdict in &self.verdicts {
            let word = if verdict.reached { "reached" } else { "NOT reached" };
            let _ = writeln!(out, "- {word}: {} (is {})", verdict.text, figure(verdict.ratio));
        }
        if let Some(noise) = self.noise {
            let judged =
                if noise <= TOO_NOISY { "" } else { ": TOO NOISY, nothing here can be judged" };
            let _ = writeln!(
                out,
                "- noise: the bare ring against itself differs by {:.1} %{judged}",
                noise * 100.0
            );
        }
        out.push('\n');
        out
    }
}
