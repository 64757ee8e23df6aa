//! The end that receives: it counts, and checks every packet.

use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use memif::{Role, RxMode, RxQueue};

use super::crew::{self, Crew, Place};
use super::generator::PATIENCE;
use super::outages::Outages;
use super::received::Received;
use super::tally::{Lane, LaneCount, Tally};
use super::until::{LOOK, Until};
use crate::error::Error;
use crate::packet::numbered::{LONGEST, is_next};

/// Batches with packets between two looks at the clock.
const BUSY: u32 = 64;
/// Looks at empty rings between two looks at the clock.
const IDLE: u32 = 1024;
/// How long nothing new comes on any queue before packets that were sent and did not come are given up, once the
/// generator has said that it sent all. A switch may have them in other queues until then.
const SETTLE: Duration = Duration::from_millis(500);

/// How it is received.
#[derive(Clone, Debug)]
pub(crate) struct Catch {
    /// Packets that are taken in one go.
    pub(crate) burst: usize,
    pub(crate) mode: RxMode,
    /// What is left out of the rate at the start.
    pub(crate) warm_up: Duration,
    /// How long a generator that does not say when it ends is received from, after that.
    pub(crate) time: Duration,
    /// How long the first packet may take.
    pub(crate) patience: Duration,
    /// How long the next one may take: the word of the generator that it sent all can be lost on the way, and it may
    /// have been stopped.
    pub(crate) silence: Duration,
    /// The role of the sender.
    pub(crate) from: Role,
    /// Tells what has come so far to whoever asks.
    pub(crate) so_far: fn(Role, &Received) -> Result<(), Error>,
}

/// Why receiving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The generator said that it sent all, or the time is over, or nothing comes any more.
    Over,
    /// The link went down before.
    LinkDown,
}

/// What is still waited for when the generator has said that it sent all.
#[derive(Clone, Copy, Debug)]
struct Rest {
    /// Numbers that have come.
    came: u64,
    /// Since when there were no more.
    since: Instant,
    /// Whether that was long enough: one more look at all queues then ends it.
    long: bool,
}

/// Counts, and what the clock said.
pub(crate) struct Sink<'a> {
    catch: &'a Catch,
    place: Place,
    lanes: Vec<Lane>,
    tally: Tally,
    packets: u64,
    bytes: u64,
    /// The first look that found packets: time, packets and bytes until then.
    first: Option<(Instant, u64, u64)>,
    /// The same where the measurement begins.
    start: Option<(Instant, u64, u64)>,
    /// The last look that found new packets.
    last: Option<(Instant, u64, u64)>,
    /// Packets of all threads of this end, and when there were new ones.
    heard: (u64, Instant),
    rest: Option<Rest>,
    silent: Option<Duration>,
    cut: bool,
    /// When the link came up.
    opened: Instant,
    /// Looks with packets, and without, since the clock was looked at.
    busy: u32,
    idle: u32,
    scratch: Box<[u8; LONGEST]>,
}

/// Receives over one link, until the generator says that it sent all, or the time is over, or nothing comes any more.
pub(crate) fn run(rx: &mut [RxQueue], catch: &Catch, place: Place, until: &Until) -> Result<Received, Error> {
    let mut sink = Sink::new(catch, place);
    sink.receive(rx, until)?;
    Ok(sink.finish(Outages::default()))
}

/// The same with a thread for each queue, on these processors in turn; and what one of them failed with.
pub(crate) fn run_threads(
    rx: &mut [RxQueue],
    catch: &Catch,
    crew: &Arc<Crew>,
    processors: &[usize],
    until: &Until,
) -> (Received, Option<Error>) {
    let work = |number, rx: &mut [RxQueue], until: &Until| run(rx, catch, crew.place(number), until);
    let figures = || {
        let ((packets, bytes), time) = (crew.counts(), crew.epoch.elapsed());
        let so_far =
            Received { packets, measured_packets: packets, measured_bytes: bytes, time, ..Received::default() };
        (catch.so_far)(catch.from, &so_far)
    };
    let (parts, error) = crew::each(rx, processors, until, work, figures);
    (Received::join(parts), error)
}

