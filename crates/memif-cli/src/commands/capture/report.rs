//! What became of captured packets, for people and for programs.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::options::End;
use super::tally::{Flow, Passed};
use crate::endpoint::record::CaptureReport;

/// What became of the packets of a capture.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    captured: CaptureReport,
    /// With --via: what became of the packets that each end received; else none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    passed_on: Vec<PassedReport>,
}

#[derive(Debug, Serialize)]
struct PassedReport {
    interface_id: u32,
    role: String,
    socket: String,
    #[serde(flatten)]
    passed: Passed,
}

impl Figures {
    pub(super) fn new(captured: CaptureReport, ends: &[End], flows: &[Arc<Flow>]) -> Self {
        let each = ends.iter().zip(flows).map(|(end, flow)| PassedReport {
            interface_id: end.id,
            role: end.role.to_string(),
            socket: end.address.to_string(),
            passed: flow.read(),
        });
        Self { captured, passed_on: if ends.len() > 1 { each.collect() } else { Vec::new() } }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.captured)?;
        for PassedReport { role, interface_id, socket, passed } in &self.passed_on {
            write!(f, "; passed on from {role} interface {interface_id} on {socket}: {passed}")?;
        }
        Ok(())
    }
}
