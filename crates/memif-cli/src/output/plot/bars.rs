//! Values as bars, one below the other: any number of them, with names of any length.

use super::axis;
use super::canvas::{Canvas, Hold, LETTER, Look, MARGIN, WIDTH, text_width};

/// Height of a bar, and what is free between two groups.
const BAR: f64 = 18.0;
const GAP: f64 = 8.0;

/// One value.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) value: f64,
    /// The least and the greatest of several that this one stands for.
    pub(crate) range: Option<(f64, f64)>,
}

/// Values of one unit.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What they are, with the unit.
    pub(crate) title: String,
    /// A name, and a value for each series that has one.
    pub(crate) rows: Vec<(String, Vec<Option<Bar>>)>,
}

/// Three digits, which is what most figures hold.
pub(crate) fn short(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value if value >= 1.0 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}

impl Bar {
    fn text(&self) -> String {
        let value = short(self.value);
        self.range.map_or(value.clone(), |(low, high)| format!("{value} ({}..{})", short(low), short(high)))
    }

    fn highest(&self) -> f64 {
        self.range.map_or(self.value, |(_, high)| high.max(self.value))
    }
}

/// Draws panels below each other; `series` names what each group has, where it is more than one.
pub(super) fn draw(canvas: &mut Canvas, series: &[String], panels: &[Panel]) {
    if series.len() > 1 {
        let marks: Vec<_> = (0..series.len())
            .map(|number| {
                move |canvas: &mut Canvas, (x, y): (f64, f64)| {
                    canvas.bar(Look::Series(number), (x - 8.0, y - 6.0), (18.0, 12.0));
                }
            })
            .collect();
        canvas.legend(series.iter().zip(&marks).map(|(name, mark)| (name.as_str(), mark as &dyn Fn(&mut _, _))));
    }
    for panel in panels {
        one(canvas, panel);
    }
}

fn one(canvas: &mut Canvas, panel: &Panel) {
    let bars = || panel.rows.iter().flat_map(|(_, bars)| bars.iter().flatten());
    let widest = |texts: &mut dyn Iterator<Item = f64>| texts.fold(0.0, f64::max);
    let names = widest(&mut panel.rows.iter().map(|(name, _)| text_width(name, LETTER))).min(WIDTH / 2.0);
    let texts = widest(&mut bars().map(|bar| text_width(&bar.text(), LETTER)));
    let (left, right) = (MARGIN + names + 10.0, WIDTH - MARGIN - texts - 10.0);
    let top = widest(&mut bars().map(Bar::highest)).max(1e-9);
    let place = |value: f64| left + (right - left) * (value / top).clamp(0.0, 1.0);
    canvas.text(Look::Label, Hold::Start, (left, canvas.y + 12.0), &panel.title);
    canvas.y += 22.0;
    let begin = canvas.y;
    let height: f64 = panel.rows.iter().map(|(_, bars)| GAP + BAR * f64::from(count(bars.len()))).sum();
    for (mark, label) in axis::linear(top, 5) {
        let x = place(mark);
        canvas.line(Look::Grid, (x, begin), (x, begin + height));
        canvas.text(Look::Small, Hold::Middle, (x, begin + height + 15.0), &label);
    }
    for (name, bars) in &panel.rows {
        canvas.y += GAP / 2.0;
        let middle = canvas.y + BAR * f64::from(count(bars.len())) / 2.0 + 5.0;
        canvas.text(Look::Label, Hold::End, (left - 8.0, middle), name);
        for (number, bar) in bars.iter().enumerate() {
            if let Some(bar) = bar {
                value(canvas, number, bar, left, place);
            }
            canvas.y += BAR;
        }
        canvas.y += GAP / 2.0;
    }
    canvas.line(Look::Axis, (left, begin), (left, canvas.y));
    canvas.y += 34.0;
}

fn value(canvas: &mut Canvas, number: usize, bar: &Bar, left: f64, place: impl Fn(f64) -> f64) {
    let end = place(bar.value);
    canvas.bar(Look::Series(number), (left, canvas.y + 1.0), (end - left, BAR - 2.0));
    let middle = canvas.y + BAR / 2.0;
    if let Some((low, high)) = bar.range {
        let (low, high) = (place(low), place(high));
        canvas.line(Look::Range, (low, middle), (high, middle));
        for x in [low, high] {
            canvas.line(Look::Range, (x, middle - 5.0), (x, middle + 5.0));
        }
    }
    let after = place(bar.highest()) + 6.0;
    canvas.text(Look::Label, Hold::Start, (after, middle + 5.0), &bar.text());
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