impl<'a> Sink<'a> {
    pub(crate) fn new(catch: &'a Catch, place: Place) -> Self {
        let heard = (0, place.crew.epoch);
        Self {
            catch,
            place,
            heard,
            lanes: Vec::new(),
            tally: Tally::default(),
            packets: 0,
            bytes: 0,
            first: None,
            start: None,
            last: None,
            rest: None,
            silent: None,
            cut: false,
            opened: heard.1,
            busy: 0,
            idle: 0,
            scratch: Box::new([0; LONGEST]),
        }
    }

    /// Receives over a link; over another one after it where that went down.
    pub(crate) fn receive(&mut self, rx: &mut [RxQueue], until: &Until) -> Result<Ended, Error> {
        self.open(rx);
        loop {
            if let (_, Some(ended)) = self.step(rx, until)? {
                return Ok(ended);
            }
        }
    }

    /// Gets ready for a link.
    pub(crate) fn open(&mut self, rx: &[RxQueue]) {
        self.lanes.resize(self.lanes.len().max(rx.len()), Lane::default());
        self.opened = Instant::now();
        (self.busy, self.idle, self.cut) = (0, 0, false);
    }

    /// Looks at each queue once, and at the clock where it is time for that. Says whether there was anything, and why
    /// it ended if it did.
    #[inline]
    pub(crate) fn step(&mut self, rx: &mut [RxQueue], until: &Until) -> Result<(bool, Option<Ended>), Error> {
        let (mut got, mut up) = (false, false);
        for (queue, lane) in rx.iter_mut().zip(0..) {
            if let Some(any) = self.batch(queue, lane) {
                up = true;
                got |= any;
            }
        }
        if !up {
            self.note(Instant::now());
            // Whatever is missing was in that link.
            let over = self.share_end().is_some() || until.is_over();
            self.cut = !over;
            return Ok((got, Some(if over { Ended::Over } else { Ended::LinkDown })));
        }
        if got {
            self.idle = 0;
            self.busy += 1;
            if self.busy < BUSY && !self.has_all() {
                return Ok((true, None));
            }
        } else {
            self.idle = self.idle.wrapping_add(1);
            if self.idle.is_multiple_of(PATIENCE) {
                thread::yield_now();
            }
            if self.catch.mode == RxMode::Polling {
                if !self.idle.is_multiple_of(IDLE) && !self.has_all() {
                    return Ok((false, None));
                }
            } else {
                // What came is noted before the sleep, which is no part of its time.
                if self.busy > 0 && self.look(Instant::now(), true) {
                    return Ok((false, Some(Ended::Over)));
                }
                // A link that is down is told by the next look.
                let _ = RxQueue::wait_any(rx, Some(LOOK));
            }
        }
        self.busy = 0;
        self.look_around(got, until).map(|ended| (got, ended))
    }

    /// Looks at the clock, and at what else may end it.
    fn look_around(&mut self, got: bool, until: &Until) -> Result<Option<Ended>, Error> {
        let (now, catch) = (Instant::now(), self.catch);
        if until.takes_figures() {
            (catch.so_far)(catch.from, &self.found(Outages::default()))?;
        }
        if self.look(now, !got) || until.is_over() {
            return Ok(Some(Ended::Over));
        }
        let packets = self.place.crew.counts().0;
        if packets > self.heard.0 {
            self.heard = (packets, now);
        }
        let quiet = now - self.heard.1.max(self.opened);
        if packets == 0 && quiet >= catch.patience {
            return Err(no_packets(catch.patience));
        }
        if packets > 0 && quiet >= catch.silence {
            self.silent = Some(catch.silence);
            return Ok(Some(Ended::Over));
        }
        Ok(None)
    }

    /// Takes what is on a ring; says whether there was anything, and `None` when the link is down.
    #[inline]
    fn batch(&mut self, queue: &mut RxQueue, lane: usize) -> Option<bool> {
        let mut batch = queue.recv(self.catch.burst).ok()?;
        let any = !batch.is_empty();
        let lane = self.lanes.get_mut(lane)?;
        let scratch = &mut *self.scratch;
        // In registers, as far as there are enough. Numbers from `first` up to `next` came one after the other.
        let (mut first, mut next, mut tag) = (lane.next, lane.next, lane.tag);
        let (mut packets, mut bytes) = (0, 0);
        for packet in &mut batch {
            let len = packet.copy_to(scratch);
            packets += 1;
            bytes += packet.len() as u64;
            if is_next(scratch, len, tag, next) {
                next += 1;
                continue;
            }
            self.tally.take_run(lane, first..next);
            lane.next = next;
            if !self.tally.take_odd(lane, scratch.get(..len).unwrap_or_default()) {
                packets -= 1;
                bytes -= packet.len() as u64;
            }
            (first, next, tag) = (lane.next, lane.next, lane.tag);
        }
        self.tally.take_run(lane, first..next);
        lane.next = next;
        lane.count.packets += packets;
        self.packets += packets;
        self.bytes += bytes;
        Some(any)
    }

