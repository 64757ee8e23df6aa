//! Sends packets when they are due.

use std::hint::spin_loop;
use std::num::NonZero;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memif::{Link, SendError};
use rustix::thread::set_current_timer_slack;

use super::feed::{End, Feed, Message, Packets};
use super::tally::{LeftOut, Read, Reason};
use crate::error::Error;
use crate::output::times::{histogram, nanoseconds, short_time};
use crate::output::warn;

/// Packets that are sent in one go at most.
const BURST: usize = 64;
/// How long before a packet is due nothing sleeps any more: a sleep may end so late.
const AWAKE: Duration = Duration::from_micros(150);
/// The longest time between two looks at signals and links.
const LOOK: Duration = Duration::from_millis(10);
/// Bursts at top speed between two looks at the clock, which costs as much as several packets.
const ROUNDS: u32 = 64;
/// Fruitless tries of a full ring before another thread gets this processor, in case there is only one.
const PATIENCE: u32 = 1000;
/// A wait that is worth a line.
const LONG: Duration = Duration::from_secs(60);
/// How long the last packets may take to be taken.
const LAST: Duration = Duration::from_secs(1);

/// What was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) packets: u64,
    pub(super) bytes: u64,
    /// Packets that had to wait for room in the ring.
    pub(super) waits: u64,
    pub(super) left_out: LeftOut,
    /// The longest packet that was too long for a ring, and what that ring carries.
    pub(super) too_long: (usize, usize),
    /// How late packets were published.
    pub(super) late: Histogram<u64>,
    pub(super) links: u64,
    /// How long packets were sent, without the time without a link.
    pub(super) time: Duration,
}

/// How sending over a link ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There are no more packets.
    Done,
    LinkDown,
    /// A signal asked for it.
    Stopped,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Stop,
}

/// Sends what comes from the reading thread, over one link after the other.
#[derive(Debug)]
pub(super) struct Sender {
    feed: Feed,
    paced: bool,
    no_wait: bool,
    several_queues: bool,
    current: Option<(Packets, usize)>,
    /// When the run was how far, in nanoseconds. A link that went down stops that clock.
    clock: Option<(Instant, u64)>,
    last_look: Instant,
    /// Whether the packet that is next found no room.
    full: bool,
    told_gap: bool,
    dues: Vec<u64>,
    pub(super) sent: Sent,
    pub(super) read: Read,
    pub(super) end: Option<End>,
}

/// What came of trying to send.
enum Tried {
    Sent,
    Full,
    Down,
}

impl Sender {
    pub(super) fn new(feed: Feed, paced: bool, no_wait: bool, several_queues: bool) -> Result<Self, Error> {
        let late = histogram()?;
        let left_out = LeftOut::default();
        let (too_long, time) = ((0, 0), Duration::ZERO);
        Ok(Self {
            feed,
            paced,
            no_wait,
            several_queues,
            current: None,
            clock: None,
            last_look: Instant::now(),
            full: false,
            told_gap: false,
            dues: Vec::with_capacity(BURST),
            sent: Sent { packets: 0, bytes: 0, waits: 0, left_out, too_long, late, links: 0, time },
            read: Read::default(),
            end: None,
        })
    }

    /// Waits until the file can be read, for so long at most. Says whether that is known now.
    pub(super) fn has_begun(&mut self, time: Duration) -> Result<bool, Error> {
        match self.feed.next(time) {
            None => Ok(false),
            Some(Message::Begun) => Ok(true),
            Some(Message::Packets(packets)) => {
                self.current = Some((packets, 0));
                Ok(true)
            }
            Some(Message::End(mut end)) => match end.error.take() {
                Some(error) => Err(error),
                None => {
                    self.end = Some(end);
                    Ok(true)
                }
            },
        }
    }

    /// Sends over a link until it is down, there are no more packets, or `look` says so, which is called now and then.
    pub(super) fn run(
        &mut self,
        link: &mut Link,
        look: &mut impl FnMut(&Self) -> Result<Next, Error>,
    ) -> Result<Ended, Error> {
        if self.paced {
            // The kernel may end sleeps late by that, 50 us by default. Without leave for it they are as late as ever.
            let _ = set_current_timer_slack(NonZero::new(1));
        }
        self.sent.links += 1;
        let ended = self.send_all(link, look);
        if ended.as_ref().is_ok_and(|ended| *ended == Ended::Done) {
            let start = Instant::now();
            for queue in &mut link.tx {
                // Some slaves never show that they took the last packets.
                let _ = queue.flush(Some(LAST.saturating_sub(start.elapsed())));
            }
        }
        self.stop_clock();
        ended
    }

    fn send_all(
        &mut self,
        link: &mut Link,
        look: &mut impl FnMut(&Self) -> Result<Next, Error>,
    ) -> Result<Ended, Error> {
        let (mut rounds, mut idle) = (0_u32, 0_u32);
        loop {
            if self.paced || rounds.is_multiple_of(ROUNDS) {
                let now = Instant::now();
                if now.saturating_duration_since(self.last_look) >= LOOK {
                    self.last_look = now;
                    if look(self)? == Next::Stop {
                        return Ok(Ended::Stopped);
                    }
                    if !link.tx.iter().all(memif::TxQueue::is_connected) {
                        return Ok(Ended::LinkDown);
                    }
                }
            }
            rounds = rounds.wrapping_add(1);
            let Some(due) = self.next_due() else {
                if self.end.is_some() {
                    return Ok(Ended::Done);
                }
                // Nothing is there yet; what is published meanwhile cannot be late.
                rounds = 0;
                continue;
            };
            let (start, at) = *self.clock.get_or_insert_with(|| (Instant::now(), due));
            let now = if self.paced { at.saturating_add(whole_nanoseconds(start.elapsed())) } else { u64::MAX };
            if due > now {
                self.wait(Duration::from_nanos(due - now));
                continue;
            }
            match self.burst(link, now)? {
                Tried::Sent => idle = 0,
                Tried::Down => return Ok(Ended::LinkDown),
                Tried::Full => {
                    idle = idle.wrapping_add(1);
                    if idle.is_multiple_of(PATIENCE) {
                        thread::yield_now();
                        rounds = 0;
                    }
                }
            }
        }
    }

