//! Many interfaces on one socket: how long they take to come up, what they cost, and what one wake-up costs among
//! them.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memif::{Event, InterfaceKey, Link, Role, RxMode, SendError, Socket};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::echo;
use super::other::{self, Other};
use super::place::Place;
use super::until::{LOOK, Until};
use crate::error::Error;
use crate::output::said::Told;
use crate::output::teller::Teller;
use crate::output::times::{histogram, nanoseconds};
use crate::output::warn;
use crate::packet::numbered::{Packets, Sizes};

/// Descriptors of one interface: its connection, its memory, and an eventfd for each of two queues and for itself.
const DESCRIPTORS: u64 = 8;
/// Descriptors of everything else.
const OTHER_DESCRIPTORS: u64 = 64;
/// How long an answer may take.
const LOST: Duration = Duration::from_secs(1);

/// What so many interfaces take.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    pub(crate) count: u32,
    /// How many of them got a link, and how many lost it again.
    pub(crate) up: usize,
    pub(crate) went_down: u64,
    /// From the first one that is added until the last one of these is up.
    pub(crate) set_up: Duration,
    pub(crate) cost: Cost,
    /// What the other end has, where that is a process of ours.
    pub(crate) other: Option<Cost>,
    /// What the process had before the first one.
    pub(crate) before: Cost,
    /// Round trips over one after the other, both ends asleep before: two wake-ups each. Nanoseconds; empty where
    /// the peer sends nothing back.
    pub(crate) round_trips: Histogram<u64>,
    pub(crate) lost: u64,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    /// Resident memory, in bytes, without what is shared.
    pub(crate) own: u64,
    /// Resident shared memory, in bytes.
    pub(crate) shared: u64,
    pub(crate) descriptors: u64,
}

/// What that process holds; this one without a number.
pub(crate) fn cost(pid: Option<u32>) -> Cost {
    let process = pid.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let field = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.unwrap_or(0) * 1024
    };
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
    Cost { own: field("RssAnon") + field("RssFile"), shared: field("RssShmem"), descriptors: descriptors as u64 }
}

/// Sees to it that so many interfaces can be opened, as far as the system allows.
pub(crate) fn make_room(count: u32) -> Result<(), Error> {
    let needed = DESCRIPTORS * u64::from(count) + OTHER_DESCRIPTORS;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if limit.maximum.is_some_and(|maximum| maximum < needed) {
        return Err(Error::Usage(format!(
            "{count} interfaces need {needed} descriptors, and this process may have {}: raise the limit \
             (ulimit -Hn, as root) or lower --count",
            limit.maximum.unwrap_or_default()
        )));
    }
    let wanted = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, wanted).map_err(|errno| Error::System {
        what: "cannot raise the limit of open files".to_owned(),
        advice: "raise it (ulimit -n) or lower --count",
        source: errno.into(),
    })
}

/// A socket with many interfaces.
struct Many {
    socket: Socket,
    keys: Vec<InterfaceKey>,
    links: HashMap<InterfaceKey, Link>,
    teller: Teller,
    last: Option<String>,
    /// The first id, and whether the other end was started by us, so that it is no news what it does.
    first: u32,
    both: bool,
}

impl Many {
    fn open(place: &Place, role: Role, count: u32) -> Result<Self, Error> {
        make_room(count)?;
        let mut many = Self {
            socket: place.socket(role)?.open()?,
            keys: Vec::new(),
            links: HashMap::new(),
            teller: Teller::new(place.address.clone(), Told::warn),
            last: None,
            first: place.id,
            both: place.both,
        };
        for number in 0..count {
            let id = place.id.wrapping_add(number);
            let config = place.config(role, id)?.rx_mode(RxMode::Interrupt);
            let key = many.socket.add_interface(config)?;
            many.socket.watch(key, 0)?;
            many.keys.push(key);
        }
        Ok(many)
    }

    /// The interface that has packets, and the queue, if one has any within that time.
    fn next(&mut self, time: Duration) -> Result<Option<(InterfaceKey, usize)>, Error> {
        let event = self.socket.poll(Some(time))?;
        self.teller.overdue()?;
        match event {
            Some(Event::Connected { interface, link }) => {
                // Of the first one it is known that there is one.
                for rx in link.rx.iter().skip(1) {
                    self.socket.watch(interface, rx.index())?;
                }
                self.links.insert(interface, link);
            }
            Some(Event::Disconnected { interface, .. }) => {
                self.links.remove(&interface);
            }
            Some(Event::Readable { interface, queue }) => {
                return Ok(Some((interface, usize::from(queue))));
            }
            Some(event) => {
                self.tell(&event)?;
                self.last = self.teller.cause(&event).or(self.last.take());
            }
            None => {}
        }
        Ok(None)
    }

    /// Says what was counted.
    fn finish(&mut self) -> Result<(), Error> {
        self.teller.finish()
    }

    /// Says why there is no link.
    fn tell(&mut self, event: &Event) -> Result<(), Error> {
        if self.both {
            return Ok(());
        }
        let position = |key| self.keys.iter().position(|other| *other == key).unwrap_or_default();
        let id = |key| self.first.wrapping_add(u32::try_from(position(key)).unwrap_or_default());
        self.teller.tell(event, |key| format!("interface {}", id(key)), id)
    }
}

