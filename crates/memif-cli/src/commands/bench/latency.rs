//! Round trips: one packet in flight, or packets at a fixed rate.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memif::{Link, RxMode, RxQueue, SendError};

use super::generator::too_long;
use super::interval::Recent;
use super::outages::Outages;
use super::reconnect::Reconnect;
use super::until::{LOOK, Until};
use crate::counts::{real, whole};
use crate::error::Error;
use crate::output::times::{histogram, nanoseconds};
use crate::packet::Framing;
use crate::packet::numbered::{Kind, LONGEST, Packets, Sizes, kind};

/// How long a packet in flight is waited for before it counts as lost.
const LOST: Duration = Duration::from_secs(1);
/// How often the first packet is sent until one comes back.
const TRY: Duration = Duration::from_millis(100);
/// Looks at an empty ring between two looks at the clock.
const LOOKS: u32 = 256;
/// Fruitless looks before another thread gets this processor, in case there is only one.
const PATIENCE: u32 = 20_000;
/// How long before a packet is due a sleep ends, at a rate: kernels wake late.
const EARLY: Duration = Duration::from_micros(100);
/// Packets that are sent in one go, at a rate, before the ring is looked at again.
const BURST: usize = 64;

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) framing: Framing,
    pub(crate) sizes: Sizes,
    pub(crate) mode: RxMode,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    /// Packets per second; one in flight without.
    pub(crate) rate: Option<f64>,
    /// How long the first answer may take.
    pub(crate) patience: Duration,
    /// Tells what came back so far to whoever asks.
    pub(crate) so_far: SoFar,
}

/// Tells what came back so far of packets of that size, at that rate.
pub(crate) type SoFar = fn(Sizes, Option<f64>, &Answers) -> Result<(), Error>;

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    /// Nanoseconds.
    pub(crate) times: Histogram<u64>,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Packets that came and were none of ours, or changed.
    pub(crate) corrupted: u64,
    pub(crate) time: Duration,
    /// Times without a link.
    pub(crate) outages: Outages,
}

/// Why a packet was not sent or did not come back.
enum Trouble {
    LinkDown,
    Failed(Error),
}

/// A link that is asked, and the next one when it goes down.
struct Asker<'l, 'e> {
    link: &'l mut Link,
    again: &'l mut Reconnect<'e>,
    packets: Packets,
    scratch: Vec<u8>,
    ask: &'l Ask,
    corrupted: u64,
}

/// Measures over that link. `None` when its end came before the measurement began.
pub(crate) fn run(
    link: &mut Link,
    ask: &Ask,
    recent: &mut Recent,
    again: &mut Reconnect<'_>,
    until: &Until,
) -> Result<Option<Answers>, Error> {
    let packets = Packets::new(ask.framing, ask.sizes, 0, 0);
    let scratch = vec![0; LONGEST];
    let before = again.outages();
    let mut asker = Asker { link, again, packets, scratch, ask, corrupted: 0 };
    if !asker.knock(until)? {
        return Ok(None);
    }
    let answers = match ask.rate {
        None => asker.one_by_one(recent, until)?,
        Some(rate) => asker.at_rate(rate, recent, until)?,
    };
    let outages = asker.again.outages().since(before);
    Ok(Some(Answers { corrupted: asker.corrupted, outages, ..answers }))
}

/// A measurement at a rate.
struct Paced<'a> {
    recent: &'a mut Recent,
    rate: f64,
    /// Number of the first packet.
    first: u64,
    /// Packets to warm up, and all packets.
    warm: u64,
    all: u64,
    start: Instant,
    times: Histogram<u64>,
    /// Packets that were due, and were sent or lost for want of a link.
    sent: u64,
    received: u64,
    /// When the last packet came back, and since when nothing has happened.
    last: Instant,
    quiet: Instant,
    looks: u32,
}

impl Paced<'_> {
    fn due(&self, number: u64) -> Duration {
        Duration::from_secs_f64(real(number) / self.rate)
    }

    fn is_due(&self, number: u64) -> bool {
        number < self.all && self.due(number) <= self.start.elapsed()
    }
}

impl Asker<'_, '_> {
    /// Sends until one packet comes back, so that the peer is known to be one that sends back.
    fn knock(&mut self, until: &Until) -> Result<bool, Error> {
        let start = Instant::now();
        while start.elapsed() < self.ask.patience {
            let back = match self.ask_once(TRY, until) {
                Ok(back) => back,
                Err(trouble) => {
                    self.mend(trouble, until)?;
                    false
                }
            };
            if until.is_over() {
                return Ok(false);
            }
            if back {
                self.corrupted = 0;
                return Ok(true);
            }
        }
        let strange = if self.corrupted > 0 { " (others came)" } else { "" };
        Err(Error::NotConnected(format!(
            "the link is up, but none of our packets came back in {} s{strange}; start a peer that sends them back \
             (memif bench --part echo, or dpdk-testpmd with --forward-mode=macswap)",
            self.ask.patience.as_secs_f64(),
        )))
    }

