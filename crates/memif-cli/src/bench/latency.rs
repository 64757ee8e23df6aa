//! Round trips: one packet in flight, or packets at a fixed rate.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use memif::{Link, RxMode, RxQueue, SendError, TxQueue};

use super::generator::{too_long, whole};
use super::link::{LOOK, Until};
use super::packet::{Kind, LONGEST, Packets, Sizes, kind};
use super::sink::real;
use crate::exit::Error;
use crate::net::Framing;

/// The longest time that a histogram tells, in nanoseconds: a minute.
const LONGEST_TIME: u64 = 60_000_000_000;
/// Digits of a time that a histogram keeps.
const DIGITS: u8 = 3;
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
}

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
}

/// An empty histogram of times.
pub(crate) fn histogram() -> Result<Histogram<u64>, Error> {
    let no_room = |error: hdrhistogram::CreationError| Error::System {
        what: "no histogram".to_owned(),
        advice: "tell the makers of memif",
        source: std::io::Error::other(error),
    };
    Histogram::new_with_bounds(1, LONGEST_TIME, DIGITS).map_err(no_room)
}

/// Nanoseconds of a time.
pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).clamp(1, LONGEST_TIME)
}

/// A link that is asked.
struct Asker<'l> {
    tx: &'l mut TxQueue,
    rx: &'l mut [RxQueue],
    packets: Packets,
    scratch: Vec<u8>,
    ask: &'l Ask,
    corrupted: u64,
}

/// Measures over that link. `None` when its end came before the measurement began.
pub(crate) fn run(link: &mut Link, ask: &Ask, until: &Until) -> Result<Option<Answers>, Error> {
    let Some(tx) = link.tx.first_mut() else { return Ok(None) };
    let packets = Packets::new(ask.framing, ask.sizes);
    let scratch = vec![0; LONGEST];
    let mut asker = Asker { tx, rx: &mut link.rx, packets, scratch, ask, corrupted: 0 };
    if !asker.knock(until)? {
        return Ok(None);
    }
    let answers = match ask.rate {
        None => asker.one_by_one(until)?,
        Some(rate) => asker.at_rate(rate, until)?,
    };
    Ok(Some(Answers { corrupted: asker.corrupted, ..answers }))
}

