//! Pictures of terminals for documents: what the screen of an emulator shows, as SVG, and a test that a picture in the
//! repository is what the program shows today.

use std::fmt::Write as _;
use std::path::Path;

use vt100::{Cell, Color, Screen};

/// Width and height of a cell, in pixels where there is room for them.
const CELL: (f64, f64) = (8.4, 18.0);
/// What stays free around the screen.
const MARGIN: f64 = 10.0;
/// Height of the letters.
const LETTER: f64 = 14.0;

/// The sixteen colours of a terminal, as they look on white and on black.
const LIGHT: [&str; 16] = [
    "#1f2328", "#b3261e", "#00795a", "#7a5a00", "#0072b2", "#9c3d7c", "#00707a", "#6e7781", "#57606a", "#c62828",
    "#1a7f37", "#8a6300", "#0969da", "#a0408a", "#1b7c83", "#424a53",
];
const DARK: [&str; 16] = [
    "#484f58", "#ff8a80", "#2fc99a", "#e3c14b", "#56b4e9", "#e59cc5", "#56d4dd", "#9da7b1", "#7d8590", "#ffa198",
    "#56d364", "#e3c14b", "#79c0ff", "#d2a8ff", "#76e3ea", "#f0f6fc",
];

/// What makes one piece of text look unlike the next.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Look {
    ink: Color,
    paper: Color,
    bold: bool,
    dim: bool,
    underlined: bool,
    inverse: bool,
}

impl Look {
    fn of(cell: &Cell) -> Self {
        Self {
            ink: cell.fgcolor(),
            paper: cell.bgcolor(),
            bold: cell.bold(),
            dim: cell.dim(),
            underlined: cell.underline(),
            inverse: cell.inverse(),
        }
    }

    /// Classes of the letters.
    fn ink(self) -> String {
        let mut classes = match (self.inverse, self.ink, self.paper) {
            (true, _, Color::Idx(number)) | (false, Color::Idx(number), _) => format!("f{number}"),
            (true, ..) => "inverse".to_owned(),
            (false, ..) => "plain".to_owned(),
        };
        for (is, class) in [(self.bold, " bold"), (self.dim, " dim"), (self.underlined, " underlined")] {
            classes.push_str(if is { class } else { "" });
        }
        classes
    }

    /// Class of what is behind them; `None` for what is behind everything.
    fn paper(self) -> Option<String> {
        match (self.inverse, self.ink, self.paper) {
            (true, Color::Idx(number), _) | (false, _, Color::Idx(number)) => Some(format!("f{number}")),
            (true, ..) => Some("plain".to_owned()),
            (false, ..) => None,
        }
    }
}

/// The screen as SVG, in the reader's scheme, light or dark. Letters keep to their cells in whatever font there is. Of
/// colours it knows the default and the first sixteen.
///
/// Written without the crate `svg`, which puts line feeds around texts: in texts whose blanks count they would, too.
#[must_use]
pub fn svg(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns): (u16, u16) = (rows.into(), columns.into());
    let width = round(f64::from(columns) * CELL.0 + 2.0 * MARGIN);
    let height = round(f64::from(rows) * CELL.1 + 2.0 * MARGIN);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<style>\n{}</style>\n<rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"6\"/>\n",
        style()
    );
    for row in 0..rows {
        let y = MARGIN + f64::from(row) * CELL.1;
        for (column, cells, look, text) in pieces(screen, row, columns) {
            let (x, width) = (round(MARGIN + f64::from(column) * CELL.0), round(f64::from(cells) * CELL.0));
            if let Some(class) = look.paper() {
                let (y, height) = (round(y), CELL.1);
                let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
                let _ = writeln!(svg, "<rect class=\"{class}\" {place}/>");
            }
            if text.trim().is_empty() && !look.underlined {
                continue;
            }
            // A terminal's letters stand in the middle of their line.
            let (y, class) = (round(y + CELL.1 * 0.5 + LETTER * 0.36), look.ink());
            let place = format!("x=\"{x}\" y=\"{y}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\"");
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(svg, "<text class=\"{class}\" {place} xml:space=\"preserve\">{text}</text>");
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Pieces of a row that look alike: column, cells, look, text. Blanks at the end of a piece are its own.
fn pieces(screen: &Screen, row: u16, columns: u16) -> Vec<(u16, u16, Look, String)> {
    let mut pieces: Vec<(u16, u16, Look, String)> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else { continue };
        if cell.is_wide_continuation() {
            if let Some((_, cells, ..)) = pieces.last_mut() {
                *cells += 1;
            }
            continue;
        }
        let (look, text) = (Look::of(cell), if cell.has_contents() { cell.contents() } else { " " });
        match pieces.last_mut() {
            Some((_, cells, last, words)) if *last == look => {
                *cells += 1;
                words.push_str(text);
            }
            _ => pieces.push((column, 1, look, text.to_owned())),
        }
    }
    pieces
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

fn style() -> String {
    let colours = |list: [&str; 16]| {
        list.iter().enumerate().fold(String::new(), |mut text, (number, colour)| {
            let _ = writeln!(text, ".f{number}{{fill:{colour}}}");
            text
        })
    };
    format!(
        "svg{{max-width:100%;height:auto;color-scheme:light dark}}
text{{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:{LETTER}px;white-space:pre}}
.bold{{font-weight:bold}}
.dim{{opacity:.65}}
.underlined{{text-decoration:underline}}
.page,.inverse{{fill:#ffffff}}
.plain{{fill:#1f2328}}
{}@media (prefers-color-scheme:dark){{
.page,.inverse{{fill:#0d1117}}
.plain{{fill:#e6edf3}}
{}}}
",
        colours(LIGHT),
        colours(DARK),
    )
}

/// Asserts that the picture at that path holds what `screen` shows; with `MEMIF_PICTURES=write` in the environment
/// writes it instead.
#[track_caller]
pub fn assert_current(path: &Path, screen: &Screen) {
    let now = svg(screen);
    if std::env::var_os("MEMIF_PICTURES").is_some_and(|value| value == "write") {
        std::fs::write(path, now).expect("the picture can be written");
        return;
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == now,
        "{} is not what the program shows now: if that is right, run this test with MEMIF_PICTURES=write",
        path.display()
    );
}

#[cfg(test)]
mod tests {
    use super::svg;

    fn picture(bytes: &[u8]) -> String {
        let size = |n: u16| std::num::NonZeroU16::new(n).expect("not zero");
        let mut parser = vt100::Parser::new(size(2), size(20), 0);
        parser.process(bytes);
        svg(parser.screen())
    }

    #[test]
    fn looks_and_places_are_those_of_the_screen() {
        let picture = picture(b"plain \x1b[31;1mred\x1b[0m \x1b[7m<&>\x1b[0m\r\n\x1b[44m  \x1b[0m");
        for part in [
            ">plain <",
            "class=\"f1 bold\"",
            ">red<",
            ">&lt;&amp;&gt;<",
            "class=\"inverse\"",
            "<rect class=\"plain\" x=\"94\" y=\"10\" width=\"25.2\" height=\"18\"/>",
            "<rect class=\"f4\" x=\"10\" y=\"28\" width=\"16.8\" height=\"18\"/>",
        ] {
            assert!(picture.contains(part), "{part}: {picture}");
        }
        assert_eq!(picture.matches("<text ").count(), 3, "{picture}");
    }
}
