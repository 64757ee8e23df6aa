//! What the screen shows. Everything here turns values into cells, and knows neither a terminal nor a clock.

mod canvas;
mod help;
mod queues;
mod table;
mod theme;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::figures::DIRECTIONS;
use super::numbers::figure;
use super::ui::Ui;
use canvas::{Canvas, cells};
pub(super) use table::{packets, sender};
pub(super) use theme::Theme;

/// Draws all of it. Gives where the cursor is, if somebody types.
pub(super) fn draw(ui: &mut Ui, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let mut canvas = Canvas { theme, area, buffer };
    let last = area.height.checked_sub(1)?;
    // What is least needed goes first where there are few lines.
    let (top, bottom) = (u16::from(area.height > 3), u16::from(area.height > 4));
    if top > 0 {
        summary(ui, &mut canvas);
    }
    let body = (top, area.height - top - bottom);
    if ui.help {
        help::draw(ui, &mut canvas, body);
    } else if ui.open.is_some() {
        queues::draw(ui, &mut canvas, body);
    } else {
        table::draw(ui, &mut canvas, body);
    }
    if let (filter, Some(cursor)) = ui.filter() {
        canvas.clear(last);
        canvas.put(0, last, &format!("/{filter}"), theme.plain());
        let x = u16::try_from(cursor + 1).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
        return Some(Position::new(area.x + x, area.y + last));
    }
    if bottom > 0 {
        keys(ui, &mut canvas, last);
    }
    None
}

fn summary(ui: &Ui, canvas: &mut Canvas<'_>) {
    let snapshot = ui.snapshot();
    let several = |count: usize, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    let mut state = Vec::new();
    if ui.paused {
        state.push("PAUSED".to_owned());
    }
    let (filter, _) = ui.filter();
    if !filter.is_empty() {
        state.push(format!("/{filter}"));
    }
    let state = state.join("  ");
    let mut x = canvas.put(0, 0, "memif top", canvas.theme.heading()) + 2;
    let links = several(snapshot.links.len(), "link", "links");
    let processes = several(snapshot.processes(), "process", "processes");
    let [to_masters, to_slaves] = DIRECTIONS.map(|direction| figure(Some(snapshot.rate(direction)), false, false));
    for text in [format!("{links} of {processes}"), format!("{to_masters}/s to masters, {to_slaves}/s to slaves")] {
        // What stands at the right is more important.
        if usize::from(x) + text.len() + cells(&state) + 2 <= usize::from(canvas.area.width) {
            x = canvas.put(x, 0, &text, canvas.theme.plain()) + 2;
        }
    }
    let width = u16::try_from(cells(&state)).unwrap_or(u16::MAX);
    let at = canvas.area.width.saturating_sub(width).max(x.min(11));
    canvas.put(at, 0, &state, canvas.theme.warning());
}

/// The keys that do something here.
fn keys(ui: &Ui, canvas: &mut Canvas<'_>, y: u16) {
    let keys: &[(&str, &str)] = if ui.help {
        &[("Up, Down", "more"), ("any other key", "back")]
    } else if ui.open.is_some() {
        &[("Esc", "back"), ("?", "help"), ("p", "pause"), ("z", "forget peaks"), ("q", "quit")]
    } else {
        &[
            ("?", "help"),
            ("Enter", "queues"),
            ("/", "filter"),
            ("s", "sort"),
            ("p", "pause"),
            ("q", "quit"),
            ("r", "turn round"),
            ("z", "forget peaks"),
        ]
    };
    let mut x = 0;
    for (key, does) in keys {
        let width = u16::try_from(key.len() + does.len() + 1).unwrap_or(u16::MAX);
        if x + width > canvas.area.width {
            break;
        }
        x = canvas.put(x, y, key, canvas.theme.key()) + 1;
        x = canvas.put(x, y, does, canvas.theme.faint()) + 2;
    }
}
