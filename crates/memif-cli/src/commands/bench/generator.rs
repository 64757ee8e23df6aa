//! The end that sends: as fast as it goes, or at a rate.

use std::hint::spin_loop;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use memif::{Link, SendError, TxQueue};

use super::crew::{self, Crew, Place};
use super::reconnect::Reconnect;
use super::until::Until;
use crate::counts::{real, whole};
use crate::error::Error;
use crate::packet::Framing;
use crate::packet::numbered::{Packets, Sizes, last};

/// Bursts between two looks at the clock, which costs as much as several packets.
const ROUNDS: u64 = 64;
/// Fruitless looks at a ring before another thread gets this processor, in case there is only one.
pub(crate) const PATIENCE: u32 = 1000;
/// How far a generator at a rate may fall behind before it leaves packets out. Sending them late, as fast as it
/// goes, would make the receiver lose what it need not.
const BEHIND: Duration = Duration::from_micros(20);
/// How long the last packet may wait for room, and then all of them to be taken.
const LAST: Duration = Duration::from_secs(1);
/// How long the link stays when it has taken everything, unless it ends the link before: a switch may not have sent all
/// of it on.
pub(crate) const LINGER: Duration = Duration::from_millis(500);
/// How long the word that all was sent comes after the last packet, where the sink may be behind a switch: while the
/// rings there are full, that word is dropped like anything else.
pub(crate) const PAUSE: Duration = Duration::from_millis(100);

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) framing: Framing,
    pub(crate) sizes: Sizes,
    /// Packets that are handed over in one go, on each queue.
    pub(crate) burst: usize,
    pub(crate) time: Duration,
    /// Packets per second, over all queues; as fast as it goes without.
    pub(crate) rate: Option<f64>,
    /// Tells what was sent so far to whoever asks.
    pub(crate) so_far: fn(Sizes, &Sent) -> Result<(), Error>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Packets that the rings took.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Packets that should have been sent: those, and what found a ring full at its time.
    pub(crate) offered: u64,
    pub(crate) time: Duration,
    /// Whether the link went down before the time was over, and did not come back.
    pub(crate) cut: bool,
}

/// What is sent on the queues of a link: on each a stream of packets with numbers of its own.
pub(crate) struct Generator {
    place: Place,
    /// The number of the first stream: of several generators on one link each has others.
    first: u8,
    streams: Vec<Packets>,
    framing: Framing,
    sizes: Sizes,
    dropped: u64,
    bytes: u64,
    cut: bool,
}

/// How far a run is, which may go over several links.
#[derive(Clone, Copy, Debug)]
struct Run {
    start: Instant,
    /// Packets that were due and are accounted for.
    asked: u64,
    /// The queue whose turn it is.
    lane: usize,
}

impl Generator {
    /// One for all queues of a link.
    pub(crate) fn new(flow: &Flow) -> Self {
        Self::with_place(flow, Place::alone(), 0)
    }

    /// One whose first queue has that stream.
    pub(crate) fn with_place(flow: &Flow, place: Place, first: u8) -> Self {
        let (framing, sizes) = (flow.framing, flow.sizes);
        Self { place, first, streams: Vec::new(), framing, sizes, dropped: 0, bytes: 0, cut: false }
    }

    /// Sends for the time of the flow; `between` is called again and again and says whether it had something to do.
    pub(crate) fn run(
        &mut self,
        tx: &mut [TxQueue],
        flow: &Flow,
        until: &Until,
        mut between: impl FnMut() -> bool,
    ) -> Result<Sent, Error> {
        self.run_over(flow, |generator, run| generator.go_on(run, tx, flow, until, &mut between))
    }

    /// The same over one link after the other, where one may be waited for. What was due meanwhile counts as offered.
    pub(crate) fn run_on_links(
        &mut self,
        link: &mut Link,
        flow: &Flow,
        again: &mut Reconnect<'_>,
        until: &Until,
    ) -> Result<Sent, Error> {
        self.run_over(flow, |generator, run| {
            loop {
                generator.go_on(run, &mut link.tx, flow, until, &mut || false)?;
                if !generator.cut || until.is_over() {
                    return Ok(());
                }
                let next = again.link(until)?;
                generator.skip(run, flow);
                let Some(next) = next else { return Ok(()) };
                *link = next;
            }
        })
    }

