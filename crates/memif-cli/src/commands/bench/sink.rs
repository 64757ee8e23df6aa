//! The end that receives: it counts, and checks every packet.

use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use memif::{RxMode, RxQueue};

use super::generator::PATIENCE;
use super::outages::Outages;
use super::tally::{Lane, LaneCount, Tally};
use super::until::{LOOK, Until};
use crate::counts::real;
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
    /// How long the next one may take, where the generator is not ours: its word that it sent all can be lost on the
    /// way.
    pub(crate) silence: Option<Duration>,
    /// Tells what has come so far to whoever asks.
    pub(crate) so_far: fn(&Received) -> Result<(), Error>,
}

/// What was received.
#[derive(Clone, Debug, Default)]
pub(crate) struct Received {
    pub(crate) packets: u64,
    /// Of that, what came between the two looks at the clock that are `time` apart.
    pub(crate) measured_packets: u64,
    pub(crate) measured_bytes: u64,
    pub(crate) time: Duration,
    /// Numbers that never came, though later ones did.
    pub(crate) missing: u64,
    /// Packets that came before.
    pub(crate) duplicates: u64,
    /// Packets that came after a later one on the same queue.
    pub(crate) reordered: u64,
    /// Packets that came after a later one which another queue had.
    pub(crate) reordered_over_queues: u64,
    /// Packets that were changed on their way.
    pub(crate) corrupted: u64,
    /// Whether the packets have numbers.
    pub(crate) numbered: bool,
    pub(crate) queues: Vec<LaneCount>,
    /// What the generator says that it sent and should have sent, if it came to say so.
    pub(crate) sent: Option<(u64, u64)>,
    /// Nothing came for so long that the end was not waited for.
    pub(crate) silent: Option<Duration>,
    /// Times without a link.
    pub(crate) outages: Outages,
    /// Whether the last link went down before the end, and no other came.
    pub(crate) cut: bool,
}

impl Received {
    /// Packets and bits per second; `None` where nothing was measured.
    pub(crate) fn rates(&self) -> Option<(f64, f64)> {
        let seconds = self.time.as_secs_f64();
        let rate = |count: u64| real(count) / seconds;
        (self.measured_packets > 0 && seconds > 0.0)
            .then(|| (rate(self.measured_packets), 8.0 * rate(self.measured_bytes)))
    }

    /// Packets that should have been sent and did not come.
    pub(crate) fn lost(&self) -> Option<u64> {
        let arrived = self.packets.saturating_sub(self.duplicates);
        self.sent.map(|(_, offered)| offered.saturating_sub(arrived))
    }

    /// Whether every packet came that should have been sent: once, unchanged, and in order on its queue.
    pub(crate) fn is_complete(&self) -> bool {
        let wrong = self.corrupted + self.duplicates + self.reordered;
        let lost = self.missing > 0 || self.lost().is_some_and(|lost| lost > 0);
        wrong == 0 && !lost && self.silent.is_none() && !self.outages.for_good && !self.cut
    }
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
    rest: Option<Rest>,
    silent: Option<Duration>,
    cut: bool,
    scratch: Box<[u8; LONGEST]>,
}

/// Receives over one link, until the generator says that it sent all, or the time is over, or nothing comes any more.
pub(crate) fn run(rx: &mut [RxQueue], catch: &Catch, until: &Until) -> Result<Received, Error> {
    let mut sink = Sink::new(catch);
    sink.receive(rx, until)?;
    Ok(sink.finish(Outages::default()))
}

impl<'a> Sink<'a> {
    pub(crate) fn new(catch: &'a Catch) -> Self {
        Self {
            catch,
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
            scratch: Box::new([0; LONGEST]),
        }
    }

    /// Receives over a link; over another one after it where that went down.
    pub(crate) fn receive(&mut self, rx: &mut [RxQueue], until: &Until) -> Result<Ended, Error> {
        self.lanes.resize(self.lanes.len().max(rx.len()), Lane::default());
        let catch = self.catch;
        let opened = Instant::now();
        self.cut = false;
        let (mut busy, mut idle) = (0_u32, 0_u32);
        loop {
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
                let over = self.tally.end.is_some() || until.is_over();
                self.cut = !over;
                return Ok(if over { Ended::Over } else { Ended::LinkDown });
            }
            if got {
                idle = 0;
                busy += 1;
                if busy < BUSY && !self.tally.has_all() {
                    continue;
                }
            } else {
                idle = idle.wrapping_add(1);
                if idle.is_multiple_of(PATIENCE) {
                    thread::yield_now();
                }
                if catch.mode == RxMode::Polling {
                    if !idle.is_multiple_of(IDLE) && !self.tally.has_all() {
                        continue;
                    }
                } else {
                    // What came is noted before the sleep, which is no part of its time.
                    if busy > 0 && self.look(Instant::now(), true) {
                        return Ok(Ended::Over);
                    }
                    // A link that is down is told by the next look.
                    let _ = RxQueue::wait_any(rx, Some(LOOK));
                }
            }
            busy = 0;
            let now = Instant::now();
            if until.takes_figures() {
                (catch.so_far)(&self.found(Outages::default()))?;
            }
            if self.look(now, !got) || until.is_over() {
                return Ok(Ended::Over);
            }
            if self.first.is_none() && now - opened >= catch.patience {
                return Err(no_packets(catch.patience));
            }
            if let (Some((heard, ..)), Some(silence)) = (self.last, catch.silence)
                && now - heard.max(opened) >= silence
            {
                self.silent = Some(silence);
                return Ok(Ended::Over);
            }
        }
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
        let Some((sent, _)) = self.tally.end else { return false };
        let came = self.tally.came();
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
            missing: self.tally.missing(),
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
