//! Pictures of what was measured, as SVG that a browser shows in its own width and colours.

mod axis;
mod bars;
mod canvas;
mod losses;
mod slowest;

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use hdrhistogram::Histogram;

pub(crate) use bars::{Bar, Panel};
use canvas::Canvas;
pub(crate) use losses::Search;

use crate::error::Error;

/// What is drawn.
pub(crate) enum Picture<'a> {
    /// Values in panels of one unit each; the names of those that stand beside each other.
    Bars(&'a [String], &'a [Panel]),
    /// Name and nanoseconds.
    Times(&'a [(String, Histogram<u64>)]),
    /// The trials of searches for a rate.
    Losses(&'a [Search]),
}

/// The name of a file for a picture.
pub(crate) fn parse_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if ending.eq_ignore_ascii_case("svg") {
        return Ok(path);
    }
    Err("pictures are SVG and nothing else: give a name that ends in .svg (a browser shows it, and other programs \
         make a PNG of it)"
        .to_owned())
}

/// Whether the picture will have a place. What is there stays until there is another.
pub(crate) fn check(path: &Path) -> Result<(), Error> {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.map(drop).map_err(|source| cannot_write(path, source))
}

/// Draws into that file, with what it is and what holds for all of it above.
pub(crate) fn draw(path: &Path, heading: &str, conditions: &str, picture: &Picture<'_>) -> Result<(), Error> {
    let mut canvas = Canvas::new(heading, conditions);
    match picture {
        Picture::Bars(series, panels) => bars::draw(&mut canvas, series, panels),
        Picture::Times(rows) => slowest::draw(&mut canvas, rows),
        Picture::Losses(searches) => losses::draw(&mut canvas, searches),
    }
    fs::write(path, canvas.finish() + "\n").map_err(|source| cannot_write(path, source))
}

fn cannot_write(path: &Path, source: std::io::Error) -> Error {
    Error::System {
        what: format!("cannot draw {}", path.display()),
        advice: "give --plot a file that this user may write",
        source,
    }
}
