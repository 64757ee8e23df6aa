//! `memif capture --attach`: a link between other programs, watched without touching either.
//!
//! Nothing is written, mapped or opened that the two could notice: their memory is read, again and again, and what was
//! sent since is copied. Whether it is still what was sent, cursors tell that are read afterwards.

mod follow;
mod mode;
mod passed;
mod report;
mod watcher;
mod window;

use std::cell::Cell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use memif::Role;
use memif_capture::write::{Direction, Interface};
use memif_watch::{End, Link, RingDirection};

use super::lines::Way;
use super::options::CaptureOptions;
use super::progress::Watched;
use super::recording::{Subjects, notice_reader, start_recording, tell};
use super::target::{Target, short_name, who};
use crate::endpoint::driver::{Notice, receive};
use crate::endpoint::record::{self, CaptureReport, Recording, link_type};
use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::exit::Outcome;
use crate::output::{report, so_far, warn};
use crate::packet::Framing;
use crate::watching;
use follow::{Follower, Wanted};
use mode::Evidence;
use report::{AttachedReport, Figures};
use watcher::{Rings, Watcher};

/// How often it is looked whether the link is still there, or more rarely where that takes long: its processes may have
/// very much mapped.
const PRESENCE: Duration = Duration::from_millis(250);
const PRESENCE_REST: u32 = 50;
/// How often it is looked whether a first packet tells what packets begin with.
const FIRST_PACKET: Duration = Duration::from_millis(2);

/// Watches a link until a signal, its end, or what the options say.
pub(super) fn run(options: &CaptureOptions, target: Target) -> Result<Outcome, Error> {
    let until = options.seconds.map(|time| Instant::now() + time);
    check_filter(options)?;
    let (sender, notices) = std::sync::mpsc::channel();
    let stop = Stop::listen(sender.clone())?;
    notice_reader(options, &sender)?;
    let link = target.find(&watching::scan()?)?;
    let rings: Result<Vec<_>, _> =
        target.part().of(&link).map(|ring| Follower::new(&link, *ring, short_name(ring))).collect();
    let followers = rings.map_err(|error| cannot_watch(&link, &error))?;
    let waiting = Waiting { options, stop: &stop, notices: &notices, until, reader_left: Cell::new(false) };
    let (framing, reason) = waiting.framing(&link, &followers)?;
    if waiting.reader_left.get() {
        return Ok(Outcome::Success);
    }
    watch(waiting, &link, followers, (framing, reason), sender)
}

/// What is wrong with a filter shows at once: also where packets are yet to show what they begin with, if it is wrong
/// for all that they may begin with.
fn check_filter(options: &CaptureOptions) -> Result<(), Error> {
    match options.given_framing() {
        Some(framing) => options.filter(framing).map(drop),
        None => {
            options.filter(Framing::Ethernet).or_else(|wrong| options.filter(Framing::Ip).map_err(|_| wrong)).map(drop)
        }
    }
}

fn cannot_watch(link: &Link, error: &dyn std::fmt::Display) -> Error {
    Error::NotConnected(format!("link {} cannot be watched: {error}; `memif links` lists those of the host", link.id()))
}

/// What the main thread goes by.
struct Waiting<'w> {
    options: &'w CaptureOptions,
    stop: &'w Stop,
    notices: &'w Receiver<Notice>,
    until: Option<Instant>,
    /// Nobody reads what this would write.
    reader_left: Cell<bool>,
}