    fn run_over(
        &mut self,
        flow: &Flow,
        send: impl FnOnce(&mut Self, &mut Run) -> Result<(), Error>,
    ) -> Result<Sent, Error> {
        if self.sizes != flow.sizes {
            self.sizes = flow.sizes;
            for (stream, packets) in (self.first..).zip(&mut self.streams) {
                *packets = Packets::new(self.framing, self.sizes, stream, packets.number());
            }
        }
        let before = (self.packets(), self.bytes, self.dropped);
        let mut run = Run { start: Instant::now(), asked: 0, lane: 0 };
        send(self, &mut run)?;
        self.tell();
        let packets = self.packets() - before.0;
        Ok(Sent {
            packets,
            bytes: self.bytes - before.1,
            offered: packets + self.dropped - before.2,
            time: run.start.elapsed(),
            cut: self.cut,
        })
    }

    /// Sends over that link until the time is over, or it is cut.
    fn go_on(
        &mut self,
        run: &mut Run,
        tx: &mut [TxQueue],
        flow: &Flow,
        until: &Until,
        between: &mut impl FnMut() -> bool,
    ) -> Result<(), Error> {
        self.cut = false;
        for stream in self.streams.len()..tx.len() {
            let stream = u8::try_from(stream).unwrap_or(u8::MAX).saturating_add(self.first);
            self.streams.push(Packets::new(self.framing, self.sizes, stream, 0));
        }
        match flow.rate {
            None => self.flood(run, tx, flow, until, between),
            Some(rate) => self.paced(run, tx, rate, flow, until, between),
        }
    }

    /// What was due until now, and could not be sent.
    fn skip(&mut self, run: &mut Run, flow: &Flow) {
        let Some(rate) = flow.rate else { return };
        let due = whole(run.start.elapsed().min(flow.time).as_secs_f64() * rate);
        self.dropped += due.saturating_sub(run.asked);
        run.asked = run.asked.max(due);
    }

    /// Says the figures so far, of all runs of this generator.
    #[cold]
    fn tell_so_far(&self, run: &Run, flow: &Flow) -> Result<(), Error> {
        let (packets, bytes, time) = (self.packets(), self.bytes, run.start.elapsed());
        let sent = Sent { packets, bytes, offered: packets + self.dropped, time, cut: false };
        (flow.so_far)(self.sizes, &sent)
    }

    /// Shows how far it is to whoever looks on.
    #[inline]
    fn tell(&self) {
        self.place.tell(self.packets(), self.bytes, 0);
    }

    fn packets(&self) -> u64 {
        self.streams.iter().map(Packets::number).sum()
    }

    fn flood(
        &mut self,
        run: &Run,
        tx: &mut [TxQueue],
        flow: &Flow,
        until: &Until,
        between: &mut impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut idle = 0_u32;
        for round in 0_u64.. {
            if round.is_multiple_of(ROUNDS) && (run.start.elapsed() >= flow.time || until.is_over()) {
                break;
            }
            if round.is_multiple_of(ROUNDS) {
                self.tell();
                if until.takes_figures() {
                    self.tell_so_far(run, flow)?;
                }
            }
            let mut sent = 0;
            for lane in 0..tx.len() {
                sent += self.burst(tx, lane, flow.burst)?;
            }
            if self.cut {
                break;
            }
            if between() || sent > 0 {
                idle = 0;
                continue;
            }
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(PATIENCE) {
                thread::yield_now();
            }
        }
        Ok(())
    }

    fn paced(
        &mut self,
        run: &mut Run,
        tx: &mut [TxQueue],
        rate: f64,
        flow: &Flow,
        until: &Until,
        between: &mut impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let behind = whole(rate * BEHIND.as_secs_f64()).max(4 * flow.burst as u64);
        let mut idle = 0_u32;
        loop {
            let now = run.start.elapsed();
            if now >= flow.time || until.is_over() || self.cut {
                return Ok(());
            }
            self.tell();
            if until.takes_figures() {
                self.tell_so_far(run, flow)?;
            }
            let due = whole(now.as_secs_f64() * rate);
            let mut owed = due.saturating_sub(run.asked);
            let busy = between();
            if owed == 0 {
                idle = if busy { 0 } else { idle.wrapping_add(1) };
                spin_loop();
                if idle > PATIENCE * 100 {
                    thread::yield_now();
                }
                continue;
            }
            if owed > behind {
                run.asked += owed - behind;
                owed = behind;
            }
            let burst = usize::try_from(owed).unwrap_or(usize::MAX).min(flow.burst);
            let sent = self.burst(tx, run.lane, burst)?;
            self.dropped += burst.saturating_sub(sent) as u64;
            run.asked += burst as u64;
            run.lane = (run.lane + 1) % tx.len().max(1);
        }
    }

