//! The end that receives: it counts, and checks every packet.

use std::thread;
use std::time::{Duration, Instant};

use memif::{RxMode, RxQueue};

use super::generator::PATIENCE;
use super::link::{LOOK, Until};
use super::packet::{Kind, LONGEST, is_next, kind};
use crate::exit::Error;

/// Batches with packets between two looks at the clock.
const BUSY: u32 = 64;
/// Looks at empty rings between two looks at the clock.
const IDLE: u32 = 1024;

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
    /// How long the next one may take, where the generator is not ours: its word that it sent all can be lost on the way.
    pub(crate) silence: Option<Duration>,
}

/// What was received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Of that, what came between the two looks at the clock that are `time` apart.
    pub(crate) measured_packets: u64,
    pub(crate) measured_bytes: u64,
    pub(crate) time: Duration,
    /// Numbers that did not come, or not in order.
    pub(crate) missing: u64,
    /// Packets that were changed on their way.
    pub(crate) corrupted: u64,
    /// Whether the packets have numbers.
    pub(crate) numbered: bool,
    /// What the generator says that it sent and should have sent, if it came to say so.
    pub(crate) sent: Option<(u64, u64)>,
    /// Nothing came for so long that the end was not waited for.
    pub(crate) silent: Option<Duration>,
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
        self.sent.map(|(_, offered)| offered.saturating_sub(self.packets))
    }
}

/// A count for arithmetic.
#[expect(clippy::cast_precision_loss, reason = "a count of more than 2^52 takes years")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// One queue.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    next: u64,
    end: Option<(u64, u64)>,
}

/// Counts, and what the clock said.
struct Sink<'a> {
    catch: &'a Catch,
    lanes: Vec<Lane>,
    received: Received,
    /// The first look that found packets: time, packets and bytes until then.
    first: Option<(Instant, u64, u64)>,
    /// The same where the measurement begins.
    start: Option<(Instant, u64, u64)>,
    /// The last look that found new packets.
    last: Option<(Instant, u64, u64)>,
}

/// Receives until the generator says that it sent all, or the time is over, or nothing comes any more.
pub(crate) fn run(rx: &mut [RxQueue], catch: &Catch, until: &Until) -> Result<Received, Error> {
    let mut sink = Sink {
        catch,
        lanes: vec![Lane::default(); rx.len()],
        received: Received::default(),
        first: None,
        start: None,
        last: None,
    };
    let mut scratch = Box::new([0; LONGEST]);
    let opened = Instant::now();
    let (mut busy, mut idle) = (0_u32, 0_u32);
    let mut down = false;
    while !down {
        let mut got = false;
        for (queue, lane) in rx.iter_mut().zip(0..) {
            match sink.batch(queue, lane, &mut scratch) {
                Some(any) => got |= any,
                None => down = true,
            }
        }
        if got {
            idle = 0;
            busy += 1;
            if busy < BUSY && !sink.is_ended() {
                continue;
            }
        } else if !down {
            idle = idle.wrapping_add(1);
            if idle.is_multiple_of(PATIENCE) {
                thread::yield_now();
            }
            if catch.mode == RxMode::Polling {
                if !idle.is_multiple_of(IDLE) {
                    continue;
                }
            } else {
                // What came is noted before the sleep, which is no part of its time.
                if busy > 0 && sink.look(Instant::now()) {
                    break;
                }
                // A link that is down is told by the next look.
                let _ = RxQueue::wait_any(rx, Some(LOOK));
            }
        }
        busy = 0;
        let now = Instant::now();
        if sink.look(now) || until.is_over() {
            break;
        }
        if sink.first.is_none() && now - opened >= catch.patience {
            return Err(no_packets(catch.patience));
        }
        if let (Some((heard, ..)), Some(silence)) = (sink.last, catch.silence)
            && now - heard >= silence
        {
            sink.received.silent = Some(silence);
            break;
        }
    }
    Ok(sink.finish())
}

impl Sink<'_> {
    /// Takes what is on a ring; says whether there was anything, and `None` when the link is down.
    #[inline]
    fn batch(
        &mut self,
        queue: &mut RxQueue,
        lane: usize,
        scratch: &mut [u8; LONGEST],
    ) -> Option<bool> {
        let mut batch = queue.recv(self.catch.burst).ok()?;
        let any = !batch.is_empty();
        let lane = self.lanes.get_mut(lane)?;
        // In registers, as far as there are enough.
        let (mut next, mut packets, mut bytes) = (lane.next, 0, 0);
        for packet in &mut batch {
            let len = packet.copy_to(scratch);
            packets += 1;
            bytes += packet.len() as u64;
            if is_next(scratch, len, next) {
                next += 1;
                continue;
            }
            lane.next = next;
            let read = scratch.get(..len).unwrap_or_default();
            if !odd_packet(read, lane, &mut self.received) {
                packets -= 1;
                bytes -= packet.len() as u64;
            }
            next = lane.next;
        }
        lane.next = next;
        self.received.packets += packets;
        self.received.bytes += bytes;
        Some(any)
    }

    /// Whether the generator said on all queues that it sent all.
    fn is_ended(&self) -> bool {
        self.lanes.iter().all(|lane| lane.end.is_some())
    }

    /// Notes how far it is; says whether that is all.
    fn look(&mut self, now: Instant) -> bool {
        let (packets, bytes) = (self.received.packets, self.received.bytes);
        let known = self.last.map_or(0, |(_, packets, _)| packets);
        if packets > known {
            let (first, ..) = *self.first.get_or_insert((now, packets, bytes));
            if self.start.is_none() && (now - first >= self.catch.warm_up) {
                self.start = Some((now, packets, bytes));
            }
            self.last = Some((now, packets, bytes));
        }
        let numbered = self.lanes.iter().any(|lane| lane.next > 0);
        let enough = self.start.is_some_and(|(start, ..)| now - start >= self.catch.time);
        self.is_ended() || (enough && !numbered)
    }

    fn finish(mut self) -> Received {
        self.look(Instant::now());
        let received = &mut self.received;
        received.numbered = self.lanes.iter().any(|lane| lane.next > 0);
        if !received.numbered {
            // Packets of another program are as it made them.
            received.corrupted = 0;
        }
        let ends: Option<Vec<_>> = self.lanes.iter().map(|lane| lane.end).collect();
        received.sent =
            ends.map(|ends| ends.iter().fold((0, 0), |sum, end| (sum.0 + end.0, sum.1 + end.1)));
        // Of a run that is shorter than the warm-up, all of it counts.
        if let (Some(start), Some(last)) = (self.start.or(self.first), self.last) {
            received.time = last.0 - start.0;
            received.measured_packets = last.1 - start.1;
            received.measured_bytes = last.2 - start.2;
        }
        self.received
    }
}

/// Looks what a packet is that is not the next of ours. Says whether it counts.
#[cold]
#[inline(never)]
fn odd_packet(packet: &[u8], lane: &mut Lane, received: &mut Received) -> bool {
    match kind(packet) {
        Kind::Data(number) if number >= lane.next => {
            received.missing = received.missing.saturating_add(number - lane.next);
            lane.next = number.saturating_add(1);
        }
        Kind::Data(_) => {}
        Kind::End { sent, offered } => {
            lane.end = Some((sent, offered));
            return false;
        }
        Kind::Other => received.corrupted += 1,
    }
    true
}

fn no_packets(patience: Duration) -> Error {
    Error::NotConnected(format!(
        "the link is up, but no packet came in {} s; start the generator (memif bench --part generator, \
         dpdk-testpmd with --forward-mode=txonly, or VPP's packet generator)",
        patience.as_secs_f64(),
    ))
}
