//! Waits that let others have the thread meanwhile, step by step. What a step knows stands in the queue, so a wait can
//! be given up between any two of them.

use std::time::{Duration, Instant};

use super::nap::Nap;
use super::pauses::{LOOKS, Pauses};
use super::rx::RxQueue;
use super::rx_batch::RxBatch;
use super::tx::TxQueue;
use super::wait::{FIRST_SLEEP, look};
use crate::config::RxMode;
use crate::error::{RecvError, SendError};

/// How a wait goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is over.
    Done,
    /// To be asked again as soon as others had the thread.
    Again,
    /// To be asked again when the descriptor of the [`Nap`] is readable.
    Sleep,
}

/// What a queue's waits for packets know, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RxWait {
    /// Adaptive: it looks again and again. What a wait that was given up left of it, the next one goes on with.
    spin: Option<Looks>,
}

/// Looks again and again.
#[derive(Clone, Copy, Debug)]
struct Looks {
    start: Instant,
    /// How long they are worth it.
    time: Duration,
    last: Instant,
}

impl RxQueue {
    /// The packets that are on the ring now, as [`recv`](Self::recv) finds them. Returns whether there are any; bad
    /// ones went back.
    pub(crate) fn find(&mut self, wait: &mut RxWait, max: usize) -> Result<bool, RecvError> {
        self.scan_ring(max)?;
        let found = self.scan.count > 0;
        if !found {
            self.release();
        } else if wait.spin.take().is_some() {
            self.spin.brought_one();
        }
        Ok(found)
    }

    /// The batch of what was [found](Self::find) last.
    pub(crate) fn found(&mut self) -> RxBatch<'_> {
        RxBatch::new(self)
    }

    /// The next step of a wait, as [`wait`](Self::wait) makes them.
    pub(crate) fn step(&mut self, wait: &mut RxWait, nap: &mut Nap) -> Result<Step, RecvError> {
        if self.look()? {
            if wait.spin.take().is_some() {
                self.spin.brought_one();
            }
            return Ok(Step::Done);
        }
        if self.mode == RxMode::Polling {
            self.found_nothing();
            return Ok(Step::Again);
        }
        if self.may_spin() && self.spins_on(wait) {
            self.found_nothing();
            return Ok(Step::Again);
        }
        let first_sleep = self.mode == RxMode::Adaptive && !self.fall_asleep();
        self.take_signal();
        // The last look comes after both: a packet whose signal was just taken, or was never written, is seen here.
        if self.look()? {
            self.slept();
            return Ok(Step::Done);
        }
        let stormy = !self.listens();
        let listens = nap.listen(!stormy, &self.shared);
        if (first_sleep || stormy || !listens) && nap.limit(FIRST_SLEEP).is_err() {
            // No descriptor left for the limit: the thread pauses, or it would look without end.
            std::thread::sleep(FIRST_SLEEP);
            self.ended(nap);
            return Ok(Step::Again);
        }
        Ok(Step::Sleep)
    }

    /// The step after something ended the sleep.
    pub(crate) fn awoke(&mut self, wait: &mut RxWait, nap: &mut Nap) -> Result<Step, RecvError> {
        // A packet says what it was, mostly: it is answered a system call earlier, and if there is more, the next
        // sleep ends at once.
        if self.listens() && self.look()? {
            self.note_sleep(true);
            self.unslept = 0;
            return Ok(Step::Done);
        }
        self.ended(nap);
        self.step(wait, nap)
    }

    /// Notes what ended a sleep. The signal is left to be taken.
    fn ended(&mut self, nap: &mut Nap) {
        let ended = nap.look();
        if ended.peer_gone {
            self.scan.link.lost_peer();
        }
        self.note_sleep(ended.signalled);
        self.unslept = 0;
    }

    fn look(&mut self) -> Result<bool, RecvError> {
        Ok(look(std::slice::from_mut(self))?.is_some())
    }

    /// Whether a wait goes on to look again and again.
    fn spins_on(&mut self, wait: &mut RxWait) -> bool {
        let now = Instant::now();
        // So long ago it was another wait, which was given up.
        let going = wait.spin.filter(|looks| now.saturating_duration_since(looks.last) < FIRST_SLEEP);
        let Looks { start, time, .. } =
            going.unwrap_or_else(|| Looks { start: now, time: self.spin.time(now), last: now });
        let spun = now.saturating_duration_since(start);
        if spun < time {
            wait.spin = Some(Looks { start, time, last: now });
            return true;
        }
        wait.spin = None;
        if !time.is_zero() {
            // Not the time that others had meanwhile.
            self.spin.was_in_vain(spun.min(time), now);
        }
        false
    }
}

/// One wait for something that a transmit queue's peer does and nothing signals.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TxWait {
    looks: u32,
    pauses: Pauses,
    pausing: bool,
}

impl TxWait {
    /// Whether this is the first step: however often it is looked at, the ring was full once.
    pub(crate) fn is_new(&self) -> bool {
        self.looks == 0
    }

    /// How long to pause now.
    pub(crate) fn pause(&self) -> Duration {
        self.pauses.get()
    }
}

impl TxQueue {
    /// It is not so yet: how the wait goes on. `nap` is made when it is needed first.
    pub(crate) fn step(&self, wait: &mut TxWait, nap: &mut Option<Nap>) -> Step {
        if wait.looks < LOOKS {
            wait.looks += 1;
            return Step::Again;
        }
        if wait.pausing {
            // Somebody else woke the task.
            return Step::Sleep;
        }
        let made = match nap {
            Some(nap) => Ok(nap),
            none => self.new_nap().map(|nap| none.insert(nap)),
        };
        match made.and_then(|nap| nap.limit(wait.pauses.get())) {
            Ok(()) => {
                wait.pausing = true;
                Step::Sleep
            }
            // No descriptor left to wait for: the thread pauses, or it would look without end.
            Err(_) => {
                std::thread::sleep(wait.pauses.get());
                wait.pauses.grow();
                Step::Again
            }
        }
    }

    /// Whether the pause is over, or the link.
    pub(crate) fn awoke(&self, wait: &mut TxWait, nap: &mut Nap) -> bool {
        let ended = nap.look();
        if ended.peer_gone {
            self.link.lost_peer();
        }
        let over = ended.time_over || self.link.is_down();
        if over {
            wait.pausing = false;
            wait.pauses.grow();
        }
        over
    }

    /// Counts that a wait found the ring full.
    pub(crate) fn was_full(&self) {
        self.count_full(&SendError::Full);
    }
}
