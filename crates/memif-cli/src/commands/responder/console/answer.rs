//! What there is to say about a command or an event.

use crate::output::json::Report;

/// What there is to say, to people and to programs.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// For people.
    pub(super) text: Option<String>,
    /// For people, too, and in no report: with `--json` it goes to standard error.
    pub(super) note: Option<String>,
    /// The same for programs.
    pub(super) reports: Vec<Report>,
}

impl Answer {
    /// A line for people.
    pub(super) fn line(text: String) -> Self {
        Self { text: Some(text), ..Self::default() }
    }

    /// A line that programs find on standard error.
    pub(super) fn note(text: String) -> Self {
        Self { note: Some(text), ..Self::default() }
    }

    /// With a report for programs.
    pub(super) fn and(mut self, report: impl Into<Option<Report>>) -> Self {
        self.reports.extend(report.into());
        self
    }
}
