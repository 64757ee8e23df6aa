//! What `--json` prints: one object per line, told apart by `type`. Names of fields end in their unit where they have
//! one. Fields and types may be added; the ones that are here stay as they are.
//!
//! Each report stands beside what it tells about; here are those of events and errors.

use std::time::Duration;

use memif::{Event, Peer};
use serde::Serialize;

/// What happened to a link, or why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EventReport {
    /// A link is up.
    Connected(ConnectedReport),
    /// A link is down.
    Disconnected(DisconnectedReport),
    /// A slave could not connect. Told once per cause and minute.
    ConnectFailed(ConnectFailedReport),
    /// The peer transmits on more queues than the link has. Told once per link.
    SurplusQueues(SurplusQueuesReport),
    /// A master refused a slave. Told once per cause and minute.
    Refused(RefusedReport),
    /// A slave came and left before it had a link. Told once per cause and minute.
    Left(LeftReport),
    /// A master can take nobody in. Told once per cause and minute.
    AcceptFailed(AcceptFailedReport),
    /// After [`AcceptFailed`](Self::AcceptFailed) was told: it can again.
    AcceptResumed(AcceptResumedReport),
}

/// The other end of a link, by its own words and by the kernel's.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PeerReport {
    pub(crate) app_name: String,
    pub(crate) interface_name: String,
    /// 0 when the process is not visible from here; `null` where the kernel does not tell.
    pub(crate) pid: Option<u32>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
}

impl From<&Peer> for PeerReport {
    fn from(peer: &Peer) -> Self {
        let credentials = peer.credentials.as_ref();
        Self {
            app_name: peer.app_name.to_string(),
            interface_name: peer.interface_name.to_string(),
            pid: credentials.map(|known| known.pid),
            uid: credentials.map(|known| known.uid),
            gid: credentials.map(|known| known.gid),
        }
    }
}

/// A link that is up.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConnectedReport {
    pub(crate) interface_id: u32,
    pub(crate) peer: PeerReport,
    pub(crate) rx_queues: usize,
    pub(crate) tx_queues: usize,
}

/// A link that is down.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DisconnectedReport {
    pub(crate) interface_id: u32,
    /// Who ended it: `local` or `peer`.
    pub(crate) by: String,
    pub(crate) reason: String,
}

/// A slave that did not get through.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ConnectFailedReport {
    pub(crate) interface_id: u32,
    pub(crate) reason: String,
    pub(crate) advice: String,
    /// When it is tried again; `null` when it is not.
    pub(crate) retry_in_ms: Option<f64>,
    /// How often it came since it was last told.
    pub(crate) count: u64,
}

/// A peer that transmits on more queues than the link has.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SurplusQueuesReport {
    pub(crate) interface_id: u32,
    /// Receive queues of the link.
    pub(crate) rx_queues: u8,
    pub(crate) advice: String,
}

/// A slave that was not let in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RefusedReport {
    pub(crate) reason: String,
    pub(crate) advice: String,
    pub(crate) peer: PeerReport,
    /// How often it came since it was last told; `peer` is the last.
    pub(crate) count: u64,
}

/// A slave that did not stay.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LeftReport {
    /// The interface that it was admitted to; `null` when it left before that.
    pub(crate) interface_id: Option<u32>,
    pub(crate) reason: String,
    pub(crate) advice: String,
    pub(crate) peer: PeerReport,
    /// How often it came since it was last told; `peer` is the last.
    pub(crate) count: u64,
}

/// A master for which nobody can be taken in.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AcceptFailedReport {
    pub(crate) reason: String,
    pub(crate) advice: String,
    /// How often it came since it was last told.
    pub(crate) count: u64,
}

/// A master that can take slaves in again.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AcceptResumedReport {}

impl EventReport {
    /// The same of so many events.
    pub(crate) fn with_count(self, count: u64) -> Self {
        match self {
            EventReport::ConnectFailed(told) => EventReport::ConnectFailed(ConnectFailedReport { count, ..told }),
            EventReport::Refused(told) => EventReport::Refused(RefusedReport { count, ..told }),
            EventReport::Left(told) => EventReport::Left(LeftReport { count, ..told }),
            EventReport::AcceptFailed(told) => EventReport::AcceptFailed(AcceptFailedReport { count, ..told }),
            other => other,
        }
    }

    /// The same of one of too many reasons to tell them all.
    pub(crate) fn for_other_reasons(self) -> Self {
        let (reason, advice) = ("other reasons".to_owned(), "see -v".to_owned());
        match self {
            EventReport::ConnectFailed(told) => {
                EventReport::ConnectFailed(ConnectFailedReport { reason, advice, ..told })
            }
            EventReport::Refused(told) => EventReport::Refused(RefusedReport { reason, advice, ..told }),
            EventReport::Left(told) => EventReport::Left(LeftReport { reason, advice, ..told }),
            EventReport::AcceptFailed(told) => EventReport::AcceptFailed(AcceptFailedReport { reason, advice, ..told }),
            other => other,
        }
    }
}

/// Why the command ended with status 2.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "error")]
pub(crate) struct ErrorReport {
    /// What went wrong and what to do.
    pub(crate) message: String,
    pub(crate) exit_status: u8,
}

/// The report of an event of the interface with that id; `None` for events that nobody is told.
pub(crate) fn event(event: &Event, interface_id: u32, advice: &str) -> Option<EventReport> {
    let advice = || advice.to_owned();
    Some(match event {
        Event::Connected { link, .. } => EventReport::Connected(ConnectedReport {
            interface_id,
            peer: (&link.peer).into(),
            rx_queues: link.rx.len(),
            tx_queues: link.tx.len(),
        }),
        Event::Disconnected { reason, .. } => EventReport::Disconnected(DisconnectedReport {
            interface_id,
            by: reason.by().to_string(),
            reason: reason.to_string(),
        }),
        Event::ConnectFailed { error, retry_in, .. } => EventReport::ConnectFailed(ConnectFailedReport {
            interface_id,
            reason: error.to_string(),
            advice: advice(),
            retry_in_ms: retry_in.map(milliseconds),
            count: 1,
        }),
        Event::SurplusQueues { rx_queues, .. } => {
            EventReport::SurplusQueues(SurplusQueuesReport { interface_id, rx_queues: *rx_queues, advice: advice() })
        }
        Event::Refused { reason, peer } => EventReport::Refused(RefusedReport {
            reason: reason.to_string(),
            advice: advice(),
            peer: peer.into(),
            count: 1,
        }),
        Event::Left { interface, reason, peer } => EventReport::Left(LeftReport {
            interface_id: interface.map(|_| interface_id),
            reason: reason.to_string(),
            advice: advice(),
            peer: peer.into(),
            count: 1,
        }),
        Event::AcceptFailed { error } => {
            EventReport::AcceptFailed(AcceptFailedReport { reason: error.to_string(), advice: advice(), count: 1 })
        }
        Event::AcceptResumed => EventReport::AcceptResumed(AcceptResumedReport {}),
        _ => return None,
    })
}

/// A time as every report gives it.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
