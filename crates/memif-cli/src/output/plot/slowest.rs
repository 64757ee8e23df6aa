//! How long the slowest of so many take: over the part that took no longer, both axes logarithmic.

use hdrhistogram::Histogram;

use super::axis;
use super::canvas::{Canvas, Hold, LETTER, Look, MARGIN, WIDTH, text_width};
use crate::counts::real;
use crate::output::times::short_time;

const HEIGHT: f64 = 320.0;
/// Points of a curve for each nine.
const STEPS: f64 = 30.0;
/// What two labels at the end of curves are apart at least.
const APART: f64 = 16.0;

/// One of several, as a curve.
struct Curve<'a> {
    name: &'a str,
    /// How rare, in nines, and how long, in nanoseconds.
    points: Vec<(f64, f64)>,
}

/// The part that took no longer, in nines: 1 for 90 %, 2 for 99 %, as far as there are so many times.
fn nines(times: &Histogram<u64>) -> f64 {
    real(times.len().max(1)).log10()
}

impl<'a> Curve<'a> {
    fn new(name: &'a str, times: &Histogram<u64>) -> Self {
        let rarest = nines(times);
        let mut points = Vec::new();
        let mut rare = 0.0;
        while rare < rarest {
            points.push((rare, times.value_at_quantile(1.0 - 10_f64.powf(-rare))));
            rare += 1.0 / STEPS;
        }
        points.push((rarest, times.max()));
        Self { name, points: points.into_iter().map(|(rare, time)| (rare, real(time.max(1)))).collect() }
    }

    /// The slowest of all.
    fn last(&self) -> (f64, f64) {
        self.points.last().copied().unwrap_or_default()
    }
}

/// Draws a curve for each that has times.
pub(super) fn draw(canvas: &mut Canvas, rows: &[(String, Histogram<u64>)]) {
    let curves: Vec<_> =
        rows.iter().filter(|(_, times)| !times.is_empty()).map(|(name, times)| Curve::new(name, times)).collect();
    let marks: Vec<_> = (0..curves.len())
        .map(|number| {
            move |canvas: &mut Canvas, (x, y): (f64, f64)| canvas.curve(number, &[(x - 10.0, y), (x + 12.0, y)])
        })
        .collect();
    canvas.legend(curves.iter().zip(&marks).map(|(curve, mark)| (curve.name, mark as &dyn Fn(&mut _, _))));
    let all = || curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.1));
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    let (low, high) = if high > 0.0 { (low / 1.2, high * 1.2) } else { (100.0, 1e4) };
    let rarest = curves.iter().map(|curve| curve.last().0).fold(1.0, f64::max);
    let slowest = |curve: &Curve<'_>| format!("max {}", short_time(curve.last().1));
    let ends = curves.iter().map(|curve| text_width(&slowest(curve), LETTER)).fold(0.0, f64::max);
    canvas.text(Look::Label, Hold::Start, (MARGIN, canvas.y + 12.0), "time");
    canvas.y += 20.0;
    let (left, right) = (MARGIN + 64.0, WIDTH - MARGIN - ends - 12.0);
    let (top, bottom) = (canvas.y, canvas.y + HEIGHT);
    let across = |rare: f64| left + (right - left) * rare / rarest;
    let up = |time: f64| bottom - HEIGHT * (time / low).ln() / (high / low).ln();
    for time in axis::logarithmic(low, high) {
        canvas.line(Look::Grid, (left, up(time)), (right, up(time)));
        canvas.text(Look::Small, Hold::End, (left - 6.0, up(time) + 4.0), &round_time(time));
    }
    for (rare, label) in parts(rarest) {
        canvas.line(Look::Grid, (across(rare), top), (across(rare), bottom));
        canvas.text(Look::Small, Hold::Middle, (across(rare), bottom + 16.0), &label);
    }
    canvas.line(Look::Axis, (left, bottom), (right, bottom));
    canvas.line(Look::Axis, (left, top), (left, bottom));
    for (number, curve) in curves.iter().enumerate() {
        let points: Vec<_> = curve.points.iter().map(|(rare, time)| (across(*rare), up(*time))).collect();
        canvas.curve(number, &points);
    }
    let mut labels: Vec<_> = curves.iter().enumerate().collect();
    labels.sort_by(|(_, one), (_, other)| other.last().1.total_cmp(&one.last().1));
    let mut above = f64::MIN;
    for (number, curve) in labels {
        let (rare, time) = curve.last();
        let (x, y) = (across(rare), up(time));
        canvas.dot(Look::Series(number), (x, y));
        let place = (y + 5.0).max(above + APART);
        // Beyond all curves, and level with its own where no other label is.
        canvas.text(Look::Label, Hold::Start, (right + 9.0, place), &slowest(curve));
        above = place;
    }
    canvas.y = bottom + 36.0;
    let what = "part of the packets that took no longer";
    canvas.text(Look::Label, Hold::Middle, (f64::midpoint(left, right), canvas.y), what);
    canvas.y += 8.0;
}

/// A round time, without the digits that are none.
fn round_time(time: f64) -> String {
    short_time(time).replace(".00 ", " ").replace(".0 ", " ")
}

/// Marks of the axis: whole nines, no further than there are times for.
fn parts(rarest: f64) -> Vec<(f64, String)> {
    let half = 2_f64.log10();
    let mut marks = vec![(0.0, "0 %".to_owned())];
    if rarest < 4.5 {
        marks.push((half, "50 %".to_owned()));
    }
    let mut rare = 1_u32;
    while f64::from(rare) <= rarest + 1e-9 {
        let label = match rare {
            1 => "90 %".to_owned(),
            2 => "99 %".to_owned(),
            rare => format!("99.{} %", "9".repeat(usize::try_from(rare - 2).unwrap_or_default())),
        };
        marks.push((f64::from(rare), label));
        rare += 1;
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::times::histogram;

    #[test]
    fn the_axis_ends_where_the_times_do() {
        let mut times = histogram().unwrap();
        (1..=455).for_each(|time| times.record(1000 * time).unwrap());
        let curve = Curve::new("", &times);
        assert!((curve.last().0 - 455_f64.log10()).abs() < 1e-9 && curve.last().1 >= 455_000.0);
        assert_eq!(parts(nines(&times)).last().map(|(_, label)| label.clone()), Some("99 %".to_owned()));
        let labels: Vec<_> = parts(6.2).into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %", "99.9999 %"]);
    }
}
