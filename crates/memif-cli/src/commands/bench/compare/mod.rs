//! Two files of `memif bench --json` side by side.

mod figures;
mod table;

use std::path::{Path, PathBuf};

use figures::Found;
use table::Line;

use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::plot::{self, Picture};
use crate::output::{report, say, warn};

/// Compares the first with the second, and draws them, if that is asked for.
pub(crate) fn run(files: &[PathBuf], picture: Option<&Path>) -> Result<Outcome, Error> {
    let [one, other] = files else {
        return Err(Error::Usage(
            "compare takes two files: memif bench --json > a.json, another b.json, memif bench compare a.json b.json"
                .to_owned(),
        ));
    };
    if let Some(picture) = picture {
        plot::check(picture)?;
    }
    let found = (Found::read(one)?, Found::read(other)?);
    for difference in found.0.differences(&found.1) {
        warn(format_args!("{difference}"));
    }
    let lines = table::lines(&found.0.figures, &found.1.figures);
    if !lines.iter().any(Line::is_whole) {
        return Err(Error::Usage(format!(
            "{} and {} have no figure in common: measure the same work and sizes for both",
            one.display(),
            other.display()
        )));
    }
    let names = [&found.0.name, &found.1.name];
    for line in table::text(names, &lines) {
        say(format_args!("{line}"))?;
    }
    for line in &lines {
        report(&line.report())?;
    }
    if let Some(picture) = picture {
        let names = names.map(String::to_owned);
        let conditions = [&found.0, &found.1].map(|found| format!("{}: {}.", found.name, found.conditions())).join(" ");
        plot::draw(picture, "Two measurements", &conditions, &Picture::Bars(&names, &table::panels(&lines)))?;
    }
    Ok(Outcome::Success)
}