/// Sends back what comes on so many interfaces. `ready` is called when all of them are there to be connected. Waits for
/// the first link no longer than one may take, or for ever if `patient`.
pub(crate) fn echo(
    place: &Place,
    role: Role,
    count: u32,
    patient: bool,
    until: &Until,
    ready: impl FnOnce(),
) -> Result<(), Error> {
    let mut many = Many::open(place, role, count)?;
    ready();
    let start = Instant::now();
    let (mut linked, mut waiting) = (false, place.waiting(role, start));
    while !until.is_over() {
        let next = many.next(LOOK)?;
        linked |= !many.links.is_empty();
        if !linked {
            waiting.tell(place);
            if !patient && start.elapsed() >= place.timeout {
                many.teller.finish()?;
                return Err(place.not_connected(role, many.last));
            }
        }
        let Some((key, queue)) = next else { continue };
        let Some(link) = many.links.get_mut(&key) else { continue };
        let back = queue % link.tx.len().max(1);
        let (Some(rx), Some(tx)) = (link.rx.get_mut(queue), link.tx.get_mut(back)) else {
            continue;
        };
        // None when the link is down: the event comes.
        while echo::forward(rx, tx, 64, until).is_some_and(|sent| sent > 0) {}
    }
    many.finish()
}

/// Brings so many interfaces up, and sends over one after the other for that time; tells what was measured so far to
/// whoever asks.
pub(crate) fn run(
    place: &Place,
    role: Role,
    count: u32,
    time: Duration,
    other: &mut Option<Other>,
    until: &Until,
    so_far: fn(&Crowd) -> Result<(), Error>,
) -> Result<Option<Crowd>, Error> {
    let before = cost(None);
    let start = Instant::now();
    let mut many = Many::open(place, role, count)?;
    let mut news = (start, 0);
    while many.links.len() < many.keys.len() {
        if until.is_over() {
            many.finish()?;
            return Ok(None);
        }
        many.next(LOOK)?;
        if many.links.len() > news.1 {
            news = (Instant::now(), many.links.len());
            continue;
        }
        other.as_mut().map_or(Ok(()), |other| other.check(until))?;
        if news.0.elapsed() >= place.timeout {
            many.finish()?;
            let error = missing(&many, place, role);
            if many.links.is_empty() {
                return Err(error);
            }
            // Whatever keeps the others away costs them alone.
            warn(format_args!("{error}"));
            break;
        }
    }
    let set_up = if many.links.len() < many.keys.len() { news.0 - start } else { start.elapsed() };
    let mut crowd = Crowd {
        count,
        up: many.links.len(),
        went_down: 0,
        set_up,
        cost: cost(None),
        other: other.as_ref().and_then(Other::pid).map(|pid| cost(Some(pid))),
        before,
        round_trips: histogram()?,
        lost: 0,
    };
    let sizes = Sizes::Fixed(crate::packet::numbered::SHORTEST);
    let packets = Packets::new(place.interface.framing(), sizes, 0, 0);
    let mut buffer = [0; 2048];
    let start = Instant::now();
    let keys = many.keys.clone();
    let mut cut = false;
    for key in keys.iter().cycle() {
        if start.elapsed() >= time || until.is_over() {
            break;
        }
        if until.takes_figures() {
            so_far(&crowd)?;
        }
        if many.links.is_empty() {
            cut = true;
            break;
        }
        // One that has no link, or none any more, costs the others nothing.
        let Some(tx) = many.links.get_mut(key).and_then(|link| link.tx.first_mut()) else { continue };
        let asked = Instant::now();
        match tx.send(packets.next()) {
            Ok(()) => {}
            Err(SendError::Full) => break,
            Err(_) => {
                many.links.remove(key);
                crowd.went_down += 1;
                continue;
            }
        }
        let mut back = false;
        while !back && asked.elapsed() < LOST {
            let there = many.links.len();
            let Some((readable, queue)) = many.next(LOST)? else {
                crowd.went_down += u64::try_from(there.saturating_sub(many.links.len())).unwrap_or_default();
                if many.links.contains_key(key) {
                    continue;
                }
                break;
            };
            let rx = many.links.get_mut(&readable).and_then(|link| link.rx.get_mut(queue));
            let Some(rx) = rx else { continue };
            while matches!(rx.recv_into(&mut buffer), Ok(Some(_))) {
                back |= readable == *key;
            }
        }
        if back {
            crowd.round_trips.saturating_record(nanoseconds(asked.elapsed()));
        } else {
            crowd.lost += 1;
            if crowd.round_trips.is_empty() {
                break;
            }
        }
    }
    if cut && !until.is_over() {
        return Err(other::gone(other, until));
    }
    Ok(Some(crowd))
}

fn missing(many: &Many, place: &Place, role: Role) -> Error {
    let (up, all) = (many.links.len(), many.keys.len());
    let first = place.id;
    let last = many.last.clone().unwrap_or_else(|| {
        format!("start a peer with the interfaces {first} and up (memif bench interfaces --part echo)")
    });
    match place.not_connected(role, Some(last)) {
        Error::NotConnected(text) => Error::NotConnected(format!("{up} of {all} links came up; {text}")),
        error => error,
    }
}
