//! Cells of the screen, and texts in them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use super::theme::Theme;
use crate::commands::top::numbers::percent;

/// Cells of a part of the screen, by their places in it. What does not fit is left out.
pub(super) struct Canvas<'b> {
    pub(super) theme: Theme,
    pub(super) area: Rect,
    pub(super) buffer: &'b mut Buffer,
}

impl Canvas<'_> {
    /// Puts a text somewhere; gives the column behind it.
    pub(super) fn put(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.put_within(x, y, self.area.width.saturating_sub(x), text, style)
    }

    /// The same in so many columns. A text that is cut says so.
    pub(super) fn put_within(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let width = width.min(self.area.width.saturating_sub(x));
        if y >= self.area.height || width == 0 {
            return x;
        }
        let (left, line) = (self.area.x + x, self.area.y + y);
        let (end, _) = self.buffer.set_stringn(left, line, text, width.into(), style);
        if cells(text) > width.into()
            && let Some(cell) = self.buffer.cell_mut((left + width - 1, line))
        {
            cell.set_char(self.theme.cut());
        }
        end - self.area.x
    }

    /// The same at the right of those columns.
    pub(super) fn put_right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let spare = usize::from(width).saturating_sub(cells(text));
        let spare = u16::try_from(spare).unwrap_or(0);
        self.put_within(x + spare, y, width - spare, text, style);
    }

    pub(super) fn clear(&mut self, y: u16) {
        let line = Rect { y: self.area.y + y, height: 1, ..self.area };
        for position in line.intersection(self.buffer.area).positions() {
            if let Some(cell) = self.buffer.cell_mut(position) {
                cell.reset();
            }
        }
    }

    /// A whole line in one style.
    pub(super) fn line(&mut self, y: u16, style: Style) {
        let line = Rect { y: self.area.y + y, height: 1, ..self.area };
        self.buffer.set_style(line.intersection(self.buffer.area), style);
    }

    /// A ring as a bar, with how full it is in percent; the mark is at its peak.
    pub(super) fn ring(&mut self, x: u16, y: u16, width: u16, fill: Option<f64>, peak: Option<f64>) {
        const NUMBER: u16 = 5;
        let bar = width.saturating_sub(NUMBER);
        let share = fill.unwrap_or_default();
        let text = self.theme.bar(bar.into(), share, peak.unwrap_or_default());
        self.put_within(x, y, bar, &text, self.theme.fill(share));
        self.put_right(x + bar, y, NUMBER.min(width), &percent(fill), self.theme.plain());
    }
}

/// How many cells a text takes.
pub(super) fn cells(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text in lines of that width, at its blanks where it has some.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && cells(&line) + 1 + cells(word) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
