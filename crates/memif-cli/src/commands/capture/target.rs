//! What is watched: a link of other processes, or a part of one.

use std::fmt;
use std::str::FromStr;

use memif_watch::{Host, Link, LinkId, Ring, RingDirection};

use crate::error::Error;

/// What `--attach` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    what: What,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Process(u32),
    Link(LinkId),
}

/// Which rings of the link; all where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    direction: Option<RingDirection>,
    queue: Option<u16>,
}

impl Target {
    pub(super) fn part(self) -> Part {
        self.part
    }

    /// The link, among those of the host.
    pub(super) fn find(self, host: &Host) -> Result<Link, Error> {
        let link = match self.what {
            What::Link(id) => host.link(id).ok_or_else(|| no_link(host, id))?,
            What::Process(pid) => {
                let mut links = host.links_of(pid);
                let first = links.next().ok_or_else(|| no_link_of(host, pid))?;
                let others: Vec<&Link> = links.collect();
                if !others.is_empty() {
                    return Err(several(pid, first, &others));
                }
                first
            }
        };
        if let Some(problem) = link.problem() {
            return Err(Error::Usage(format!("link {} cannot be watched: {problem}", link.id())));
        }
        if self.part.of(link).next().is_none() {
            let rings: Vec<String> = link.rings().iter().map(short_name).collect();
            return Err(Error::Usage(format!(
                "link {} has no such queue: it has {}; leave the part behind / out for all of them",
                link.id(),
                rings.join(" "),
            )));
        }
        Ok(link.clone())
    }
}

impl Part {
    /// The rings of the link that belong to it.
    pub(super) fn of(self, link: &Link) -> impl Iterator<Item = &Ring> {
        link.rings().iter().filter(move |ring| {
            self.direction.is_none_or(|direction| direction == ring.direction)
                && self.queue.is_none_or(|queue| queue == ring.index)
        })
    }
}

/// What a ring is called: `s2m0` is queue 0 from the slave to the master.
pub(super) fn short_name(ring: &Ring) -> String {
    format!("{}{}", direction_name(ring.direction), ring.index)
}

/// `s2m` or `m2s`.
pub(super) fn direction_name(direction: RingDirection) -> &'static str {
    match direction {
        RingDirection::S2m => "s2m",
        RingDirection::M2s => "m2s",
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "give a process id, or a link as `memif links` names it, and behind a / which queue, as in 4711, 4711/0, \
             4711/s2m (from slave to master), 0:1:2199514/m2s0"
                .to_owned()
        };
        let (what, part) = match text.split_once('/') {
            Some((what, part)) => (what, part.parse().map_err(|()| wrong())?),
            None => (text, Part::default()),
        };
        let what = match what.parse() {
            Ok(id) => What::Link(id),
            Err(_) => What::Process(what.parse().ok().filter(|pid| *pid > 0).ok_or_else(wrong)?),
        };
        Ok(Self { what, part })
    }
}

impl FromStr for Part {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (direction, queue) = if let Some(queue) = text.strip_prefix("s2m") {
            (Some(RingDirection::S2m), queue)
        } else if let Some(queue) = text.strip_prefix("m2s") {
            (Some(RingDirection::M2s), queue)
        } else {
            (None, text)
        };
        let queue = match queue {
            "" if direction.is_some() => None,
            queue => Some(queue.parse().map_err(|_| ())?),
        };
        Ok(Self { direction, queue })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Process(pid) => write!(f, "{pid}")?,
            What::Link(id) => write!(f, "{id}")?,
        }
        if self.part == Part::default() { Ok(()) } else { write!(f, "/{}", self.part) }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.direction.map_or("", direction_name))?;
        self.queue.map_or(Ok(()), |queue| write!(f, "{queue}"))
    }
}

fn no_link(host: &Host, id: LinkId) -> Error {
    Error::Usage(format!("there is no link {id}, or it may not be looked into: `memif links` lists them{}", hint(host)))
}

fn no_link_of(host: &Host, pid: u32) -> Error {
    let unseen = host.unseen.iter().find(|unseen| unseen.processes.iter().any(|process| process.pid == pid));
    if let Some(unseen) = unseen {
        return Error::Usage(format!("process {pid} may not be looked into: {}", unseen.why));
    }
    if std::fs::metadata(format!("/proc/{pid}")).is_err() {
        return Error::Usage(format!("there is no process {pid}{}", hint(host)));
    }
    Error::Usage(format!("process {pid} has no link that is up: `memif links` lists those of the host"))
}

/// What else may be the matter.
fn hint(host: &Host) -> &'static str {
    if host.in_container { "; in this container only its own processes are seen" } else { "" }
}

fn several(pid: u32, first: &Link, others: &[&Link]) -> Error {
    let names: Vec<String> = std::iter::once(first)
        .chain(others.iter().copied())
        .map(|link| format!("{} with {}", link.id(), who(link, Some(pid))))
        .collect();
    Error::Usage(format!("process {pid} has {} links; give one of them as --attach: {}", names.len(), names.join(", ")))
}

/// The processes of a link in words; all but that one.
pub(crate) fn who(link: &Link, but: Option<u32>) -> String {
    let ends = link.ends().iter().filter(|end| but != Some(end.process.pid) || end.is_both());
    let ends: Vec<String> = ends
        .map(|end| {
            let role = end.role.map(|role| format!(", {role}")).unwrap_or_default();
            let both = if end.is_both() { ", both ends" } else { "" };
            format!("{} ({}{role}{both})", end.process.pid, end.process.name)
        })
        .collect();
    if ends.is_empty() { "a process that is not seen".to_owned() } else { ends.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        let target = |text: &str| Target::from_str(text).unwrap();
        let part = |direction, queue| Part { direction, queue };
        assert_eq!(target("12"), Target { what: What::Process(12), part: part(None, None) });
        assert_eq!(target("12/3").part, part(None, Some(3)));
        assert_eq!(target("12/s2m").part, part(Some(RingDirection::S2m), None));
        let link = target("0:1:77/m2s2");
        let what = What::Link("0:1:77".parse().unwrap());
        assert_eq!(link, Target { what, part: part(Some(RingDirection::M2s), Some(2)) });
        for text in ["0:1:77/m2s2", "12", "12/3", "12/s2m"] {
            assert_eq!(target(text).to_string(), text);
        }
        for wrong in ["", "0", "x", "12/", "12/x", "12/s2mx", "0:1", "0:1:2/s", "-1", "4294967296", "12/65536"] {
            assert!(Target::from_str(wrong).unwrap_err().contains("4711/0"), "{wrong}");
        }
    }
}
