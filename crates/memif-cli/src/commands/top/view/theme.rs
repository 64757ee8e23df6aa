//! How things look: in colours or without, in letters that every terminal has or not.

use ratatui::style::{Color, Modifier, Style};

/// What the terminal can do, as far as the environment tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    colours: bool,
    /// Whether there is more than ASCII.
    unicode: bool,
}

impl Theme {
    pub(crate) const fn new(colours: bool, unicode: bool) -> Self {
        Self { colours, unicode }
    }

    /// By `NO_COLOR` (<https://no-color.org>) and the locale.
    pub(crate) fn of_environment() -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        let unicode = locale.contains("utf-8") || locale.contains("utf8");
        Self::new(set("NO_COLOR").is_none(), unicode)
    }

    fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    pub(super) fn plain(self) -> Style {
        Style::new()
    }

    pub(super) fn heading(self) -> Style {
        self.colour(Color::Green).add_modifier(Modifier::BOLD)
    }

    /// The line of titles, and that of keys.
    pub(super) fn titles(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The link with the cursor.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn key(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn faint(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn process(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// What somebody should look at.
    pub(super) fn warning(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(super) fn alarm(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// A ring that is so full.
    pub(super) fn fill(self, share: f64) -> Style {
        match share {
            0.9.. => self.colour(Color::Red),
            0.5.. => self.colour(Color::Yellow),
            _ => self.colour(Color::Green),
        }
    }

    /// A bar of so many cells, and a mark at its peak.
    pub(super) fn bar(self, cells: usize, share: f64, peak: f64) -> String {
        let full = if self.unicode { '█' } else { '#' };
        let eighths = share_of(cells * 8, share);
        let mut bar: Vec<char> = vec![' '; cells];
        bar.iter_mut().take(eighths / 8).for_each(|cell| *cell = full);
        if let Some(cell) = bar.get_mut(eighths / 8)
            && !eighths.is_multiple_of(8)
        {
            *cell = match (self.unicode, eighths % 8) {
                (true, part) => ['▏', '▎', '▍', '▌', '▋', '▊', '▉'].get(part - 1).copied().unwrap_or(full),
                (false, 4..) => '#',
                (false, _) => '-',
            };
        }
        if let Some(at) = share_of(cells, peak).checked_sub(1)
            && let Some(cell) = bar.get_mut(at).filter(|cell| **cell == ' ')
        {
            *cell = if self.unicode { '│' } else { '|' };
        }
        bar.into_iter().collect()
    }

    /// What stands for the rest of a text that was cut.
    pub(super) const fn cut(self) -> char {
        if self.unicode { '…' } else { '+' }
    }

    pub(super) const fn arrow(self, down: bool) -> char {
        match (self.unicode, down) {
            (true, true) => '▼',
            (true, false) => '▲',
            (false, true) => 'v',
            (false, false) => '^',
        }
    }
}

/// So much of a number of things; something is one at least.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and a screen's width")]
#[expect(clippy::cast_precision_loss, reason = "a screen's width")]
fn share_of(things: usize, share: f64) -> usize {
    let part = (things as f64 * share.clamp(0.0, 1.0)).round() as usize;
    if share > 0.0 { part.max(1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_shares() {
        let (rich, plain) = (Theme::new(true, true), Theme::new(false, false));
        assert_eq!(rich.bar(8, 0.5, 0.5), "████    ");
        assert_eq!(rich.bar(8, 0.2, 1.0), "█▋     │");
        assert_eq!(plain.bar(8, 0.2, 1.0), "##     |");
        assert_eq!(rich.bar(8, 0.0, 0.0), "        ");
        assert_eq!(rich.bar(8, 0.001, 0.001), "▏       ");
        assert_eq!(rich.bar(8, 0.0, 0.001), "│       ");
        assert_eq!(plain.bar(8, 1.0, 1.0), "########");
        for share in [-1.0, f64::NAN, f64::INFINITY, 2.0] {
            assert_eq!(plain.bar(4, share, share).len(), 4);
        }
        assert_eq!(plain.bar(0, 1.0, 1.0), "");
    }
}