impl Asker<'_> {
    /// Sends until one packet comes back, so that the peer is known to be one that sends back.
    fn knock(&mut self, until: &Until) -> Result<bool, Error> {
        let start = Instant::now();
        while start.elapsed() < self.ask.patience {
            let number = self.send()?;
            let back = self.wait(number, TRY, until)?;
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

    /// Sends the next packet, however long the ring is full, and gives its number.
    fn send(&mut self) -> Result<u64, Error> {
        let number = self.packets.number();
        match self.tx.send(self.packets.next()) {
            Err(SendError::Full) => self.tx.send_timeout(self.packets.next(), LOST),
            sent => sent,
        }
        .map_err(failed)?;
        self.packets.sent();
        Ok(number)
    }

    /// Waits until that packet comes back.
    #[inline]
    fn wait(&mut self, wanted: u64, limit: Duration, until: &Until) -> Result<bool, Error> {
        let mut looks = 0_u32;
        let mut start = None;
        loop {
            if self.ask.mode != RxMode::Polling {
                RxQueue::wait_any(self.rx, Some(LOOK.min(limit))).map_err(|_| link_down())?;
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
    fn receive(&mut self, mut number: impl FnMut(u64)) -> Result<bool, Error> {
        let mut any = false;
        for queue in self.rx.iter_mut() {
            let mut batch = queue.recv(BURST).map_err(|_| link_down())?;
            for packet in &mut batch {
                any = true;
                let len = packet.copy_to(&mut self.scratch);
                match kind(self.scratch.get(..len).unwrap_or_default()) {
                    Kind::Data(found) => number(found),
                    _ => self.corrupted += 1,
                }
            }
        }
        Ok(any)
    }

    fn one_by_one(&mut self, until: &Until) -> Result<Answers, Error> {
        let mut times = histogram()?;
        let (mut sent, mut received) = (0, 0);
        let mut start = Instant::now();
        let warm = start + self.ask.warm_up;
        let mut warming = true;
        let mut now = start;
        loop {
            if warming && now >= warm {
                warming = false;
                times.reset();
                (sent, received, start) = (0, 0, now);
            }
            if !warming && now - start >= self.ask.time {
                break;
            }
            let asked = Instant::now();
            let number = self.send()?;
            sent += 1;
            let back = self.wait(number, LOST, until)?;
            now = Instant::now();
            if back {
                received += 1;
                times.saturating_record(nanoseconds(now - asked));
            } else if until.is_over() {
                sent -= 1;
                break;
            }
        }
        Ok(Answers { times, sent, received, corrupted: 0, time: now - start })
    }

    /// Sends on time, whatever has come back; every packet counts from the time at which it was due.
    fn at_rate(&mut self, rate: f64, until: &Until) -> Result<Answers, Error> {
        let mut times = histogram()?;
        let first = self.packets.number();
        let warm = whole(rate * self.ask.warm_up.as_secs_f64());
        let all = warm + whole(rate * self.ask.time.as_secs_f64()).max(1);
        let (mut sent, mut received, mut looks) = (0, 0, 0_u32);
        let start = Instant::now();
        let due = |number: u64| Duration::from_secs_f64(real(number) / rate);
        // When the last packet came back, and since when nothing has happened.
        let (mut last, mut quiet) = (start, start);
        while received < all - warm {
            let now = start.elapsed();
            if sent < all && due(sent) <= now {
                sent += self.send_due(|ahead| sent + ahead < all && due(sent + ahead) <= now)?;
                quiet = start + now;
            } else if sent == all && (start + now).saturating_duration_since(quiet) >= LOST {
                break;
            }
            let (mut wanted, mut back) = (false, start);
            let arrived = self.receive(|number| {
                let number = number.wrapping_sub(first);
                // What was sent to knock, or to warm up, is not counted.
                if (warm..all).contains(&number) {
                    if !wanted {
                        wanted = true;
                        back = Instant::now();
                    }
                    received += 1;
                    let took = (back - start).saturating_sub(due(number));
                    times.saturating_record(nanoseconds(took));
                }
            })?;
            if wanted {
                (last, quiet) = (back, back);
            }
            if arrived {
                looks = 0;
                continue;
            }
            looks = looks.wrapping_add(1);
            if looks.is_multiple_of(LOOKS) && until.is_over() {
                break;
            }
            if self.ask.mode != RxMode::Polling {
                let left =
                    if sent < all { due(sent).saturating_sub(start.elapsed()) } else { LOOK };
                if left > EARLY {
                    let left = (left - EARLY).min(LOOK);
                    RxQueue::wait_any(self.rx, Some(left)).map_err(|_| link_down())?;
                }
            } else if looks > PATIENCE {
                thread::yield_now();
            }
        }
        let sent = sent.saturating_sub(warm);
        let time = (last - start).saturating_sub(self.ask.warm_up);
        Ok(Answers { times, sent, received, corrupted: 0, time })
    }

    /// Sends what is due in one go, as far as there is room, and says how many.
    fn send_due(&mut self, due: impl Fn(u64) -> bool) -> Result<u64, Error> {
        let mut batch = self.tx.reserve().map_err(failed)?;
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
    Error::NotConnected(
        "the link went down during the measurement; look what the other end says, and see -v"
            .to_owned(),
    )
}

fn failed(error: SendError) -> Error {
    match error {
        SendError::TooLong { len, max } => too_long(len, max),
        SendError::Full => Error::NotConnected(
            "the peer takes no packets; look whether it runs (dpdk-testpmd: start forwarding)"
                .to_owned(),
        ),
        _ => link_down(),
    }
}
