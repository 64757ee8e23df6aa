//! Pictures of what was measured, as SVG.

use std::fs;
use std::path::Path;

use hdrhistogram::Histogram;
use plotters::coord::Shift;
use plotters::prelude::*;

use crate::counts::real;
use crate::error::Error;

const SIZE: (u32, u32) = (900, 500);
const FONT: (&str, u32) = ("sans-serif", 16);
/// The rarest times that are drawn: one in a million.
const RAREST: f64 = 6.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// What is drawn.
pub(crate) enum Picture<'a> {
    /// Size, packets per second and bits per second.
    Rates(&'a [(String, f64, f64)]),
    /// Name and nanoseconds.
    Times(&'a [(String, Histogram<u64>)]),
    /// Packets per second that were offered and the part that was lost, for each trial; and the rate that was found.
    Losses(&'a [(f64, f64)], f64),
}

/// Whether the picture will have a place.
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    fs::write(path, "").map_err(|source| cannot_write(path, source))
}

/// Draws into that file.
pub(crate) fn draw(path: &Path, title: &str, picture: &Picture<'_>) -> Result<(), Error> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let drawn = area.fill(&WHITE).map_err(Into::into).and_then(|()| match picture {
            Picture::Rates(rows) => rates(&area, title, rows),
            Picture::Times(rows) => times(&area, title, rows),
            Picture::Losses(trials, found) => losses(&area, title, trials, *found),
        });
        drawn.map_err(|error| cannot_write(path, std::io::Error::other(error.to_string())))?;
    }
    fs::write(path, text).map_err(|source| cannot_write(path, source))
}

fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    Error::System {
        what: format!("cannot draw {}", path.display()),
        advice: "give --plot a file that this user may write",
        source,
    }
}

/// Bars of both rates beside each other, for each size.
fn rates(area: &Area<'_>, title: &str, rows: &[(String, f64, f64)]) -> Drawn {
    let area = area.titled(title, FONT)?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    for (area, name, unit, value) in [
        (left, "Mpps", 1e6, &(|row: &(String, f64, f64)| row.1) as &dyn Fn(&_) -> f64),
        (right, "Gb/s", 1e9, &|row: &(String, f64, f64)| row.2),
    ] {
        let highest = rows.iter().map(|row| value(row) / unit).fold(0.0, f64::max).max(1e-6);
        let count = i32::try_from(rows.len()).unwrap_or(i32::MAX);
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((0..count).into_segmented(), 0.0..highest * 1.1)?;
        let label = |at: &SegmentValue<i32>| match at {
            SegmentValue::CenterOf(at) => {
                usize::try_from(*at).ok().and_then(|at| rows.get(at)).map_or_else(String::new, |row| row.0.clone())
            }
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(rows.len())
            .x_label_formatter(&label)
            .x_desc("packet size, bytes")
            .y_desc(name)
            .draw()?;
        chart.draw_series((0..count).zip(rows).map(|(at, row)| {
            let from = SegmentValue::Exact(at);
            let to = SegmentValue::Exact(at + 1);
            let mut bar = Rectangle::new([(from, 0.0), (to, value(row) / unit)], BLUE.mix(0.6).filled());
            bar.set_margin(0, 0, 6, 6);
            bar
        }))?;
    }
    Ok(area.present()?)
}

/// How long the slowest of so many take: both axes logarithmic.
fn times(area: &Area<'_>, title: &str, rows: &[(String, Histogram<u64>)]) -> Drawn {
    let curve = |times: &Histogram<u64>| -> Vec<(f64, f64)> {
        let rarest = real(times.len().max(1)).log10().min(RAREST);
        (0..=120)
            .map(|step| f64::from(step) * RAREST / 120.0)
            .filter(|rare| *rare <= rarest)
            .map(|rare| {
                let quantile = 1.0 - 10_f64.powf(-rare);
                (rare, real(times.value_at_quantile(quantile).max(1)) / 1e3)
            })
            .collect()
    };
    let curves: Vec<_> = rows.iter().map(|(name, times)| (name, curve(times))).collect();
    let all = || curves.iter().flat_map(|(_, points)| points.iter().map(|point| point.1));
    let (low, high) = (all().fold(f64::MAX, f64::min), all().fold(0.0, f64::max));
    let (low, high) = if high > 0.0 { (low * 0.8, high * 1.25) } else { (0.1, 10.0) };
    let mut chart = ChartBuilder::on(area)
        .caption(title, FONT)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..RAREST, (low..high).log_scale())?;
    let percent = |rare: &f64| match *rare {
        rare if rare < 0.5 => "0 %".to_owned(),
        rare if rare < 2.5 => format!("{:.0} %", 100.0 - 10_f64.powf(2.0 - rare)),
        rare => format!("{:.*} %", precision(rare), 100.0 - 10_f64.powf(2.0 - rare)),
    };
    chart
        .configure_mesh()
        .x_labels(7)
        .x_label_formatter(&percent)
        .y_label_formatter(&|micros| format!("{micros}"))
        .x_desc("part of the packets that took no longer")
        .y_desc("microseconds")
        .draw()?;
    for (at, (name, points)) in curves.iter().enumerate() {
        let colour = Palette99::pick(at).to_rgba();
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
            .label(name.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    Ok(area.present()?)
}

/// Digits behind the point of a percentage with that many nines.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 6")]
fn precision(rare: f64) -> usize {
    (rare - 2.0).round().clamp(0.0, 6.0) as usize
}

/// What was lost at which rate.
fn losses(area: &Area<'_>, title: &str, trials: &[(f64, f64)], found: f64) -> Drawn {
    let points: Vec<_> = trials.iter().map(|(rate, loss)| (rate / 1e6, 100.0 * loss)).collect();
    let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max).max(1e-6);
    let right = highest(&mut points.iter().map(|point| point.0)) * 1.1;
    let top = highest(&mut points.iter().map(|point| point.1)) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .caption(title, FONT)
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart.configure_mesh().x_desc("offered, Mpps").y_desc("lost, %").draw()?;
    chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, BLUE.filled())))?;
    let found = found / 1e6;
    chart.draw_series(LineSeries::new([(found, 0.0), (found, top)], RED.stroke_width(2)))?;
    Ok(area.present()?)
}
