//! Drives a run of ping over the queues of a link.

use std::fmt::Arguments;
use std::time::{Duration, Instant, SystemTime};

use memif::{Link, RecvError, RxQueue, SendError, TxQueue};

use super::engine::{Engine, Finish, Step};
use super::heard::{Heard, Reply};
use super::report::HeardReport;
use super::statistics::RoundTrip;
use crate::endpoint::record::Tap;
use crate::endpoint::responder::engine::Responder;
use crate::endpoint::signals::Stop;
use crate::error::Error;
use crate::output::{report, say, so_far, warn};

/// The longest sleep: signals are looked at that often.
const SLICE: Duration = Duration::from_millis(50);
/// How long one request waits for a peer that takes no packets.
const PATIENCE: Duration = Duration::from_millis(100);
/// Packets that are looked at in one go.
const BURST: usize = 64;

/// Why driving a run came to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The run is over.
    Finished(Finish),
    /// The link is down; the run can go on over the next one.
    LinkDown,
}

/// Which lines are printed for replies, and how.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lines {
    /// None at all.
    pub(crate) quiet: bool,
    /// Each begins with the time of day.
    pub(crate) timestamps: bool,
}

/// What lasts over all links of a run.
#[derive(Debug)]
pub(crate) struct Runner<'a> {
    stop: &'a Stop,
    /// Answers what the peer asks in between.
    responder: Responder,
    lines: Lines,
    /// Whether it was said that the peer takes no packets.
    told_full: bool,
    /// Whether it was said that the peer's checksums are wrong.
    told_checksum: bool,
    /// Records the packets of the link.
    tap: Option<Tap>,
    request: Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Runner<'a> {
    /// A runner that ends when `stop` says so and answers requests of the peer as `responder` does.
    pub(crate) fn new(stop: &'a Stop, responder: Responder, lines: Lines) -> Self {
        let scratch = vec![0; usize::try_from(memif::MAX_PACKET_SIZE).unwrap_or_default()];
        Self { stop, responder, lines, told_full: false, told_checksum: false, tap: None, request: Vec::new(), scratch }
    }

    /// Has the packets of the next link recorded.
    pub(crate) fn record(&mut self, tap: Option<Tap>) {
        self.tap = tap;
    }

    /// Runs until the run is over or the link is down. Calls `idle` now and then, when there is nothing to send.
    pub(crate) fn drive(
        &mut self,
        engine: &mut Engine,
        link: &mut Link,
        mut idle: impl FnMut() -> Result<(), Error>,
    ) -> Result<Ended, Error> {
        let mut stopping = false;
        let mut turn = 0;
        loop {
            if !stopping && self.stop.is_requested() {
                stopping = true;
                engine.stop(Instant::now());
            }
            if self.stop.takes_figures() {
                tell_so_far(engine)?;
            }
            let ended = match engine.poll(Instant::now(), &mut self.request) {
                Step::Finished(finish) => return Ok(Ended::Finished(finish)),
                Step::Wait(until) => {
                    idle()?;
                    let now = Instant::now();
                    let sleep = until.saturating_duration_since(now).min(SLICE);
                    RxQueue::wait_any(&mut link.rx, Some(sleep)).is_err()
                }
                Step::Send => {
                    let queues = link.tx.len().max(1);
                    turn = (turn + 1) % queues;
                    let Some(tx) = link.tx.get_mut(turn) else { return Ok(Ended::LinkDown) };
                    self.transmit(engine, turn, tx)?
                }
            };
            if ended {
                return Ok(Ended::LinkDown);
            }
            if self.receive(engine, link)? {
                return Ok(Ended::LinkDown);
            }
        }
    }

    /// Sends the request that was written. Tells whether the link is down.
    fn transmit(&mut self, engine: &mut Engine, queue: usize, tx: &mut TxQueue) -> Result<bool, Error> {
        engine.sent(Instant::now());
        // Before it goes: its answer may be there before this thread goes on.
        let sending = self.tap.as_ref().map(Tap::now);
        match tx.send_timeout(&self.request, PATIENCE) {
            Ok(()) => {
                if let (Some(tap), Some(time)) = (&self.tap, sending) {
                    tap.sent_at(time, queue).packet(&self.request);
                }
                Ok(false)
            }
            Err(SendError::Full) => {
                if !self.told_full {
                    self.told_full = true;
                    warn(format_args!("the peer takes no packets; look whether its interface is up"));
                }
                Ok(false)
            }
            Err(SendError::TooLong { len, max }) => {
                let size = engine.plan().size.saturating_sub(len - max.min(len));
                Err(Error::Usage(format!(
                    "--size {} makes packets of {len} bytes and the ring of the slave carries {max}: \
                     give at most --size {size}, or a slave with a larger ring or larger buffers",
                    engine.plan().size,
                )))
            }
            Err(_) => Ok(true),
        }
    }

    /// Takes what arrived. Tells whether the link is down.
    fn receive(&mut self, engine: &mut Engine, link: &mut Link) -> Result<bool, Error> {
        let queues = link.tx.len().max(1);
        for (at, rx) in link.rx.iter_mut().enumerate() {
            let mut batch = match rx.recv(BURST) {
                Ok(batch) => batch,
                Err(RecvError::Disconnected | RecvError::Breach(_)) | Err(_) => return Ok(true),
            };
            for packet in &mut batch {
                let len = packet.copy_to(&mut self.scratch);
                let now = Instant::now();
                let Some(bytes) = self.scratch.get_mut(..len) else { continue };
                if let Some(tap) = &self.tap {
                    tap.received(at).packet(bytes);
                }
                let heard = engine.handle(now, bytes);
                if let Heard::Reply(reply) | Heard::Duplicate(reply) = &heard
                    && !reply.checksum_ok
                    && !self.told_checksum
                {
                    self.told_checksum = true;
                    warn(format_args!(
                        "{} answers with a wrong ICMP checksum, as libmemif's example does; its replies are counted, \
                         as their bytes are right",
                        engine.plan().ends.target(),
                    ));
                }
                if matches!(heard, Heard::Other | Heard::Fragment) {
                    let verdict = self.responder.answer(now, bytes);
                    let Some(tx) = link.tx.get_mut(at % queues) else { continue };
                    for answer in self.responder.answers(verdict, bytes) {
                        // An answer that finds no room is one that the peer can ask for again.
                        if let (Ok(()), Some(tap)) = (tx.send(answer), &self.tap) {
                            tap.sent(at % queues).packet(answer);
                        }
                    }
                } else if !self.lines.quiet {
                    self.lines.tell(engine, &heard)?;
                }
            }
        }
        Ok(false)
    }
}

