//! Figures that somebody asks for while it goes on.

use std::fmt::Arguments;

use serde::Serialize;

use super::lines::{report, warn};
use crate::error::Error;

/// Figures that are not the last ones.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "so_far")]
struct SoFarReport<'f, T> {
    /// As they are reported at the end, with their `type`.
    figures: &'f T,
}

/// Says them: to people on standard error, so that they do not get between what a pipe takes; to programs as a report
/// of its own, since a program that looks for those of the end is not to find these.
pub(crate) fn so_far<T: Serialize>(line: Arguments<'_>, figures: &T) -> Result<(), Error> {
    warn(format_args!("so far: {line}"));
    report(&SoFarReport { figures })
}
