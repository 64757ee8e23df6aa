//! What every picture is put together from: an SVG whose colours follow the reader's scheme, light or dark.

use svg::node::element::{Circle, Line, Polyline, Rectangle, SVG, Style, Text};
use svg::node::{Node, Text as Words};

/// Width of a picture in its own units, which are pixels where there is room for them.
pub(super) const WIDTH: f64 = 720.0;
/// What stays free at each side.
pub(super) const MARGIN: f64 = 16.0;
/// Height of the letters of labels.
pub(super) const LETTER: f64 = 14.0;
/// A letter's width, of its height: as wide as a common wide font has them, so that nothing is cut with another.
const SLIM: f64 = 0.57;
/// Colours that are told apart by the colour-blind too, each dark enough for white and bright enough for black.
const LIGHT: [&str; COLOURS] = ["#0072b2", "#c04f00", "#00795a", "#9c3d7c", "#7a5a00", "#4d4d4d"];
const DARK: [&str; COLOURS] = ["#56b4e9", "#ff9248", "#2fc99a", "#e59cc5", "#e3c14b", "#c0c0c0"];
const COLOURS: usize = 6;

/// Which end of a text, or its middle, is where it is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Hold {
    Start,
    Middle,
    End,
}

/// What something is, which tells how it looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    Heading,
    Label,
    Small,
    /// Lines behind what is drawn.
    Grid,
    Axis,
    /// From the least to the greatest of several, across what is drawn.
    Range,
    /// One of several things that are drawn beside each other.
    Series(usize),
    /// What is no result.
    Faint,
}

impl Look {
    fn class(self) -> String {
        match self {
            Self::Heading => "heading".to_owned(),
            Self::Label => "label".to_owned(),
            Self::Small => "small".to_owned(),
            Self::Grid => "grid".to_owned(),
            Self::Axis => "axis".to_owned(),
            Self::Range => "range".to_owned(),
            Self::Series(number) => format!("series{}", number % COLOURS),
            Self::Faint => "faint".to_owned(),
        }
    }
}

/// How wide a text is at most, in letters of that height.
pub(super) fn text_width(text: &str, letter: f64) -> f64 {
    f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX)) * letter * SLIM
}

/// A name in a legend, and what draws its mark around a point.
pub(super) type Entry<'a> = (&'a str, &'a dyn Fn(&mut Canvas, (f64, f64)));

/// A picture that is being drawn.
pub(super) struct Canvas {
    svg: SVG,
    /// Where the next thing begins.
    pub(super) y: f64,
}

impl Canvas {
    /// A page with a heading, and below it in smaller letters what holds for all of it.
    pub(super) fn new(heading: &str, conditions: &str) -> Self {
        let mut canvas = Self { svg: SVG::new().add(Style::new(style())), y: MARGIN };
        canvas.svg.append(Rectangle::new().set("class", "page").set("width", "100%").set("height", "100%"));
        canvas.y += 18.0;
        canvas.text(Look::Heading, Hold::Start, (MARGIN, canvas.y), heading);
        canvas.y += 4.0;
        for line in wrapped(conditions, WIDTH - 2.0 * MARGIN, 12.0) {
            canvas.y += 16.0;
            canvas.text(Look::Small, Hold::Start, (MARGIN, canvas.y), &line);
        }
        canvas.y += 12.0;
        canvas
    }