    /// Notes how far it is.
    fn note(&mut self, now: Instant) {
        let (packets, bytes) = (self.packets, self.bytes);
        let known = self.last.map_or(0, |(_, packets, _)| packets);
        if packets > known {
            self.place.tell(packets, bytes, self.tally.came());
            let (first, ..) = *self.first.get_or_insert((now, packets, bytes));
            if self.start.is_none() && (now - first >= self.catch.warm_up) {
                self.start = Some((now, packets, bytes));
            }
            self.last = Some((now, packets, bytes));
        }
    }

    /// Notes how far it is; says whether that is all. `empty` where all queues were found so.
    fn look(&mut self, now: Instant, empty: bool) -> bool {
        self.note(now);
        let enough = self.start.is_some_and(|(start, ..)| now - start >= self.catch.time);
        self.is_settled(now, empty) || (enough && !self.is_numbered())
    }

    /// Whether the generator said that it sent all, and no more of it comes.
    fn is_settled(&mut self, now: Instant, empty: bool) -> bool {
        let Some((sent, _)) = self.share_end() else { return false };
        let came = self.place.came(self.tally.came());
        let rest = self.rest.get_or_insert(Rest { came, since: now, long: false });
        if came >= sent && empty {
            return true;
        }
        // Beyond what was sent, news are none.
        if came > rest.came && rest.came < sent {
            *rest = Rest { came, since: now, long: false };
            return false;
        }
        now - rest.since >= SETTLE && mem::replace(&mut rest.long, true)
    }

    /// What the generator said at its end, on whatever queue of this end.
    fn share_end(&mut self) -> Option<(u64, u64)> {
        self.tally.end = self.place.share_end(self.tally.end);
        self.tally.end
    }

    /// Whether all came that the generator says it sent.
    #[inline]
    fn has_all(&self) -> bool {
        self.tally.end.is_some_and(|(sent, _)| self.place.came(self.tally.came()) >= sent)
    }

    fn is_numbered(&self) -> bool {
        self.tally.came() > 0
    }

    /// What was received over all links.
    pub(crate) fn finish(mut self, outages: Outages) -> Received {
        self.found(outages)
    }

    fn found(&mut self, outages: Outages) -> Received {
        self.note(Instant::now());
        let queues: Vec<_> = self.lanes.iter().map(|lane| lane.count).collect();
        let sum = |of: fn(&LaneCount) -> u64| queues.iter().map(of).sum();
        let numbered = self.is_numbered();
        let mut received = Received {
            packets: self.packets,
            streams: self.tally.streams(),
            duplicates: sum(|queue| queue.duplicates),
            reordered: sum(|queue| queue.reordered),
            reordered_over_queues: self.tally.reordered_over_queues,
            // Packets of another program are as it made them.
            corrupted: if numbered { self.tally.strange } else { 0 },
            numbered,
            queues,
            sent: self.tally.end,
            silent: self.silent,
            outages,
            cut: self.cut,
            ..Received::default()
        };
        // Of a run that is shorter than the warm-up, all of it counts.
        if let (Some(start), Some(last)) = (self.start.or(self.first), self.last) {
            received.begin = start.0 - self.place.crew.epoch;
            received.time = last.0 - start.0;
            received.measured_packets = last.1 - start.1;
            received.measured_bytes = last.2 - start.2;
        }
        received
    }
}

fn no_packets(patience: Duration) -> Error {
    Error::NotConnected(format!(
        "the link is up, but no packet came in {} s; start the generator (memif bench --part generator, \
         dpdk-testpmd with --forward-mode=txonly, or VPP's packet generator)",
        patience.as_secs_f64(),
    ))
}