    /// Sends up to `burst` packets on a queue and says how many there was room for.
    #[inline]
    fn burst(&mut self, tx: &mut [TxQueue], lane: usize, burst: usize) -> Result<usize, Error> {
        let (Some(queue), Some(packets)) = (tx.get_mut(lane), self.streams.get_mut(lane)) else {
            return Ok(0);
        };
        let sent =
            if packets.are_alike() { send_alike(queue, packets, burst) } else { send_mixed(queue, packets, burst) };
        let Ok((bytes, refused, sent)) = sent else {
            self.cut = true;
            return Ok(0);
        };
        self.bytes += bytes;
        match refused {
            None | Some(SendError::Full) => {}
            Some(SendError::TooLong { len, max }) => return Err(too_long(len, max)),
            Some(_) => self.cut = true,
        }
        Ok(sent)
    }

    /// Tells a sink that all was sent, on each queue, and gives it the time to take it.
    pub(crate) fn close(&self, tx: &mut [TxQueue]) {
        let sent = self.packets();
        close(tx, self.framing, sent, sent + self.dropped);
    }

    /// Tells a sink that all was sent, for who has something to do while there is no room.
    pub(crate) fn close_while(&self, tx: &mut [TxQueue], mut between: impl FnMut()) {
        let sent = self.packets();
        let last = last(self.framing, sent, sent + self.dropped);
        for queue in tx {
            let start = Instant::now();
            while matches!(queue.send(&last), Err(SendError::Full)) && start.elapsed() < LAST {
                between();
            }
        }
    }
}

/// Bytes that were sent, why a packet was not, and packets that were; an error where the link is down.
type Burst = Result<(u64, Option<SendError>, usize), SendError>;

/// A function of its own, which has the one call of `push`: it is then no call, and the batch lies in registers.
#[inline(never)]
fn send_alike(queue: &mut TxQueue, packets: &mut Packets, burst: usize) -> Burst {
    let mut batch = queue.reserve()?;
    let (bytes, refused) = packets.send_alike(burst, |packet| batch.push(packet));
    Ok((bytes, refused, batch.commit()))
}

#[inline(never)]
fn send_mixed(queue: &mut TxQueue, packets: &mut Packets, burst: usize) -> Burst {
    let mut batch = queue.reserve()?;
    let (bytes, refused) = packets.send_mixed(burst, |packet| batch.push(packet));
    Ok((bytes, refused, batch.commit()))
}

fn close(tx: &mut [TxQueue], framing: Framing, sent: u64, offered: u64) {
    let last = last(framing, sent, offered);
    for queue in &mut *tx {
        // Whoever does not take it learns nothing from it.
        let _ = queue.send_timeout(&last, LAST);
    }
    let start = Instant::now();
    for queue in tx {
        // Some slaves never show that they took the last packets.
        let _ = queue.flush(Some(LAST.saturating_sub(start.elapsed())));
    }
}

/// Sends with a thread for each queue, on these processors in turn, and tells the sink that all was sent. Says figures
/// so far of all threads together. Gives what one of them failed with as well.
pub(crate) fn run_threads(
    tx: &mut [TxQueue],
    flow: &Flow,
    crew: &Arc<Crew>,
    processors: &[usize],
    until: &Until,
) -> (Sent, Option<Error>) {
    let queues = tx.len().max(1);
    let part = Flow { rate: flow.rate.map(|rate| rate / real(queues as u64)), ..flow.clone() };
    let work = |number, tx: &mut [TxQueue], until: &Until| {
        let stream = u8::try_from(number).unwrap_or(u8::MAX);
        Generator::with_place(&part, crew.place(number), stream).run(tx, &part, until, || false)
    };
    let figures = || {
        let ((packets, bytes), time) = (crew.counts(), crew.epoch.elapsed());
        (flow.so_far)(flow.sizes, &Sent { packets, bytes, offered: packets, time, cut: false })
    };
    let (all, error) = crew::each(tx, processors, until, work, figures);
    let sent = all.into_iter().fold(Sent::default(), |all, one| Sent {
        packets: all.packets + one.packets,
        bytes: all.bytes + one.bytes,
        offered: all.offered + one.offered,
        time: all.time.max(one.time),
        cut: all.cut || one.cut,
    });
    if !sent.cut && error.is_none() {
        close(tx, flow.framing, sent.packets, sent.offered);
    }
    (sent, error)
}

/// Keeps the link open for that time, unless its other end closes it before, or `until` says so where it is given.
pub(crate) fn linger(tx: &[TxQueue], time: Duration, until: Option<&Until>) {
    let start = Instant::now();
    let is_over = || start.elapsed() >= time || until.is_some_and(Until::is_over);
    while tx.iter().all(TxQueue::is_connected) && !is_over() {
        thread::sleep(Duration::from_millis(1));
    }
}

/// What to do about packets that the rings do not carry.
pub(crate) fn too_long(len: usize, max: usize) -> Error {
    Error::Usage(format!(
        "packets of {len} bytes do not fit the rings, which carry {max}: lower --size, or raise --ring-size or \
         --buffer-size at the slave"
    ))
}