    /// Goes on over the next link where this one went down, if that is wanted; false when there is none and what was
    /// measured is to be told. Any other trouble is an error.
    fn mend(&mut self, trouble: Trouble, until: &Until) -> Result<bool, Error> {
        if let Trouble::Failed(error) = trouble {
            return Err(error);
        }
        if let Some(link) = self.again.link(until)? {
            *self.link = link;
            return Ok(true);
        }
        if until.is_over() || self.again.outages().for_good { Ok(false) } else { Err(link_down()) }
    }

    /// One round trip; says whether the packet came back in that time.
    fn ask_once(&mut self, limit: Duration, until: &Until) -> Result<bool, Trouble> {
        let number = self.packets.number();
        // However long the ring is full.
        let tx = self.link.tx.first_mut().ok_or(Trouble::LinkDown)?;
        match tx.send(self.packets.next()) {
            Err(SendError::Full) => tx.send_timeout(self.packets.next(), LOST),
            sent => sent,
        }
        .map_err(failed)?;
        self.packets.sent();
        self.wait(number, limit, until)
    }

    /// Waits until that packet comes back.
    #[inline]
    fn wait(&mut self, wanted: u64, limit: Duration, until: &Until) -> Result<bool, Trouble> {
        let mut looks = 0_u32;
        let mut start = None;
        loop {
            if self.ask.mode != RxMode::Polling {
                RxQueue::wait_any(&mut self.link.rx, Some(LOOK.min(limit))).map_err(|_| Trouble::LinkDown)?;
            }
            let mut found = false;
            self.receive(|number| found |= number == wanted)?;
            if found {
                return Ok(true);
            }
            looks = looks.wrapping_add(1);
            if self.ask.mode == RxMode::Polling && !looks.is_multiple_of(LOOKS) {
                continue;
            }
            if start.get_or_insert_with(Instant::now).elapsed() >= limit || until.is_over() {
                return Ok(false);
            }
            if looks > PATIENCE {
                thread::yield_now();
            }
        }
    }

    /// Takes what came back, and passes the numbers on. Says whether there was anything.
    #[inline]
    fn receive(&mut self, mut number: impl FnMut(u64)) -> Result<bool, Trouble> {
        let mut any = false;
        for queue in &mut self.link.rx {
            let mut batch = queue.recv(BURST).map_err(|_| Trouble::LinkDown)?;
            for packet in &mut batch {
                any = true;
                let len = packet.copy_to(&mut self.scratch);
                match kind(self.scratch.get(..len).unwrap_or_default()) {
                    Kind::Data { number: found, .. } => number(found),
                    _ => self.corrupted += 1,
                }
            }
        }
        Ok(any)
    }

    fn one_by_one(&mut self, recent: &mut Recent, until: &Until) -> Result<Answers, Error> {
        let mut times = histogram()?;
        let (mut sent, mut received) = (0, 0);
        let mut start = Instant::now();
        let warm = start + self.ask.warm_up;
        let mut warming = true;
        let mut now = start;
        while !until.is_over() {
            if warming && now >= warm {
                warming = false;
                times.reset();
                (sent, received, start) = (0, 0, now);
            }
            if !warming && now - start >= self.ask.time {
                break;
            }
            recent.hand_over();
            if until.takes_figures() {
                self.tell_so_far(&times, sent, received, now - start)?;
            }
            let asked = Instant::now();
            sent += 1;
            let back = match self.ask_once(LOST, until) {
                Ok(back) => back,
                Err(trouble) => {
                    if !self.mend(trouble, until)? {
                        break;
                    }
                    // The one in flight is lost.
                    false
                }
            };
            now = Instant::now();
            if back {
                received += 1;
                let took = nanoseconds(now - asked);
                times.saturating_record(took);
                recent.record(took);
            } else if until.is_over() {
                sent -= 1;
                break;
            }
        }
        let time = now - start;
        Ok(Answers { times, sent, received, corrupted: 0, time, outages: Outages::default() })
    }

    /// Says the figures so far.
    #[cold]
    fn tell_so_far(&self, times: &Histogram<u64>, sent: u64, received: u64, time: Duration) -> Result<(), Error> {
        let (times, outages) = (times.clone(), self.again.outages());
        let answers = Answers { times, sent, received, corrupted: self.corrupted, time, outages };
        (self.ask.so_far)(self.ask.sizes, self.ask.rate, &answers)
    }