impl Lines {
    /// Prints what was heard, in the manner of ping(8).
    fn tell(self, engine: &Engine, heard: &Heard) -> Result<(), Error> {
        let target = engine.plan().ends.target();
        report(HeardReport::new(target, engine.plan().size, heard).as_ref())?;
        match heard {
            Heard::Reply(reply) => self.line(format_args!("{}", reply_line(target, reply))),
            Heard::Duplicate(reply) => self.line(format_args!("{} (DUP!)", reply_line(target, reply))),
            Heard::Corrupt(sequence, wrong) => self.line(format_args!(
                "from {target}: icmp_seq={sequence} wrong data byte #{} should be {:#04x} but was {:#04x}",
                wrong.at, wrong.sent, wrong.found,
            )),
            Heard::Length { sequence, found } => self.line(format_args!(
                "from {target}: icmp_seq={sequence} holds {found} data bytes, {} were sent",
                engine.plan().size,
            )),
            Heard::Checksum(_) => self.line(format_args!("from {target}: a packet with a wrong checksum")),
            Heard::Error(error) => {
                let (from, sequence) = (error.from, error.invoking.sequence);
                self.line(format_args!("from {from}: icmp_seq={sequence} {}", error.reason))
            }
            Heard::Resolved(_) | Heard::Fragment | Heard::Other => Ok(()),
        }
    }

    fn line(self, line: Arguments<'_>) -> Result<(), Error> {
        if !self.timestamps {
            return say(line);
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        say(format_args!("[{}.{:06}] {line}", now.as_secs(), now.subsec_micros()))
    }
}

/// Says the figures so far.
pub(crate) fn tell_so_far(engine: &Engine) -> Result<(), Error> {
    let statistics = engine.statistics();
    let lines = statistics.to_string().replace('\n', "; ");
    so_far(format_args!("{lines}"), &statistics.report(engine.plan().ends.target()))
}

fn reply_line(target: std::net::IpAddr, reply: &Reply) -> String {
    format!(
        "{} bytes from {target}: icmp_seq={} ttl={} time={}",
        reply.icmp_len,
        reply.sequence,
        reply.time_to_live,
        RoundTrip(reply.round_trip),
    )
}