    /// When the next packet is due, in nanoseconds from the first one. `None` where there is none, or none yet.
    #[inline]
    fn next_due(&mut self) -> Option<u64> {
        loop {
            if let Some((packets, at)) = &self.current
                && let Some(ready) = packets.chunk.get(*at)
            {
                return Some(packets.start.saturating_add(ready.due));
            }
            if let Some((packets, _)) = self.current.take() {
                self.read = packets.read;
                self.feed.take_back(packets.chunk);
            }
            if self.end.is_some() {
                return None;
            }
            match self.feed.next(LOOK)? {
                Message::Begun => {}
                Message::Packets(packets) => self.current = Some((packets, 0)),
                Message::End(end) => {
                    self.read = end.read;
                    self.end = Some(end);
                }
            }
        }
    }

    /// Waits for some of that time: what is near is waited for awake.
    fn wait(&mut self, time: Duration) {
        if time >= LONG && !self.told_gap {
            self.told_gap = true;
            let seconds = time.as_secs();
            warn(format_args!(
                "the next packet is due in {seconds} s, as it was captured; --speed, --rate and --topspeed shorten that"
            ));
        }
        if time > AWAKE {
            thread::sleep((time - AWAKE).min(LOOK));
            return;
        }
        let start = Instant::now();
        while start.elapsed() < time {
            spin_loop();
        }
    }

    /// Sends the packets that are due, as many as go to one queue.
    #[inline]
    fn burst(&mut self, link: &mut Link, now: u64) -> Result<Tried, Error> {
        let Some((packets, next)) = &mut self.current else { return Ok(Tried::Sent) };
        let queues = if self.several_queues { link.tx.len() } else { 1 };
        let lane = |flow: u16| if queues > 1 { usize::from(flow) % queues } else { 0 };
        let Some(first) = packets.chunk.get(*next) else { return Ok(Tried::Sent) };
        let Some(queue) = link.tx.get_mut(lane(first.flow)) else {
            let text = "the link has no queue to send on: give the slave --tx-queues 1 or more";
            return Err(Error::NotConnected(text.to_owned()));
        };
        let Ok(mut batch) = queue.reserve() else { return Ok(Tried::Down) };
        let (mut at, mut bytes, mut refused, mut too_long) = (*next, 0, None, 0);
        self.dues.clear();
        while batch.len() < BURST {
            let Some(ready) = packets.chunk.get(at) else { break };
            let due = packets.start.saturating_add(ready.due);
            if due > now || lane(ready.flow) != lane(first.flow) {
                break;
            }
            match batch.push(ready.bytes) {
                Ok(()) => {
                    bytes += ready.bytes.len() as u64;
                    if self.paced {
                        self.dues.push(due);
                    }
                }
                Err(SendError::TooLong { len, max }) => {
                    self.sent.too_long = (self.sent.too_long.0.max(len), max);
                    too_long += 1;
                }
                Err(error) => {
                    refused = Some(error);
                    break;
                }
            }
            at += 1;
        }
        let pushed = batch.len();
        let published = batch.commit();
        if published < pushed {
            // None were. They go over the next link.
            return Ok(Tried::Down);
        }
        if at > *next {
            self.full = false;
        }
        *next = at;
        self.sent.packets += published as u64;
        self.sent.bytes += bytes;
        self.sent.left_out.add(Reason::TooLong, too_long);
        if let (true, Some((start, from))) = (self.paced && published > 0, self.clock) {
            let done = from.saturating_add(whole_nanoseconds(start.elapsed()));
            for due in &self.dues {
                self.sent.late.saturating_record(nanoseconds(Duration::from_nanos(done.saturating_sub(*due))));
            }
        }
        match refused {
            None => Ok(Tried::Sent),
            Some(SendError::Full) if self.no_wait => {
                // Those before it were taken; this one's time is now.
                *next += 1;
                self.sent.left_out.add(Reason::Refused, 1);
                Ok(Tried::Sent)
            }
            Some(SendError::Full) => {
                self.sent.waits += u64::from(!std::mem::replace(&mut self.full, true));
                Ok(if published > 0 { Tried::Sent } else { Tried::Full })
            }
            Some(_) => Ok(Tried::Down),
        }
    }

    /// Packets that were not sent, when they were read or when they were due.
    pub(super) fn left_out(&self) -> LeftOut {
        let mut left_out = self.read.left_out;
        left_out += self.sent.left_out;
        left_out
    }

    /// How long packets were sent until now.
    pub(super) fn time(&self) -> Duration {
        self.sent.time + self.clock.map_or(Duration::ZERO, |(start, _)| start.elapsed())
    }

    /// The time without a link is nobody's.
    fn stop_clock(&mut self) {
        self.sent.time = self.time();
        self.clock = None;
    }
}

fn whole_nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// How late packets were, in words.
pub(super) fn lateness(late: &Histogram<u64>) -> Option<String> {
    let at = |quantile| {
        let time = late.value_at_quantile(quantile);
        short_time(crate::counts::real(time))
    };
    (!late.is_empty()).then(|| format!("late: median {}, 99 % {}, longest {}", at(0.5), at(0.99), at(1.0)))
}