    /// Sends on time, whatever has come back; every packet counts from the time at which it was due.
    fn at_rate(&mut self, rate: f64, recent: &mut Recent, until: &Until) -> Result<Answers, Error> {
        let warm = whole(rate * self.ask.warm_up.as_secs_f64());
        let all = warm + whole(rate * self.ask.time.as_secs_f64()).max(1);
        let start = Instant::now();
        let mut paced = Paced {
            recent,
            rate,
            first: self.packets.number(),
            warm,
            all,
            start,
            times: histogram()?,
            sent: 0,
            received: 0,
            last: start,
            quiet: start,
            looks: 0,
        };
        loop {
            match self.go_on(&mut paced, until) {
                Ok(true) => {}
                Ok(false) => break,
                Err(trouble) => {
                    let is_back = self.mend(trouble, until)?;
                    // What was due meanwhile is lost.
                    while paced.is_due(paced.sent) {
                        self.packets.sent();
                        paced.sent += 1;
                    }
                    paced.quiet = Instant::now();
                    if !is_back {
                        break;
                    }
                }
            }
        }
        Ok(Answers {
            times: paced.times,
            sent: paced.sent.saturating_sub(warm),
            received: paced.received,
            corrupted: 0,
            time: (paced.last - start).saturating_sub(self.ask.warm_up),
            outages: Outages::default(),
        })
    }

    /// Sends what is due and takes what came back; false at the end.
    #[inline]
    fn go_on(&mut self, paced: &mut Paced<'_>, until: &Until) -> Result<bool, Trouble> {
        if until.is_over() && paced.sent < paced.all {
            // No more are sent, and those that are on their way are waited for.
            paced.all = paced.sent.max(paced.warm);
            paced.quiet = Instant::now();
        }
        if paced.received >= paced.all - paced.warm {
            return Ok(false);
        }
        let now = paced.start.elapsed();
        paced.recent.hand_over();
        if until.takes_figures() {
            let (sent, time) = (paced.sent.saturating_sub(paced.warm), now.saturating_sub(self.ask.warm_up));
            self.tell_so_far(&paced.times, sent, paced.received, time).map_err(Trouble::Failed)?;
        }
        if paced.sent < paced.all && paced.due(paced.sent) <= now {
            let sent = paced.sent;
            let new = self.send_due(|ahead| sent + ahead < paced.all && paced.due(sent + ahead) <= now)?;
            paced.sent += new;
            if new > 0 {
                paced.quiet = paced.start + now;
            }
        }
        let quiet = (paced.start + now).saturating_duration_since(paced.quiet);
        if now >= paced.due(paced.all) && quiet >= LOST {
            // What found no room until now was due, too: the peer takes nothing any more.
            while paced.sent < paced.all {
                self.packets.sent();
                paced.sent += 1;
            }
            return Ok(false);
        }
        let mut back = None;
        let arrived = self.receive(|number| {
            let number = number.wrapping_sub(paced.first);
            // What was sent to knock, or to warm up, is not counted.
            if (paced.warm..paced.all).contains(&number) {
                let back = *back.get_or_insert_with(Instant::now);
                paced.received += 1;
                let took = (back - paced.start).saturating_sub(paced.due(number));
                paced.times.saturating_record(nanoseconds(took));
                paced.recent.record(nanoseconds(took));
            }
        })?;
        if let Some(back) = back {
            (paced.last, paced.quiet) = (back, back);
        }
        if arrived {
            paced.looks = 0;
            return Ok(true);
        }
        paced.looks = paced.looks.wrapping_add(1);
        if self.ask.mode != RxMode::Polling {
            let left =
                if paced.sent < paced.all { paced.due(paced.sent).saturating_sub(paced.start.elapsed()) } else { LOOK };
            if left > EARLY {
                let left = (left - EARLY).min(LOOK);
                RxQueue::wait_any(&mut self.link.rx, Some(left)).map_err(|_| Trouble::LinkDown)?;
            }
        } else if paced.looks > PATIENCE {
            thread::yield_now();
        }
        Ok(true)
    }

    /// Sends what is due in one go, as far as there is room, and says how many.
    fn send_due(&mut self, due: impl Fn(u64) -> bool) -> Result<u64, Trouble> {
        let mut batch = self.link.tx.first_mut().ok_or(Trouble::LinkDown)?.reserve().map_err(failed)?;
        let mut sent = 0;
        while sent < BURST as u64 && due(sent) {
            match batch.push(self.packets.next()) {
                Ok(()) => {
                    self.packets.sent();
                    sent += 1;
                }
                Err(SendError::Full) => break,
                Err(error) => return Err(failed(error)),
            }
        }
        batch.commit();
        Ok(sent)
    }
}

fn link_down() -> Error {
    Error::NotConnected("the link went down during the measurement; look what the other end says".to_owned())
}

fn failed(error: SendError) -> Trouble {
    match error {
        SendError::TooLong { len, max } => Trouble::Failed(too_long(len, max)),
        SendError::Full => Trouble::Failed(Error::NotConnected(
            "the peer takes no packets; look whether it runs (dpdk-testpmd: start forwarding)".to_owned(),
        )),
        _ => Trouble::LinkDown,
    }
}
