//! Sending, apart from Python.

use std::time::{Duration, Instant};

use memif::{SendError, TxQueue};

use crate::channel::{Channel, Transmitter};
use crate::errors::{self, Failure};

impl Channel {
    /// Sends what there is room for now, without a wait, and counts `sent` up. Whether those are all; what is wrong, a
    /// call that may wait finds as well.
    pub(crate) fn send_now<'p>(
        &self,
        packet: impl Fn(usize) -> Option<&'p [u8]>,
        sent: &mut usize,
        queue: usize,
    ) -> bool {
        let Some(mut transmitter) = self.transmitter.try_lock() else { return false };
        let Transmitter { queues, tap: None, met: met @ None, .. } = &mut *transmitter else { return false };
        let Some(tx) = queues.get_mut(queue) else { return false };
        let stopped = send_some(tx, packet, sent);
        let is_done = matches!(stopped, Ok(None));
        *met = stopped.err();
        is_done
    }

    /// Sends the packets from number `sent` on, which it counts up, waiting for room for as long as `time`. `None`
    /// where some are left.
    pub(crate) fn send<'p>(
        &self,
        packet: impl Fn(usize) -> Option<&'p [u8]>,
        sent: &mut usize,
        queue: usize,
        time: Duration,
    ) -> Result<Option<()>, Failure> {
        let Some(mut transmitter) = self.transmitter.try_lock_for(time) else { return Ok(None) };
        loop {
            if transmitter.queues.is_empty() {
                (transmitter.link, transmitter.queues) = self.take_tx()?;
            }
            let link = transmitter.link;
            let Transmitter { queues, tap, met, .. } = &mut *transmitter;
            let count = queues.len();
            let Some(tx) = queues.get_mut(queue) else {
                return Err(Failure::Queue(format!("no transmit queue {queue}: the link has {count}, from 0 on")));
            };
            let before = *sent;
            let result = match met.take() {
                Some(error) => Err(error),
                None => send_all(tx, &packet, sent, time),
            };
            if let Some(tap) = tap {
                tap.record((before..*sent).filter_map(&packet));
            }
            match result {
                Ok(done) => return Ok(done.then_some(())),
                Err(error @ (SendError::Empty | SendError::TooLong { .. })) => {
                    return Err(errors::sent(error, || self.end(link)));
                }
                Err(error) => {
                    transmitter.queues.clear();
                    if self.is_closed() {
                        return Err(Failure::Closed);
                    }
                    if *sent > 0 || !self.is_known(link) {
                        return Err(errors::sent(error, || self.end(link)));
                    }
                }
            }
        }
    }

    /// Waits until the peer has taken everything that was sent, at most so long. `None` where it has not.
    pub(crate) fn flush(&self, time: Duration) -> Result<Option<()>, Failure> {
        let until = Instant::now() + time;
        let Some(mut transmitter) = self.transmitter.try_lock_for(time) else { return Ok(None) };
        if self.is_closed() {
            return Err(Failure::Closed);
        }
        let link = transmitter.link;
        for queue in &mut transmitter.queues {
            match queue.flush(until.saturating_duration_since(Instant::now())) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => return Err(errors::sent(error, || self.end(link))),
            }
        }
        Ok(Some(()))
    }
}

/// Sends what there is room for in one batch. What it stopped at, if not at the end.
fn send_some<'p>(
    tx: &mut TxQueue,
    packet: impl Fn(usize) -> Option<&'p [u8]>,
    sent: &mut usize,
) -> Result<Option<SendError>, SendError> {
    let mut batch = tx.reserve()?;
    let mut next = *sent;
    let stopped = loop {
        let Some(bytes) = packet(next) else { break None };
        if let Err(error) = batch.push(bytes) {
            break Some(error);
        }
        next += 1;
    };
    let pushed = batch.len();
    let published = batch.commit();
    *sent += published;
    if published < pushed { Err(SendError::Disconnected) } else { Ok(stopped) }
}

/// Sends until all are sent, or there was no room for so long. Returns whether all are.
fn send_all<'p>(
    tx: &mut TxQueue,
    packet: impl Fn(usize) -> Option<&'p [u8]>,
    sent: &mut usize,
    time: Duration,
) -> Result<bool, SendError> {
    let mut until = None;
    loop {
        match send_some(tx, &packet, sent)? {
            None => return Ok(true),
            Some(SendError::Full) => {}
            Some(error) => return Err(error),
        }
        let Some(bytes) = packet(*sent) else { return Ok(true) };
        // A clock is asked where the ring is full, and not before.
        let until = *until.get_or_insert_with(|| Instant::now() + time);
        match tx.send_timeout(bytes, until.saturating_duration_since(Instant::now())) {
            Ok(()) => *sent += 1,
            Err(SendError::Full) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}