impl Waiting<'_> {
    /// What packets begin with: as the option says, or packets that passed, or the first that will.
    fn framing(&self, link: &Link, followers: &[Follower]) -> Result<(Framing, String), Error> {
        if let Some(framing) = self.options.given_framing() {
            return Ok((framing, format!("{}, as --mode says", word(framing))));
        }
        let evidence = || {
            let rings: Vec<_> = followers.iter().map(Follower::ring).collect();
            Evidence::of(link, rings.iter())
        };
        let mut found = evidence();
        if !found.is_any() {
            let id = link.id();
            tell(self.options, format_args!("link {id} had no packet yet: its first one shows its mode, or --mode"))?;
        }
        let mut due = Instant::now() + PRESENCE;
        while !found.is_any() && !self.is_over(Instant::now() + FIRST_PACKET) {
            let more = |follower: &Follower| follower.has_more(link).map_err(|error| cannot_watch(link, &error));
            for follower in followers {
                if more(follower)? {
                    found = evidence();
                    let (framing, reason) = found.framing();
                    return Ok((framing, reason));
                }
            }
            if due <= Instant::now() {
                let (end, next) = presence(link);
                due = next;
                if end.is_some() {
                    break;
                }
            }
        }
        Ok(found.framing())
    }

    /// Waits until that time; gives whether it is over before.
    fn is_over(&self, time: Instant) -> bool {
        let over = |now| self.until.is_some_and(|until| until <= now);
        if self.stop.is_requested() || over(Instant::now()) {
            return true;
        }
        match receive(self.notices, Some(self.until.map_or(time, |until| until.min(time)))) {
            Ok(Notice::Figures) | Err(RecvTimeoutError::Timeout) => over(Instant::now()),
            _ => {
                self.reader_left.set(!self.stop.is_requested());
                true
            }
        }
    }
}

fn watch(
    waiting: Waiting<'_>,
    link: &Link,
    mut followers: Vec<Follower>,
    (framing, reason): (Framing, String),
    over: Sender<Notice>,
) -> Result<Outcome, Error> {
    let Waiting { options, stop, notices, until, .. } = waiting;
    let interfaces: Vec<Interface> = followers.iter().map(|follower| interface(link, follower)).collect();
    let subjects = Subjects {
        framing,
        comment: format!("memif capture --attach: link {} of {}; {reason}", link.id(), who(link, None)),
        interfaces: interfaces.clone(),
        way: Way::Named,
        via: false,
    };
    let recording = start_recording(options, &subjects, over.clone())?;
    let serving = options.metrics.serve("capture")?;
    record::count(Some(&recording), serving.metrics());
    let view = recording.view();
    for (follower, interface) in followers.iter_mut().zip(interfaces) {
        follower.record_as(view.interface(interface));
    }
    let names: Vec<&str> = followers.iter().map(Follower::name).collect();
    let (id, who, names) = (link.id(), who(link, None), names.join(" "));
    tell(options, format_args!("watching link {id} of {who}: {names}; packets are {reason}"))?;
    report(&AttachedReport::new(link, &followers, word(framing), &reason))?;

    let keep = if options.has_filter() { u32::MAX } else { options.record.snap_length() };
    let wanted = Wanted { link_type: link_type(framing), bytes: keep };
    let rings = Rings::new(followers);
    let watcher =
        Watcher::start(link.clone(), rings.clone(), view.clone(), wanted, move || drop(over.send(Notice::Signal)))?;
    let shown = Watched::start(options, &recording);
    let figures = |captured, end: Option<&str>| {
        let rings = rings.lock();
        Figures::new(captured, link, end, rings.iter().map(|ring| (ring, ring.passed())))
    };
    let mut end = None;
    let mut next = Instant::now() + PRESENCE;
    while !stop.is_requested() {
        match receive(notices, Some(until.map_or(next, |until| until.min(next)))) {
            Ok(Notice::Figures) if stop.takes_figures() => {
                let figures = figures(view.so_far(), None);
                so_far(format_args!("{figures}"), &figures)?;
            }
            Ok(Notice::Figures) => {}
            Err(RecvTimeoutError::Timeout) => {
                if until.is_some_and(|until| until <= Instant::now()) {
                    break;
                }
                (end, next) = presence(link);
                if end.is_some() {
                    break;
                }
            }
            _ => break,
        }
    }
    drop(shown);
    let lost = watcher.finish();
    // Memory that cannot be read any more is that of a link that is gone, in most cases.
    let end = end.or_else(|| lost.as_ref().and_then(|_| end_of(link)));
    let broken = lost.filter(|_| end.is_none()).map(|lost| lost.to_string());
    finish(options, recording, end, broken, figures)
}

