//! Which capture it is.

use super::options::CaptureOptions;
use super::{attach, ends};
use crate::error::Error;
use crate::output::exit::Outcome;

/// Captures until a signal, or what the options say, ends it.
pub(crate) fn run(options: &CaptureOptions) -> Result<Outcome, Error> {
    options.check()?;
    match options.attach {
        Some(target) => attach::run(options, target),
        None => ends::run(options),
    }
}
