//! Looks at the rings of all links, as often as their rates ask for, and tells what it found once a period.
//!
//! One thread looks at rings, by one `pread` each, and another looks for links, since that takes longer than a fast
//! ring may be left alone. Neither spins, and neither takes more than its share of a processor, whatever the memory of
//! others says.

mod contents;
mod track;

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use memif_watch::{Host, Link};
use rustix::thread::set_current_timer_slack;

use crate::commands::top::figures::{EndFigures, LinkFigures, NotSeen, RingFigures, Snapshot};
use crate::error::Error;
use crate::output::not_seen;
use crate::watching;
use track::Track;

/// Between the two looks that show how fast a ring goes now.
const CLOSE: Duration = Duration::from_micros(200);
/// Rings that carry nothing are looked at so often, if there are not very many.
const IDLE: Duration = Duration::from_millis(100);
/// The longest time between two looks at a ring is so much for each ring there is, where that is more.
const EACH: Duration = Duration::from_micros(750);
/// Looks at rings take a fifth of a processor at most, however many are as fast as they can be.
const REST: u32 = 4;
/// Links are looked for so often, or more rarely where that takes long: half a percent of a processor; every half
/// minute even if it takes more, until that is a tenth.
const SCAN: Duration = Duration::from_secs(1);
const SCAN_REST: u32 = 200;
const SCAN_MOST: Duration = Duration::from_secs(30);
const SCAN_LEAST_REST: u32 = 10;
/// Rings that are looked at. A process can make any number of them.
const MOST_RINGS: usize = 16_384;

/// What is watched, and how often that is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Only the links of that process.
    pub(super) pid: Option<u32>,
    pub(super) period: Duration,
    /// Tells what there is at once, without rates, and the first rates soon.
    pub(super) at_once: bool,
}

/// The first rates of one who waits for them.
const SOON: Duration = Duration::from_millis(300);

enum Order {
    Found(Host),
    ForgetPeaks,
    TellNow,
}

/// The threads that look. They end when this goes.
#[derive(Debug)]
pub(super) struct Sampler {
    orders: Sender<Order>,
    _scans: Sender<()>,
}

impl Sampler {
    /// Starts them. What is found goes to `tell`, until that says no.
    pub(super) fn start(plan: Plan, tell: impl Fn(Snapshot) -> bool + Send + 'static) -> Result<Self, Error> {
        let host = watching::scan()?;
        if let Some(pid) = plan.pid.filter(|pid| !memif_watch::is_there(*pid)) {
            return Err(Error::Usage(format!("--pid: there is no process {pid}")));
        }
        let mut watch = Watch { start: Instant::now(), pid: plan.pid, links: Vec::new(), unseen: Vec::new() };
        watch.adopt(host, Duration::ZERO);
        let (orders, inbox) = mpsc::channel();
        let (scans, ended) = mpsc::channel();
        spawn("rings", move || watch.run(plan, &inbox, tell))?;
        let found = orders.clone();
        spawn("links", move || look_for_links(&ended, &found))?;
        Ok(Self { orders, _scans: scans })
    }

    /// Forgets how full rings have been.
    pub(super) fn forget_peaks(&self) {
        // Without a receiver the command is ending already.
        let _ = self.orders.send(Order::ForgetPeaks);
    }

    /// Ends the period now.
    pub(super) fn tell_now(&self) {
        let _ = self.orders.send(Order::TellNow);
    }
}

pub(super) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map(drop).map_err(|source| Error::System {
        what: "cannot start a thread".to_owned(),
        advice: "raise the limit of processes (ulimit -u)",
        source,
    })
}

/// Looks for links until nobody listens.
fn look_for_links(ended: &Receiver<()>, found: &Sender<Order>) {
    let mut pause = SCAN;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        let before = Instant::now();
        // Where that fails once, what was found before is still there.
        if let Ok(host) = memif_watch::scan()
            && found.send(Order::Found(host)).is_err()
        {
            return;
        }
        pause = pause_after(before.elapsed());
    }
}

/// How long links are not looked for after that took so long.
fn pause_after(took: Duration) -> Duration {
    (took * SCAN_REST).clamp(SCAN, SCAN_MOST).max(took * SCAN_LEAST_REST)
}