/// Ends the recording, and tells what became of it.
fn finish(
    options: &CaptureOptions,
    recording: Recording,
    end: Option<String>,
    broken: Option<String>,
    figures: impl Fn(CaptureReport, Option<&str>) -> Figures,
) -> Result<Outcome, Error> {
    if let Some(reason) = end.as_deref().or(broken.as_deref()) {
        recording.view().remark(format!("the end of the link: {reason}"));
    }
    if let Some(end) = &end {
        warn(format_args!("the link is gone: {end}"));
    }
    let (captured, verdict) = recording.end();
    let figures = figures(captured, end.as_deref().or(broken.as_deref()));
    tell(options, format_args!("{figures}"))?;
    report(&figures)?;
    verdict?;
    match broken {
        Some(reason) => Err(Error::NotConnected(format!(
            "the link cannot be watched any more: {reason}; what came before is written; look for it in `memif links`"
        ))),
        None => Ok(Outcome::Success),
    }
}

/// Why the link is no more, if it is not; and when to look again.
fn presence(link: &Link) -> (Option<String>, Instant) {
    let began = Instant::now();
    let end = end_of(link);
    let now = Instant::now();
    (end, now + PRESENCE.max((now - began) * PRESENCE_REST))
}

/// Why the link is no more, if it is not.
fn end_of(link: &Link) -> Option<String> {
    let there = link.still_there();
    // Processes that inherited the memory do not count where it is known who the ends are.
    let known = |end: &&End| end.role.is_some();
    let some_known = link.ends().iter().any(|end| known(&end));
    if !some_known && there.len() >= link.ends().len().min(2) {
        return None;
    }
    let ends = link.ends().iter().filter(|end| !some_known || known(end));
    let gone: Vec<&End> = ends.filter(|end| !there.contains(&end.process.pid)).collect();
    // Who has ended is the reason, and who closed it because of that is not.
    let gone = gone.iter().find(|end| !end.process.is_there()).or(gone.first())?;
    let name = format!("{} ({})", gone.process.pid, gone.process.name);
    if !gone.process.is_there() {
        return Some(format!("process {name} has ended"));
    }
    let pids = |link: &Link| link.ends().iter().map(|end| end.process.pid).collect::<Vec<_>>();
    let again = memif_watch::scan().ok().and_then(|host| {
        let mut new = host.links.iter().filter(|other| other.id() > link.id() && pids(other) == pids(link));
        new.next().map(Link::id)
    });
    Some(match again {
        Some(new) => format!("process {name} has closed it; both have made a new one, {new}"),
        None => format!("process {name} has closed it"),
    })
}

/// What the packets of a link begin with, as far as they show it.
pub(super) fn framing_of(link: &Link) -> Framing {
    Evidence::of(link, link.rings().iter()).framing().0
}

fn word(framing: Framing) -> &'static str {
    match framing {
        Framing::Ethernet => "ethernet",
        Framing::Ip => "ip",
    }
}

/// A ring, in the head of a file. Directions are those of the slave, which has the memory.
fn interface(link: &Link, follower: &Follower) -> Interface {
    let ring = follower.ring();
    let (from, to, direction) = match ring.direction {
        RingDirection::S2m => (Role::Slave, Role::Master, Direction::Outbound),
        RingDirection::M2s => (Role::Master, Role::Slave, Direction::Inbound),
    };
    let end = |role: Role| match link.end(role) {
        Some(end) => format!("{role} {} ({})", end.process.pid, end.process.name),
        None => role.to_string(),
    };
    Interface {
        name: follower.name().to_owned(),
        description: format!("link {}: from {} to {}, queue {}", link.id(), end(from), end(to), ring.index),
        direction,
        queue: ring.index.into(),
    }
}