    /// What is drawn how, side by side as far as there is room.
    pub(super) fn legend<'a>(&mut self, entries: impl IntoIterator<Item = Entry<'a>>) {
        let (mut x, mut any) = (MARGIN, false);
        for (name, mark) in entries {
            let width = 26.0 + text_width(name, LETTER) + 10.0;
            if any && x + width > WIDTH - MARGIN {
                (x, self.y) = (MARGIN, self.y + 20.0);
            }
            mark(self, (x + 10.0, self.y + 7.0));
            self.text(Look::Label, Hold::Start, (x + 26.0, self.y + 12.0), name);
            x += width;
            any = true;
        }
        self.y += if any { 28.0 } else { 0.0 };
    }

    pub(super) fn text(&mut self, look: Look, hold: Hold, (x, y): (f64, f64), text: &str) {
        let anchor = match hold {
            Hold::Start => "start",
            Hold::Middle => "middle",
            Hold::End => "end",
        };
        let text = Text::new("").add(Words::new(text)).set("class", look.class());
        self.svg.append(text.set("text-anchor", anchor).set("x", round(x)).set("y", round(y)));
    }

    pub(super) fn line(&mut self, look: Look, from: (f64, f64), to: (f64, f64)) {
        let line = Line::new().set("class", look.class());
        let line = line.set("x1", round(from.0)).set("y1", round(from.1));
        self.svg.append(line.set("x2", round(to.0)).set("y2", round(to.1)));
    }

    pub(super) fn bar(&mut self, look: Look, (x, y): (f64, f64), (width, height): (f64, f64)) {
        let bar = Rectangle::new().set("class", format!("{} filled", look.class()));
        let bar = bar.set("x", round(x)).set("y", round(y));
        self.svg.append(bar.set("width", round(width)).set("height", round(height)));
    }

    /// A line through points, broken where there are more lines than colours.
    pub(super) fn curve(&mut self, number: usize, points: &[(f64, f64)]) {
        let points: Vec<_> = points.iter().map(|(x, y)| format!("{},{}", round(*x), round(*y))).collect();
        let curve = Polyline::new().set("class", format!("{} curve", Look::Series(number).class()));
        let curve = if number >= COLOURS { curve.set("stroke-dasharray", "6 3") } else { curve };
        self.svg.append(curve.set("points", points.join(" ")));
    }

    pub(super) fn dot(&mut self, look: Look, (x, y): (f64, f64)) {
        let dot = Circle::new().set("class", format!("{} filled", look.class())).set("r", 4.5);
        self.svg.append(dot.set("cx", round(x)).set("cy", round(y)));
    }

    /// A cross, which no eye takes for a dot.
    pub(super) fn cross(&mut self, look: Look, (x, y): (f64, f64)) {
        self.line(look, (x - 4.5, y - 4.5), (x + 4.5, y + 4.5));
        self.line(look, (x - 4.5, y + 4.5), (x + 4.5, y - 4.5));
    }

    /// The text of the file.
    pub(super) fn finish(self) -> String {
        let height = (self.y + MARGIN / 2.0).ceil();
        let svg = self.svg.set("xmlns", "http://www.w3.org/2000/svg").set("viewBox", (0, 0, WIDTH, height));
        svg.set("width", WIDTH).set("height", height).to_string()
    }
}

/// Tenths are as fine as anybody sees.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// A text in lines of that width at most, as far as its words allow.
fn wrapped(text: &str, width: f64, letter: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if text_width(line, letter) + text_width(word, letter) + letter <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How everything looks in both schemes. Whoever knows no schemes sees the light one.
fn style() -> String {
    let colours = |list: [&str; COLOURS]| -> String {
        let each = |(number, colour)| format!(".series{number}{{fill:{colour};stroke:{colour}}}\n");
        list.into_iter().enumerate().map(each).collect()
    };
    format!(
        "svg{{max-width:100%;height:auto;color-scheme:light dark}}
text{{font-family:sans-serif;font-size:{LETTER}px;stroke:none;fill:#1f2328}}
.heading{{font-size:18px;font-weight:bold}}
.small{{font-size:12px;fill:#59636e}}
.page{{fill:#ffffff}}
.grid{{stroke:#d8dee4}}
.axis{{stroke:#59636e}}
.range{{stroke:#1f2328}}
.faint{{stroke:#8b949e;stroke-width:1.5}}
{}.filled{{stroke:none}}
.curve{{fill:none}}
.curve,line[class^=series]{{stroke-width:2}}
@media (prefers-color-scheme:dark){{
text{{fill:#e6edf3}}
.small{{fill:#9da7b1}}
.page{{fill:#0d1117}}
.grid{{stroke:#2d333b}}
.axis{{stroke:#9da7b1}}
.range{{stroke:#e6edf3}}
{}.curve{{fill:none}}
.filled{{stroke:none}}
}}",
        colours(LIGHT),
        colours(DARK),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_a_text_is_too_wide() {
        let text = "rings of 1024 buffers of 2048 bytes, polling, burst 64; ".repeat(9);
        let lines = wrapped(&text, 400.0, 12.0);
        assert!(lines.len() > 3);
        assert!(lines.iter().all(|line| text_width(line, 12.0) <= 400.0), "{lines:?}");
        assert_eq!(lines.join(" "), text.trim());
    }

    #[test]
    fn what_a_person_named_is_no_markup() {
        let mut canvas = Canvas::new("a<b", "\"c\" & d");
        canvas.text(Look::Label, Hold::Start, (0.0, 0.0), "</text><x>");
        let text = canvas.finish();
        assert!(text.contains("a&lt;b") && text.contains("&amp; d") && text.contains("&lt;/text&gt;"), "{text}");
    }
}
