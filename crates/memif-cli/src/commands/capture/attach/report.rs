//! What became of the packets of a watched link, for people and for programs.

use std::fmt;

use memif_watch::{Link, RingDirection};
use serde::Serialize;

use super::follow::Follower;
use super::passed::Passed;
use crate::endpoint::record::CaptureReport;

/// A link that is watched.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "attached")]
pub(super) struct AttachedReport {
    pub(super) link: String,
    pub(super) processes: Vec<ProcessReport>,
    pub(super) socket: Option<String>,
    /// `ethernet` or `ip`.
    pub(super) mode: String,
    /// How that is known: from the option, from packets, or as a guess.
    pub(super) mode_reason: String,
    pub(super) queues: Vec<QueueReport>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ProcessReport {
    pid: u32,
    name: String,
    uid: u32,
    /// `slave`, `master`, or `null` where that cannot be told, or it is both.
    role: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct QueueReport {
    /// `slave_to_master` or `master_to_slave`.
    direction: &'static str,
    queue: u16,
    ring_size: u16,
}

impl AttachedReport {
    pub(super) fn new(link: &Link, followers: &[Follower], mode: &str, reason: &str) -> Self {
        let processes = link.ends().iter().map(|end| ProcessReport {
            pid: end.process.pid,
            name: end.process.name.clone(),
            uid: end.process.uid,
            role: end.role.map(|role| role.to_string()),
        });
        Self {
            link: link.id().to_string(),
            processes: processes.collect(),
            socket: link.socket().map(str::to_owned),
            mode: mode.to_owned(),
            mode_reason: reason.to_owned(),
            queues: followers.iter().map(QueueReport::of).collect(),
        }
    }
}

impl QueueReport {
    fn of(follower: &Follower) -> Self {
        let ring = follower.ring();
        let direction = match ring.direction {
            RingDirection::S2m => "slave_to_master",
            RingDirection::M2s => "master_to_slave",
        };
        Self { direction, queue: ring.index, ring_size: ring.size }
    }
}

/// What became of all packets.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    #[serde(flatten)]
    captured: CaptureReport,
    link: String,
    /// Why it ended by itself.
    link_end: Option<String>,
    queues: Vec<PassedReport>,
}

#[derive(Debug, Serialize)]
struct PassedReport {
    #[serde(skip)]
    name: String,
    #[serde(flatten)]
    queue: QueueReport,
    #[serde(flatten)]
    passed: Passed,
}

impl Figures {
    pub(super) fn new<'f>(
        captured: CaptureReport,
        link: &Link,
        end: Option<&str>,
        followers: impl Iterator<Item = (&'f Follower, Passed)>,
    ) -> Self {
        let each = followers.map(|(follower, passed)| PassedReport {
            name: follower.name().to_owned(),
            queue: QueueReport::of(follower),
            passed,
        });
        Self { captured, link: link.id().to_string(), link_end: end.map(str::to_owned), queues: each.collect() }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.captured)?;
        self.queues.iter().try_for_each(|PassedReport { name, passed, .. }| write!(f, "; {name}: {passed}"))
    }
}
