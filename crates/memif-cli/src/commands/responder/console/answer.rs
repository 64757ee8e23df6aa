//! What there is to say about a command or an event.

use serde::Serialize;

use crate::endpoint::report::InterfaceReport;
use crate::endpoint::responder::report::ResponderReport;
use crate::output::details::DetailsReport;
use crate::output::json::EventReport;

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
    pub(super) fn and(mut self, report: impl Into<Report>) -> Self {
        self.reports.push(report.into());
        self
    }

    /// With what programs are told of an event, if anything.
    pub(super) fn and_event(mut self, report: Option<EventReport>) -> Self {
        self.reports.extend(report.map(Report::Event));
        self
    }
}

/// What programs are told.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Report {
    Interface(InterfaceReport),
    Event(EventReport),
    Details(Box<DetailsReport>),
    Statistics(ResponderReport),
    Help(HelpReport),
}

impl From<InterfaceReport> for Report {
    fn from(report: InterfaceReport) -> Self {
        Self::Interface(report)
    }
}

impl From<ResponderReport> for Report {
    fn from(report: ResponderReport) -> Self {
        Self::Statistics(report)
    }
}

impl From<HelpReport> for Report {
    fn from(report: HelpReport) -> Self {
        Self::Help(report)
    }
}

/// A command that was carried out.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "done")]
pub(super) struct DoneReport {
    /// As it was typed.
    pub(super) command: String,
}

/// A command that was not carried out.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "rejected")]
pub(super) struct RejectedReport {
    /// As it was typed; `null` for a line that is too long to be one.
    pub(super) command: Option<String>,
    /// What is wrong and what to do.
    pub(super) message: String,
}

/// The commands that there are.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "help")]
pub(super) struct HelpReport {
    pub(super) text: String,
}
