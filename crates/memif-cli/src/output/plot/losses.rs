//! What was lost at which rate, in the trials of a search.

use super::axis;
use super::bars::short;
use super::canvas::{Canvas, Entry, Hold, LETTER, Look, MARGIN, WIDTH};

const HEIGHT: f64 = 220.0;
const PASSED: Look = Look::Series(0);
const LOST: Look = Look::Series(1);
const FOUND: Look = Look::Series(2);

/// One search.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) name: String,
    /// For each trial packets per second that were asked for, the part that was lost, and whether it passed: `None`
    /// where it says nothing.
    pub(crate) trials: Vec<(f64, f64, Option<bool>)>,
    /// Packets per second; 0 where no rate was found.
    pub(crate) found: f64,
}

/// Draws one search below the other.
pub(super) fn draw(canvas: &mut Canvas, searches: &[Search]) {
    let trials = || searches.iter().flat_map(|search| search.trials.iter());
    let mut entries: Vec<Entry<'_>> = Vec::new();
    if trials().any(|trial| trial.2 == Some(true)) {
        entries.push(("passed", &|canvas, at| canvas.dot(PASSED, at)));
    }
    if trials().any(|trial| trial.2 == Some(false)) {
        entries.push(("lost packets", &|canvas, at| canvas.cross(LOST, at)));
    }
    if trials().any(|trial| trial.2.is_none()) {
        entries.push(("not judged: the generator fell behind", &|canvas, (x, y)| tick(canvas, x, y - 4.0)));
    }
    if searches.iter().any(|search| search.found > 0.0) {
        entries.push(("rate that was found", &|canvas, (x, y)| canvas.line(FOUND, (x, y - 8.0), (x, y + 8.0))));
    }
    canvas.legend(entries);
    for search in searches {
        one(canvas, search);
    }
}

/// A mark below the axis.
fn tick(canvas: &mut Canvas, x: f64, y: f64) {
    canvas.line(Look::Faint, (x, y), (x, y + 8.0));
}

fn one(canvas: &mut Canvas, search: &Search) {
    let points: Vec<_> = search.trials.iter().map(|(rate, loss, passed)| (rate / 1e6, 100.0 * loss, passed)).collect();
    let highest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let most = highest(&mut points.iter().map(|point| point.0)).max(1e-6) * 1.1;
    let judged = points.iter().filter(|point| point.2.is_some());
    let worst = highest(&mut judged.map(|point| point.1));
    // Without any loss the axis has some nevertheless.
    let worst = if worst > 0.0 { worst * 1.1 } else { 1.0 };
    canvas.text(Look::Label, Hold::Start, (MARGIN, canvas.y + 12.0), &format!("{}: lost, %", search.name));
    canvas.y += 26.0;
    let (left, right) = (MARGIN + 64.0, WIDTH - MARGIN - 24.0);
    let (top, bottom) = (canvas.y, canvas.y + HEIGHT);
    let across = |rate: f64| left + (right - left) * rate / most;
    let up = |loss: f64| bottom - HEIGHT * (loss / worst).min(1.0);
    for (mark, label) in axis::linear(worst, 5) {
        canvas.line(Look::Grid, (left, up(mark)), (right, up(mark)));
        canvas.text(Look::Small, Hold::End, (left - 6.0, up(mark) + 4.0), &label);
    }
    for (mark, label) in axis::linear(most, 8) {
        canvas.line(Look::Grid, (across(mark), top), (across(mark), bottom));
        canvas.text(Look::Small, Hold::Middle, (across(mark), bottom + 20.0), &label);
    }
    canvas.line(Look::Axis, (left, bottom), (right, bottom));
    canvas.line(Look::Axis, (left, top), (left, bottom));
    if search.found > 0.0 {
        let x = across(search.found / 1e6);
        canvas.line(FOUND, (x, top), (x, bottom));
        let text = format!("{} Mpps", short(search.found / 1e6));
        let place = if x > WIDTH / 2.0 { (Hold::End, x - 6.0) } else { (Hold::Start, x + 6.0) };
        canvas.text(Look::Label, place.0, (place.1, top + LETTER), &text);
    }
    for (rate, loss, passed) in points {
        let at = (across(rate), up(loss));
        match passed {
            Some(true) => canvas.dot(PASSED, at),
            Some(false) => canvas.cross(LOST, at),
            // Nothing is known of its loss.
            None => tick(canvas, at.0, bottom),
        }
    }
    canvas.y = bottom + 40.0;
    canvas.text(Look::Label, Hold::Middle, (f64::midpoint(left, right), canvas.y), "offered, Mpps");
    canvas.y += 20.0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_judged_is_no_result() {
        let trials = vec![(2e6, 0.9, None), (1e6, 0.2, Some(false)), (5e5, 0.0, Some(true))];
        let mut canvas = Canvas::new("", "");
        draw(&mut canvas, &[Search { name: "64 bytes".to_owned(), trials, found: 5e5 }]);
        let text = canvas.finish();
        // Each once in the legend and once among the rest; a cross is two lines.
        assert_eq!(text.matches("<circle").count(), 2, "{text}");
        assert_eq!(text.matches("line class=\"series1\"").count(), 4, "{text}");
        assert_eq!(text.matches("line class=\"faint\"").count(), 2, "{text}");
        assert_eq!(text.matches("line class=\"series2\"").count(), 2, "{text}");
        for word in ["not judged", "rate that was found", "0.500 Mpps"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        // The axis is that of the judged ones.
        assert!(text.contains("20\n") || text.contains(">20<"), "{text}");
        assert!(!text.contains(">90<"), "{text}");
    }
}
