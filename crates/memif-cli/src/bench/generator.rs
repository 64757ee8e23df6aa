//! The end that sends: as fast as it goes, or at a rate.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use memif::{SendError, TxQueue};

use super::link::Until;
use super::packet::{Packets, Sizes};
use crate::exit::Error;
use crate::net::Framing;

/// Bursts between two looks at the clock, which costs as much as several packets.
const ROUNDS: u64 = 64;
/// Fruitless looks at a ring before another thread gets this processor, in case there is only one.
pub(crate) const PATIENCE: u32 = 1000;
/// How far a generator at a rate may fall behind before it leaves packets out. Sending them late, as fast as it
/// goes, would make the receiver lose what it need not.
const BEHIND: Duration = Duration::from_micros(20);
/// How long the last packet may wait for room.
const LAST: Duration = Duration::from_secs(1);
/// How long the receiver has to take what is on the ring, unless it ends the link before.
const LINGER: Duration = Duration::from_millis(500);

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
    /// Whether the link went down before the time was over.
    pub(crate) cut: bool,
}

/// The queues of a link, and what they send.
pub(crate) struct Generator<'q> {
    lanes: Vec<(&'q mut TxQueue, Packets)>,
    framing: Framing,
    dropped: u64,
    bytes: u64,
    cut: bool,
}

impl<'q> Generator<'q> {
    pub(crate) fn new(tx: &'q mut [TxQueue], flow: &Flow) -> Self {
        let packets = || Packets::new(flow.framing, flow.sizes);
        Self {
            lanes: tx.iter_mut().map(|queue| (queue, packets())).collect(),
            framing: flow.framing,
            dropped: 0,
            bytes: 0,
            cut: false,
        }
    }

    /// Sends for the time of the flow; `between` is called again and again and says whether it had something to do.
    pub(crate) fn run(
        &mut self,
        flow: &Flow,
        until: &Until,
        mut between: impl FnMut() -> bool,
    ) -> Result<Sent, Error> {
        let before = (self.packets(), self.bytes, self.dropped);
        let start = Instant::now();
        match flow.rate {
            None => self.flood(flow, start, until, &mut between)?,
            Some(rate) => self.paced(flow, rate, start, until, &mut between)?,
        }
        let packets = self.packets() - before.0;
        Ok(Sent {
            packets,
            bytes: self.bytes - before.1,
            offered: packets + self.dropped - before.2,
            time: start.elapsed(),
            cut: self.cut,
        })
    }

    fn packets(&self) -> u64 {
        self.lanes.iter().map(|(_, packets)| packets.number()).sum()
    }

    fn flood(
        &mut self,
        flow: &Flow,
        start: Instant,
        until: &Until,
        between: &mut impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let mut idle = 0_u32;
        for round in 0_u64.. {
            if round.is_multiple_of(ROUNDS) && (start.elapsed() >= flow.time || until.is_over()) {
                break;
            }
            let mut sent = 0;
            for lane in 0..self.lanes.len() {
                sent += self.burst(lane, flow.burst)?;
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
        flow: &Flow,
        rate: f64,
        start: Instant,
        until: &Until,
        between: &mut impl FnMut() -> bool,
    ) -> Result<(), Error> {
        let behind = whole(rate * BEHIND.as_secs_f64()).max(4 * flow.burst as u64);
        let (mut asked, mut idle, mut lane) = (0, 0_u32, 0);
        loop {
            let now = start.elapsed();
            if now >= flow.time || until.is_over() || self.cut {
                return Ok(());
            }
            let due = whole(now.as_secs_f64() * rate);
            let mut owed = due.saturating_sub(asked);
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
                asked += owed - behind;
                owed = behind;
            }
            let burst = usize::try_from(owed).unwrap_or(usize::MAX).min(flow.burst);
            let sent = self.burst(lane, burst)?;
            self.dropped += burst.saturating_sub(sent) as u64;
            asked += burst as u64;
            lane = (lane + 1) % self.lanes.len().max(1);
        }
    }

    /// Sends up to `burst` packets on a queue and says how many there was room for.
    #[inline]
    fn burst(&mut self, lane: usize, burst: usize) -> Result<usize, Error> {
        let Some((queue, packets)) = self.lanes.get_mut(lane) else { return Ok(0) };
        let Ok(mut batch) = queue.reserve() else {
            self.cut = true;
            return Ok(0);
        };
        let (bytes, refused) = packets.send(burst, |packet| batch.push(packet));
        self.bytes += bytes;
        match refused {
            None | Some(SendError::Full) => {}
            Some(SendError::TooLong { len, max }) => return Err(too_long(len, max)),
            Some(_) => self.cut = true,
        }
        Ok(batch.commit())
    }

    /// Tells a sink that all was sent, and gives it time to take it.
    pub(crate) fn finish(mut self, until: &Until) {
        let mut dropped = self.dropped;
        for (queue, packets) in &mut self.lanes {
            let offered = packets.number() + std::mem::take(&mut dropped);
            // Whoever does not take it learns nothing from it.
            let _ = queue.send_timeout(&packets.last(self.framing, offered), LAST);
        }
        let start = Instant::now();
        let up = |(queue, _): &(&mut TxQueue, Packets)| queue.is_connected();
        while self.lanes.iter().all(up) && start.elapsed() < LINGER && !until.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What to do about packets that the rings do not carry.
pub(crate) fn too_long(len: usize, max: usize) -> Error {
    Error::Usage(format!(
        "packets of {len} bytes do not fit the rings, which carry {max}: lower --size, or raise --ring-size or \
         --buffer-size at the slave"
    ))
}

/// A number of packets.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
pub(crate) fn whole(packets: f64) -> u64 {
    packets as u64
}