/// Which of the links with so many rings are looked at, if so many rings are: those that have few come first, so that
/// few links with many rings hide none of the others.
fn that_fit(rings: &[usize], most: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..rings.len()).collect();
    order.sort_by_key(|link| rings.get(*link));
    let mut left = most;
    let mut fit = vec![false; rings.len()];
    for link in order {
        let (Some(count), Some(fits)) = (rings.get(link), fit.get_mut(link)) else { continue };
        *fits = *count <= left;
        left -= if *fits { *count } else { 0 };
    }
    fit
}

/// The links that are watched.
struct Watch {
    start: Instant,
    pid: Option<u32>,
    links: Vec<Watched>,
    unseen: Vec<NotSeen>,
}

struct Watched {
    link: Link,
    rings: Vec<Scheduled>,
    /// Why not all of its rings are looked at.
    problem: Option<String>,
}

struct Scheduled {
    track: Track,
    due: Duration,
    /// Whether the next look is the second of a pair.
    close: bool,
}

impl Watch {
    fn run(mut self, plan: Plan, inbox: &Receiver<Order>, tell: impl Fn(Snapshot) -> bool) {
        // Timers then end when they are to, and not up to 50 us later.
        let _ = set_current_timer_slack(std::num::NonZero::new(1));
        let mut told = Duration::ZERO;
        let mut next = if plan.at_once { Duration::ZERO } else { plan.period };
        loop {
            let before = self.now();
            let soonest = self.look(before);
            let now = self.now();
            if now >= next {
                if !tell(self.snapshot(now.saturating_sub(told))) {
                    return;
                }
                let soon = if told.is_zero() && plan.at_once { SOON } else { plan.period };
                (told, next) = (now, (next + soon).max(now + soon / 2));
            }
            let rest = now + now.saturating_sub(before) * REST;
            let until = soonest.min(next).max(rest);
            match inbox.recv_timeout(until.saturating_sub(self.now())) {
                Ok(Order::Found(host)) => self.adopt(host, now),
                Ok(Order::ForgetPeaks) => self.tracks().for_each(|track| track.track.forget_peak()),
                Ok(Order::TellNow) => next = now,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn tracks(&mut self) -> impl Iterator<Item = &mut Scheduled> {
        self.links.iter_mut().flat_map(|watched| &mut watched.rings)
    }

    /// Looks at the rings that are due. Gives when the next one is.
    fn look(&mut self, now: Duration) -> Duration {
        let rings: u32 = self.links.iter().map(|watched| u32::try_from(watched.rings.len()).unwrap_or(u32::MAX)).sum();
        let longest = EACH.saturating_mul(rings);
        let idle = IDLE.max(longest);
        for Watched { link, rings, .. } in &mut self.links {
            for ring in rings.iter_mut().filter(|ring| ring.due <= now) {
                let went = look_at(link, &mut ring.track, self.start.elapsed(), !ring.close);
                ring.close = !ring.close && ring.track.wants_a_close_look(went);
                ring.due = if ring.close { now + CLOSE } else { due(now, ring.track.next_look(idle, longest)) };
            }
        }
        self.tracks().map(|ring| ring.due).min().unwrap_or(Duration::MAX)
    }

    fn snapshot(&mut self, period: Duration) -> Snapshot {
        let links = self.links.iter_mut().map(Watched::figures).collect();
        Snapshot { period, links, unseen: self.unseen.clone() }
    }

    /// Takes what was found: links that are there still go on, others come and go.
    fn adopt(&mut self, host: Host, now: Duration) {
        let Host { links, mut unseen, in_container, .. } = host;
        let mut before = std::mem::take(&mut self.links);
        let of = |link: &Link, pid: u32| link.ends().iter().any(|end| end.process.pid == pid);
        let links: Vec<Link> = links.into_iter().filter(|link| self.pid.is_none_or(|pid| of(link, pid))).collect();
        let fit = that_fit(&links.iter().map(|link| link.rings().len()).collect::<Vec<_>>(), MOST_RINGS);
        for (link, fits) in links.into_iter().zip(fit) {
            let old = before.iter().position(|watched| is_same(&watched.link, &link));
            let mut old = old.map_or_else(Vec::new, |at| before.swap_remove(at).rings);
            let mut rings = Vec::new();
            for ring in link.rings().iter().filter(|_| fits) {
                let kept = old.iter().position(|old| old.track.ring() == ring).map(|at| old.swap_remove(at));
                rings.push(kept.unwrap_or_else(|| Scheduled { track: Track::new(*ring, now), due: now, close: false }));
            }
            let problem = (!fits).then(|| format!("not watched: there are more than {MOST_RINGS} rings"));
            self.links.push(Watched { link, rings, problem });
        }
        if let Some(pid) = self.pid {
            unseen.retain(|unseen| watching::concerns(unseen, pid));
        }
        self.unseen = not_seen(&unseen).into_iter().map(|(what, why)| NotSeen { what, why }).collect();
        if in_container {
            let (what, why) = ("processes outside this container", "this needs to be run on the host");
            self.unseen.push(NotSeen { what: what.to_owned(), why: why.to_owned() });
        }
    }
}

impl Watched {
    fn figures(&mut self) -> LinkFigures {
        let Self { link, rings, problem } = self;
        let rings: Vec<RingFigures> = rings.iter_mut().map(|ring| ring.track.figures()).collect();
        LinkFigures {
            id: link.id().to_string(),
            ends: link.ends().iter().map(|end| EndFigures::new(&end.process, end.role, end.is_both())).collect(),
            other_end: link.other_end().as_str(),
            socket: link.socket().map(str::to_owned),
            memory_bytes: link.memory_size(),
            directions_known: link.directions_known(),
            rings,
            problem: problem.clone().or_else(|| link.problem().map(ToString::to_string)),
        }
    }
}

/// One look at a ring; gives how far it went.
fn look_at(link: &Link, track: &mut Track, at: Duration, contents: bool) -> u16 {
    let ring = *track.ring();
    match link.cursors(&ring) {
        Ok(cursors) => {
            let went = track.look(at, cursors);
            if contents {
                track.sampled().look(at, link, &ring, &cursors, went);
            }
            went
        }
        Err(error) => {
            track.fail(error.to_string());
            0
        }
    }
}

/// When a ring is looked at that is to be within that time: together with others, so that this wakes up less often.
fn due(now: Duration, within: Duration) -> Duration {
    let (now, within) = (now.as_micros(), within.as_micros());
    // Powers of two, so that the times of slow rings are among those of fast ones.
    let grid = (within / 2).checked_ilog2().map_or(1, |log2| 1_u128 << log2);
    let due = (now + within) / grid * grid;
    Duration::from_micros(u64::try_from(due).unwrap_or(u64::MAX))
}

/// Whether that is the link that was seen before: files have the numbers of earlier ones.
fn is_same(before: &Link, now: &Link) -> bool {
    let began = |link: &Link| -> Vec<(u32, u64)> {
        link.ends().iter().map(|end| (end.process.pid, end.process.started)).collect()
    };
    before.id() == now.id() && began(before).iter().any(|end| began(now).contains(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_with_few_rings_are_looked_at_before_those_with_many() {
        assert_eq!(that_fit(&[510, 2, 510, 510, 16, 2], 1100), [true, true, true, false, true, true]);
        assert_eq!(that_fit(&[3, 3, 3], 6), [true, true, false]);
        assert_eq!(that_fit(&[7, 0], 6), [false, true]);
        assert!(that_fit(&[], 6).is_empty());
    }

    #[test]
    fn a_slow_search_comes_more_rarely() {
        for (took, pause) in [(1, 1000), (20, 4000), (1000, 30_000), (15_000, 150_000)] {
            assert_eq!(pause_after(Duration::from_millis(took)), Duration::from_millis(pause));
        }
    }

    #[test]
    fn looks_come_in_time_and_together() {
        let at = Duration::from_micros;
        for within in [200, 1000, 16_384, 40_000, 100_000] {
            for now in (0..2_000_000).step_by(777) {
                let due = due(at(now), at(within));
                assert!(due <= at(now + within) && due >= at(now + within / 2), "{now} {within}: {due:?}");
            }
        }
        // Rings that are looked at every 40 ms or so, from whenever on, are soon looked at together.
        let mut times: Vec<_> = (0..100).map(|number| due(at(number * 400), at(40_000))).collect();
        times.dedup();
        assert!(times.len() <= 4, "{times:?}");
    }
}
