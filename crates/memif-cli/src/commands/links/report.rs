//! What is known of a link, for programs as JSON.

use memif_watch::{End, Link, LinkId, Process, Region, Ring, Role, Unseen, UnseenKind};
use serde::Serialize;

use crate::users::user_name;
use crate::watching;

/// A link.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "link")]
pub(super) struct LinkReport {
    /// Device and number of the file that holds the rings.
    #[serde(serialize_with = "as_text")]
    pub(super) link: LinkId,
    /// Where its ends met; `null` where they have several connections that it may be, or none.
    pub(super) socket: Option<String>,
    pub(super) ends: Vec<EndReport>,
    /// `there`, `missing`, or `not_seen`: a process that may not be looked into may be it.
    pub(super) other_end: &'static str,
    /// `packed` or `spaced`.
    pub(super) layout: &'static str,
    /// The cache line that its rings are laid out for; `null` where there are none.
    pub(super) cacheline_bytes: Option<usize>,
    /// Whether `from_role` of its rings is certain.
    pub(super) directions_known: bool,
    /// Of all regions that are known.
    pub(super) memory_bytes: u64,
    pub(super) regions: Vec<RegionReport>,
    pub(super) rings: Vec<RingReport>,
    /// Why its rings cannot be read.
    pub(super) problem: Option<String>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ProcessReport {
    pub(super) pid: u32,
    pub(super) program: String,
    pub(super) uid: u32,
    pub(super) user: Option<String>,
}

impl ProcessReport {
    pub(super) fn of(process: &Process) -> Self {
        let Process { pid, name, uid, .. } = process;
        Self { pid: *pid, program: name.clone(), uid: *uid, user: user_name(*uid) }
    }

    /// Program, pid and user, for people.
    pub(super) fn text(&self) -> String {
        let user = self.user.clone().unwrap_or_else(|| self.uid.to_string());
        format!("{} {} {user}", self.program, self.pid)
    }
}

/// A process that has the memory of a link.
#[derive(Clone, Debug, Serialize)]
pub(super) struct EndReport {
    #[serde(flatten)]
    pub(super) process: ProcessReport,
    /// `slave`, `master`, `both`; `null` where it cannot be told.
    pub(super) role: Option<&'static str>,
}

impl EndReport {
    fn of(end: &End) -> Self {
        let role = match end.role {
            _ if end.is_both() => Some("both"),
            Some(Role::Slave) => Some("slave"),
            Some(Role::Master) => Some("master"),
            None => None,
        };
        Self { process: ProcessReport::of(&end.process), role }
    }
}

/// A region.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RegionReport {
    index: u16,
    size_bytes: u64,
    #[serde(serialize_with = "as_text")]
    file: LinkId,
    file_name: String,
    certain: bool,
    /// `mapping`, `descriptor` or `process`.
    read_by: &'static str,
}

impl RegionReport {
    fn of(region: &Region) -> Self {
        Self {
            index: region.index,
            size_bytes: region.size,
            file: region.file(),
            file_name: region.name.clone(),
            certain: region.certain,
            read_by: region.way().as_str(),
        }
    }
}

/// A ring as it was at one look. What could not be read is `null`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RingReport {
    /// Who sends on it.
    pub(super) from_role: &'static str,
    pub(super) index: u16,
    pub(super) ring_size_slots: u16,
    pub(super) offset_bytes: u64,
    pub(super) head: Option<u16>,
    pub(super) tail: Option<u16>,
    pub(super) flags: Option<u16>,
    /// Whether the receiver polls, as the flags say.
    pub(super) polls: Option<bool>,
    /// Filled so far, modulo 65536.
    pub(super) sent_slots: Option<u16>,
    /// Filled and not given back; `null` where the cursors are impossible, too.
    pub(super) in_flight_slots: Option<u16>,
    /// Why it could not be read.
    pub(super) failure: Option<String>,
}

impl RingReport {
    fn of(link: &Link, ring: &Ring) -> Self {
        let (cursors, failure) = match link.cursors(ring) {
            Ok(cursors) => (Some(cursors), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            from_role: watching::sender(ring.direction),
            index: ring.index,
            ring_size_slots: ring.size,
            offset_bytes: ring.offset,
            head: cursors.map(|cursors| cursors.head),
            tail: cursors.map(|cursors| cursors.tail),
            flags: cursors.map(|cursors| cursors.flags),
            polls: cursors.map(|cursors| cursors.is_masked()),
            sent_slots: cursors.map(|cursors| cursors.sent(ring.direction)),
            in_flight_slots: cursors.and_then(|cursors| ring.in_flight(&cursors)),
            failure,
        }
    }
}

impl LinkReport {
    pub(super) fn of(link: &Link) -> Self {
        Self {
            link: link.id(),
            socket: link.socket().map(str::to_owned),
            ends: link.ends().iter().map(EndReport::of).collect(),
            other_end: link.other_end().as_str(),
            layout: link.layout().as_str(),
            cacheline_bytes: link.cache_line().map(memif_watch::CacheLine::bytes),
            directions_known: link.directions_known(),
            memory_bytes: link.memory_size(),
            regions: link.regions().iter().map(RegionReport::of).collect(),
            rings: link.rings().iter().map(|ring| RingReport::of(link, ring)).collect(),
            problem: link.problem().map(ToString::to_string),
        }
    }
}

/// What was not looked into.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "not_seen")]
pub(super) struct UnseenReport {
    /// `process`, `memory` or `rest`.
    what: &'static str,
    processes: Vec<ProcessReport>,
    /// Why, and what would be needed.
    reason: String,
}

impl UnseenReport {
    pub(super) fn of(unseen: &Unseen) -> Self {
        Self {
            what: match unseen.what {
                UnseenKind::Process => "process",
                UnseenKind::Memory => "memory",
                UnseenKind::Rest => "rest",
            },
            processes: unseen.processes.iter().map(ProcessReport::of).collect(),
            reason: unseen.why.to_string(),
        }
    }
}

fn as_text<S: serde::Serializer>(link: &LinkId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(link)
}
