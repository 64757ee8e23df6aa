//! Figures of two files as rows of a table, as reports, and as bars.

use serde::Serialize;

use super::figures::{Figure, Unit};
use crate::commands::bench::spread::Spread;
use crate::output::plot::Panel;
use crate::output::times::short_time;

/// One figure of both files, or of the one that has it.
pub(super) struct Line {
    name: String,
    unit: Unit,
    values: [Option<Spread>; 2],
}

#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "bench_compare")]
pub(super) struct CompareReport {
    figure: String,
    unit: &'static str,
    first: Option<SideReport>,
    second: Option<SideReport>,
    /// From the first to the second; `null` where one of them is missing.
    change_percent: Option<f64>,
    /// Whether the runs of one file lie apart from those of the other; `null` where there are none to tell by.
    apart: Option<bool>,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct SideReport {
    runs: usize,
    median: f64,
    min: f64,
    max: f64,
}

impl From<Spread> for SideReport {
    fn from(spread: Spread) -> Self {
        Self { runs: spread.runs, median: spread.median, min: spread.least, max: spread.greatest }
    }
}

/// A line for each figure that a file has, in the order in which they come.
pub(super) fn lines(one: &[Figure], other: &[Figure]) -> Vec<Line> {
    let find = |figures: &[Figure], wanted: &Figure| {
        let same = figures.iter().find(|figure| figure.name == wanted.name && figure.unit == wanted.unit);
        same.and_then(Figure::spread)
    };
    let line = |figure: &Figure| Line {
        name: figure.name.clone(),
        unit: figure.unit,
        values: [find(one, figure), find(other, figure)],
    };
    let alone = other.iter().filter(|figure| find(one, figure).is_none());
    one.iter().chain(alone).map(line).collect()
}

impl Line {
    /// Whether both files have it.
    pub(super) fn is_whole(&self) -> bool {
        self.values.iter().all(Option::is_some)
    }

    fn change(&self) -> Option<f64> {
        let [Some(one), Some(other)] = self.values else { return None };
        (one.median > 0.0).then(|| 100.0 * (other.median / one.median - 1.0))
    }

    /// Whether the runs lie apart, where there are several of both.
    fn apart(&self) -> Option<bool> {
        let [Some(one), Some(other)] = self.values else { return None };
        (one.runs > 1 && other.runs > 1).then_some(one.greatest < other.least || other.greatest < one.least)
    }

    fn said(&self, value: f64) -> String {
        match self.unit {
            Unit::PacketsPerSecond => format!("{:.3} Mpps", value / 1e6),
            Unit::BitsPerSecond => format!("{:.3} Gb/s", value / 1e9),
            Unit::Nanoseconds => short_time(value),
        }
    }

    fn cell(&self, spread: Option<Spread>) -> String {
        let Some(spread) = spread else { return "-".to_owned() };
        let median = self.said(spread.median);
        if spread.runs < 2 {
            return median;
        }
        let (least, greatest) = (self.said(spread.least), self.said(spread.greatest));
        // Rates have the unit of their median.
        let bare = |text: String| match self.unit {
            Unit::Nanoseconds => text,
            _ => text.split(' ').next().unwrap_or_default().to_owned(),
        };
        format!("{median} ({}..{})", bare(least), bare(greatest))
    }

    pub(super) fn report(&self) -> CompareReport {
        let [one, other] = self.values;
        CompareReport {
            figure: self.name.clone(),
            unit: match self.unit {
                Unit::PacketsPerSecond => "packets_per_second",
                Unit::BitsPerSecond => "bits_per_second",
                Unit::Nanoseconds => "ns",
            },
            first: one.map(Into::into),
            second: other.map(Into::into),
            change_percent: self.change(),
            apart: self.apart(),
        }
    }
}

/// The table for people, as wide as its cells.
pub(super) fn text(names: [&String; 2], lines: &[Line]) -> Vec<String> {
    let mut rows = vec![["".to_owned(), names[0].clone(), names[1].clone(), "change".to_owned(), "".to_owned()]];
    for line in lines {
        let [one, other] = line.values.map(|spread| line.cell(spread));
        let change = line.change().map_or_else(|| "-".to_owned(), |change| format!("{change:+.1} %"));
        let note = if line.apart() == Some(false) { "within the runs" } else { "" };
        rows.push([line.name.clone(), one, other, change, note.to_owned()]);
    }
    let mut widths = [0; 5];
    for (width, column) in widths.iter_mut().zip(0..) {
        let cells = rows.iter().filter_map(|row| row.get(column));
        *width = cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0);
    }
    let [name, one, other, change, _] = widths;
    let row = |[a, b, c, d, e]: &[String; 5]| {
        format!("{a:<name$}  {b:>one$}  {c:>other$}  {d:>change$}  {e}").trim_end().to_owned()
    };
    rows.iter().map(row).collect()
}

/// Bars of both files beside each other, in a panel for each unit.
pub(super) fn panels(lines: &[Line]) -> Vec<Panel> {
    let units = [
        (Unit::PacketsPerSecond, "Mpps", 1e6),
        (Unit::BitsPerSecond, "Gb/s", 1e9),
        (Unit::Nanoseconds, "microseconds", 1e3),
    ];
    let mut panels = Vec::new();
    for (unit, title, one) in units {
        let bars = |line: &Line| line.values.map(|spread| spread.map(|spread| spread.bar(one))).to_vec();
        let of_unit = lines.iter().filter(|line| line.unit == unit);
        let rows: Vec<_> = of_unit.map(|line| (line.name.clone(), bars(line))).collect();
        if !rows.is_empty() {
            panels.push(Panel { title: title.to_owned(), rows });
        }
    }
    panels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(one: &[f64], other: &[f64]) -> Line {
        let values = [one, other].map(|values| Spread::of(values.iter().copied()));
        Line { name: "64 bytes, rate".to_owned(), unit: Unit::PacketsPerSecond, values }
    }

    #[test]
    fn a_change_within_the_runs_is_said_to_be() {
        let clear = line(&[1e6, 1.1e6, 1.2e6], &[2e6, 2.2e6]);
        assert_eq!((clear.apart(), clear.change().map(f64::round)), (Some(true), Some(91.0)));
        assert_eq!(line(&[1e6, 2e6], &[1.5e6, 2.5e6]).apart(), Some(false));
        assert_eq!((line(&[1e6], &[2e6]).apart(), line(&[1e6], &[]).change()), (None, None));
    }

    #[test]
    fn columns_stand_below_each_other() {
        let lines = [line(&[1e6, 2e6], &[1.5e6, 2.5e6]), line(&[1e6], &[])];
        let (one, other) = ("a.json".to_owned(), "another.json".to_owned());
        let text = text([&one, &other], &lines);
        assert!(text[1].contains("1.500 Mpps (1.000..2.000)") && text[1].ends_with("within the runs"));
        let end = |line: &str, word: &str| line.find(word).map(|at| at + word.len());
        assert_eq!(end(&text[0], "a.json"), end(&text[1], "1.000..2.000)"));
        assert_eq!(end(&text[0], "change"), text[2].rfind('-').map(|at| at + 1));
    }
}
