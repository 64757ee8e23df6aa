//! Plots of rows, as SVG.

use std::collections::BTreeMap;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::metric::percentile;
use crate::port::Result;
use crate::row::Plot;
use crate::table::{Measured, median};

const SIZE: (u32, u32) = (900, 540);
/// Colours that the colour-blind can tell apart (Okabe and Ito).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(86, 180, 233),
    RGBColor(204, 121, 167),
    RGBColor(150, 150, 150),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// A name and its points.
type Line = (String, Vec<(f64, f64)>);

/// Draws what the row is drawn as to `DIR/ID.svg`.
pub(crate) fn draw(out: &Path, measured: &Measured) -> Result<()> {
    let row = &measured.row;
    if row.plot == Plot::None {
        return Ok(());
    }
    let file = out.join(format!("{}.svg", row.id));
    let area = SVGBackend::new(&file, SIZE).into_drawing_area();
    let drawn = match row.plot {
        Plot::None => Ok(()),
        Plot::Lines(axis) => lines(&area, row.title, axis, "Mpps", &by_number(measured)),
        Plot::Distribution => {
            let title = format!("{}: part of the round trips that take longer", row.title);
            lines(&area, &title, "nanoseconds", "part", &distributions(measured))
        }
    };
    drawn.map_err(|e| format!("{}: {e}", file.display()))
}

/// Medians by the number behind the name.
fn by_number(measured: &Measured) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (values, (name, _)) in measured.values[0].iter().zip(&measured.row.contenders) {
        let Some((name, number)) = name.rsplit_once(", ") else { continue };
        let (Ok(number), rate) = (number.parse(), median(values)) else { continue };
        if !rate.is_finite() {
            continue;
        }
        match lines.iter_mut().find(|(known, _)| known == name) {
            Some((_, points)) => points.push((number, rate)),
            None => lines.push((name.to_owned(), vec![(number, rate)])),
        }
    }
    lines
}

/// For each contender, over the time: the part of its round trips that took longer.
fn distributions(measured: &Measured) -> Vec<Line> {
    let mut lines = Vec::new();
    for (times, (name, _)) in measured.times.iter().zip(&measured.row.contenders) {
        let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
        for (value, count) in times.iter().flatten() {
            *counts.entry(*value).or_default() += count;
        }
        // A mean is no distribution, and one run of the bare ring is enough.
        if counts.len() < 2 || name == crate::row::BARE_AGAIN || lines.len() == COLOURS.len() {
            continue;
        }
        let counts: Vec<(u64, u64)> = counts.into_iter().collect();
        let parts = (0..=80).map(|i| 10_f64.powf(-f64::from(i) / 20.0));
        let points = parts.map(|part| (percentile(&counts, 1.0 - part), part)).collect();
        lines.push((name.clone(), points));
    }
    lines
}

/// Lines over a logarithmic axis; the other axis is logarithmic for parts.
fn lines(
    area: &Area<'_>,
    title: &str,
    x_axis: &str,
    y_axis: &str,
    lines: &[Line],
) -> std::result::Result<(), Box<dyn std::error::Error>> {
    let points = || lines.iter().flat_map(|(_, points)| points.iter());
    let bounds = |of: fn(&(f64, f64)) -> f64| {
        let fold = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        points().map(of).fold((f64::INFINITY, 0.0), fold)
    };
    let ((left, right), (_, top)) = (bounds(|p| p.0), bounds(|p| p.1));
    area.fill(&WHITE)?;
    if !left.is_finite() || left <= 0.0 || right <= left {
        return Ok(());
    }
    let mut builder = ChartBuilder::on(area);
    builder.caption(title, ("sans-serif", 20)).margin(12);
    builder.x_label_area_size(44).y_label_area_size(64);
    let x = (left..right * 1.05).log_scale();
    if y_axis == "part" {
        let mut chart = builder.build_cartesian_2d(x, (1e-4..1.0).log_scale())?;
        chart.configure_mesh().x_desc(x_axis).y_desc(y_axis).x_label_formatter(&number).draw()?;
        for ((name, points), colour) in lines.iter().zip(COLOURS) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    } else {
        let mut chart = builder.build_cartesian_2d(x, 0.0..top * 1.08)?;
        chart.configure_mesh().x_desc(x_axis).y_desc(y_axis).x_label_formatter(&number).draw()?;
        for ((name, points), colour) in lines.iter().zip(COLOURS) {
            let style = colour.stroke_width(2);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style).point_size(3))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    }
    area.present()?;
    Ok(())
}

fn number(value: &f64) -> String {
    if *value >= 1e6 { format!("{:.0}M", value / 1e6) } else { format!("{value:.0}") }
}
